/** Runs a schedule, mends everything, and says what was wrong. */
import { TERM_ANNOTATION } from "../../src/core/names.ts";
import { byText } from "../../src/core/order.ts";
import { virtualIPOf, virtualIPsOf } from "../../src/core/reports.ts";
import type { Gateway } from "../../src/core/types.ts";
import { nodeOf } from "./invariants.ts";
import { perform, worldOf } from "./schedule.ts";
import type { Schedule } from "./schedule.ts";
import type { World } from "./world.ts";

/** Time in which a mended world must have come to rest: detection, failback and a BindFailed or two. */
const CALM_SECONDS = 30;

/** In a mended world nothing is expected to be right before that: a failback waits for 3 s. */
const FIRST_SECONDS = 8;

/** At rest for so long, it stays so: nothing but heartbeats is written. */
const QUIET_SECONDS = 4;

/** What comes of these is not seen at once: agents look on the wire each 10 s. */
const SLOW: readonly string[] = ["foreigner", "lie"];
const SLOW_SECONDS = 16;

/** A trouble drives a gateway away and, when it is over, back; two gateways at the most. */
const MOVES_PER_STEP = 4;
const FEW_MOVES = 4;

export interface Outcome {
  readonly world: World;
  /** Empty: all is well. */
  readonly problems: readonly string[];
}

export async function runSchedule(schedule: Schedule): Promise<Outcome> {
  const world = worldOf(schedule);
  for (const { after, action } of schedule.steps) {
    await world.time.pass(after);
    perform(world, action);
    if (world.invariants.violations.length > 0) break;
  }
  const isSlow = schedule.steps.some(({ action }) => SLOW.includes(action.do));
  await world.pass(isSlow ? SLOW_SECONDS : 4);
  world.log("# mended");
  world.mend();
  const unsettled = await calmDown(world);
  const { violations, moves } = world.invariants;
  const most = FEW_MOVES + MOVES_PER_STEP * schedule.steps.length;
  const restless = moves > most ? [`${moves} moves for ${schedule.steps.length} troubles`] : [];
  return { world, problems: [...violations, ...unsettled, ...restless] };
}

/** Lets time pass until all is well and nothing is written any more; says what is wrong when that takes too long. */
async function calmDown(world: World): Promise<readonly string[]> {
  let quiet = 0;
  for (let second = 1;; second++) {
    const before = world.invariants.writes;
    await world.pass(1);
    const writes = world.invariants.writes - before;
    quiet = writes === 0 ? quiet + 1 : 0;
    if (second < FIRST_SECONDS) continue;
    const wrong = world.gateways().flatMap((gateway) => whatIsWrong(gateway, world));
    const late = second >= CALM_SECONDS + QUIET_SECONDS;
    if (wrong.length === 0 && (quiet >= QUIET_SECONDS || (late && remembers(world)))) return [];
    if (!late) continue;
    return wrong.length > 0 ? wrong : [`${writes} writes in a second though nothing happens`];
  }
}

/** Tells whether a node is to be tried again later, which is written then. */
function remembers(world: World): boolean {
  return world.gateways().some(({ status }) =>
    status.candidates?.some(({ reasons }) => reasons.some(({ retryAfter }) => retryAfter))
  );
}

/** Refused: an older gateway has the VIP. */
function isRefused(gateway: Gateway, world: World): boolean {
  const rivals = world.gateways().filter((other) => virtualIPOf(other) === virtualIPOf(gateway));
  const [oldest] = rivals.sort((a, b) => a.createdAt - b.createdAt || byText(a.name, b.name));
  return oldest?.uid !== gateway.uid;
}

/** A gateway that somebody could hold is held, and everything follows from its status. */
export function whatIsWrong(gateway: Gateway, world: World): readonly string[] {
  const { name, status } = gateway;
  const vip = virtualIPOf(gateway);
  if (
    vip === undefined || isRefused(gateway, world) ||
    !status.candidates?.some(({ eligible }) => eligible)
  ) return [];
  const holder = status.activeNodeName;
  const due = [holder, ...status.standbyNodeNames ?? []];
  const elsewhere = world.invariants.policiesOf(name).filter((policy) =>
    nodeOf(policy) !== holder || policy.annotations[TERM_ANNOTATION] !== String(status.term)
  );
  return [
    ...(status.phase === "Active" ? [] : [`${name} is ${status.phase} after all faults ended`]),
    ...virtualIPsOf(gateway).flatMap((ip) => {
      const speakers = world.speakers(ip);
      const strays = world.bound(ip).filter((node) => !due.includes(node));
      return [
        ...(speakers.join() === holder
          ? []
          : [`[${speakers}] speak for ${ip} of ${name}, ${holder} holds it`]),
        ...strays.map((node) => `${ip} of ${name} is still bound on ${node}`),
      ];
    }),
    ...elsewhere.map((policy) => `policy ${policy.name} names ${nodeOf(policy)}, not ${holder}`),
  ];
}
