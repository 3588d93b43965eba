/** The agent's memory of what it bound, in a file that lives as long as the addresses do (a tmpfs, gone at reboot). */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as v from "valibot";
import { compact } from "../cluster/decoders/common.ts";
import { canonicalIP } from "../core/ip_family.ts";
import type { Binding } from "./core/view.ts";

/** As the kernel has them. What is read here becomes an argument of programs. */
const interfaceName = v.pipe(
  v.string(),
  v.regex(/^(?!\.{1,2}$)[^\s/:]{1,15}$/u, "write the name of an interface"),
);

const canonical = v.pipe(
  v.string(),
  v.check((text) => canonicalIP(text) === text, "write an IP address as programs print it"),
);

const schema = v.pipe(
  v.object({
    gateway: v.string(),
    uid: v.string(),
    ip: canonical,
    interface: interfaceName,
    speakOn: v.array(interfaceName),
    boundAt: v.string(),
    fresh: v.optional(v.literal(true)),
    claimedTerm: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  }),
  v.transform((binding): Binding => compact(binding)),
);

/**
 * Reads the bindings of an earlier process. A missing or broken file is none, as after a reboot, and so is a part of it that
 * is broken: an address that carries our mark is found again in the kernel.
 */
export async function recall(path: string): Promise<readonly Binding[]> {
  const text = await readFile(path, "utf8").catch(() => "[]");
  const entries = v.safeParse(v.array(v.unknown()), parseJson(text));
  if (!entries.success) return [];
  return entries.output.flatMap((entry) => {
    const binding = v.safeParse(schema, entry);
    return binding.success ? [binding.output] : [];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Replaces the file as a whole. */
export async function remember(path: string, bindings: readonly Binding[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.new`;
  await writeFile(draft, JSON.stringify(bindings));
  await rename(draft, path);
}
