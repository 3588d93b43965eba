/** Loaded before a program that is measured: writes what it took into the file PEAK_FILE when it exits. */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

process.on("exit", () => {
  const status = readFileSync("/proc/self/status", "latin1");
  const kilobytes = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
  const { user, system } = process.cpuUsage();
  const taken = { megabytes: kilobytes / 1024, cpuMilliseconds: (user + system) / 1000 };
  writeFileSync(process.env.PEAK_FILE ?? "/dev/null", JSON.stringify(taken));
});
