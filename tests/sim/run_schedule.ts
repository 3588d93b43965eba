/** Runs a schedule, mends everything, and says what was wrong. */
import { TERM_ANNOTATION } from "../../src/core/names.ts";
import { byText } from "../../src/core/order.ts";
import { virtualIPOf } from "../../src/core/reports.ts";
import type { Gateway } from "../../src/core/types.ts";
import { nodeOf } from "./invariants.ts";
import { perform, worldOf } from "./schedule.ts";
import type { Schedule } from "./schedule.ts";
import type { World } from "./world.ts";

/** Time in which a mended world must have come to rest: detection, failback and a BindFailed or two. */
const CALM_SECONDS = 30;

/** Then nothing but heartbeats is written. */
const QUIET_SECONDS = 4;

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
  await world.pass(4);
  world.log("# mended");
  world.mend();
  await world.pass(CALM_SECONDS);
  const unsettled = world.gateways().flatMap((gateway) => whatIsWrong(gateway, world));
  const quiet = await isQuiet(world);
  return { world, problems: [...world.invariants.violations, ...unsettled, ...quiet] };
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
  const speakers = world.speakers(vip);
  const bound = world.bound(vip);
  const due = [holder, ...status.standbyNodeNames ?? []];
  const strays = bound.filter((node) => !due.includes(node));
  const elsewhere = world.invariants.policiesOf(name).filter((policy) =>
    nodeOf(policy) !== holder || policy.annotations[TERM_ANNOTATION] !== String(status.term)
  );
  return [
    ...(status.phase === "Active" ? [] : [`${name} is ${status.phase} after all faults ended`]),
    ...(speakers.join() === holder ? [] : [`[${speakers}] speak for ${name}, ${holder} holds it`]),
    ...strays.map((node) => `${vip} of ${name} is still bound on ${node}`),
    ...elsewhere.map((policy) => `policy ${policy.name} names ${nodeOf(policy)}, not ${holder}`),
  ];
}

/** Only heartbeats are written, unless a node is to be tried again later. */
async function isQuiet(world: World): Promise<readonly string[]> {
  const remembered = world.gateways().some(({ status }) =>
    status.candidates?.some(({ reasons }) => reasons.some(({ retryAfter }) => retryAfter))
  );
  const before = world.invariants.writes;
  await world.pass(QUIET_SECONDS);
  const writes = world.invariants.writes - before;
  return writes === 0 || remembered ? [] : [`${writes} writes though nothing happens`];
}
