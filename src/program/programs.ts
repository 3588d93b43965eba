/** The programs by the names that `functions/` and the permission sets of deno.json have for them. */
import { tickJob } from "./run_tick_job.ts";
import { agentProgram } from "./serve_agent.ts";
import { controllerProgram } from "./serve_controller.ts";
import { eventsProgram } from "./serve_events.ts";

export const PROGRAMS = {
  tick: tickJob,
  server: controllerProgram,
  knative: eventsProgram,
  agent: agentProgram,
} as const;

export type ProgramName = keyof typeof PROGRAMS;
