import * as v from "valibot";
import type { Policy, PolicyRule, PolicyStatus } from "../../core/types.ts";
import {
  compact,
  condition,
  ipv4CIDR,
  itemsOf,
  labelSelector,
  metadata,
  part,
  statusWrite,
} from "./common.ts";

const rule = v.pipe(
  v.object({ podSelector: v.nullish(labelSelector), namespaceSelector: v.nullish(labelSelector) }),
  v.check(
    ({ podSelector, namespaceSelector }) => podSelector != null || namespaceSelector != null,
    "write a podSelector or a namespaceSelector",
  ),
  v.transform((rule): PolicyRule => compact(rule)),
);

const status = v.pipe(
  v.object({
    observedGeneration: part(v.number()),
    activeNodeName: part(v.string()),
    egressIP: part(v.string()),
    conditions: part(itemsOf(condition)),
  }),
  v.transform((status): PolicyStatus => compact(status)),
);

/** `network.deckhouse.io/v1alpha1` EgressGatewayPolicy. */
export const policy = v.pipe(
  v.object({
    metadata,
    spec: v.object({
      egressGatewayName: v.pipe(v.string(), v.minLength(1)),
      destinationCIDRs: v.pipe(v.array(ipv4CIDR), v.minLength(1)),
      excludedCIDRs: v.nullish(v.array(ipv4CIDR)),
      selectors: v.pipe(v.array(rule), v.minLength(1)),
    }),
    status: v.fallback(v.nullish(status), undefined),
  }),
  v.transform(({ metadata, spec, status }): Policy => ({
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    generation: metadata.generation,
    createdAt: metadata.creationTimestamp ?? 0,
    deleting: metadata.deletionTimestamp != null,
    spec: { ...spec, excludedCIDRs: spec.excludedCIDRs ?? [] },
    status: status ?? {},
    ...statusWrite(metadata),
  })),
);
