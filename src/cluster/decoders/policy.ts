import * as v from "valibot";
import type {
  Policy,
  PolicyRule,
  PolicyStatus,
  PolicyWay,
  WeightedGateway,
} from "../../core/types.ts";
import {
  address,
  cidr,
  compact,
  condition,
  ip,
  itemsOf,
  labelSelector,
  metadata,
  part,
  statusWrite,
} from "./common.ts";

const rule = v.pipe(
  v.object({
    podSelector: v.nullish(labelSelector),
    namespaceSelector: v.nullish(labelSelector),
    nodeSelector: v.nullish(labelSelector),
  }),
  v.check(
    ({ podSelector, namespaceSelector }) => podSelector != null || namespaceSelector != null,
    "write a podSelector or a namespaceSelector",
  ),
  v.transform((rule): PolicyRule => compact(rule)),
);

const way = v.pipe(
  v.object({
    name: v.string(),
    shards: v.fallback(v.number(), 0),
    activeNodeName: part(v.string()),
    egressIP: part(address),
    egressIPs: part(itemsOf(ip)),
    servedBy: part(v.string()),
  }),
  v.transform((way): PolicyWay => compact(way)),
);

const status = v.pipe(
  v.object({
    observedGeneration: part(v.number()),
    activeNodeName: part(v.string()),
    egressIP: part(address),
    egressIPs: part(itemsOf(ip)),
    gateways: part(itemsOf(way)),
    conditions: part(itemsOf(condition)),
  }),
  v.transform((status): PolicyStatus => compact(status)),
);

const gatewayName = v.pipe(v.string(), v.minLength(1));

/** One name, or a list of names of which some have a weight. */
const gateways = v.pipe(
  v.object({
    egressGatewayName: v.nullish(gatewayName),
    egressGatewayNames: v.nullish(
      v.pipe(
        v.array(gatewayName),
        v.minLength(2),
        v.maxLength(16),
        v.check((names) => new Set(names).size === names.length, "name each gateway once"),
      ),
    ),
    egressGatewayWeights: v.nullish(
      v.record(v.string(), v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(16))),
    ),
  }),
  v.check(
    ({ egressGatewayName, egressGatewayNames }) =>
      (egressGatewayName == null) !== (egressGatewayNames == null),
    "write egressGatewayName, or egressGatewayNames for several gateways",
  ),
  v.transform(({ egressGatewayName, egressGatewayNames, egressGatewayWeights }) =>
    (egressGatewayNames ?? [egressGatewayName ?? ""]).map((name): WeightedGateway => ({
      name,
      weight: egressGatewayWeights?.[name] ?? 1,
    }))
  ),
);

/** `network.deckhouse.io/v1alpha1` EgressGatewayPolicy. */
export const policy = v.pipe(
  v.object({
    metadata,
    spec: v.intersect([
      v.pipe(gateways, v.transform((gateways) => ({ gateways }))),
      v.object({
        fallbackGatewayName: v.nullish(gatewayName),
        destinationCIDRs: v.pipe(v.array(cidr), v.minLength(1)),
        excludedCIDRs: v.nullish(v.array(cidr)),
        selectors: v.pipe(v.array(rule), v.minLength(1)),
      }),
    ]),
    status: v.fallback(v.nullish(status), undefined),
  }),
  v.transform(({ metadata, spec, status }): Policy => ({
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    generation: metadata.generation,
    createdAt: metadata.creationTimestamp ?? 0,
    deleting: metadata.deletionTimestamp != null,
    spec: {
      gateways: spec.gateways,
      ...(spec.fallbackGatewayName == null ? {} : { fallback: spec.fallbackGatewayName }),
      destinationCIDRs: spec.destinationCIDRs,
      excludedCIDRs: spec.excludedCIDRs ?? [],
      selectors: spec.selectors,
    },
    status: status ?? {},
    ...statusWrite(metadata),
  })),
);
