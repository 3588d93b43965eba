/** Tries everything that can happen in a small world, breadth first, each world once. */
import { PIN_ANNOTATION, TERM_ANNOTATION } from "../../../src/core/names.ts";
import type { JsonObject } from "../../../src/core/types.ts";
import { meta, object_ } from "../api_server.ts";
import { nodeOf } from "../invariants.ts";
import { agentMoves, isIdle, later, NEWBORN, round } from "./agents.ts";
import { hashOf } from "./canonical.ts";
import { whatIsWrong, withOverlap } from "./checks.ts";
import { controllerMoves } from "./controllers.ts";
import { ciliumPolicyOf, newGateway, statusOf } from "./objects.ts";
import { NODES, speaks, troubled, TROUBLES, withMember } from "./state.ts";
import type { Member, Move, Trouble, World } from "./state.ts";

export interface Exploration {
  readonly worlds: number;
  readonly moves: number;
  /** Nothing is left to try. */
  readonly complete: boolean;
  /** The most moves from the first world to one that was tried. */
  readonly depth: number;
  /** Worlds from which it was seen that all ends well when nothing more befalls them. */
  readonly calmed: number;
  /** What is wrong, after the moves that lead there; undefined: nothing. */
  readonly failure: { readonly wrong: string; readonly moves: readonly string[] } | undefined;
}

export interface Bounds {
  /** So many troubles befall it at the most. */
  readonly troubles: number;
  /** Default: all kinds. */
  readonly kinds?: readonly Trouble[];
  readonly controllers: number;
  /** So much time passes at once. */
  readonly stepMilliseconds: number;
  /** When it begins, and with it agents renew, after a whole second of the server's clock. Default 0. */
  readonly phaseMilliseconds?: number;
  /** Terms beyond are not gone into. */
  readonly terms: number;
  /** No more worlds than these are tried. */
  readonly worlds: number;
}

/** One world in so many is watched until it is at rest. */
const CALM_EVERY = 50;

/** Time in which a world that nothing befalls comes to rest: a stale heartbeat, a fence, a BindFailed or two. */
const CALM_MILLISECONDS = 30_000;

export function explore(bounds: Bounds): Exploration {
  const { terms, worlds } = bounds;
  const first = begun(bounds);
  const seen = new Map<number, { readonly from: number; readonly what: string }>();
  const calm = new Set<number>();
  let moves = 0;
  let calmed = 0;
  let depth = 0;
  const origin = hashOf(first);
  seen.set(origin, { from: origin, what: "" });
  let level: (readonly [number, World])[] = [[origin, first]];
  const outcome = (wrong?: string, at?: number, last?: string): Exploration => ({
    worlds: seen.size,
    moves,
    complete: level.length === 0,
    depth,
    calmed,
    failure: wrong === undefined || at === undefined
      ? undefined
      : { wrong, moves: [...pathTo(at, seen), ...last === undefined ? [] : [last]] },
  });
  while (level.length > 0) {
    const next: [number, World][] = [];
    for (const [hash, world] of level) {
      if (seen.size >= worlds) return outcome();
      for (const { what, world: changed } of movesOf(world)) {
        moves++;
        const after = withOverlap(changed);
        const [wrong] = whatIsWrong(world, after);
        if (wrong !== undefined) return outcome(wrong, hash, what);
        const { term = 0 } = statusOf(after.gateway);
        if (term > terms) continue;
        const reached = hashOf(after);
        if (seen.has(reached)) continue;
        seen.set(reached, { from: hash, what });
        next.push([reached, after]);
        if (seen.size % CALM_EVERY !== 0) continue;
        calmed++;
        const restless = restlessness(after, calm);
        if (restless !== undefined) return outcome(restless, reached);
      }
    }
    level = next;
    depth++;
  }
  return outcome();
}

function movesOf(world: World): readonly Move[] {
  return [
    ...world.controllers.flatMap((_, index) => controllerMoves(world, index)),
    ...NODES.flatMap((node) => agentMoves(world, node)),
    ...personMoves(world),
    ...isIdle(world) && world.controllers.every((each) => each.at === "rest" || each.frozen)
      ? [{ what: `${world.step} ms pass`, world: later(world) }]
      : [],
  ];
}

function personMoves(world: World): readonly Move[] {
  const { a: lease, ...left } = world.leases;
  const pinned = object_(meta(world.gateway)["annotations"] ?? {})[PIN_ANNOTATION];
  const other = pinned === "b" ? "a" : "b";
  return [
    ...troubled(world, "pin").map((next) => ({
      what: `somebody pins ${other}`,
      world: annotated(next, { [PIN_ANNOTATION]: other }),
    })),
    ...lease === undefined ? [] : troubled(world, "delete").map((next) => ({
      what: "somebody deletes the Lease of a",
      world: { ...next, leases: left },
    })),
  ];
}

function annotated(world: World, annotations: JsonObject): World {
  const version = world.version + 1;
  const metadata = { ...meta(world.gateway), annotations, resourceVersion: String(version) };
  return { ...world, version, gateway: { ...world.gateway, metadata } };
}

/** A world in which a holds the gateway in term 1, as it comes to be when nothing befalls it. */
function begun(
  { troubles, kinds = TROUBLES, controllers, stepMilliseconds: step, phaseMilliseconds = 0 }:
    Bounds,
): World {
  const member: Member = {
    until: 0,
    alone: false,
    claimedTerm: undefined,
    stray: undefined,
    frozen: false,
    agent: NEWBORN,
  };
  let world: World = {
    now: phaseMilliseconds,
    step,
    version: 1,
    gateway: newGateway(),
    policy: undefined,
    leases: {},
    controllers: Array.from({ length: controllers }, () => ({ at: "rest" })),
    members: { a: member, b: member },
    troubles: 0,
    kinds,
    claims: [],
    overlapSince: undefined,
  };
  for (let turn = 0; turn < 40; turn++) world = later(turned(world, { agentsFirst: true }));
  const why = unrest(world);
  if (why !== undefined) throw new Error(`The first world is not at rest: ${why}`);
  return { ...world, troubles };
}

/** Everybody does what is due, one after the other. */
function turned(world: World, { agentsFirst }: { readonly agentsFirst: boolean }): World {
  const started = NODES.reduce((before, node) => awake(before, node), world);
  const round_ = (before: World) => NODES.reduce((each, node) => round(each, node), before);
  const ticked = (before: World) =>
    before.controllers.reduce((each, _, index) => wholeTick(each, index), before);
  return agentsFirst ? round_(ticked(round_(started))) : round_(ticked(started));
}

function awake(world: World, node: (typeof NODES)[number]): World {
  const member = world.members[node];
  return withMember(world, node, { frozen: false, agent: member.agent ?? NEWBORN });
}

/** A controller finishes what it does. */
function wholeTick(world: World, index: number): World {
  let next = world;
  for (let request = 0; request < 20; request++) {
    const [move] = controllerMoves(next, index);
    if (move === undefined) return next;
    next = move.world;
    if (next.controllers[index]?.at === "rest") return next;
  }
  throw new Error(`Controller ${index + 1} does not end its tick`);
}

/** Lets time pass without troubles; what is then still not well, if anything. `calm` remembers what ends well. */
function restlessness(world: World, calm: Set<number>): string | undefined {
  const path: number[] = [];
  let next = world;
  for (let passed = 0; passed < CALM_MILLISECONDS; passed += world.step) {
    const hash = hashOf(next);
    if (calm.has(hash)) {
      for (const each of path) calm.add(each);
      return undefined;
    }
    path.push(hash);
    const turned_ = withOverlap(later(turned(next, { agentsFirst: false })));
    const [wrong] = whatIsWrong(next, turned_);
    if (wrong !== undefined && wrong.startsWith("two speak")) {
      return `when nothing more befalls it, ${wrong}`;
    }
    next = turned_;
  }
  const why = unrest(next);
  if (why !== undefined) return `when nothing more befalls it, ${why}`;
  for (const each of path) calm.add(each);
  return undefined;
}

/** What is not as it must be in a world at rest. */
function unrest(world: World): string | undefined {
  const { activeNodeName: holder, phase, term } = statusOf(world.gateway);
  const speakers = NODES.filter((node) => speaks(world, node));
  if (phase !== "Active") return `the gateway is ${phase}`;
  if (speakers.join() !== holder) return `[${speakers}] speak, ${holder} holds it`;
  const policy = world.policy && ciliumPolicyOf(world.policy);
  if (policy === undefined || nodeOf(policy) !== holder) {
    return `the policy does not name ${holder}`;
  }
  if (policy.annotations[TERM_ANNOTATION] !== String(term)) return "the policy is of an older term";
  const ticked = wholeTick(world, 0);
  return ticked.gateway === world.gateway && ticked.policy === world.policy
    ? undefined
    : "something is written though nothing happens";
}

function pathTo(
  hash: number,
  seen: ReadonlyMap<number, { readonly from: number; readonly what: string }>,
): readonly string[] {
  const path: string[] = [];
  for (let at = hash;;) {
    const step = seen.get(at);
    if (step === undefined || step.from === at) return path.reverse();
    path.push(step.what);
    at = step.from;
  }
}
