/** A figure that a test has found, for people: it is printed and not asserted. */
export function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
