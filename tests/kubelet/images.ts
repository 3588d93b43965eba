/**
 * The images of `k8s/image/Dockerfile`, made without Docker: its final stages are carried out as they are written, and
 * the stages that they copy from are stood in for by Deno from npm, the machine's C library and Debian's packages.
 */
import { fileURLToPath } from "node:url";
import { bundle } from "../../src/build/bundle.ts";
import { writeSbom } from "../../src/build/sbom.ts";
import { cached, digest } from "../../src/build/cache.ts";
import { missing, type Need, programs, root } from "../support/needs.ts";
import { debianPackages, distribution, unpackedPackages } from "./debian_packages.ts";
import {
  collectedBy,
  packagesOf,
  parseDockerfile,
  planImage,
  type Stage,
  stageNamed,
} from "./dockerfile.ts";
import { type Image, type ImageSize, writeArchive } from "./image_archive.ts";
import { run } from "./run.ts";

/** Images can be made; root is for running Deno in the image's root once. */
export const imageTools: Need = () =>
  missing([
    root,
    programs("tar", "ldd", "sha256sum", "chroot", "unshare", "mount"),
    debianPackages,
  ]);

/** As the manifests name them. */
export const TARGETS = ["controller", "agent"] as const;

const FOLDER = fileURLToPath(new URL("../../k8s/image", import.meta.url));
const COLLECT = `${FOLDER}/collect.sh`;
/** Release of the Dockerfile's base, whose packages it pins. */
const PINNED_DISTRIBUTION = "bookworm";

export async function readDockerfile(): Promise<readonly Stage[]> {
  return parseDockerfile(await Deno.readTextFile(`${FOLDER}/Dockerfile`));
}

/** Name under which a kubelet looks for the image of the manifests. */
export function tagOf(target: string): string {
  return `registry.invalid/sallyport/${target}:dev`;
}

/** Image of `standin/`, which is no part of Sallyport: what only has to be there. */
export const STANDIN = "localhost/standin:test";

const STANDIN_SOURCE = fileURLToPath(new URL("standin/main.go", import.meta.url));

export interface BuiltImages {
  /** Holds all images. */
  readonly archive: string;
  readonly sizes: readonly ImageSize[];
}

/** @param scratch folder that is the caller's to remove */
export async function buildImages(scratch: string): Promise<BuiltImages> {
  const stages = await readDockerfile();
  await Promise.all([
    standInForBuild(`${scratch}/build`),
    standInForTools(`${scratch}/tools`, stageNamed(stages, "tools")),
    buildStandin(`${scratch}/standin`),
  ]);
  const images = TARGETS.map((target): Image => ({
    ...planImage(stages, target),
    tag: tagOf(target),
  }));
  const standin: Image = {
    tag: STANDIN,
    copies: [{ from: "standin", source: "/image/", target: "/" }],
    env: {},
    labels: {},
    user: "0:0",
    workingDirectory: "/",
    entrypoint: ["/standin"],
  };
  const archive = `${scratch}/images.tar`;
  const sizes = await writeArchive({
    images: [...images, standin],
    folderOf: (stage) => `${scratch}/${stage}`,
    scratch,
    output: archive,
  });
  return { archive, sizes };
}

async function buildStandin(folder: string): Promise<void> {
  const program = await cached(
    `standin-${digest(await Deno.readTextFile(STANDIN_SOURCE))}`,
    async (output) => {
      await run(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", output, STANDIN_SOURCE], {
        env: { CGO_ENABLED: "0", GOWORK: "off" },
      });
    },
  );
  await Deno.mkdir(`${folder}/image`, { recursive: true });
  await Deno.copyFile(program, `${folder}/image/standin`);
}

/** `/image` with Deno, `/app` with the bundles, `/deno-dir` with what Deno knows about them. */
async function standInForBuild(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/tree/usr/local/bin`, { recursive: true });
  const deno = `${folder}/tree/usr/local/bin/deno`;
  await Deno.copyFile(Deno.execPath(), deno);
  await collect(["deno"], `${folder}/image`, {
    folder: `${folder}/tree`,
    path: `${folder}/tree/usr/local/bin`,
  });
  const outdir = `${folder}/app`;
  await bundle({ outdir });
  await writeSbom({ outdir });
  await removeMaps(outdir);
  await Deno.remove(`${outdir}/edge.js`);
  await warmUp(folder);
}

async function removeMaps(folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) await removeMaps(`${folder}/${name}`);
    else if (name.endsWith(".map")) await Deno.remove(`${folder}/${name}`);
  }
}

/** Runs each function where it will be, since Deno's caches know files by their path. */
async function warmUp(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/image/proc`);
  await Deno.mkdir(`${folder}/image/app`);
  await Deno.mkdir(`${folder}/image/deno-dir`);
  await Deno.mkdir(`${folder}/deno-dir`);
  const script = `cd "$1"
    mount --bind /proc image/proc && mount --bind app image/app && mount --bind deno-dir image/deno-dir
    exec chroot image deno run --allow-all --no-config "/app/$2"`;
  const env = {
    PATH: "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    DENO_DIR: "/deno-dir",
    KUBERNETES_SERVICE_HOST: "none",
    SALLYPORT_NODE_NAME: "none",
  };
  for (const _ of ["analyse", "compile"]) {
    for await (const { name } of Deno.readDir(`${folder}/app`)) {
      if (!name.endsWith(".js")) continue;
      await run(["unshare", "--mount", "sh", "-c", script, "warm", folder, name], {
        env,
        codes: [2],
      });
    }
  }
  for (const name of ["proc", "app", "deno-dir"]) await Deno.remove(`${folder}/image/${name}`);
}

async function standInForTools(folder: string, stage: Stage): Promise<void> {
  const isPinned = await distribution() === PINNED_DISTRIBUTION;
  const names = Object.entries(packagesOf(stage)).map(([name, version]) =>
    isPinned ? `${name}=${version}` : name
  );
  const unpacked = await unpackedPackages(names);
  await collect(collectedBy(stage), `${folder}/image`, unpacked);
}

interface Source {
  /** Left out of the paths. */
  readonly folder: string;
  readonly path: string;
  readonly libraryPath?: string;
}

async function collect(
  names: readonly string[],
  target: string,
  { folder, path, libraryPath = "" }: Source,
): Promise<void> {
  const environment = [`PREFIX=${folder}`, `PATH=${path}:${Deno.env.get("PATH") ?? ""}`];
  const libraries = libraryPath === "" ? [] : [`LD_LIBRARY_PATH=${libraryPath}`];
  await run(["env", ...environment, ...libraries, COLLECT, target, ...names]);
}
