/** Values of flags; what cannot be read becomes commander's own error, which names the flag. */
import { InvalidArgumentError } from "commander";
import { parseDuration } from "../duration.ts";

/** Milliseconds of `55s`. */
export function duration(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

export function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("Write a port from 0 to 65535.");
}
