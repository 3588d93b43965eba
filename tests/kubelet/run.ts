/** Programs that are run to their end. */

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Exit codes that are no failure; default 0 alone. */
  readonly codes?: readonly number[];
}

/**
 * Gives what the program prints.
 *
 * @throws Error with what it said when it fails
 */
export async function run(
  [program = "", ...args]: readonly string[],
  { codes = [0], ...options }: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
    ...options,
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (codes.includes(code)) return text;
  const said = (new TextDecoder().decode(stderr) || text).trim().split("\n").slice(-10).join("\n");
  throw new Error(`Cannot run '${[program, ...args].join(" ")}': exit code ${code}: ${said}`);
}
