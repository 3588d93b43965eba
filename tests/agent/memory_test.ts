/** What an agent remembers over its own end, whatever became of the file. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { recall, remember } from "../../src/agent/memory.ts";
import type { Binding } from "../../src/agent/core/view.ts";

const HELD: Binding = {
  gateway: "g",
  uid: "uid-g",
  ip: "10.0.0.200",
  interface: "eth1",
  speakOn: ["eth1", "br#1"],
  boundAt: "2026-11-23T10:00:00.000Z",
  claimedTerm: 7,
};
const { claimedTerm: _, ...STANDBY } = { ...HELD, uid: "uid-h", ip: "fd00::200" };

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(join(folder, "sub", "bindings.json"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("what was remembered is recalled, and nothing where there is no file", () =>
  inFolder(async (path) => {
    assert.deepEqual(await recall(path), []);
    await remember(path, [HELD, STANDBY]);
    assert.deepEqual(await recall(path), [HELD, STANDBY]);
    await remember(path, []);
    assert.deepEqual(await recall(path), []);
  }));

/** What the file holds, and the bindings that are recalled of it. */
const BROKEN: Readonly<Record<string, readonly [text: string, recalled: readonly Binding[]]>> = {
  "an empty file": ["", []],
  "no JSON": ["\u0000\u0000\u0000", []],
  "half a file": [JSON.stringify([HELD, STANDBY]).slice(0, -40), []],
  "null": ["null", []],
  "an object": [JSON.stringify({ bindings: [HELD] }), []],
  "one binding that is none": [JSON.stringify([null, STANDBY, 7]), [STANDBY]],
  "a member that is missing": [JSON.stringify([{ ...HELD, speakOn: undefined }, STANDBY]), [
    STANDBY,
  ]],
  "an address that is an option": [JSON.stringify([{ ...HELD, ip: "-i0" }]), []],
  "an address with a prefix length": [JSON.stringify([{ ...HELD, ip: "10.0.0.200/32" }]), []],
  "an interface that no kernel has": [
    JSON.stringify(
      ["", ".", "..", "a b", "a/b", "eth1:egw", "sixteen-letters-"].map((name) => ({
        ...HELD,
        interface: name,
      })),
    ),
    [],
  ],
  "a term that is none": [
    JSON.stringify([0, -1, 1.5, "7", 1e300].map((claimedTerm) => ({ ...HELD, claimedTerm }))),
    [],
  ],
};

for (const [name, [text, recalled]] of Object.entries(BROKEN)) {
  Deno.test(`a state file that is broken ends no agent: ${name}`, () =>
    inFolder(async (path) => {
      await remember(path, []);
      await Deno.writeTextFile(path, text);
      assert.deepEqual(await recall(path), recalled);
    }));
}
