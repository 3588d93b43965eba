/** Clocks of the node that may go on while its monotonic clock stands. */

import { readFile } from "node:fs/promises";
import type { Reading } from "../hands.ts";

/**
 * The wall clock, which a hypervisor's tools or NTP set after a pause; the time since boot, which counts a suspended
 * system; and the hardware clock, which most hypervisors let go on. One that cannot be read is left out.
 */
export async function readClocks(): Promise<readonly Reading[]> {
  const [uptime, hardware] = await Promise.all([
    numberIn("/proc/uptime"),
    numberIn("/sys/class/rtc/rtc0/since_epoch"),
  ]);
  return [
    { name: "wall", milliseconds: Date.now(), grainMilliseconds: 1 },
    ...(uptime === undefined
      ? []
      : [{ name: "boot", milliseconds: uptime * 1_000, grainMilliseconds: 10 }]),
    ...(hardware === undefined
      ? []
      : [{ name: "hardware", milliseconds: hardware * 1_000, grainMilliseconds: 1_000 }]),
  ];
}

async function numberIn(path: string): Promise<number | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  const value = Number.parseFloat(text);
  return Number.isFinite(value) ? value : undefined;
}
