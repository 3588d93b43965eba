/** One tick, or a minute of them: the CronJob's container. Exit code 0: done; 1: a tick failed; 2: bad configuration. */
import { runProgram } from "../src/program/run_program.ts";
import { tickJob } from "../src/program/run_tick_job.ts";

await runProgram(tickJob);
