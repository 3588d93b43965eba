/** Controllers of a small world: the real `decide`, and one move for each request. */
import { decide } from "../../../src/core/decide.ts";
import { applyMergePatch } from "../../../src/core/merge_patch.ts";
import type { Change, JsonObject } from "../../../src/core/types.ts";
import { FENCE_ANNOTATION } from "../../../src/core/names.ts";
import { meta, object_ } from "../api_server.ts";
import {
  ciliumPolicyOf,
  essential,
  gatewayOf,
  isSame,
  leaseAfter,
  leaseOf,
  serverClock,
  SURROUNDINGS,
  versionOf,
} from "./objects.ts";
import { troubled } from "./state.ts";
import type { Controller, Move, NodeName, World, Write } from "./state.ts";

/** What the controller at an index may do next: send a request, or be stopped and begin anew. */
export function controllerMoves(world: World, index: number): readonly Move[] {
  const controller = world.controllers[index];
  if (controller === undefined) return [];
  const name = `controller ${index + 1}`;
  const move = (what: string, next: World): Move => ({ what: `${name} ${what}`, world: next });
  if (controller.at === "rest") {
    return [move("lists", withController(world, index, listing(world)))];
  }
  if (controller.frozen) {
    const { frozen: _, ...awake } = controller;
    return [move("goes on", withController(world, index, awake))];
  }
  return [
    ...requests(world, { index, controller, move }),
    move("is stopped", withController(world, index, { at: "rest" })),
    ...troubled(world, "freeze controller").map((next) =>
      move("is frozen", withController(next, index, { ...controller, frozen: true }))
    ),
  ];
}

/** What it sends next; the writes of a stage in any order. */
function requests(
  world: World,
  { index, controller, move }: {
    readonly index: number;
    readonly controller: Exclude<Controller, { at: "rest" }>;
    readonly move: (what: string, world: World) => Move;
  },
): readonly Move[] {
  if (controller.at === "listed") {
    const writes = writesOf(world, controller);
    const next: Controller = writes.length === 0 ? { at: "rest" } : { at: "writing", writes };
    return [move("lists the gateways and decides", withController(world, index, next))];
  }
  const stage = Math.min(...controller.writes.map((write) => write.stage));
  return controller.writes.filter((write) => write.stage === stage).map((write) =>
    send(world, { index, writes: controller.writes, write, move })
  );
}
function listing(world: World): Controller {
  return {
    at: "listed",
    now: serverClock(world),
    leases: Object.values(world.leases),
    policies: world.policy === undefined ? [] : [world.policy],
  };
}

/** What the tick writes, without what only people read. */
function writesOf(
  { gateway }: World,
  { now, leases, policies }: Extract<Controller, { at: "listed" }>,
): readonly Write[] {
  const plan = decide({
    ...SURROUNDINGS,
    now,
    leases: leases.map(leaseOf),
    gateways: [gatewayOf(gateway)],
    ciliumPolicies: policies.map(ciliumPolicyOf),
    invalid: [],
  });
  let status = object_(gateway["status"]);
  return [...plan.changes].sort((a, b) => a.stage - b.stage).flatMap((change): Write[] => {
    const { kind, name, stage, body } = change;
    if (kind === "EgressGateway") {
      const next = essential(object_(applyMergePatch(status, body["status"] ?? {})));
      if (isSame(next, status)) return [];
      status = next;
      return [{ kind, name, stage, version: versionFor(change), value: next }];
    }
    if (kind === "Lease") {
      return [{ kind, name, stage, version: versionFor(change), value: fenceOf(change) }];
    }
    if (kind !== "CiliumEgressGatewayPolicy") return [];
    const before = policies[0];
    const value = object_(applyMergePatch(before ?? {}, body));
    return [{ kind, name, stage, version: versionFor(change), value }];
  });
}

function fenceOf({ body }: Change): JsonObject {
  const fence = object_(meta(body)["annotations"])[FENCE_ANNOTATION];
  return object_(JSON.parse(String(fence)));
}

/** A patch that names no version is carried out whatever is there. */
function versionFor({ action, body }: Change): Write["version"] {
  return action === "create" ? undefined : versionOf(body) ?? "any";
}

/** One write is carried out, or meets another version: then nothing that would follow from it is written. */
function send(
  world: World,
  { index, writes, write, move }: {
    readonly index: number;
    readonly writes: readonly Write[];
    readonly write: Write;
    readonly move: (what: string, world: World) => Move;
  },
): Move {
  const what = `writes ${write.kind}/${write.name}`;
  if (write.version !== "any" && write.version !== versionOf(storedFor(world, write))) {
    return move(`${what}: conflict`, withController(world, index, { at: "rest" }));
  }
  const stored = store(world, write);
  const version = String(stored.version);
  const left = writes.filter((other) => other !== write).map((other) =>
    other.kind === write.kind && other.kind === "EgressGateway" ? { ...other, version } : other
  );
  const next: Controller = left.length === 0 ? { at: "rest" } : { at: "writing", writes: left };
  return move(what, withController(stored, index, next));
}

function storedFor({ gateway, policy, leases }: World, { kind, name }: Write) {
  if (kind === "EgressGateway") return gateway;
  return kind === "Lease" ? leases[name as NodeName] : policy;
}

function store(world: World, { kind, name, value }: Write): World {
  const version = world.version + 1;
  const metadata = { resourceVersion: String(version) };
  switch (kind) {
    case "EgressGateway":
      return {
        ...world,
        version,
        gateway: {
          ...world.gateway,
          metadata: { ...meta(world.gateway), ...metadata },
          status: value,
        },
      };
    case "Lease": {
      const node = name as NodeName;
      const lease = leaseAfter(world.leases[node], { world, node, fence: value });
      return { ...world, version, leases: { ...world.leases, [node]: lease } };
    }
    case "CiliumEgressGatewayPolicy":
      return { ...world, version, policy: { ...value, metadata: { ...meta(value), ...metadata } } };
  }
}

export function withController(world: World, index: number, controller: Controller): World {
  return { ...world, controllers: world.controllers.with(index, controller) };
}
