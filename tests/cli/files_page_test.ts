/** Does what `docs/files.md` shows, in its own words, and compares what is printed with the page. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Section {
  readonly heading: string;
  /** Name -> content, of the blocks that begin with a comment that is a file's name. */
  readonly files: Readonly<Record<string, string>>;
  readonly consoles: readonly string[];
}

const sections = await readSections();
/** The file that the page works on. */
const shared = Object.assign({}, ...sections.slice(0, 1).map(({ files }) => files));

for (const { heading, files, consoles } of sections) {
  if (consoles.length === 0) continue;
  Deno.test(`the page of files shows what is printed: ${heading}`, async () => {
    await using folder = await folderWith({ ...shared, ...files });
    for (const shown of consoles) {
      assert.ok(matches(await typed(shown, folder.path), shown));
    }
  });
}

Deno.test("the page has an example of each error", () => {
  const commands = sections.flatMap(({ consoles }) => consoles).join("\n").match(/^\$ /gm) ?? [];
  assert.ok(commands.length >= 40, `${commands.length} commands`);
});

async function readSections(): Promise<readonly Section[]> {
  const page = await Deno.readTextFile(`${ROOT}/docs/files.md`);
  return page.split(/^##+ /m).slice(1).map((text) => {
    const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
    const of = (...languages: string[]) =>
      blocks.filter(([, language = ""]) => languages.includes(language))
        .map(([, , content = ""]) => content);
    const named = of("yaml", "json").map((content) => [
      /^# (\S+)\n/.exec(content)?.[1] ?? "",
      content,
    ]);
    return {
      heading: text.split("\n")[0] ?? "",
      files: Object.fromEntries(named),
      consoles: of("console"),
    };
  });
}

async function folderWith(files: Readonly<Record<string, string>>) {
  const path = await Deno.makeTempDir({ prefix: "sallyport-files-page-" });
  for (const [name, content] of Object.entries(files)) {
    await Deno.writeTextFile(`${path}/${name}`, content);
  }
  const program =
    `exec "${Deno.execPath()}" run -A --no-check --quiet "--config=${ROOT}/deno.json" ` +
    `"${ROOT}/src/cli/main.ts" "$@"`;
  await Deno.mkdir(`${path}/.bin`);
  await Deno.writeTextFile(`${path}/.bin/sallyport`, `#!/bin/sh\n${program}\n`, { mode: 0o755 });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** What a terminal shows when the commands of the block are typed. */
async function typed(shown: string, cwd: string): Promise<string> {
  const commands = shown.split("\n").filter((line) => line.startsWith("$ "))
    .map((line) => line.slice(2));
  const script = commands.map((command) =>
    // The exit code of the command before stays for `echo $?`.
    `last=$?; printf '%s\\n' '$ '${quoted(command)}; (exit $last); ${command}`
  );
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `exec 2>&1\n${script.join("\n")}`],
    cwd,
    env: { PATH: `${cwd}/.bin:${Deno.env.get("PATH")}`, KUBECONFIG: "/nonexistent" },
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Whether the page shows this; `…` on it stands for anything on the line. */
function matches(printed: string, shown: string): boolean {
  const pattern = shown.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (new RegExp(`^${pattern.join("[^\\n]*")}$`).test(printed)) return true;
  // Shows the difference.
  assert.equal(printed, shown);
  return false;
}
