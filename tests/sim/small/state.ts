/**
 * A world small enough to try everything that can happen in it: plain data, and every change makes a new one.
 *
 * Whatever is under way happens in any order before time passes. What goes on longer than that is a trouble, and so many of
 * them may befall a world at any moments: node a's agent is frozen or stopped, its watch hangs, its renewal or the answer is
 * lost or held up; a controller is frozen between two requests; a person pins the gateway elsewhere or deletes a's Lease.
 * That a controller is stopped between two requests is no trouble, it always may. Node b's agent is well. Times are milliseconds since `EPOCH`, in steps, by one clock for all: what clocks do is tried by schedules.
 */
import type { JsonObject } from "../../../src/core/types.ts";

export const NODES = ["a", "b"] as const;
export type NodeName = (typeof NODES)[number];

/** A write that a controller has decided on and not sent yet. */
export interface Write {
  readonly kind: "EgressGateway" | "Lease" | "CiliumEgressGatewayPolicy";
  readonly name: string;
  readonly stage: number;
  /** The object's resourceVersion when it was read; undefined: it is to be created; `any`: whatever is there is patched. */
  readonly version: string | undefined;
  /** What is to be there then: the gateway's status, the Lease's fence, the whole policy. */
  readonly value: JsonObject;
}

/** Where a controller is in its tick. It may go on at any time, or never. */
export type Controller =
  | { readonly at: "rest" }
  /** It has listed what gateways cause, and not yet the gateways. */
  | {
    readonly at: "listed";
    readonly now: number;
    readonly leases: readonly JsonObject[];
    readonly policies: readonly JsonObject[];
    readonly frozen?: true;
  }
  | { readonly at: "writing"; readonly writes: readonly Write[]; readonly frozen?: true };

/** A renewal that was sent; `answer` when it was carried out. */
export interface Renewal {
  readonly sentAt: number;
  /** The report, JSON. */
  readonly report: string;
  readonly claims: Readonly<Record<string, number>>;
  readonly answer?: Answer;
}

export interface Answer {
  readonly fence: Readonly<Record<string, number>>;
  readonly leaseUid: string;
  readonly serverTime: number;
}

/** One node: its kernel, its agent's file, and its agent's memory, which is gone when the agent is stopped. */
export interface Member {
  /** Until when the kernel may speak; it forgets nothing when the agent is stopped. */
  readonly until: number;
  /** That rests on a look on the wire, not on an answer of the API server. */
  readonly alone: boolean;
  readonly claimedTerm: number | undefined;
  /** A request that its sender has given up on, and that may arrive yet. */
  readonly stray: string | undefined;
  readonly frozen: boolean;
  /** Undefined: stopped. */
  readonly agent: AgentMemory | undefined;
}

export interface AgentMemory {
  /** The gateway as last read; undefined: to be read first. */
  readonly gateway: JsonObject | undefined;
  /** Its watch hangs: it reads nothing more until it lists anew. */
  readonly deaf: boolean;
  readonly heard:
    | (Omit<Renewal, "report" | "answer"> & Answer & { readonly since: string })
    | undefined;
  readonly failedAt: number | undefined;
  readonly sent: Renewal | undefined;
  readonly triedAt: number;
  readonly sentAs: string;
  readonly probe: { readonly startedAt: number; readonly mac?: string } | undefined;
}

export interface World {
  readonly now: number;
  /** So much time passes at once, and things happen in any order meanwhile. Milliseconds. */
  readonly step: number;
  /** Of the last write. */
  readonly version: number;
  readonly gateway: JsonObject;
  readonly policy: JsonObject | undefined;
  readonly leases: Readonly<Partial<Record<NodeName, JsonObject>>>;
  readonly controllers: readonly Controller[];
  readonly members: Readonly<Record<NodeName, Member>>;
  /** So many troubles may still befall it, of these kinds. */
  readonly troubles: number;
  readonly kinds: readonly Trouble[];
  /** `node term`: a Lease has said that the node speaks in that term. */
  readonly claims: readonly string[];
  /** Since when two have been heard, where that is excused. */
  readonly overlapSince: number | undefined;
}

export const TROUBLES = [
  /** The agent of a is frozen, and goes on whenever it likes. */
  "freeze",
  /** The watch of a hangs. */
  "deafen",
  /** A renewal of a, or the answer to it, is lost. */
  "lose",
  /** A renewal of a is held up: its sender gives up on it, and it arrives when it likes. */
  "hold",
  /** The agent of a is stopped, and started when it likes. */
  "stop",
  /** A controller is frozen between two requests, and goes on whenever it likes. */
  "freeze controller",
  /** Somebody pins the gateway to the other node. */
  "pin",
  /** Somebody deletes the Lease of a. */
  "delete",
] as const;
export type Trouble = (typeof TROUBLES)[number];

/** One thing that can happen next. */
export interface Move {
  readonly what: string;
  readonly world: World;
}

export function withMember(world: World, node: NodeName, change: Partial<Member>): World {
  return {
    ...world,
    members: { ...world.members, [node]: { ...world.members[node], ...change } },
  };
}

export function withMemory(world: World, node: NodeName, change: Partial<AgentMemory>): World {
  const { agent } = world.members[node];
  return agent === undefined ? world : withMember(world, node, { agent: { ...agent, ...change } });
}

export function speaks({ members, now }: World, node: NodeName): boolean {
  return members[node].until > now;
}

/** The same world after one more trouble of a kind; nothing: it may not befall it. */
export function troubled(world: World, kind: Trouble): readonly World[] {
  return world.troubles > 0 && world.kinds.includes(kind)
    ? [{ ...world, troubles: world.troubles - 1 }]
    : [];
}
