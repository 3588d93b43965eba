/** The time that the objects in files were read at, as far as they tell. */
import { isMap } from "../../cluster/schema/json.ts";
import { parseTime } from "../../core/time.ts";
import type { Milliseconds } from "../../core/types.ts";

/** When the server wrote it, by its clock. */
const SERVER_TIMES = new Set(["time", "creationTimestamp"]);

/** Also by the clocks of nodes, or of who wrote the condition. */
const ALL_TIMES = new Set([
  ...SERVER_TIMES,
  "lastTransitionTime",
  "lastHeartbeatTime",
  "renewTime",
]);

/**
 * The newest time in the objects. The server's own are trusted where managed fields have them: these are as new as the
 * latest heartbeat, whatever the clocks of nodes say.
 */
export function newestTime(objects: readonly unknown[]): Milliseconds | undefined {
  const managed = objects.some(hasManagedTime);
  return objects.flatMap((object) => timesIn(object, managed ? SERVER_TIMES : ALL_TIMES))
    .reduce<number | undefined>(
      (newest, time) => newest === undefined || time > newest ? time : newest,
      undefined,
    );
}

function hasManagedTime(object: unknown): boolean {
  const metadata = isMap(object) ? object["metadata"] : undefined;
  const managed = isMap(metadata) ? metadata["managedFields"] : undefined;
  return Array.isArray(managed) &&
    managed.some((entry: unknown) => isMap(entry) && entry["time"] !== undefined);
}

function timesIn(value: unknown, keys: ReadonlySet<string>): readonly Milliseconds[] {
  if (Array.isArray(value)) return value.flatMap((item) => timesIn(item, keys));
  if (!isMap(value)) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    if (!keys.has(key)) return timesIn(member, keys);
    const time = typeof member === "string" ? parseTime(member) : undefined;
    return time === undefined ? [] : [time];
  });
}
