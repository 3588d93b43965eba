/**
 * Worlds in which the same can happen are one world. Times count by their age and, where nothing is decided from a greater
 * one, up to that; resourceVersions count by whether they are still the object's; controllers are alike.
 */
import { TIMINGS } from "../../../src/core/timings.ts";
import type { JsonObject, Lease } from "../../../src/core/types.ts";
import { EPOCH } from "../virtual_time.ts";
import { ciliumPolicyOf, gatewayOf, leaseOf, versionOf } from "./objects.ts";
import { NODES } from "./state.ts";
import type { Controller, NodeName, World } from "./state.ts";

/** No decision asks of a time of this kind whether it is longer ago; a step more, so that "more than" is one of them. */
const MOST = {
  speech: TIMINGS.speechMilliseconds + TIMINGS.clockGrainMilliseconds,
  lease: TIMINGS.timeoutMilliseconds + TIMINGS.clockGrainMilliseconds,
  move: TIMINGS.bindTimeoutMilliseconds + TIMINGS.clockGrainMilliseconds,
  served: TIMINGS.hearMilliseconds + TIMINGS.clockGrainMilliseconds,
  since: TIMINGS.timeoutMilliseconds + TIMINGS.clockGrainMilliseconds,
  tried: TIMINGS.renewalMilliseconds,
} as const;

/** A number for all worlds that are one; of two worlds that are not, the numbers are equal once in 2^53 times. */
export function hashOf(world: World): number {
  return hashed(JSON.stringify(partsOf(world)));
}

function partsOf(world: World): unknown {
  const { now, gateway, policy, leases, controllers, troubles, claims } = world;
  const server = EPOCH + Math.floor(now / 1_000) * 1_000;
  const lease = (object: JsonObject) => leaseParts(leaseOf(object), server);
  const { term = 0 } = gatewayOf(gateway).status;
  return [
    now % 1_000,
    troubles,
    gatewayParts(gateway, world),
    policy === undefined ? null : policyParts(policy),
    NODES.map((node) => {
      const stored = leases[node];
      return stored === undefined ? null : lease(stored);
    }),
    NODES.map((node) => memberParts(node, world)),
    controllers.map((controller) => JSON.stringify(controllerParts(controller, world)))
      .sort(),
    claims.filter((claim) => Number(claim.split(" ")[1]) >= term - 1),
    age(world.overlapSince, now, MOST.speech),
  ];
}

function gatewayParts(gateway: JsonObject, { now }: World): unknown {
  const { status, annotations } = gatewayOf(gateway);
  const { lastFailover, candidates, history: _, ...rest } = status;
  return [
    annotations,
    rest,
    candidates?.map(({ reasons, ...candidate }) => [
      candidate,
      reasons.map(({ type, retryAfter }) => [type, ageOf(retryAfter, now)]),
    ]),
    lastFailover && aged(lastFailover, {
      now,
      most: status.phase === "Active" ? MOST.served : MOST.move,
    }),
  ];
}

function policyParts(policy: JsonObject): unknown {
  const { annotations, spec } = ciliumPolicyOf(policy);
  return [annotations, spec["egressGateway"]];
}

function leaseParts({ renewedAt, fencedAt, fence, report }: Lease, server: number): unknown {
  return [
    age(renewedAt, server, MOST.lease),
    age(fencedAt, server, MOST.lease),
    fence,
    report?.addresses.map(({ term, speaking, conflict }) => [term, speaking, conflict]),
    report?.heard,
    sinceOf(report?.renewingSince, server - EPOCH),
  ];
}

function memberParts(node: NodeName, { members, now, gateway }: World): unknown {
  const { until, alone, claimedTerm, stray, frozen, agent } = members[node];
  const speaking = until > now;
  const shared = [frozen, speaking ? until - now : 0, speaking && alone, claimedTerm ?? null];
  if (agent === undefined) return [...shared, reportParts(stray, now)];
  const { heard, failedAt, sent, probe } = agent;
  const isCutOff = failedAt !== undefined && failedAt > (heard?.sentAt ?? -Infinity);
  return [
    ...shared,
    reportParts(stray, now),
    agent.deaf,
    agent.gateway === undefined
      ? null
      : agent.gateway === gateway
      ? "as it is"
      : gatewayParts(agent.gateway, { now } as World),
    heard &&
    [
      age(heard.sentAt, now, MOST.speech),
      heard.claims,
      heard.fence,
      heard.leaseUid,
    ],
    isCutOff,
    sent &&
    [
      age(sent.sentAt, now, MOST.speech),
      sent.claims,
      reportParts(sent.report, now),
      sent.answer?.fence,
      sent.answer?.leaseUid,
    ],
    sent === undefined && [age(agent.triedAt, now, MOST.tried), reportParts(agent.sentAs, now)],
    probe &&
    [
      probe.mac,
      isCutOff && [age(probe.startedAt, now, MOST.speech), probe.startedAt < (failedAt ?? 0)],
    ],
  ];
}

function reportParts(report: string | undefined, now: number): unknown {
  if (report === undefined || report === "") return null;
  const { addresses, heard, renewingSince } = JSON.parse(report);
  return [addresses, heard, sinceOf(renewingSince, now)];
}

function controllerParts(
  controller: Controller,
  world: World,
): unknown {
  switch (controller.at) {
    case "rest":
      return null;
    case "listed": {
      const { leases, policies, now } = controller;
      return [
        controller.frozen,
        age(now, EPOCH + world.now, MOST.move),
        leases.map((
          object,
        ) => [leaseParts(leaseOf(object), now), isFresh(object, Object.values(world.leases))]),
        policies.map((object) => [policyParts(object), isFresh(object, [world.policy])]),
      ];
    }
    case "writing":
      return [
        controller.frozen,
        controller.writes.map(({ kind, name, stage, value, version }) => {
          const stored = kind === "EgressGateway"
            ? world.gateway
            : kind === "Lease"
            ? world.leases[name as NodeName]
            : world.policy;
          const parts = kind === "EgressGateway"
            ? gatewayParts({ ...world.gateway, status: value }, world)
            : kind === "Lease"
            ? value
            : policyParts(value);
          return [kind, name, stage, parts, version === "any" || version === versionOf(stored)];
        }),
      ];
  }
}

function isFresh(object: JsonObject, stored: readonly (JsonObject | undefined)[]): boolean {
  return stored.some((each) => versionOf(each) === versionOf(object));
}

function age(at: number | undefined, now: number, most: number): number | null {
  return at === undefined ? null : Math.min(now - at, most);
}

function ageOf(time: string | undefined, now: number): number | null {
  if (time === undefined) return null;
  // What lies ahead is remembered until then.
  return Math.max(-MOST.move, Math.min(EPOCH + now - Date.parse(time), MOST.move));
}

/** A value with ages in place of times. */
function aged(value: unknown, at: { readonly now: number; readonly most: number }): unknown {
  if (typeof value === "string") {
    return /^\d{4}-\d\d-\d\dT/.test(value) ? Math.min(ageOf(value, at.now) ?? 0, at.most) : value;
  }
  if (Array.isArray(value)) return value.map((item) => aged(item, at));
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value).map(([key, member]) => [key, aged(member, at)]);
}

function sinceOf(since: string | null | undefined, now: number): number | null {
  return typeof since === "string" ? Math.min(EPOCH + now - Date.parse(since), MOST.since) : null;
}

/** cyrb53, a hash of 53 bits. */
function hashed(text: string): number {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 2_654_435_761);
    low = Math.imul(low ^ code, 1_597_334_677);
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^
    Math.imul(low ^ (low >>> 13), 3_266_489_909);
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^
    Math.imul(high ^ (high >>> 13), 3_266_489_909);
  return 4_294_967_296 * (2_097_151 & low) + (high >>> 0);
}
