/** Values of flags; what cannot be read becomes commander's own error, which names the flag. */
import { InvalidArgumentError } from "commander";
import { parseDuration, parseInterval } from "../program/duration.ts";
import { messageOf } from "../core/message.ts";

/** Milliseconds of `55s`. */
export const duration = argument(parseDuration);

/** Milliseconds of `1s`, Infinity of `off`. */
export const interval = argument(parseInterval);

function argument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(messageOf(error));
    }
  };
}

export function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("Write a port from 0 to 65535.");
}
