/** The package that `npm pack` makes, installed in an empty folder: Node, Deno and kubectl run it without a checkout. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import {
  ciliumManifest,
  gatewayManifest,
  nodeManifest,
  policyManifest,
} from "../support/manifests.ts";
import { kubectl, kubectlProgram } from "../support/kubectl.ts";
import { programs, testWith } from "../support/needs.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let installed: Promise<string> | undefined;

Deno.test.afterAll(async () => {
  if (installed !== undefined) await Deno.remove(await installed, { recursive: true });
});

async function install(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-package-" });
  const pack = ["pack", "--silent", "--pack-destination", folder];
  const packed = await run("npm", pack, { cwd: ROOT });
  assert.equal(packed.code, 0, packed.stderr);
  const args = ["install", "--silent", "--offline", `./${packed.stdout.trim()}`];
  const done = await run("npm", args, { cwd: folder });
  assert.equal(done.code, 0, done.stderr);
  const objects = [
    nodeManifest("a"),
    ciliumManifest("a"),
    gatewayManifest("web"),
    policyManifest("shop", "web"),
  ];
  await Deno.writeTextFile(
    `${folder}/cluster.yaml`,
    objects.map((object) => stringify(object)).join("---\n"),
  );
  return folder;
}

async function run(
  program: string,
  args: readonly string[],
  { cwd, path = [] }: { readonly cwd: string; readonly path?: readonly string[] },
): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    env: {
      KUBECONFIG: "/nonexistent",
      NO_COLOR: "1",
      PATH: [...path, Deno.env.get("PATH")].join(":"),
    },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function onPackage(): Promise<{ readonly cwd: string; readonly bin: string }> {
  installed ??= install();
  const cwd = await installed;
  return { cwd, bin: `${cwd}/node_modules/.bin` };
}

const needs = [programs("npm", "node")];

testWith(
  needs,
  "the package is one file with its licences, and brings no other package",
  async () => {
    const { cwd } = await onPackage();
    const names = async (folder: string) =>
      (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
    assert.deepEqual(
      (await names(`${cwd}/node_modules`)).filter((name) => !name.startsWith(".")),
      ["sallyport"],
    );
    assert.deepEqual(await names(`${cwd}/node_modules/sallyport/dist/cli`), [
      "licenses.txt",
      "sallyport.mjs",
    ]);
    const licenses = await Deno.readTextFile(`${cwd}/node_modules/sallyport/dist/cli/licenses.txt`);
    assert.match(licenses, /^ {2}MIT {2}commander@/m);
  },
);

testWith(needs, "Node and Deno run the one file, from anywhere", async () => {
  const { cwd, bin } = await onPackage();
  const file = `${cwd}/alone/sallyport.mjs`;
  await Deno.mkdir(dirname(file), { recursive: true });
  await Deno.copyFile(`${bin}/sallyport`, file);
  const plan = ["plan", "--from", "cluster.yaml", "-o", "json"];
  for (
    const [program, args] of [
      [`${bin}/sallyport`, []],
      ["node", [file]],
      [Deno.execPath(), ["run", "--quiet", "-A", "--no-config", file]],
    ] as const
  ) {
    const version = await run(program, [...args, "--version"], { cwd });
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/, version.stderr);
    const { code, stdout, stderr } = await run(program, [...args, ...plan], { cwd });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal(JSON.parse(stdout).gateways[0].activeNodeName, "a");
    const bad = await run(program, [...args, "plan", "--from", "nothing.yaml"], { cwd });
    assert.match(bad.stderr, /^Cannot read nothing\.yaml: there is no such file/);
    assert.equal(bad.code, 2);
  }
});

testWith([...needs, kubectl], "kubectl finds it as a plugin, and says so in its help", async () => {
  const { cwd, bin } = await onPackage();
  const program = await kubectlProgram();
  const on = (...args: string[]) => run(program, args, { cwd, path: [bin] });
  const plugins = await on("plugin", "list");
  assert.match(plugins.stdout, /\/kubectl-sallyport$/m);
  const { code, stdout } = await on("sallyport", "plan", "--from", "cluster.yaml", "-o", "json");
  assert.deepEqual([code, JSON.parse(stdout).gateways[0].name], [0, "web"]);
  assert.match((await on("sallyport", "plan", "--help")).stdout, /^Usage: kubectl sallyport plan /);
  // What kubectl's own completion asks of the plugin's.
  const completed = await on("__complete", "sallyport", "dra");
  assert.match(completed.stdout, /^drain\t/m);
});

testWith(needs, "each shell's completion is there, and bash completes by it", async () => {
  const { cwd, bin } = await onPackage();
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout } = await run(`${bin}/sallyport`, ["completion", shell], { cwd });
    assert.equal(code, 0);
    assert.match(stdout, /sallyport complete -- /);
  }
  const wrong = await run(`${bin}/sallyport`, ["completion", "ksh"], { cwd });
  assert.match(wrong.stderr, /Allowed choices are .*bash/);
  assert.equal(wrong.code, 2);
  const typed = `
    source <(sallyport completion bash)
    # As bash-completion has it, for words without = and :.
    _get_comp_words_by_ref() { cur=\${COMP_WORDS[COMP_CWORD]} words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD; }
    COMP_WORDS=(sallyport rel) COMP_CWORD=1 && __sallyport_complete && echo "\${COMPREPLY[@]}"
    COMP_WORDS=(sallyport plan -o '') COMP_CWORD=3 && __sallyport_complete && echo "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = await run("bash", ["-c", typed], { cwd, path: [bin] });
  assert.equal(stdout.split("\n")[0], "release", stderr);
  assert.match(stdout.split("\n")[1] ?? "", /json.* yaml/);
});
