/** Single keys from the terminal. */
import type { ReadStream } from "node:tty";

/**
 * Calls `onKey` for each key until the result is called. Does nothing where standard input is no terminal.
 *
 * A terminal that gives single keys sends no SIGINT: Ctrl-C comes as a key too.
 */
export function readKeys(input: ReadStream, onKey: (key: string) => void): () => void {
  if (!input.isTTY) return () => {};
  const hear = (data: string) => {
    for (const key of data) onKey(key);
  };
  input.setRawMode(true);
  input.setEncoding("utf8");
  input.on("data", hear);
  input.resume();
  return () => {
    input.off("data", hear);
    input.setRawMode(false);
    input.pause();
  };
}

export const CTRL_C = "\x03";
