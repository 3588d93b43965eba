import * as v from "valibot";
import { canonicalIP } from "../../core/ip_family.ts";
import type { Node } from "../../core/types.ts";
import { compact, metadata } from "./common.ts";
import { Parts } from "./parts.ts";
import { readyCondition } from "./ready.ts";

const address = v.object({ type: v.string(), address: v.string() });

/** `v1/Node`, of which each part is read on its own: of a node only what is used is looked at. */
export const node = v.pipe(
  v.object({ metadata, spec: v.optional(v.unknown()), status: v.optional(v.unknown()) }),
  v.transform(({ metadata, ...rest }): Node => {
    const parts = new Parts();
    const spec = parts.members(rest.spec, "spec");
    const status = parts.members(rest.status, "status");
    const ready = readyCondition(status["conditions"], parts);
    const cordoned = parts.read(spec["unschedulable"], {
      path: "spec.unschedulable",
      schema: v.boolean(),
    });
    // Candidacy does not rest on them.
    const addresses = new Parts().items(status["addresses"], {
      path: "status.addresses",
      schema: address,
    });
    // What a kubelet lists that is no address is nobody's.
    const ofType = (wanted: string) =>
      addresses.filter(({ type }) => type === wanted)
        .flatMap(({ address }) => canonicalIP(address) ?? []);
    const state: Node["ready"] = ready?.status ?? "Missing";
    return compact({
      name: metadata.name,
      resourceVersion: metadata.resourceVersion,
      labels: metadata.labels,
      cordoned: cordoned ?? false,
      deleting: metadata.deletionTimestamp != null,
      ready: state,
      readySince: ready?.lastTransitionTime,
      readyMessage: ready?.message || undefined,
      internalIPs: ofType("InternalIP"),
      externalIPs: ofType("ExternalIP"),
      unread: parts.unread,
      unreadLabels: metadata.unreadLabels.length === 0 ? undefined : metadata.unreadLabels,
    });
  }),
);
