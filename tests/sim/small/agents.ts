/**
 * Agents of a small world: the real `decide` of the agent, between a heartbeat and a kernel that are written down here as
 * `src/agent/agent.ts`, `heartbeat.ts` and `speech.ts` have them. What an agent hears and what it does about it is one move;
 * it may wait for as long as it likes before that, which is how it is slow, frozen or cut off.
 */
import { decide } from "../../../src/agent/core/decide.ts";
import { DEFAULT_PACE } from "../../../src/agent/core/pace.ts";
import type { AgentPlan, AgentView, Binding } from "../../../src/agent/core/view.ts";
import { rfc3339 } from "../../../src/core/time.ts";
import type { Report } from "../../../src/core/types.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { meta } from "../api_server.ts";
import { EPOCH } from "../virtual_time.ts";
import { gatewayOf, leaseAfter, leaseOf, serverClock, UID, VIP } from "./objects.ts";
import { NODES, speaks, troubled, withMember, withMemory } from "./state.ts";
import type { AgentMemory, Move, NodeName, Renewal, World } from "./state.ts";

/** An agent that has just been started. */
export const NEWBORN: AgentMemory = {
  gateway: undefined,
  deaf: false,
  heard: undefined,
  failedAt: undefined,
  sent: undefined,
  triedAt: -Infinity,
  sentAs: "",
  probe: undefined,
};

/** Looks on the wire while all is well find nothing that the first one did not. */
const PACE = { ...DEFAULT_PACE, probeMilliseconds: Infinity };

/** What the agent of a node may do, or have done to it. */
export function agentMoves(world: World, node: NodeName): readonly Move[] {
  return node === "a" ? movesOfA(world) : movesOfB(world);
}

function movesOfA(world: World): readonly Move[] {
  const { agent, stray, frozen } = world.members.a;
  const arrivals = stray === undefined ? [] : [
    move(
      "a's renewal that was held up arrives",
      renewed(withMember(world, "a", { stray: undefined }), "a", stray),
    ),
  ];
  const born = withMember(world, "a", { agent: NEWBORN });
  if (agent === undefined) return [...arrivals, move("a's agent starts", acted(born, "a"))];
  return [
    ...arrivals,
    ...carried(world),
    ...frozen ? [move("a's agent goes on", withMember(world, "a", { frozen: false }))] : [],
    ...frozen ? [] : dealings(world, agent),
    ...troublesOfA(world, agent),
  ];
}

/** What was sent arrives, whatever became of who sent it. */
function carried(world: World): readonly Move[] {
  const sent = world.members.a.agent?.sent;
  return sent === undefined || sent.answer !== undefined
    ? []
    : [move("a's renewal arrives", carriedOut(world, { node: "a", sent }))];
}

/** What an agent that runs does next. */
function dealings(world: World, { sent }: AgentMemory): readonly Move[] {
  return [
    ...sent?.answer === undefined
      ? []
      : [move("a hears the answer", acted(answeredTo(world, { node: "a", sent }), "a"))],
    ...isNews(world, "a") ? [move("a reads the gateway", acted(reading(world, "a"), "a"))] : [],
    ...isDue(world, "a") ? [move("a's timer ends", acted(world, "a"))] : [],
  ];
}

function troublesOfA(world: World, { sent, deaf }: AgentMemory): readonly Move[] {
  const { frozen } = world.members.a;
  return [
    ...frozen
      ? []
      : troubled(world, "freeze").map((next) =>
        move("a's agent is frozen", withMember(next, "a", { frozen: true }))
      ),
    ...deaf
      ? []
      : troubled(world, "deafen").map((next) =>
        move("a's watch hangs", withMemory(next, "a", { deaf: true }))
      ),
    ...sent === undefined || frozen
      ? []
      : requestsLost(world, sent).map(({ how, next }) =>
        move(`a's renewal fails, ${how}`, acted(failed(next, sent), "a"))
      ),
    ...troubled(world, "stop").map((next) =>
      move("a's agent is stopped", withMember(next, "a", { agent: undefined, frozen: false }))
    ),
  ];
}

/** A renewal fails: its answer is lost, or it is, or it arrives when nobody waits for it any more. */
function requestsLost(
  world: World,
  sent: Renewal,
): readonly { readonly how: string; readonly next: World }[] {
  if (sent.answer !== undefined) {
    return troubled(world, "lose").map((next) => ({ how: "the answer is lost", next }));
  }
  return [
    ...troubled(world, "lose").map((next) => ({ how: "the request is lost", next })),
    ...world.members.a.stray !== undefined ? [] : troubled(world, "hold").map((next) => ({
      how: "the request is under way",
      next: withMember(next, "a", { stray: sent.report }),
    })),
  ];
}

function failed(world: World, { sentAt }: Renewal): World {
  const failedAt = world.members.a.agent?.failedAt ?? sentAt;
  return withMemory(world, "a", { sent: undefined, failedAt });
}

/** Tells whether everything that is under way at the nodes has been done, but for what is held up. */
export function isIdle(world: World): boolean {
  const { agent, frozen } = world.members.a;
  const waits = agent === undefined || frozen ||
    (agent.sent === undefined && !isNews(world, "a") && !isDue(world, "a"));
  return waits && carried(world).length === 0 && !isNews(world, "b");
}

/** All at once, whenever there is something to read; what is due is done as time passes: b's agent is well. */
function movesOfB(world: World): readonly Move[] {
  return isNews(world, "b") ? [move("b goes round", round(world, "b"))] : [];
}

/** Time passes, and b renews in time. */
export function later(world: World): World {
  const next = { ...world, now: world.now + world.step };
  return isDue(next, "b") ? round(next, "b") : next;
}

/** An agent reads, renews, is answered, reads again, and acts on each. */
export function round(world: World, node: NodeName): World {
  const read = (before: World) =>
    acted(withMemory(before, node, { gateway: before.gateway }), node);
  const ready = read(world);
  const sent = ready.members[node].agent?.sent;
  if (sent === undefined) return ready;
  const carried = sent.answer === undefined ? carriedOut(ready, { node, sent }) : ready;
  const answered = carried.members[node].agent?.sent;
  if (answered === undefined) return carried;
  return read(acted(answeredTo(carried, { node, sent: answered }), node));
}

function reading(world: World, node: NodeName): World {
  return withMemory(world, node, { gateway: world.gateway, deaf: false });
}

/** There is something to read; an agent whose watch hangs sees that only when it lists anew, as `Agent` does. */
function isNews(world: World, node: NodeName): boolean {
  const { agent } = world.members[node];
  if (agent === undefined || agent.gateway === world.gateway) return false;
  if (!agent.deaf || agent.gateway === undefined) return true;
  const { term = 0 } = gatewayOf(agent.gateway).status;
  return (agent.heard?.fence[UID] ?? 0) > term;
}

function isDue({ now, members }: World, node: NodeName): boolean {
  const { agent } = members[node];
  return agent !== undefined && agent.sent === undefined &&
    now - agent.triedAt >= TIMINGS.renewalMilliseconds;
}

/** The API server stores a report. */
function renewed(world: World, node: NodeName, report: string): World {
  const lease = leaseAfter(world.leases[node], { world, node, report });
  const told = leaseOf(lease).report?.addresses.find(({ speaking }) => speaking);
  return {
    ...world,
    version: world.version + 1,
    leases: { ...world.leases, [node]: lease },
    claims: told === undefined
      ? world.claims
      : [...new Set([...world.claims, `${node} ${told.term}`])].sort(),
  };
}

function carriedOut(world: World, { node, sent }: { node: NodeName; sent: Renewal }): World {
  const after = renewed(world, node, sent.report);
  const lease = after.leases[node] ?? {};
  const answer = {
    fence: leaseOf(lease).fence,
    leaseUid: String(meta(lease)["uid"]),
    serverTime: serverClock(world),
  };
  return withMemory(after, node, { sent: { ...sent, answer } });
}

/** As `Heartbeat` and `Agent` take an answer. */
function answeredTo(world: World, { node, sent }: { node: NodeName; sent: Renewal }): World {
  const { agent } = world.members[node];
  const { answer, claims, report, sentAt } = sent;
  if (agent === undefined || answer === undefined) return world;
  const before = agent.heard;
  const goesOn = before !== undefined && sentAt - before.sentAt <= TIMINGS.pauseMilliseconds;
  const missed = before === undefined ||
    sentAt - before.sentAt > TIMINGS.missedRenewalMilliseconds;
  const outdated = missed || before.leaseUid !== answer.leaseUid;
  const since = goesOn ? before.since : rfc3339(answer.serverTime);
  return withMemory(world, node, {
    heard: { sentAt, claims, since, ...answer },
    sentAs: report,
    sent: undefined,
    failedAt: undefined,
    ...(outdated ? { gateway: undefined } : {}),
  });
}

/** The agent decides and acts, until there is nothing more to do. */
function acted(world: World, node: NodeName): World {
  let next = world;
  for (let turn = 0; turn < 6; turn++) {
    const { agent } = next.members[node];
    if (agent === undefined) return next;
    const plan = decide(viewOf(next, { node, agent }), PACE);
    const { world, again } = carryOut(next, { node, agent, plan });
    next = world;
    if (!again) return next;
  }
  throw new Error(`The agent of ${node} does not come to rest`);
}

function carryOut(
  world: World,
  { node, agent, plan }: {
    readonly node: NodeName;
    readonly agent: AgentMemory;
    readonly plan: AgentPlan;
  },
): { readonly world: World; readonly again: boolean } {
  const { now } = world;
  const mute = plan.mute.includes(VIP) && speaks(world, node);
  let next = withMember(world, node, {
    ...(mute ? { until: 0, alone: false } : {}),
    ...(plan.giveUp.length > 0 ? { claimedTerm: undefined } : {}),
  });
  if (mute) return { world: next, again: true };
  const { claims } = plan;
  const report = plan.report && withoutSince(plan.report);
  const text = JSON.stringify(report);
  const due = now - agent.triedAt >= TIMINGS.renewalMilliseconds;
  const news = text !== agent.sentAs && agent.failedAt === undefined;
  if (report !== undefined && agent.sent === undefined && (due || news)) {
    next = withMemory(next, node, { sent: { sentAt: now, report: text, claims }, triedAt: now });
  }
  const until = plan.speak.find(({ ip }) => ip === VIP)?.until ?? 0;
  if (until > next.members[node].until) {
    const isCutOff = agent.failedAt !== undefined &&
      agent.failedAt > (agent.heard?.sentAt ?? -Infinity);
    next = withMember(next, node, { until, alone: isCutOff });
  }
  const claimed = agent.heard?.claims[UID];
  if (speaks(next, node) && claimed !== undefined) {
    next = withMember(next, node, { claimedTerm: claimed });
  }
  if (plan.probe.length === 0) return { world: next, again: false };
  const other = NODES.find((each) => each !== node && speaks(world, each));
  const probe = {
    startedAt: now,
    ...(other === undefined ? {} : { mac: `02:00:00:00:00:0${other}` }),
  };
  return { world: withMemory(next, node, { probe }), again: true };
}

/** Since when it renews is asked of a node beside one that is stale, and b is always well. */
function withoutSince(report: Report): Report {
  return { ...report, renewingSince: rfc3339(EPOCH) };
}

function viewOf(
  { members, now }: World,
  { node, agent }: { readonly node: NodeName; readonly agent: AgentMemory },
): AgentView {
  const { until, claimedTerm } = members[node];
  const { gateway, heard, failedAt, probe } = agent;
  const binding: Binding = {
    gateway: "gw",
    uid: UID,
    ip: VIP,
    interface: "eth0",
    speakOn: ["eth0"],
    boundAt: `at-${node}`,
    ...(claimedTerm === undefined ? {} : { claimedTerm }),
  };
  return {
    nodeName: node,
    now,
    gateways: gateway === undefined ? undefined : [gatewayOf(gateway)],
    // The VIP was bound long ago.
    servedAt: new Map(),
    needed: new Map(),
    freshSince: new Map(),
    failedInARow: failedAt === undefined ? 0 : 1,
    fence: heard?.fence ?? {},
    interfaces: [{
      name: "eth0",
      up: true,
      state: "up",
      mac: `02:00:00:00:00:0${node}`,
      addresses: [
        { ip: `172.18.18.1${NODES.indexOf(node)}`, prefixLength: 24, ours: false },
        { ip: VIP, prefixLength: 32, ours: true },
      ],
    }],
    defaultRouteInterface: "eth0",
    bindings: [binding],
    speaking: new Map(until > now ? [[VIP, until]] : []),
    renewal: heard,
    failedAt,
    probes: new Map(probe === undefined ? [] : [[VIP, probe]]),
    announcements: new Map([[VIP, { count: 99, lastAt: now }]]),
    bindFailures: new Map(),
    cilium: undefined,
    unreachable: new Set(),
    uplinks: new Map(),
    leavingAt: undefined,
  };
}

function move(what: string, world: World): Move {
  return { what, world };
}
