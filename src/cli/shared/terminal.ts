/** The one way to standard output and standard error: nothing that a cluster says reaches a terminal as a command to it. */
import process from "node:process";
import { printable } from "../../core/printable.ts";

/** Writes a result. */
export function print(text: string): void {
  process.stdout.write(printable(text));
}

/** Writes one line of a result. */
export function say(text: string): void {
  print(`${text}\n`);
}

/** Writes a line for the person beside the result. */
export function complain(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

/** Whoever reads the result may have seen enough, as `head` has; what is under way is finished all the same. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}
