/** The agent's memory of what it bound, in a file that lives as long as the addresses do (a tmpfs, gone at reboot). */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as v from "valibot";
import { compact } from "../cluster/decoders/common.ts";
import type { Binding } from "./core/view.ts";

const schema = v.array(v.pipe(
  v.object({
    gateway: v.string(),
    uid: v.string(),
    ip: v.string(),
    interface: v.string(),
    speakOn: v.array(v.string()),
    boundAt: v.string(),
    claimedTerm: v.optional(v.number()),
  }),
  v.transform((binding): Binding => compact(binding)),
));

/** Reads the bindings of an earlier process; a missing or broken file is none, as after a reboot. */
export async function recall(path: string): Promise<readonly Binding[]> {
  try {
    return v.parse(schema, JSON.parse(await readFile(path, "utf8")));
  } catch {
    return [];
  }
}

/** Replaces the file as a whole. */
export async function remember(path: string, bindings: readonly Binding[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.new`;
  await writeFile(draft, JSON.stringify(bindings));
  await rename(draft, path);
}
