/**
 * A long search: `node_modules/.bin/deno run -A --no-check tests/sim/soak.ts SEED RUNS`, in as many processes as there are
 * processors, each with seeds of its own. Prints how far it is, and stops at the first schedule that fails.
 *
 * Seed n and run m of a soak are those of `SIM_SEED=n SIM_RUNS=m npm test -- tests/sim/schedules_test.ts`.
 */
import fc from "fast-check";
import { runSchedule } from "./run_schedule.ts";
import { schedules } from "./schedule.ts";

/** Runs of one seed: a failure is found again in so many. */
const RUNS_PER_SEED = 500;

const [firstSeed = 1, runs = 20_000] = Deno.args.map(Number);
const overlaps = new Map<string, number>();
let moves = 0;
let done = 0;
const begin = performance.now();
for (let seed = firstSeed; done < runs; seed++) {
  for (
    const [index, schedule] of fc.sample(schedules, { seed, numRuns: RUNS_PER_SEED }).entries()
  ) {
    const { problems, world } = await runSchedule(schedule);
    done++;
    moves += world.invariants.moves;
    for (const [excuse, milliseconds] of world.invariants.longestOverlaps) {
      overlaps.set(excuse, Math.max(milliseconds, overlaps.get(excuse) ?? 0));
    }
    if (problems.length === 0) continue;
    say(`seed ${seed}, run ${index + 1} fails: ${JSON.stringify(schedule)}`);
    say([...world.lines.slice(-200), ...problems.slice(0, 5)].join("\n"));
    Deno.exit(1);
  }
  const longest = [...overlaps].map(([excuse, most]) => `${excuse} ${Math.round(most)} ms`).join(
    ", ",
  );
  const minutes = ((performance.now() - begin) / 60_000).toFixed(1);
  say(
    `seeds ${firstSeed} to ${seed}: ${done} schedules, ${moves} moves, none failed (${minutes} min)`,
  );
  say(`  longest overlaps: ${longest || "none"}`);
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
