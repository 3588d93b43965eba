/** Container images as an archive that `ctr images import` and `docker load` take, made with `tar` alone. */
import type { ImagePlan } from "./dockerfile.ts";
import { run } from "./run.ts";

export interface Image extends ImagePlan {
  /** As `registry.invalid/sallyport/agent:dev`. */
  readonly tag: string;
}

export interface ImageSize {
  readonly tag: string;
  /** Of all layers, not compressed. */
  readonly bytes: number;
}

export interface ArchiveOptions {
  readonly images: readonly Image[];
  /** Folder of the stage that a COPY names; the copied folder is beneath it. */
  readonly folderOf: (stage: string) => string;
  /** Folder for what is made meanwhile. */
  readonly scratch: string;
  /** File to write. */
  readonly output: string;
}

const ARCHITECTURES = { x86_64: "amd64", aarch64: "arm64" } as const;

/** Each COPY is a layer, as with Docker; images share those that are the same. */
export async function writeArchive(
  { images, folderOf, scratch, output }: ArchiveOptions,
): Promise<readonly ImageSize[]> {
  const work = await Deno.makeTempDir({ dir: scratch, prefix: "archive-" });
  const layers = new Map<string, Promise<Layer>>();
  const sizes: ImageSize[] = [];
  const manifest: object[] = [];
  for (const image of images) {
    const own = await Promise.all(image.copies.map(({ from, source, target }) => {
      const key = `${from} ${source} ${target}`;
      const name = `layer-${layers.size}.tar`;
      const made = layers.get(key) ??
        makeLayer({ source: folderOf(from) + source, target, file: `${work}/${name}` });
      layers.set(key, made);
      return made;
    }));
    const config = `config-${manifest.length}.json`;
    await Deno.writeTextFile(`${work}/${config}`, JSON.stringify(configOf(image, own)));
    manifest.push({
      Config: config,
      RepoTags: [image.tag],
      Layers: own.map(({ file }) => file.slice(work.length + 1)),
    });
    sizes.push({ tag: image.tag, bytes: own.reduce((sum, { bytes }) => sum + bytes, 0) });
  }
  await Deno.writeTextFile(`${work}/manifest.json`, JSON.stringify(manifest));
  await run(["tar", "-C", work, "-cf", output, "."]);
  await Deno.remove(work, { recursive: true });
  return sizes;
}

interface Layer {
  readonly file: string;
  /** SHA-256 of the tar file, in hex. */
  readonly sha256: string;
  readonly bytes: number;
}

async function makeLayer(
  { source, target, file }: {
    readonly source: string;
    readonly target: string;
    readonly file: string;
  },
): Promise<Layer> {
  const reproducible = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  const place = `--transform=s,^\\.,.${target.replace(/\/$/, "")},`;
  await run(["tar", ...reproducible, place, "-C", source, "-cf", file, "."]);
  const [sha256 = ""] = (await run(["sha256sum", file])).split(" ");
  return { file, sha256, bytes: (await Deno.stat(file)).size };
}

function configOf(image: Image, layers: readonly Layer[]): object {
  const { user, workingDirectory, entrypoint, env, labels } = image;
  return {
    architecture: ARCHITECTURES[Deno.build.arch],
    os: "linux",
    config: {
      User: user,
      WorkingDir: workingDirectory,
      Entrypoint: entrypoint,
      Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      Labels: labels,
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ sha256 }) => `sha256:${sha256}`) },
    history: layers.map(() => ({ created_by: "k8s/image/Dockerfile" })),
  };
}
