/** Ticks on CloudEvents: the sink of Knative's ApiServerSource and PingSource. */
import { runProgram } from "../src/program/run_program.ts";
import { eventsProgram } from "../src/program/serve_events.ts";

await runProgram(eventsProgram);
