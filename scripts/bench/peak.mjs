/** Loaded before a program that is measured: writes its peak memory (kB) into the file PEAK_FILE when it exits. */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

process.on("exit", () => {
  const status = readFileSync("/proc/self/status", "latin1");
  writeFileSync(process.env.PEAK_FILE ?? "/dev/null", /VmHWM:\s+(\d+)/.exec(status)?.[1] ?? "");
});
