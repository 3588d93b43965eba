/** Clocks of the node that may go on while its monotonic clock stands. */

import { readFile } from "node:fs/promises";
import type { Reading } from "../hands.ts";

export const HARDWARE_CLOCK = "/sys/class/rtc/rtc0/since_epoch";

/**
 * Makes a reader of the wall clock, which the kernel sets after it was suspended, and a hypervisor's tools or NTP after a
 * pause; and of the hardware clock, which most hypervisors let go on. A node that has none is not asked again.
 */
export function clockReader(path = HARDWARE_CLOCK): () => Promise<readonly Reading[]> {
  let hasHardwareClock = true;
  return async () => {
    const text = hasHardwareClock ? await readFile(path, "utf8").catch(() => "") : "";
    const seconds = Number.parseInt(text, 10);
    hasHardwareClock = Number.isFinite(seconds);
    const wall = { name: "wall", milliseconds: Date.now(), grainMilliseconds: 1 };
    return hasHardwareClock
      ? [wall, { name: "hardware", milliseconds: seconds * 1_000, grainMilliseconds: 1_000 }]
      : [wall];
  };
}
