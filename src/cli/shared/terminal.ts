/** The one way to standard output and standard error: nothing that a cluster says reaches a terminal as a command to it. */
import process from "node:process";
import { printable } from "../../core/printable.ts";
import { isColourful, paint } from "./paint.ts";

/** Stands at the end of every line, as `(dry run)`. */
let mark = "";

/** From here on every line that says something ends with this. */
export function markLines(text: string): void {
  mark = text;
}

function marked(text: string): string {
  return mark === "" ? text : text.replaceAll(/[^\n]+/g, (line) => line + mark);
}

function painted(text: string, stream: { readonly isTTY?: boolean }): string {
  return isColourful(stream, process.env) ? paint(text) : text;
}

/** Writes a result. */
export function print(text: string): void {
  process.stdout.write(painted(marked(printable(text)), process.stdout));
}

/** Writes JSON or YAML, which stays what it is. */
export function printData(text: string): void {
  process.stdout.write(printable(text));
}

/** Writes one line of a result. */
export function say(text: string): void {
  print(`${text}\n`);
}

/** Writes a line for the person beside the result. */
export function complain(text: string): void {
  process.stderr.write(painted(`${marked(printable(text))}\n`, process.stderr));
}

/** Whoever reads the result may have seen enough, as `head` has; what is under way is finished all the same. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}
