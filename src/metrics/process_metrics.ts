/** What every program of ours tells of itself: its version, and what its process takes. */
import { Counter, Gauge } from "prom-client";
import type { Registry } from "prom-client";
import process from "node:process";
import { VERSION } from "../core/version.ts";

/** Set once: the clock may be set while the process lives. */
const STARTED_SECONDS = Date.now() / 1_000 - process.uptime();

/** Registers `sallyport_build_info` and the `process_*` metrics that Prometheus' client libraries agree on. */
export function registerProcessMetrics(
  registry: Registry,
  component: "controller" | "agent",
): void {
  const registers = [registry];
  new Gauge({
    name: "sallyport_build_info",
    help: "1, with the version of the program",
    labelNames: ["version", "component"],
    registers,
  }).set({ version: VERSION, component }, 1);
  new Gauge({
    name: "process_start_time_seconds",
    help: "When the process started, Unix time",
    registers,
  }).set(STARTED_SECONDS);
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Memory of the process that is in RAM",
    registers,
    collect() {
      this.set(process.memoryUsage().rss);
    },
  });
  new Counter({
    name: "process_cpu_seconds_total",
    help: "Processor time of the process, user and system",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      // Read as a whole, not counted here.
      this.reset();
      this.inc((user + system) / 1_000_000);
    },
  });
}
