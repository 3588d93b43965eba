/** The release workflow: it runs at GitHub alone, so what can be told beforehand is told here. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { parse } from "yaml";
import { actionlint, lintWorkflow } from "../support/actionlint.ts";
import { CHART, helm, runHelm } from "../support/helm.ts";
import { programs, testWith } from "../support/needs.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WORKFLOW = `${ROOT}.github/workflows/release.yml`;

const Step = v.object({ name: v.optional(v.string()), run: v.optional(v.string()) });
const { jobs: { release: { steps } } } = v.parse(
  v.object({ jobs: v.object({ release: v.object({ steps: v.array(Step) }) }) }),
  parse(await Deno.readTextFile(WORKFLOW)),
);

/** Lines of the step whose commands hold these words. */
function commandsWith(words: string): string {
  const step = steps.find(({ run }) => run?.includes(words));
  assert.ok(step?.run, words);
  return step.run;
}

async function bash(script: string, env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", script],
    cwd: ROOT,
    env: { ...env },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

testWith([actionlint], "actionlint finds nothing in the release workflow", async () => {
  assert.equal(await lintWorkflow(WORKFLOW), "");
});

testWith(
  [programs("bash")],
  "the commands of each step are a script that bash can read",
  async () => {
    for (const { run = "" } of steps) {
      // What GitHub fills in is a word to bash.
      const { code, stderr } = await bash(
        `bash -n <<'END_OF_STEP'\n${run.replaceAll(/\$\{\{.*?\}\}/g, "x")}\nEND_OF_STEP`,
      );
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" }, run);
    }
  },
);

testWith(
  [programs("bash", "node")],
  "a tag that is not the project's version is refused",
  async () => {
    const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}package.json`));
    const check = commandsWith('test "$TAG"');
    assert.equal((await bash(check, { TAG: `v${version}` })).code, 0);
    assert.equal((await bash(check, { TAG: "v99.0.0" })).code, 1);
  },
);

testWith(
  [programs("bash")],
  "the images that are built are those of the Dockerfile, in lower case",
  async () => {
    const run = commandsWith("buildx build");
    const dockerfile = await Deno.readTextFile(`${ROOT}k8s/image/Dockerfile`);
    const [, targets = ""] = /for target in ([\w ]+); do/.exec(run) ?? [];
    const stages = [...dockerfile.matchAll(/^FROM \S+ AS (\w+)$/gm)].map(([, stage = ""]) => stage);
    assert.deepEqual(targets.split(" "), ["controller", "agent"]);
    for (const target of targets.split(" ")) assert.ok(stages.includes(target), target);
    const [first = ""] = run.split("\n");
    const { stdout } = await bash(`${first}; printf %s "$repository"`, {
      REGISTRY: "ghcr.io/Some/Body",
    });
    assert.equal(stdout, "ghcr.io/some/body");
  },
);

testWith([helm], "the chart is packaged under the name that is pushed", async () => {
  const out = await Deno.makeTempDir({ prefix: "sallyport-release-" });
  try {
    const run = commandsWith("helm package");
    assert.ok(run.includes("helm package k8s/chart --destination out"));
    await runHelm(["package", CHART, "--destination", out]);
    const names = (await Array.fromAsync(Deno.readDir(out))).map(({ name }) => name);
    const [, pattern = ""] = /helm push out\/(\S+)/.exec(run) ?? [];
    assert.equal(names.length, 1);
    assert.match(names[0] ?? "", new RegExp(`^${pattern.replace("*", ".*")}$`));
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});

testWith([programs("bash", "tar")], "the bundle is the same archive each time", async () => {
  const out = await Deno.makeTempDir({ prefix: "sallyport-release-" });
  try {
    const [tar = ""] = /^tar .*$/m.exec(commandsWith("tar --sort")) ?? [];
    await Deno.mkdir(`${out}/dist`);
    await Deno.mkdir(`${out}/out`);
    const sums: string[] = [];
    for (const built of [1_000, 2_000]) {
      for (const file of ["LICENSE", "dist/tick.js"]) {
        await Deno.writeTextFile(`${out}/${file}`, file);
        await Deno.utime(`${out}/${file}`, built, built);
      }
      const { code, stderr } = await bash(`cd ${out}; ${tar}`, { TAG: "v0.1.0" });
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
      const bytes = await Deno.readFile(`${out}/out/sallyport-functions-0.1.0.tar.gz`);
      sums.push(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex());
    }
    assert.equal(sums[0], sums[1]);
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});
