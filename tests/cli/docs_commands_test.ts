/**
 * Every `sallyport …` that a page shows is run as it stands, on the demo's cluster. `docs/files.md` is not here: it is run to the letter by
 * `files_page_test.ts`.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { Controller } from "../../src/controller/controller.ts";
import { sallyport } from "../support/cli.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What words in capitals and examples' names stand for on the demo's cluster. */
const STAND_FOR: readonly (readonly [RegExp, string])[] = [
  [/\b(NAMESPACE\/)?POD\b|\b[a-z][\w-]*\/[a-z][\w-]*-\d\b/g, "payments/api-0"],
  [/\bDESTINATION\b/g, "203.0.113.7"],
  [/\bGATEWAY\b|\bmy-egressgw\b/g, "payments"],
  [/\bNODE\b|\bworker-1\b/g, "egress-2"],
  [/\bNAME\b/g, "payments"],
  [/\bSHELL\b/g, "bash"],
  [/--for \S+/g, "--for 1s"],
  [/\bFILE(…|\.\.\.)?/g, `${ROOT}k8s/examples/egress-gateway-virtual-ip.yaml`],
];

/** Command -> why only its `--help` is asked for. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  serve: "runs until it is stopped; tests/program/serve_controller_test.ts runs it",
  knative: "runs until it is stopped; tests/knative runs it",
  agent: "runs until it is stopped, as root; tests/agent and tests/lab run it",
  adopt: "wants a policy that somebody wrote by hand; its own test has one",
  "give-back": "wants a policy that was adopted; its own test has one",
  COMMAND: "stands for any command",
};

/** Named without their words, these are only mentioned. */
const WANT_WORDS = ["move", "release", "drain", "undrain", "which", "history", "completion"];

/** Command -> the pages that show it. */
const shown = await shownCommands();

async function shownCommands(): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for (const page of await pages()) {
    const text = await Deno.readTextFile(ROOT + page);
    const spans = [
      ...[...text.matchAll(/^```\w*\n(.*?)^```$/gms)].flatMap(([, block = ""]) =>
        block.split("\n").map((line) => line.replace(/^\$ /, ""))
      ),
      ...[...text.replaceAll(/^```.*?^```$/gms, "").matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) =>
        span
      ),
    ];
    for (const span of spans) {
      const [, words] = /^(?:kubectl )?sallyport ((?:[a-z]|COMMAND\b|--version)[^#]*)/.exec(span) ??
        [];
      for (const command of variants(words?.trim() ?? "")) {
        found.set(command, [...found.get(command) ?? [], page]);
      }
    }
  }
  return found;
}

async function pages(): Promise<readonly string[]> {
  const names = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"];
  for (const folder of ["docs", "docs/runbooks"]) {
    try {
      for await (const { name } of Deno.readDir(ROOT + folder)) {
        if (name.endsWith(".md") && name !== "files.md") names.push(`${folder}/${name}`);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return names.sort();
}

/** `a|b` is two commands; what is in brackets may be left out, and is put in. */
function variants(words: string): readonly string[] {
  if (words === "") return [];
  const [verbs = "", ...rest] = words.replaceAll(/\[(-[^\]]*)\]/g, "$1").split(/\s+/);
  return verbs.split("|").map((verb) => [verb, ...rest].join(" "));
}

Deno.test("every command of the pages runs on a cluster", async (t) => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const stop = new AbortController();
  const running = new Controller(cluster.client, { signal: stop.signal }).run();
  try {
    for (const [command, where] of shown) {
      const [verb = ""] = command.split(" ");
      const words = STAND_FOR.reduce(
        (text, [pattern, name]) => text.replaceAll(pattern, name),
        command,
      );
      const args = verb === "COMMAND"
        ? ["--help"]
        : Object.hasOwn(EXCEPTIONS, verb) || (command === verb && WANT_WORDS.includes(verb))
        ? [verb, "--help"]
        : words.replaceAll("'", "").split(" ");
      await t.step(`sallyport ${command} (${[...new Set(where)].join(", ")})`, async () => {
        const { code, stdout, stderr } = await sallyport(args, {
          env: { KUBECONFIG: cluster.kubeconfig, SALLYPORT_KUBECONFIG: cluster.kubeconfig },
        });
        // 1 says that something is not well with what was asked about; 2 that it was asked wrongly.
        assert.ok(code === 0 || code === 1, `${code}: ${stdout}${stderr}`);
        assert.notEqual(stdout + stderr, "");
      });
    }
  } finally {
    stop.abort();
    await running;
  }
});

Deno.test("the pages show commands, and each exception is of one that they show", () => {
  assert.ok(shown.size >= 15, `${shown.size} commands`);
  const verbs = new Set([...shown.keys()].map((command) => command.split(" ")[0]));
  for (
    const verb of [
      "status",
      "plan",
      "explain",
      "which",
      "check",
      "move",
      "release",
      "drain",
      "undrain",
      "history",
    ]
  ) {
    assert.ok(verbs.has(verb), `no page shows sallyport ${verb}`);
  }
});
