import * as v from "valibot";
import type { Node } from "../../core/types.ts";
import { compact, metadata, time } from "./common.ts";

/** `v1/Node`. */
export const node = v.pipe(
  v.object({
    metadata,
    spec: v.optional(v.object({ unschedulable: v.optional(v.boolean(), false) }), {}),
    status: v.optional(
      v.object({
        conditions: v.nullish(v.array(v.object({
          type: v.string(),
          status: v.picklist(["True", "False", "Unknown"]),
          message: v.nullish(v.string()),
          lastTransitionTime: v.nullish(time),
        }))),
        addresses: v.nullish(v.array(v.object({ type: v.string(), address: v.string() }))),
      }),
      {},
    ),
  }),
  v.transform(({ metadata, spec, status }): Node => {
    const ready = status.conditions?.find(({ type }) => type === "Ready");
    const state: Node["ready"] = ready?.status ?? "Missing";
    return compact({
      name: metadata.name,
      resourceVersion: metadata.resourceVersion,
      labels: metadata.labels ?? {},
      cordoned: spec.unschedulable,
      deleting: metadata.deletionTimestamp != null,
      ready: state,
      readySince: ready?.lastTransitionTime,
      readyMessage: ready?.message || undefined,
      internalIPs: (status.addresses ?? []).filter(({ type }) => type === "InternalIP").map((
        { address },
      ) => address),
    });
  }),
);
