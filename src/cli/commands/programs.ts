/** `serve`, `knative`, `agent`: what the functions of these names run. */
import type { Command } from "commander";
import { agentProgram } from "../../program/serve_agent.ts";
import { controllerProgram } from "../../program/serve_controller.ts";
import { eventsProgram } from "../../program/serve_events.ts";
import { running } from "../shared/command.ts";

export function serveCommand(): Command {
  return running(
    "serve",
    "tick each second, with health, metrics, a status page and POST /tick",
    controllerProgram,
  );
}

export function knativeCommand(): Command {
  return running(
    "knative",
    "tick on each CloudEvent, as Knative's sources send them",
    eventsProgram,
  );
}

export function agentCommand(): Command {
  return running("agent", "run the agent of this node: heartbeats, and virtual IPs", agentProgram);
}
