/** What processes cost that only wait: memory, CPU time, API requests. Reads /proc, so Linux only. */
import type { RawApi } from "../support/raw_api.ts";
import { pause } from "../lab/wait.ts";

export interface IdleCost {
  /** Resident memory of the process itself at the end, and of the programs that it keeps running. */
  readonly megabytes: number;
  readonly childMegabytes: number;
  /** CPU time of it and all that it started, in percent of one core. */
  readonly cpuPercent: number;
}

/** Clock ticks of /proc per second; the kernel's USER_HZ is 100 on all architectures that Deno runs on. */
const TICKS_PER_SECOND = 100;

/** Watches processes for so long. */
export async function idleCosts(
  pids: readonly number[],
  { milliseconds }: { readonly milliseconds: number },
): Promise<readonly IdleCost[]> {
  const begun = performance.now();
  const before = pids.map((pid) => cpuTicks(pid));
  await pause(milliseconds);
  const seconds = (performance.now() - begun) / 1_000;
  return pids.map((pid, index) => ({
    megabytes: residentMegabytes(pid),
    childMegabytes: descendants(pid).reduce((sum, child) => sum + residentMegabytes(child), 0),
    cpuPercent: (cpuTicks(pid) - (before[index] ?? 0)) / TICKS_PER_SECOND / seconds * 100,
  }));
}

/** CPU time of a process so far, its ended children included. */
export function cpuMilliseconds(pid: number): number {
  return cpuTicks(pid) / TICKS_PER_SECOND * 1_000;
}

/** Of the process, its children that have ended, and those that still run. */
function cpuTicks(pid: number): number {
  return [pid, ...descendants(pid)].reduce((sum, each) => {
    // utime, stime, cutime, cstime: fields 14 to 17; the name, field 2, may hold spaces.
    const fields = statOf(each).split(" ").slice(11, 15);
    return sum + fields.reduce((ticks, field) => ticks + Number(field), 0);
  }, 0);
}

function descendants(pid: number): readonly number[] {
  const children = [...Deno.readDirSync("/proc")]
    .map(({ name }) => Number(name))
    .filter((candidate) => candidate > 0 && parentOf(candidate) === pid);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function parentOf(pid: number): number {
  return Number(statOf(pid).split(" ")[1]);
}

/** What follows the process's name; a process that is gone has none. */
function statOf(pid: number): string {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return text.slice(text.lastIndexOf(")") + 2);
  } catch {
    return "";
  }
}

/** Resident memory of a process. */
export function residentMegabytes(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/**
 * Requests of all agents so far, as the API server counts them: they alone apply Leases and watch gateways.
 */
export async function agentRequests(api: RawApi): Promise<number> {
  const { body } = await api.request({ path: "/metrics", accept: "text/plain" });
  return [...String(body).matchAll(/^apiserver_request_total\{([^}]*)\} (\S+)$/gm)]
    .filter(([, labels = ""]) =>
      /resource="leases".*verb="APPLY"/.test(labels) ||
      /resource="egressgateways".*verb="WATCH"/.test(labels)
    )
    .reduce((sum, [, , count]) => sum + Number(count), 0);
}
