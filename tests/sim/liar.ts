/**
 * Somebody who has the token of one node's agent, and writes to that node's Lease what he likes.
 *
 * The node's own agent may go on beside him, in the same Lease, or be gone.
 */
import fc from "fast-check";
import {
  AGENT_MANAGER,
  CONTROLLER_MANAGER,
  FENCE_ANNOTATION,
  NAMESPACE,
  REPORT_ANNOTATION,
} from "../../src/core/names.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import type { Gateway, JsonObject } from "../../src/core/types.ts";
import { ROUTER } from "./objects.ts";
import type { Pending } from "./virtual_time.ts";
import type { World } from "./world.ts";

/** What is said, and how; each member is a lie of its own. */
export interface Lies {
  readonly node: string;
  readonly everyMilliseconds: number;
  /** As which field manager the Lease is written. */
  readonly manager: "agent" | "controller" | "both" | "stranger";
  /** Says that it speaks for every VIP, in whose name and in which term. */
  readonly claims: "none" | "own" | "foreign" | "new each time";
  readonly term: "as it is" | "rising" | "huge" | "one more" | "negative";
  /** Says that it has heard every term, or a higher one. */
  readonly heard: "nothing" | "all" | "huge";
  readonly says: readonly (
    | "conflict"
    | "failures"
    | "unreachable"
    | "leaving"
    | "own address"
    | "other macs"
    | "cilium"
    | "dead uplink"
    | "good uplink"
    | "long"
    | "many"
    | "boundAt"
    | "never"
    | "no fence"
    | "high fence"
    | "not JSON"
  )[];
}

export const lies: fc.Arbitrary<Omit<Lies, "node">> = fc.record({
  everyMilliseconds: fc.integer({ min: 200, max: 1_500 }),
  manager: fc.constantFrom("agent", "agent", "both", "controller", "stranger"),
  claims: fc.constantFrom("none", "own", "foreign", "new each time"),
  term: fc.constantFrom("as it is", "rising", "huge", "one more", "negative"),
  heard: fc.constantFrom("nothing", "all", "huge"),
  says: fc.uniqueArray(
    fc.constantFrom(
      "conflict",
      "failures",
      "unreachable",
      "leaving",
      "own address",
      "other macs",
      "cilium",
      "dead uplink",
      "good uplink",
      "long",
      "many",
      "boundAt",
      "never",
      "no fence",
      "high fence",
      "not JSON",
    ),
    { maxLength: 3 },
  ),
});

/** What was said may count for as long as a Lease is fresh, and a fence is waited for. */
const ECHO_MILLISECONDS = 10_000;

export class Liar {
  readonly #lies: Lies;
  readonly #world: World;
  #told = 0;
  #next: Pending;

  constructor(lies: Lies, world: World) {
    this.#lies = lies;
    this.#world = world;
    world.machine(lies.node).liesUntil = Infinity;
    this.#next = world.time.after(0, () => this.#go());
  }

  stop(): void {
    this.#next.cancelled = true;
    this.#world.machine(this.#lies.node).liesUntil = this.#world.time.now + ECHO_MILLISECONDS;
  }

  #go(): void {
    const { server, time } = this.#world;
    const { node, everyMilliseconds } = this.#lies;
    this.#told++;
    if (server.up) {
      server.handle({
        method: "PATCH",
        path: `${PATHS.Lease}/${node}`,
        query: { fieldManager: this.#manager, force: true },
        contentType: "application/apply-patch+yaml",
        body: this.#lease(),
      }, { identity: "agent" });
    }
    this.#next = time.after(everyMilliseconds, () => this.#go());
  }

  get #manager(): string {
    const { manager } = this.#lies;
    if (manager === "stranger") return "stranger";
    const asController = manager === "controller" || (manager === "both" && this.#told % 2 === 0);
    return asController ? CONTROLLER_MANAGER : AGENT_MANAGER;
  }

  #says(what: Lies["says"][number]): boolean {
    return this.#lies.says.includes(what);
  }

  #lease(): JsonObject {
    const { node } = this.#lies;
    const report = this.#says("not JSON") ? "{" : JSON.stringify(this.#report());
    const terms = this.#world.gateways().map(({ uid }) =>
      [uid, this.#says("high fence") ? Number.MAX_SAFE_INTEGER : 0] as const
    );
    const forges = this.#says("high fence") || this.#says("no fence");
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: {
        name: node,
        namespace: NAMESPACE,
        annotations: {
          [REPORT_ANNOTATION]: report,
          ...(forges ? { [FENCE_ANNOTATION]: JSON.stringify(Object.fromEntries(terms)) } : {}),
        },
      },
      spec: { holderIdentity: node },
    };
  }

  #report(): JsonObject {
    const { node } = this.#lies;
    const { machines, server } = this.#world;
    const gateways = this.#world.gateways();
    const vips = [...new Set(gateways.flatMap(({ status }) => status.egressIP ?? []))];
    const macs = this.#says("other macs") ? [...this.#world.foreigners.values()] : [];
    const others = machines.filter(({ name }) => name !== node);
    const long = "x".repeat(5_000);
    return {
      interfaces: [
        {
          name: "eth0",
          up: true,
          mac: this.#world.machine(node).mac,
          addresses: this.#says("own address") ? vips.map((ip) => `${ip}/24`) : [],
        },
        ...[...macs, ...(this.#says("other macs") ? others.map(({ mac }) => mac) : [])]
          .map((mac, index) => ({ name: `eth${index + 1}`, up: true, mac, addresses: [] })),
      ],
      ...(this.#says("cilium") || this.#says("long")
        ? { cilium: { ready: false, message: this.#says("long") ? long : "no" } }
        : {}),
      addresses: gateways.flatMap((gateway) => this.#addressesOf(gateway)),
      failures: this.#says("failures")
        ? gateways.flatMap(({ name }) =>
          ["BindFailed", "AddressConflict", "InterfaceMissing"].map((reason) => ({
            gateway: name,
            reason,
            message: this.#says("long") ? long : `no ${this.#told}`,
          }))
        )
        : [],
      uplinks: gateways.map(({ name, uid }) => ({
        gateway: name,
        uid,
        reached: this.#says("good uplink") ? [ROUTER] : [],
        lost: this.#says("dead uplink") ? [ROUTER, ...(this.#says("long") ? [long] : [])] : [],
        ...(this.#says("long") ? { problem: long } : {}),
      })),
      unreachable: this.#says("unreachable") ? others.map(({ name }) => name) : [],
      heard: this.#lies.heard === "nothing"
        ? {}
        : Object.fromEntries(gateways.map(({ uid, status }) => [
          uid,
          this.#lies.heard === "huge" ? Number.MAX_SAFE_INTEGER : status.term ?? 0,
        ])),
      leaving: this.#says("leaving"),
      renewingSince: this.#says("never")
        ? null
        : new Date(server.clock() - 3_600_000).toISOString(),
    };
  }

  #addressesOf({ name, uid, status }: Gateway): readonly JsonObject[] {
    const { claims } = this.#lies;
    if (claims === "none" || status.egressIP === undefined) return [];
    const told = { own: uid, foreign: "uid-x", "new each time": `uid-${this.#told}` }[claims];
    const address = {
      gateway: name,
      uid: told,
      term: this.#termFrom(status.term ?? 0),
      ip: status.egressIP,
      interface: "eth0",
      boundAt: this.#says("boundAt")
        ? new Date(this.#told * 1_000).toISOString()
        : "2026-11-23T09:00:00.000Z",
      speaking: true,
      ...(this.#says("conflict") ? { conflict: `02:66:66:66:66:${10 + this.#told % 90}` } : {}),
    };
    const copies = this.#says("many") ? 60 : 1;
    return Array.from(
      { length: copies },
      (_, index) => index === 0 ? address : { ...address, uid: `${told}-${index}` },
    );
  }

  #termFrom(term: number): number {
    switch (this.#lies.term) {
      case "rising":
        return this.#told;
      case "huge":
        return Number.MAX_SAFE_INTEGER;
      case "one more":
        return term + 1;
      case "negative":
        return -1;
      case "as it is":
        return term;
    }
  }
}
