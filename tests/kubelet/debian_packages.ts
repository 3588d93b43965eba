/** Programs of Debian packages, unpacked in the cache and installed nowhere. */
import { cached, digest } from "../../src/build/cache.ts";
import { say } from "../../src/build/go_build.ts";
import { missing, type Need, programs } from "../support/needs.ts";
import { run } from "./run.ts";

/** Packages can be downloaded and unpacked. */
export const debianPackages: Need = () => missing([programs("apt-get", "apt-cache", "dpkg-deb")]);

export interface Unpacked {
  /** Has `usr/bin` and so on. */
  readonly folder: string;
  /** Values for PATH and LD_LIBRARY_PATH under which the programs run from there. */
  readonly path: string;
  readonly libraryPath: string;
}

/** On every machine already; another build of these beside the machine's own loader does not run. */
const EVERYWHERE = ["libc6", "libcrypt1", "libgcc-s1", "libstdc++6"];

/**
 * Downloads packages and the libraries that they depend on, once for this machine.
 *
 * @param names as apt-get takes them: `grep` or `grep=3.8-5`
 * @throws Error with apt's own words
 */
export async function unpackedPackages(names: readonly string[]): Promise<Unpacked> {
  const folder = await cached(
    `debian-${digest(...names, await distribution())}`,
    (target) => download(names, target),
  );
  const under = (...paths: readonly string[]) => paths.map((path) => `${folder}/${path}`).join(":");
  const triplet = `${Deno.build.arch}-linux-gnu`;
  return {
    folder,
    path: under("usr/sbin", "usr/bin", "sbin", "bin"),
    libraryPath: under(`usr/lib/${triplet}`, `lib/${triplet}`),
  };
}

/** As `bookworm`. */
export async function distribution(): Promise<string> {
  const text = await Deno.readTextFile("/etc/os-release").catch(() => "");
  return /^VERSION_CODENAME=(\S+)$/m.exec(text)?.[1] ?? "unknown";
}

async function download(names: readonly string[], target: string): Promise<void> {
  say(`Downloading Debian packages for the tests, once for this machine: ${names.join(", ")}`);
  await Deno.mkdir(target);
  const archives = await Deno.makeTempDir({ prefix: "sallyport-debs-" });
  try {
    // Without package lists, as in a fresh container, there is no candidate for anything.
    const policy = await run(["apt-cache", "policy", ...names.map(nameOf)]);
    if (!/Candidate: [^(]/.test(policy)) await run(["apt-get", "-qq", "update"]);
    const all = [...names, ...await librariesOf(names.map(nameOf))];
    // Its sandbox user may not write here, which would be a warning.
    const options = ["-qq", "-o", "APT::Sandbox::User=root"];
    await run(["apt-get", ...options, "download", ...all], { cwd: archives });
    for await (const { name } of Deno.readDir(archives)) {
      await run(["dpkg-deb", "-x", `${archives}/${name}`, target]);
    }
  } finally {
    await Deno.remove(archives, { recursive: true });
  }
}

async function librariesOf(names: readonly string[]): Promise<readonly string[]> {
  const kinds = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
  const text = await run([
    "apt-cache",
    "depends",
    "--recurse",
    ...kinds.map((kind) => `--no-${kind}`),
    ...names,
  ]);
  const libraries = text.split("\n").filter((line) => /^lib[a-z0-9.+-]+$/.test(line));
  return [...new Set(libraries)].filter((name) => !EVERYWHERE.includes(name)).sort();
}

function nameOf(text: string): string {
  return text.split("=")[0] ?? text;
}
