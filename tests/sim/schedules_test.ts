/**
 * Made-up schedules of faults and of what people do, in one simulated world: whatever befalls it, no two nodes that reach
 * the API server speak for one VIP, and once the faults end one node does.
 *
 * SIM_RUNS=1000 tries so many schedules, however long that takes; SIM_SEED begins somewhere else.
 */
import fc from "fast-check";
import { runSchedule } from "./run_schedule.ts";
import { schedules } from "./schedule.ts";

const DEFAULT_RUNS = 60;
const DEFAULT_MILLISECONDS = 25_000;
const LINES_SHOWN = 150;

Deno.test("no schedule of faults makes two holders, and all of them end well", async () => {
  const [runs, seed] = ["SIM_RUNS", "SIM_SEED"].map((name) => Deno.env.get(name));
  const limits = runs === undefined
    ? { numRuns: DEFAULT_RUNS, interruptAfterTimeLimit: DEFAULT_MILLISECONDS }
    : { numRuns: Number(runs) };
  const property = fc.asyncProperty(schedules, async (schedule) => {
    const { problems, world } = await runSchedule(schedule);
    if (problems.length === 0) return;
    const shown = [...world.lines.slice(-LINES_SHOWN), ...problems.slice(0, 5)];
    throw new Error(shown.join("\n"));
  });
  await fc.assert(property, {
    ...limits,
    // Shrinking is worth its time only where somebody asked for many runs.
    ...(runs === undefined ? { endOnFailure: true } : {}),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  });
});
