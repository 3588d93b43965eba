import * as v from "valibot";
import type { CiliumPolicy, JsonObject } from "../../core/types.ts";
import { isObject, metadata } from "./common.ts";

/** `cilium.io/v2` CiliumEgressGatewayPolicy; its spec is Cilium's and is kept as it is. */
export const ciliumPolicy = v.pipe(
  v.object({
    metadata: v.pipe(
      metadata,
      v.check(
        ({ unreadLabels }) => unreadLabels.length === 0,
        "write labels as text, by which it is told whose this policy is",
      ),
    ),
    spec: v.optional(v.custom<JsonObject>(isObject), {}),
  }),
  v.transform(({ metadata, spec }): CiliumPolicy => ({
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    labels: metadata.labels,
    annotations: metadata.annotations ?? {},
    ownerReferences: metadata.ownerReferences ?? [],
    deleting: metadata.deletionTimestamp != null,
    spec,
  })),
);
