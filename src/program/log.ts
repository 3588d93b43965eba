/** Logs: one JSON object or one line of text per event. */
import { configureSync, getLogger } from "@logtape/logtape";
import type { Logger, LogLevel, LogRecord } from "@logtape/logtape";
import { printable, printableLine } from "../core/printable.ts";

export type { Logger };

export interface LogOptions {
  readonly format: "json" | "text";
  readonly level: LogLevel;
  /** Takes a line with its end. */
  readonly write: (line: string) => void;
}

/** Sets up the program's logger. */
export function createLogger(options: LogOptions): Logger {
  const format = options.format === "json" ? formatJson : formatText;
  configureSync({
    reset: true,
    sinks: { lines: (record) => options.write(format(record)) },
    loggers: [
      { category: "sallyport", sinks: ["lines"], lowestLevel: options.level },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  return getLogger("sallyport");
}

function formatJson({ timestamp, level, message, properties }: LogRecord): string {
  const time = new Date(timestamp).toISOString();
  const event = { time, level, message: message.map(String).join(""), ...properties };
  return `${printable(JSON.stringify(event))}\n`;
}

function formatText({ timestamp, level, message, properties }: LogRecord): string {
  const text = printableLine(message.map(String).join(""));
  const mark = properties["dryRun"] === true ? " (dry run)" : "";
  return `${new Date(timestamp).toISOString()} ${level.padEnd(7)} ${text}${mark}\n`;
}
