/** The resident controller: ticks by itself, and answers HTTP (health, metrics, status page, `POST /tick`). */
import { runProgram } from "../src/program/run_program.ts";
import { controllerProgram } from "../src/program/serve_controller.ts";

await runProgram(controllerProgram);
