/** Logs: one JSON object or one line of text per event, on standard error. */
import process from "node:process";
import { configureSync, getLogger } from "@logtape/logtape";
import type { Logger, LogLevel, LogRecord } from "@logtape/logtape";
import type { TickResult } from "../controller/tick.ts";

export type { Logger };

/** Sets up the program's logger. Standard output is left to results. */
export function createLogger(
  options: { readonly format: "json" | "text"; readonly level: LogLevel },
): Logger {
  const format = options.format === "json" ? formatJson : formatText;
  configureSync({
    reset: true,
    sinks: { stderr: (record) => void process.stderr.write(format(record)) },
    loggers: [
      { category: "sallyport", sinks: ["stderr"], lowestLevel: options.level },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  return getLogger("sallyport");
}

function formatJson({ timestamp, level, message, properties }: LogRecord): string {
  const time = new Date(timestamp).toISOString();
  return `${
    JSON.stringify({ time, level, message: message.map(String).join(""), ...properties })
  }\n`;
}

function formatText({ timestamp, level, message }: LogRecord): string {
  return `${new Date(timestamp).toISOString()} ${level.padEnd(7)} ${
    message.map(String).join("")
  }\n`;
}

/** What of a tick is worth reading later: changes of holder, writes, problems. Quiet ticks leave a debug line. */
export function logTick(
  logger: Logger,
  { plan, results, problems, durationMilliseconds }: TickResult,
): void {
  const took = Math.round(durationMilliseconds);
  for (const gateway of plan.gateways) {
    const { name, decision, activeNodeName, previousNodeName, phase, term, message } = gateway;
    if (decision === "Keep" || (decision === "None" && activeNodeName === previousNodeName)) {
      continue;
    }
    logger.info("{decision} {gateway}: {message}", {
      gateway: name,
      decision,
      from: previousNodeName,
      to: activeNodeName,
      phase,
      term,
      message,
    });
  }
  for (const { change, result } of results) {
    const { action, kind, name } = change;
    logger.debug("{action} {kind}/{name}: {result}", { action, kind, name, result });
  }
  for (const warning of plan.warnings) logger.warn("{warning}", { warning });
  for (const problem of problems) logger.error("{problem}", { problem });
  const written = results.filter(({ result }) => result === "written").length;
  logger.debug("Tick took {took} ms, {written} writes", { took, written });
}
