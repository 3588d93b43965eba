/** `package-lock.json`: everything that npm installs, on whichever platform, is held to a hash. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as v from "valibot";

const LOCK = fileURLToPath(new URL("../../package-lock.json", import.meta.url));

const PackageLock = v.object({
  packages: v.record(
    v.string(),
    v.object({ resolved: v.optional(v.string()), integrity: v.optional(v.string()) }),
  ),
});

Deno.test("every package of the lock file has a hash, also those of other platforms than this", async () => {
  const { packages } = v.parse(PackageLock, JSON.parse(await Deno.readTextFile(LOCK)));
  // The project itself is the entry without a path.
  const entries = Object.entries(packages).filter(([path]) => path !== "");
  assert.ok(entries.length > 100, `Only ${entries.length} packages`);
  // npm leaves the hash out of what it did not install: `rm -r node_modules && npm install --package-lock-only` fills it in.
  const bare = entries.filter(([, { integrity = "" }]) =>
    !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)
  );
  assert.deepEqual(bare.map(([path]) => path), []);
  assert.ok("node_modules/@deno/linux-arm64-glibc" in packages, "the runtime of arm64 images");
});

Deno.test("the lock file leaves it to npm which registry packages come from", async () => {
  const { packages } = v.parse(PackageLock, JSON.parse(await Deno.readTextFile(LOCK)));
  assert.deepEqual(Object.values(packages).filter(({ resolved }) => resolved !== undefined), []);
});
