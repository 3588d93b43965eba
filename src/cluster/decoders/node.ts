import * as v from "valibot";
import type { Node } from "../../core/types.ts";
import { compact, each, isIP, metadata, part, time } from "./common.ts";

const READY_STATES: ReadonlySet<string> = new Set(["True", "False", "Unknown"]);

/**
 * `v1/Node`. Anybody may put conditions and addresses into its status, so each is read on its own, and of the conditions
 * only Ready.
 */
export const node = v.pipe(
  v.object({
    metadata,
    spec: v.nullish(v.object({ unschedulable: v.nullish(v.boolean()) })),
    status: part(v.object({
      conditions: v.optional(
        each(v.object({
          type: v.literal("Ready"),
          status: v.string(),
          message: part(v.string()),
          lastTransitionTime: part(time),
        })),
        [],
      ),
      addresses: v.optional(each(v.object({ type: v.string(), address: v.string() })), []),
    })),
  }),
  v.transform(({ metadata, spec, status }): Node => {
    const [ready] = status?.conditions ?? [];
    // What a kubelet lists that is no address is nobody's.
    const addresses = (wanted: string) =>
      (status?.addresses ?? []).filter(({ type, address }) => type === wanted && isIP(address))
        .map(({ address }) => address);
    return compact({
      name: metadata.name,
      resourceVersion: metadata.resourceVersion,
      labels: metadata.labels ?? {},
      cordoned: spec?.unschedulable ?? false,
      deleting: metadata.deletionTimestamp != null,
      ready: readyState(ready?.status),
      readySince: ready?.lastTransitionTime,
      readyMessage: ready?.message || undefined,
      internalIPs: addresses("InternalIP"),
      externalIPs: addresses("ExternalIP"),
    });
  }),
);

function readyState(status: string | undefined): Node["ready"] {
  if (status === undefined) return "Missing";
  return READY_STATES.has(status) ? status as Node["ready"] : "Unreadable";
}
