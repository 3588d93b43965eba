import * as v from "valibot";
import type { Pod } from "../../core/types.ts";
import { compact, metadata, time } from "./common.ts";

/** `v1/Pod`. */
export const pod = v.pipe(
  v.object({
    metadata,
    spec: v.optional(v.object({ nodeName: v.nullish(v.string()) }), {}),
    status: v.optional(
      v.object({
        conditions: v.nullish(v.array(v.object({
          type: v.string(),
          status: v.string(),
          lastTransitionTime: v.nullish(time),
        }))),
      }),
      {},
    ),
  }),
  v.transform(({ metadata, spec, status }): Pod => {
    const ready = status.conditions?.find(({ type }) => type === "Ready");
    return compact({
      namespace: metadata.namespace ?? "",
      name: metadata.name,
      nodeName: spec.nodeName ?? "",
      ready: ready?.status === "True",
      readySince: ready?.lastTransitionTime,
      deleting: metadata.deletionTimestamp != null,
    });
  }),
);
