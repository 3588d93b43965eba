import assert from "node:assert/strict";
import { clockReader } from "../../../src/agent/linux/clocks.ts";

Deno.test("the hardware clock is read where there is one, and not asked for again where there is none", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "1795712247\n");
    const named = (readings: readonly { name: string; milliseconds: number }[]) =>
      readings.find(({ name }) => name === "hardware")?.milliseconds;
    const read = clockReader(path);
    assert.equal(named(await read()), 1_795_712_247_000);
    const [wall] = await read();
    assert.ok(Math.abs((wall?.milliseconds ?? 0) - Date.now()) < 5_000);
    await Deno.writeTextFile(path, "");
    assert.equal(named(await read()), undefined);
    await Deno.writeTextFile(path, "1795712249\n");
    assert.equal(named(await read()), undefined);
  } finally {
    await Deno.remove(path);
  }
});
