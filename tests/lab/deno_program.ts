/** The lab's small programs, run by the Deno that runs the tests. */
import { fileURLToPath } from "node:url";

/** Command line of one of `programs/`. */
export function denoProgram(file: string, args: readonly string[]): readonly string[] {
  const path = fileURLToPath(new URL(`./programs/${file}`, import.meta.url));
  return [Deno.execPath(), "run", "--no-check", "--allow-all", path, ...args];
}
