/** Whether controllers work: what is shown of a cluster is as old as what they last wrote, and a request is only obeyed by one. */
import { rfc3339 } from "./time.ts";
import type { Gateway, Milliseconds, Pod, Policy } from "./types.ts";

export interface Controllers {
  /** `Unknown`: there is no pod of theirs, and one may run elsewhere, or only for a moment at a time. */
  readonly state: "Working" | "NotWorking" | "Unknown";
  /** A sentence without its full stop. */
  readonly message: string;
  /** RFC 3339, by the API server's clock; absent: never, or nobody says. */
  readonly lastWrite?: string;
}

/** A CronJob makes a pod each minute; one that is late by as much again is. Milliseconds. */
const CRON_FRESH_MILLISECONDS = 130_000;

/** @param pods those of controllers; undefined: they may not be listed */
export function controllersSeen(
  { pods, gateways, policies, now }: {
    readonly pods: readonly Pod[] | undefined;
    readonly gateways: readonly Pick<Gateway, "statusWrittenAt">[];
    readonly policies: readonly Pick<Policy, "statusWrittenAt">[];
    readonly now: Milliseconds;
  },
): Controllers {
  const writes = [...gateways, ...policies].flatMap(({ statusWrittenAt }) => statusWrittenAt ?? []);
  const last = writes.length === 0 ? undefined : Math.max(...writes);
  const wrote = last === undefined
    ? "none has written a status yet"
    : `one last worked at ${rfc3339(last)}, ${ago(now - last)} ago`;
  const told = (state: Controllers["state"], message: string): Controllers => ({
    state,
    message: `${message}; ${wrote}`,
    ...(last === undefined ? {} : { lastWrite: rfc3339(last) }),
  });
  if (pods === undefined) {
    return told(
      "Unknown",
      "Whether a controller runs cannot be told, as its pods may not be listed",
    );
  }
  const running = pods.filter(({ ended, deleting }) => ended === undefined && !deleting);
  const ready = running.filter((pod) => pod.ready);
  if (ready.length > 0) {
    return told("Working", `${ready.length} of ${counted(running.length, "controller")} ready`);
  }
  const ended = pods.flatMap(({ ended, readySince }) =>
    ended === "Succeeded" ? readySince ?? [] : []
  );
  const newest = Math.max(...ended);
  if (now - newest < CRON_FRESH_MILLISECONDS) {
    return told("Working", `A controller's CronJob ticked until ${rfc3339(newest)}`);
  }
  if (pods.length === 0) {
    return told("Unknown", "No controller's pod is found");
  }
  const since = Math.max(...running.flatMap(({ readySince }) => readySince ?? []));
  const when = since === -Infinity ? "" : ` since ${rfc3339(since)}`;
  return told(
    "NotWorking",
    running.length === 0
      ? "No controller runs"
      : `None of ${counted(running.length, "controller")} is ready${when}`,
  );
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** As people say it: `12 s`, `5 min`, `3 h`, `2 d`. */
export function ago(milliseconds: Milliseconds): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
