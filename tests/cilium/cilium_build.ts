/**
 * Cilium as the tests run it: agent, debugging tool and CNI plugin, compiled from the Go module once for this machine.
 *
 * Only BGP is left out (see `cilium/`). `CILIUM_VERSION` chooses another version than {@linkcode DEFAULT_VERSION}.
 */
import { fileURLToPath } from "node:url";
import { cached, cachePath, digest, exists } from "../../src/build/cache.ts";
import { goBuild, hasGo, say } from "../../src/build/go_build.ts";
import type { Need } from "../support/needs.ts";

export const DEFAULT_VERSION = "1.20.2";

/** Checksums of the modules, as a go.sum has them; another version is taken as Go's checksum database has it. */
const SUMS: Readonly<Record<string, string>> = {
  "1.20.2": "h1:dqiEGIcXc+gqCLYG/l7VCFJ8GHyb4HUrwbZOpkX5dL8=",
  "1.18.6": "h1:acz5aRKhZbarCO1flx2vCP9wBh+lDc02uJgdqiTsJbA=",
  "1.19.1": "h1:dIFfuHhigOE2EBSL9ncgwZkLjyx4frUUhOfF7M5kMXs=",
};

const EDITS = fileURLToPath(new URL("./cilium", import.meta.url));

/** Program -> its package. */
const PROGRAMS = {
  "cilium-agent": "./daemon",
  "cilium-dbg": "./cilium-dbg",
  "cilium-cni": "./plugins/cilium-cni",
} as const;

/** Parts of the module that no build needs: half of its size. */
const UNUSED = ["Documentation", "test", "examples", "install", "images"];

/** What a build leaves. */
export interface Cilium {
  readonly version: string;
  /** Folder with `cilium-agent`, `cilium-dbg` and `cilium-cni`. */
  readonly bin: string;
  /** Folder with the C sources that the agent compiles on each node. */
  readonly bpf: string;
  /** CustomResourceDefinitions, one file each. */
  readonly crds: readonly string[];
}

interface Edits {
  readonly replace: readonly {
    readonly file: string;
    /** As the versions have it. */
    readonly old: readonly string[];
    readonly new: string;
  }[];
  readonly remove: readonly string[];
  /** Path in the module -> file beside the edits. */
  readonly add: Readonly<Record<string, string>>;
  readonly dropRequire: readonly string[];
  readonly dropReplace: readonly string[];
}

/** Why there can be no Cilium on this machine, or null. Builds nothing. */
export const ciliumBuild: Need = () =>
  hasGo() || exists(cachePath(entryName())) ? null : "needs Go on PATH to build Cilium";

/** Cilium's programs, built when this machine has none yet: 5 to 6 minutes on two cores, 30 s when Go has its packages. */
export async function buildCilium(): Promise<Cilium> {
  const folder = await cached(entryName(), build);
  const crds: string[] = [];
  for await (const { name } of Deno.readDir(`${folder}/crds`)) crds.push(`${folder}/crds/${name}`);
  return { version: version(), bin: `${folder}/bin`, bpf: `${folder}/bpf`, crds: crds.sort() };
}

/** Whether this Cilium takes an IPv6 address as `egressIP`. */
export function hasIPv6EgressIPs(): boolean {
  const [major = 0, minor = 0] = version().split(".").map(Number);
  return major > 1 || minor >= 20;
}

function version(): string {
  return Deno.env.get("CILIUM_VERSION") || DEFAULT_VERSION;
}

function entryName(): string {
  const files = ["edits.json", "bgp_stub.go"].map((file) =>
    Deno.readTextFileSync(`${EDITS}/${file}`)
  );
  return `cilium-${version()}-${digest(...files)}`;
}

async function build(target: string): Promise<void> {
  const problem = ciliumBuild();
  if (problem !== null) throw new Error(`Cannot build Cilium: ${problem}`);
  say(
    `Building Cilium ${version()} for the tests, once for this machine: ` +
      "5 to 6 minutes on two cores unless Go has its packages cached",
  );
  const source = await Deno.makeTempDir({ prefix: "sallyport-cilium-" });
  try {
    // `go build -overlay` replaces no file of the module cache, so the edits need a copy.
    await copySources(await download(source), source);
    await applyEdits(source);
    const stamp = `-s -w -X github.com/cilium/cilium/pkg/version.ciliumVersion=${version()}`;
    for (const [program, path] of Object.entries(PROGRAMS)) {
      const output = `${target}/bin/${program}`;
      await goBuild({
        name: program,
        cwd: source,
        args: ["-mod=mod", "-o", output, "-ldflags", stamp, path],
      });
    }
    await Deno.remove(`${source}/bpf/tests`, { recursive: true });
    await run(["cp", "-r", `${source}/bpf`, `${target}/bpf`]);
    await Deno.mkdir(`${target}/crds`);
    const crds = `${source}/pkg/k8s/apis/cilium.io/client/crds`;
    await run(["sh", "-c", `cp ${crds}/*/*.yaml ${target}/crds`]);
  } finally {
    await Deno.remove(source, { recursive: true });
  }
}

/** Downloads the module unless Go has it; returns its folder, which is read-only. */
async function download(cwd: string): Promise<string> {
  const text = await run(
    ["go", "mod", "download", "-json", `github.com/cilium/cilium@v${version()}`],
    cwd,
  );
  const module = JSON.parse(text) as { readonly Dir: string; readonly Sum: string };
  const expected = SUMS[version()] ?? module.Sum;
  if (module.Sum !== expected) {
    throw new Error(
      `Cannot use Cilium ${version()}: its checksum is ${module.Sum}, expected ${expected}`,
    );
  }
  return module.Dir;
}

async function copySources(from: string, to: string): Promise<void> {
  const entries: string[] = [];
  for await (const { name } of Deno.readDir(from)) {
    if (!UNUSED.includes(name)) entries.push(`${from}/${name}`);
  }
  await run(["cp", "-r", "--no-preserve=mode", ...entries, to]);
}

async function applyEdits(source: string): Promise<void> {
  const edits: Edits = JSON.parse(await Deno.readTextFile(`${EDITS}/edits.json`));
  for (const { file, old, new: text } of edits.replace) {
    const before = await Deno.readTextFile(`${source}/${file}`);
    const there = old.find((words) => before.includes(words));
    if (there === undefined) {
      throw new Error(`Cannot edit ${file} of Cilium ${version()}: it does not have '${old[0]}'`);
    }
    await Deno.writeTextFile(`${source}/${file}`, before.replace(there, text));
  }
  await Promise.all(edits.remove.map((file) => Deno.remove(`${source}/${file}`)));
  for (const [file, ours] of Object.entries(edits.add)) {
    await Deno.copyFile(`${EDITS}/${ours}`, `${source}/${file}`);
  }
  const drops = [
    ...edits.dropRequire.map((name) => `-droprequire=${name}`),
    ...edits.dropReplace.map((name) => `-dropreplace=${name}`),
  ];
  await run(["go", "mod", "edit", ...drops], source);
}

async function run([program = "", ...args]: readonly string[], cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: { GOWORK: "off" },
    ...(cwd === undefined ? {} : { cwd }),
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (success) return text;
  throw new Error(`Cannot run ${program}: ${new TextDecoder().decode(stderr)}${text}`);
}
