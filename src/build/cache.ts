/** What tests build or download once per machine: `${XDG_CACHE_HOME:-~/.cache}/sallyport`. */
import { createHash } from "node:crypto";

/** Makes the entry `name` unless it is there, and returns its path. */
export async function cached(
  name: string,
  /** Makes the file or directory at the path it is given; the entry appears only when it has resolved. */
  make: (path: string) => Promise<void>,
): Promise<string> {
  const path = cachePath(name);
  if (exists(path)) return path;
  await Deno.mkdir(cacheRoot(), { recursive: true });
  // The kernel drops the lock when its holder dies, so a crashed build blocks nobody.
  using lock = await Deno.open(`${path}.lock`, { write: true, create: true });
  await lock.lock(true);
  if (exists(path)) return path;
  const unfinished = `${path}.unfinished`;
  await removeIfThere(unfinished);
  await make(unfinished);
  await Deno.rename(unfinished, path);
  return path;
}

/** Where the entry `name` is or will be. */
export function cachePath(name: string): string {
  return `${cacheRoot()}/${name}`;
}

/** First 12 hex digits of the SHA-256 of the texts. */
export function digest(...texts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex").slice(0, 12);
}

export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function cacheRoot(): string {
  const home = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  return `${home}/sallyport`;
}

async function removeIfThere(path: string): Promise<void> {
  if (exists(path)) await Deno.remove(path, { recursive: true });
}
