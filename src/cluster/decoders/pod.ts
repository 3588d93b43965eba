import * as v from "valibot";
import type { Pod } from "../../core/types.ts";
import { compact, metadata } from "./common.ts";
import { Parts } from "./parts.ts";
import { readyCondition } from "./ready.ts";

/** `v1/Pod`, of which each part is read on its own. */
export const pod = v.pipe(
  v.object({ metadata, spec: v.optional(v.unknown()), status: v.optional(v.unknown()) }),
  v.transform(({ metadata, ...rest }): Pod => {
    const parts = new Parts();
    const spec = parts.members(rest.spec, "spec");
    const status = parts.members(rest.status, "status");
    const ready = readyCondition(status["conditions"], parts);
    const nodeName = parts.read(spec["nodeName"], { path: "spec.nodeName", schema: v.string() });
    const phase = parts.read(status["phase"], { path: "status.phase", schema: v.string() });
    const ended: Pod["ended"] = phase === "Failed" || phase === "Succeeded" ? phase : undefined;
    return compact({
      namespace: metadata.namespace ?? "",
      name: metadata.name,
      nodeName: nodeName ?? "",
      // An evicted pod may keep the condition that it had.
      ready: ready?.status === "True" && ended === undefined,
      readySince: ready?.lastTransitionTime,
      deleting: metadata.deletionTimestamp != null,
      ended,
      unread: ended === undefined ? parts.unread : undefined,
    });
  }),
);
