/**
 * `npm test`: format, lint, types, bundles and every `tests/**\/*_test.ts`; `npm test -- FILTER or FILES`: these tests.
 *
 * The last line printed is `N passed, N failed, N skipped`. The numbers of tests come from the runner's own JUnit
 * report; a check that fails counts as failed and is named above that line.
 */
import { fileURLToPath } from "node:url";
import { readJunit, type TestReport } from "./junit.ts";

const SOURCES = ["src", "functions", "scripts", "tests"];
const root = fileURLToPath(new URL("..", import.meta.url));

interface Step {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

Deno.chdir(root);
const named = await splitArguments(Deno.args);
const failedSteps: string[] = [];
if (Deno.args.length === 0) {
  for (const step of await checks()) {
    if (await run(step) !== 0) failedSteps.push(step.name);
  }
}
const report = await runTests(named);
const nothingRan = report.passed + report.failed === 0;
if (nothingRan) failedSteps.push("no test ran");
for (const name of report.skipped) print(`Skipped: ${name}`);
for (const name of failedSteps) print(`Failed: ${name}`);
const failed = report.failed + failedSteps.length;
print(`${report.passed} passed, ${failed} failed, ${report.skipped.length} skipped`);
Deno.exit(failed === 0 ? 0 : 1);

async function checks(): Promise<readonly Step[]> {
  const deno = Deno.execPath();
  const sources = await existing(SOURCES);
  return [
    { name: "format", command: deno, args: ["fmt", "--check", ".ci", ".", "deno.json"] },
    { name: "lint", command: deno, args: ["lint", ".ci", ...sources] },
    {
      name: "lint with types",
      command: deno,
      args: ["run", "-A", "--no-check", "scripts/lint_types.ts"],
    },
    {
      name: "layers",
      command: deno,
      args: ["run", "-A", "--no-check", ".ci/lint_layers.ts"],
    },
    { name: "types", command: deno, args: ["check", ".ci", ...sources] },
    { name: "bundles", command: deno, args: ["run", "-A", "--no-check", "scripts/bundle.ts"] },
  ];
}

async function run(step: Step): Promise<number> {
  print(`\n== ${step.name}`);
  const start = performance.now();
  const code = await exec(step.command, step.args);
  print(`== ${step.name}: ${code === 0 ? "ok" : "FAILED"} (${seconds(start)} s)`);
  return code;
}

async function runTests({ files, filter }: Arguments): Promise<TestReport> {
  const directory = await Deno.makeTempDir({ prefix: "sallyport-test-" });
  try {
    const junit = `${directory}/junit.xml`;
    // One file at a time: the tests of the network lab share the machine's two cores and its addresses.
    const code = await exec(
      Deno.execPath(),
      ["test", "-A", "--no-check", `--junit-path=${junit}`]
        .concat(filter === undefined ? [] : ["--filter", filter], files),
    );
    const report = readJunit(await Deno.readTextFile(junit).catch(() => ""));
    // A module that throws while it loads fails the run but is in no report.
    if (code !== 0 && report.failed === 0) failedSteps.push("a test module, see the errors above");
    return report;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

interface Arguments {
  readonly files: readonly string[];
  readonly filter?: string;
}

/** Arguments that exist as paths are files, the others together are a filter of test names. */
async function splitArguments(args: readonly string[]): Promise<Arguments> {
  const files = await existing(args);
  const words = args.filter((argument) => !files.includes(argument));
  const filter = words.length === 0 ? {} : { filter: words.join(" ") };
  return { files: files.length === 0 ? ["tests"] : files, ...filter };
}

async function existing(paths: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    paths.map((path) => Deno.stat(path).then(() => true, () => false)),
  );
  return paths.filter((_, index) => found[index]);
}

async function exec(command: string, args: readonly string[]): Promise<number> {
  const child = new Deno.Command(command, { args: [...args], stdin: "null" }).spawn();
  return (await child.status).code;
}

function seconds(start: number): string {
  return ((performance.now() - start) / 1000).toFixed(1);
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
