/** What must be so at every moment, whatever happens. Violations are collected, with the time and the cause. */
import {
  BOUND_AT_ANNOTATION,
  GATEWAY_LABEL,
  HOSTNAME_LABEL,
  TERM_ANNOTATION,
} from "../../src/core/names.ts";
import { EVERY_NODE, nodesOf } from "../../src/core/node_set.ts";
import { policyOf } from "../../src/core/policy_parts.ts";
import { networksOf } from "../../src/core/cilium_spec.ts";
import { familyOf } from "../../src/core/ip_family.ts";
import { areSameIPs, egressIPsOf, virtualIPsOf } from "../../src/core/reports.ts";
import { TIMINGS } from "../../src/core/timings.ts";
import type { CiliumPolicy, Gateway, JsonObject } from "../../src/core/types.ts";
import { decodeCiliumPolicy, decodeGateway } from "../../src/cluster/decoders/kinds.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import type { AgentProcess } from "./agent_process.ts";
import type { Commit } from "./api_server.ts";
import type { Machine } from "./machine.ts";
import { SPREAD } from "./objects.ts";
import type { World } from "./world.ts";

/**
 * How long a node that is cut off from the API server may go on beside a new holder: its agent looks on the wire each
 * second, and then needs a moment. One that is stopped in between goes on for what it last let its kernel say: 3 s from
 * the beginning of a look that showed nobody.
 */
const OVERLAP_MILLISECONDS = 2_500;
const STOPPED_OVERLAP_MILLISECONDS = TIMINGS.speechMilliseconds;

/** A virtual machine that goes on may say what it was allowed to say when it was stopped. */
const RESUMED_MILLISECONDS = TIMINGS.speechMilliseconds;

/** While clocks of API servers are wrong, and until ages are no more counted across that. */
const CLOCKS_MILLISECONDS = 10_000;

/** After a restore, who had the VIP goes on until it has heard, from its heartbeat, of what is so now. */
const RESTORED_MILLISECONDS = 10_000;

/**
 * A claim in the name of a gateway that is gone, or that had the VIP before, may be hidden by an older renewal that arrives
 * late. The next renewal shows it, a tick fences it, and no permission outlives a fence by more.
 */
const OVERTAKEN_MILLISECONDS = TIMINGS.fenceMilliseconds;

/** The kernel counts from the moment it is told, which may be so much after the agent counted. */
const GRANT_MILLISECONDS = 110;

/** A node that was stopped in the middle of a command to its kernel finishes it before it can notice. */
const THAW_MILLISECONDS = 30;

/** A tick, with a second or two for late answers. */
const TICK_MILLISECONDS = 3_000;

/** So many terms may be believed lost at once: whoever pushes them with a stolen token gets no further at a move. */
const MOST_LOST_TERMS = 1_000_000;

/** Why two nodes may be heard for a while, which is bounded for each: Limits in ARCHITECTURE.md. */
export type Excuse = "cut off" | "resumed" | "clocks" | "restored" | "overtaken";

export class Invariants {
  readonly violations: string[] = [];
  /** The longest overlap of two speakers by what excused it. Milliseconds. */
  readonly longestOverlaps = new Map<Excuse, number>();
  /** How often a gateway got another holder. */
  moves = 0;
  /** Writes that were no heartbeats and no person's. */
  writes = 0;
  readonly #world: World;
  readonly #overlaps = new Map<string, number>();
  readonly #terms = new Map<
    string,
    { readonly term: number; readonly phase: string | undefined }
  >();
  /** `uid term` -> who holds it with which VIP. */
  #isSpread = false;
  readonly #holders = new Map<string, string>();
  /** Policy -> uid of the gateway of whose terms its annotation tells. */
  readonly #writtenFor = new Map<string, string>();

  /** `node VIP term` -> when a Lease last said that it speaks. */
  readonly #claims = new Map<string, number>();
  /** Gateway uid -> the highest term that a fence or a report ever told of; a term that begins is above. */
  readonly #told = new Map<string, number>();
  /** Node -> until when its kernel may speak by what the API server last answered its agent. */
  readonly #granted = new Map<string, number>();
  /** `node VIP` whose speech rests on a look on the wire. */
  readonly #alone = new Set<string>();

  /** Node -> its agent's process, and when the first renewal of that was answered. */
  readonly #heard = new Map<string, { readonly agent: AgentProcess; readonly at: number }>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The longest overlap that was excused. Milliseconds. */
  get longestOverlap(): number {
    return Math.max(0, ...this.longestOverlaps.values());
  }

  complain(message: string): void {
    if (this.violations.length > 20) return;
    this.violations.push(`${(this.#world.time.now / 1_000).toFixed(3)} ${message}`);
    this.#world.log(`VIOLATION ${message}`);
  }

  /** After each event: no two nodes that reach the API server speak for one VIP, and others not for long. */
  check(): void {
    const { machines, time } = this.#world;
    const vips = new Set(machines.flatMap(({ bound }) => bound));
    for (const machine of machines) {
      this.#noteUnable(machine);
      this.#noteGrant(machine);
    }
    const seen = new Set<string>();
    for (const vip of vips) {
      const speakers = machines.filter((machine) => machine.maySpeak(vip));
      if (speakers.length < 2) continue;
      const key = `${vip} ${speakers.map(({ name }) => name).join(" ")}`;
      seen.add(key);
      const begin = this.#overlaps.get(key) ?? time.now;
      this.#overlaps.set(key, begin);
      // Where somebody else reports in a node's name, that node may be heard beside others; never two others.
      const honest = speakers.filter(({ lies }) => !lies);
      if (honest.length < 2) continue;
      const overlap = time.now - begin;
      const excuse = this.#excuseFor(honest, vip);
      if (excuse === undefined) {
        this.complain(`two speak for ${key}`);
        continue;
      }
      this.longestOverlaps.set(excuse, Math.max(overlap, this.longestOverlaps.get(excuse) ?? 0));
      if (overlap > this.#limitOf(excuse, { speakers: honest, begin })) {
        this.complain(`two speak for ${key} for ${overlap} ms (${excuse})`);
      }
    }
    for (const key of this.#overlaps.keys()) if (!seen.has(key)) this.#overlaps.delete(key);
  }

  /** Why these may be heard at once for a while; undefined: they may not. */
  #excuseFor(speakers: readonly Machine[], vip: string): Excuse | undefined {
    const { server, time } = this.#world;
    if (time.now - server.restoredAt < RESTORED_MILLISECONDS) return "restored";
    if (server.areClocksDoubtful(CLOCKS_MILLISECONDS)) return "clocks";
    const stayed = speakers.filter(({ resumedAt }) => time.now - resumedAt > RESUMED_MILLISECONDS);
    if (stayed.length < 2) return "resumed";
    const entitled = stayed.filter(({ name }) => !this.#alone.has(`${name} ${vip}`));
    if (entitled.length < 2) return "cut off";
    // Its last word is an older one, and tells nothing of a claim in the name of a gateway that is gone.
    const hidden = entitled.filter(({ link }) =>
      time.now - link.overtakenAt < OVERTAKEN_MILLISECONDS
    );
    return hidden.length > 0 && this.#isOfOthers(entitled, vip) ? "overtaken" : undefined;
  }

  /** Tells whether they speak for a VIP in the names of two gateways. */
  #isOfOthers(speakers: readonly Machine[], vip: string): boolean {
    const uids = speakers.map(({ memory }) => memory.find(({ ip }) => ip === vip)?.uid);
    return new Set(uids).size > 1;
  }

  #limitOf(
    excuse: Excuse,
    { speakers, begin }: { readonly speakers: readonly Machine[]; readonly begin: number },
  ): number {
    switch (excuse) {
      case "restored":
        return RESTORED_MILLISECONDS;
      case "resumed":
        return RESUMED_MILLISECONDS;
      case "overtaken":
        return OVERTAKEN_MILLISECONDS;
      case "clocks":
        return STOPPED_OVERLAP_MILLISECONDS;
      case "cut off":
        return speakers.some((machine) => !this.#hasRun(machine, begin))
          ? STOPPED_OVERLAP_MILLISECONDS
          : OVERLAP_MILLISECONDS;
    }
  }

  /** A node's kernel begins to answer for a VIP: by then all policies send the traffic there. */
  onSpeech(machine: Machine, vip: string): void {
    this.#world.log(`${machine.name} speaks for ${vip}`);
    if (this.#isExcused(machine)) return;
    const known = this.#world.agents.get(machine.name)?.gateways ?? [];
    // Watches that stood still tell of several terms within moments; it speaks in one of them.
    const duties = known.filter(({ spec: { sourceIP }, status }) =>
      sourceIP.mode === "VirtualIPAddress" && egressIPsOf(status).includes(vip) &&
      status.activeNodeName === machine.name && status.phase === "Active"
    );
    if (duties.length === 0) {
      return this.complain(`${machine.name} speaks for ${vip} without a duty`);
    }
    // Not now, for an older renewal may have overtaken the claim; but a permission is no older than its claim.
    const gateway = duties.find(({ status: { term } }) => {
      const claimed = this.#claims.get(`${machine.name} ${vip} ${term}`) ?? -Infinity;
      return this.#world.time.now - claimed <= TIMINGS.speechMilliseconds;
    });
    if (gateway === undefined) {
      return this.complain(`${machine.name} speaks for ${vip} before its Lease said so`);
    }
    // An agent that does not hear that its gateway is gone, or needs another address, speaks for what nobody else wants.
    const now = this.#world.gateway(gateway.name);
    if (now?.uid !== gateway.uid || !egressIPsOf(now.status).includes(vip)) return;
    for (const policy of this.policiesOf(gateway.name)) {
      // Of the other family, which has an address of its own.
      if (familyOf(networksOf(policy.spec, "destinationCIDRs")[0] ?? "") !== familyOf(vip)) {
        continue;
      }
      const way = `${nodeOf(policy)} with ${egressIPOf(policy)}`;
      // In a gateway that nobody holds any more, or that had no VIP in between, a word too much reaches nobody.
      const isUsed = nodeOf(policy) !== undefined && egressIPOf(policy) !== undefined;
      if (way !== `${machine.name} with ${vip}` && isUsed) {
        const { term } = gateway.status;
        this.complain(`${machine.name} speaks for ${vip} in term ${term}, policies name ${way}`);
      }
    }
  }

  onCommit({ collection, name, before, after, by }: Commit): void {
    if (by === "controller") this.writes++;
    if (collection === PATHS.Lease) this.#noteClaims(name);
    if (collection === PATHS.CiliumEgressGatewayPolicy) this.#checkShares();
    if (after === undefined || by === "agent") return;
    if (collection === PATHS.EgressGateway) {
      const gateway = decoded(decodeGateway(after));
      const earlier = before && decoded(decodeGateway(before));
      if (gateway !== undefined) this.#checkStatus(gateway, by);
      if (gateway !== undefined && earlier !== undefined) this.#checkChange(earlier, gateway);
    }
    if (collection === PATHS.CiliumEgressGatewayPolicy) this.#checkPolicy({ name, before, after });
    if (by === "controller") this.#world.log(`write ${collection.split("/").pop()}/${name}`);
  }

  #noteClaims(node: string): void {
    const { report, fence = {} } = this.#world.lease(node) ?? {};
    for (const { ip, speaking, term } of report?.addresses ?? []) {
      if (speaking) this.#claims.set(`${node} ${ip} ${term}`, this.#world.time.now);
    }
    const terms = [
      ...Object.entries(fence),
      ...Object.entries(report?.heard ?? {}),
      ...(report?.addresses ?? []).map(({ uid, term }) => [uid, term] as const),
    ];
    for (const [uid, term] of terms) {
      if (uid !== undefined) this.#told.set(uid, Math.max(term, this.#told.get(uid) ?? 0));
    }
  }

  policiesOf(gateway: string): readonly CiliumPolicy[] {
    return this.#world.server.list(PATHS.CiliumEgressGatewayPolicy).flatMap((object) => {
      const policy = decoded(decodeCiliumPolicy(object));
      return policy?.labels[GATEWAY_LABEL] === gateway ? [policy] : [];
    });
  }

  /** Once every node has a gateway by the policy that is spread, each of them has one for good. */
  #checkShares(): void {
    const parts = this.#world.server.list(PATHS.CiliumEgressGatewayPolicy).flatMap((object) =>
      decoded(decodeCiliumPolicy(object)) ?? []
    ).filter((part) => policyOf(part) === SPREAD);
    const named = new Set(parts.flatMap(({ spec }) => [...nodesOf(spec)]));
    if (named.size === EVERY_NODE.size) this.#isSpread = true;
    else if (this.#isSpread) {
      this.complain(`${EVERY_NODE.size - named.size} kinds of nodes have no gateway any more`);
    }
  }

  #checkStatus({ name, uid, status }: Gateway, by: string): void {
    const { term = 0, phase, activeNodeName } = status;
    const before = this.#terms.get(uid);
    if (by === "controller" && term !== before?.term) {
      this.#world.log(`${name} term ${term} ${phase} ${activeNodeName}`);
    } else if (phase !== before?.phase) this.#world.log(`${name} term ${term} ${phase}`);
    this.#terms.set(uid, { term, phase });
    const told = Math.max(before?.term ?? 0, this.#told.get(uid) ?? 0);
    const most = Math.min(told, (before?.term ?? 0) + MOST_LOST_TERMS) + 1;
    if (before !== undefined && (term < before.term || term > most)) {
      this.complain(`the term of ${name} goes from ${before.term} to ${term}`);
    }
    if (before?.term === term && before.phase === "Active" && phase !== "Active") {
      this.complain(`term ${term} of ${name} goes from Active back to ${phase}`);
    }
    if (term === 0) return;
    const holder = `${activeNodeName} ${[...egressIPsOf(status)].sort()}`;
    const known = this.#holders.get(`${uid} ${term}`);
    if (known !== undefined && known !== holder) {
      this.complain(`term ${term} of ${name} belongs to ${known} and to ${holder}`);
    }
    this.#holders.set(`${uid} ${term}`, holder);
  }

  /** A gateway that serves is taken from its holder only for another, or since nobody may hold it. */
  #checkChange({ status: before }: Gateway, { name, spec, uid, status }: Gateway): void {
    const holder = before.activeNodeName;
    if (holder === undefined || holder === status.activeNodeName) return;
    if (status.activeNodeName !== undefined) {
      this.moves++;
      return;
    }
    const vips = spec.sourceIP.mode === "VirtualIPAddress" ? spec.sourceIP.ips : [];
    const rivals = this.#world.gateways().filter((other) =>
      other.uid !== uid && virtualIPsOf(other).some((ip) => vips.includes(ip))
    );
    if (vips.length === 0 || !areSameIPs(vips, egressIPsOf(before)) || rivals.length > 0) return;
    const mayDrop = spec.whenNoneEligible === "Drop" &&
      !status.candidates?.some(({ eligible }) => eligible);
    if (!mayDrop) this.complain(`${name} is taken from ${holder} for nobody`);
  }

  /** A policy names a node only after the VIP was bound there, and never goes back to an older term. */
  #checkPolicy(
    { name, before, after }: { name: string; before: JsonObject | undefined; after: JsonObject },
  ): void {
    const policy = decoded(decodeCiliumPolicy(after));
    const earlier = before && decoded(decodeCiliumPolicy(before));
    if (policy === undefined) return;
    const node = nodeOf(policy);
    const machine = this.#world.machines.find((other) => other.name === node);
    const vip = egressIPOf(policy);
    // One that was just switched on is known by what it said before, until it was heard and a tick is over that read that.
    const { agent, at = Infinity } = this.#heard.get(node ?? "") ?? {};
    const speaksUp = agent === this.#world.agents.get(node ?? "") &&
      this.#world.time.now - at > TICK_MILLISECONDS;
    if (
      machine?.powered && !machine.lies && speaksUp && typeof vip === "string" &&
      machine.lastBound(vip) === undefined
    ) {
      this.complain(`policy ${name} names ${node}, where ${vip} was never bound`);
    }
    const gateway = this.#world.gateway(policy.labels[GATEWAY_LABEL] ?? "");
    const [term, last] = [policy, earlier].map((each) =>
      Number(each?.annotations[TERM_ANNOTATION])
    );
    const { status: { term: current = 0, phase, egressIP } = {}, uid } = gateway ?? {};
    const bound = policy.annotations[BOUND_AT_ANNOTATION];
    this.#world.log(`policy ${name} names ${node ?? "no node"} term ${term} bound ${bound ?? "-"}`);
    if (term === undefined || last === undefined) return;
    // Without an address to hand over a term is Active before its policies are written; who decided the one before may be late.
    if (term < current && phase === "Active" && egressIP !== undefined) {
      this.complain(`policy ${name} is written for term ${term} in term ${current}`);
    }
    if (term < last && current >= last && this.#writtenFor.get(name) === uid) {
      this.complain(`policy ${name} goes from term ${last} back to ${term} (gateway ${uid})`);
    }
    if (uid !== undefined && term === current) this.#writtenFor.set(name, uid);
  }

  /** Terms and policies go back with etcd. */
  onRestore(): void {
    this.#isSpread = false;
    this.#terms.clear();
    this.#holders.clear();
  }

  /** A node that could not yet notice that it can reach the API server again, in whose name somebody else reports, or whose clock stood still. */
  #isExcused(machine: Machine): boolean {
    const process = this.#world.agents.get(machine.name)?.process;
    return machine.link.isImpaired || machine.lies ||
      this.#world.time.now - machine.resumedAt < RESUMED_MILLISECONDS ||
      (process !== undefined && this.#world.time.now - process.thawedAt < THAW_MILLISECONDS);
  }

  /** An agent lets its kernel speak: as an answer of the API server allows, or alone, after a look on the wire. */
  onPermission({ name }: Machine, vip: string, until: number): void {
    const granted = this.#granted.get(name) ?? -Infinity;
    if (until > granted + GRANT_MILLISECONDS) this.#alone.add(`${name} ${vip}`);
    else this.#alone.delete(`${name} ${vip}`);
  }

  #noteGrant({ name }: Machine): void {
    const agent = this.#world.agents.get(name);
    const ago = agent?.renewedAgo;
    if (agent === undefined || ago === undefined) return;
    if (this.#heard.get(name)?.agent !== agent) {
      this.#heard.set(name, { agent, at: this.#world.time.now });
    }
    const until = this.#world.time.now - ago + TIMINGS.speechMilliseconds;
    this.#granted.set(name, Math.max(until, this.#granted.get(name) ?? -Infinity));
  }

  /** Tells whether a node's agent ran, without a stop, since a moment. */
  #hasRun({ name }: Machine, since: number): boolean {
    const agent = this.#world.agents.get(name);
    return agent?.process.state === "runs" && !agent.isBlind && agent.startedAt < since &&
      agent.process.thawedAt < since;
  }

  #noteUnable(machine: Machine): void {
    const agent = this.#world.agents.get(machine.name);
    if (agent?.process.state !== "runs" || agent.isBlind) machine.link.prolong();
  }
}

function egressIPOf({ spec }: CiliumPolicy): unknown {
  return (spec["egressGateway"] as JsonObject | undefined)?.["egressIP"];
}

/** The node that a policy sends traffic to. */
export function nodeOf({ spec }: CiliumPolicy): string | undefined {
  const egress = spec["egressGateway"] as JsonObject | undefined;
  const selector = egress?.["nodeSelector"] as JsonObject | undefined;
  const labels = selector?.["matchLabels"] as JsonObject | undefined;
  const name = labels?.[HOSTNAME_LABEL];
  return typeof name === "string" ? name : undefined;
}

function decoded<T>(result: { readonly object: T } | { readonly invalid: unknown }): T | undefined {
  return "object" in result ? result.object : undefined;
}
