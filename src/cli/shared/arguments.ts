/** Values of flags; what cannot be read becomes commander's own error, which names the flag. */
import { InvalidArgumentError } from "commander";
import { messageOf } from "../../core/message.ts";
import { parseDuration } from "../../program/duration.ts";

/** Milliseconds of `55s`. */
export function duration(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

export function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("Write a port from 0 to 65535.");
}
