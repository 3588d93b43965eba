import * as v from "valibot";
import type { Pod } from "../../core/types.ts";
import { compact, each, metadata, part, time } from "./common.ts";

/** Phases in which no container of the pod runs any more, whatever its conditions say. */
const ENDED: ReadonlySet<string> = new Set(["Failed", "Succeeded"]);

/** `v1/Pod`. */
export const pod = v.pipe(
  v.object({
    metadata,
    spec: part(v.object({ nodeName: part(v.string()) })),
    status: part(v.object({
      phase: part(v.string()),
      conditions: v.optional(
        each(v.object({
          type: v.literal("Ready"),
          status: v.string(),
          lastTransitionTime: part(time),
        })),
        [],
      ),
    })),
  }),
  v.transform(({ metadata, spec, status }): Pod => {
    const [ready] = status?.conditions ?? [];
    const ended = ENDED.has(status?.phase ?? "") ? status?.phase : undefined;
    return compact({
      namespace: metadata.namespace ?? "",
      name: metadata.name,
      nodeName: spec?.nodeName ?? "",
      ready: ready?.status === "True" && ended === undefined,
      readySince: ready?.lastTransitionTime,
      ended,
      deleting: metadata.deletionTimestamp != null,
    });
  }),
);
