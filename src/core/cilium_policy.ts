/** The translation of a policy to Cilium: one EgressGatewayPolicy is one CiliumEgressGatewayPolicy of the same name. */
import { limitRules } from "./allowed_namespaces.ts";
import type { Route } from "./gateway_outcome.ts";
import {
  API_GROUP,
  API_VERSION,
  BOUND_AT_ANNOTATION,
  CILIUM_API_VERSION,
  GATEWAY_LABEL,
  HOSTNAME_LABEL,
  NO_NODE_LABEL,
  POLICY_LABEL,
  TERM_ANNOTATION,
} from "./names.ts";
import { equal, mergePatch } from "./merge_patch.ts";
import type { CiliumPolicy, Gateway, Json, JsonObject, Node, Policy } from "./types.ts";

/** What Cilium is to be told; `gateway` undefined: no such gateway, so that Cilium drops. */
export interface Target {
  readonly gateway: Gateway | undefined;
  readonly route: Route | undefined;
  /** The node object that `route` names, where it still exists. */
  readonly node: Node | undefined;
  /** That object is there and its labels cannot be read: a policy that sends traffic to it is left as it is. */
  readonly unread?: boolean;
}

/** Tells whether a CiliumEgressGatewayPolicy is of our making: by its label, or by its owner. */
export function isOurs(policy: CiliumPolicy): boolean {
  return policy.labels[POLICY_LABEL] === policy.name ||
    policy.ownerReferences.some((owner) =>
      owner["kind"] === "EgressGatewayPolicy" &&
      String(owner["apiVersion"]).startsWith(`${API_GROUP}/`) &&
      owner["name"] === policy.name
    );
}

/** The whole object to create. */
export function ciliumPolicyFor(policy: Policy, target: Target): JsonObject {
  return {
    apiVersion: CILIUM_API_VERSION,
    kind: "CiliumEgressGatewayPolicy",
    metadata: { name: policy.name, ...metadataFor(policy, { target, existing: undefined }) },
    spec: specFor(policy, { target, egressGateway: egressGatewayFor(target) }),
  };
}

/**
 * The merge patch that makes an existing policy right, undefined where it is right.
 *
 * A hand-edited policy is put back. Labels and annotations of others stay. While a handover waits, the traffic keeps
 * its way: the part that names node and address is left alone.
 */
export function ciliumPolicyPatch(
  existing: CiliumPolicy,
  context: { readonly policy: Policy; readonly target: Target },
): JsonObject | undefined {
  const { policy, target } = context;
  const observed = existing.spec["egressGateway"];
  const egressGateway = (target.route?.waiting || target.unread) && observed !== undefined
    ? observed
    : egressGatewayFor(target);
  const { labels, annotations, ownerReferences } = existing;
  const wanted = metadataFor(policy, { target, existing });
  const metadata = {
    ...mergePatch({ labels, annotations }, {
      labels: { ...labels, ...wanted.labels },
      annotations: { ...annotations, ...wanted.annotations },
    }),
    ...(equal([...ownerReferences], [...wanted.ownerReferences])
      ? {}
      : { ownerReferences: wanted.ownerReferences }),
  };
  const spec = mergePatch(withoutEmpty(existing.spec), specFor(policy, { target, egressGateway }));
  if (Object.keys(metadata).length === 0 && spec === undefined) return undefined;
  return {
    metadata: { resourceVersion: existing.resourceVersion, ...metadata },
    ...(spec === undefined ? {} : { spec }),
  };
}

function metadataFor(
  policy: Policy,
  { target, existing }: { target: Target; existing: CiliumPolicy | undefined },
): {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly JsonObject[];
} {
  const { route } = target;
  const keep = route?.waiting && existing !== undefined;
  const owner = {
    apiVersion: API_VERSION,
    kind: "EgressGatewayPolicy",
    name: policy.name,
    uid: policy.uid,
    controller: true,
  };
  const others =
    existing?.ownerReferences.filter((reference) => reference["kind"] !== owner.kind) ?? [];
  return {
    labels: {
      "app.kubernetes.io/managed-by": "sallyport",
      [POLICY_LABEL]: policy.name,
      [GATEWAY_LABEL]: policy.spec.egressGatewayName,
    },
    annotations: route === undefined || keep ? {} : {
      [TERM_ANNOTATION]: String(route.term),
      ...(route.boundAt === undefined ? {} : { [BOUND_AT_ANNOTATION]: route.boundAt }),
    },
    ownerReferences: [...others, owner],
  };
}

/**
 * Node and source address. The selector is always replaced as a whole and names the node by the value of its hostname
 * label: a dead node's CiliumNode keeps its labels (cilium issue 41547), so moving a label would leave two gateways.
 */
function egressGatewayFor({ gateway, route, node }: Target): JsonObject {
  const name = route?.node;
  const matchLabels: JsonObject = name === undefined
    ? { [NO_NODE_LABEL]: "true" }
    : { [HOSTNAME_LABEL]: node?.labels[HOSTNAME_LABEL] ?? name };
  return { nodeSelector: { matchLabels }, ...sourceFor(gateway) };
}

function sourceFor(gateway: Gateway | undefined): JsonObject {
  const source = gateway?.spec.sourceIP;
  if (source === undefined) return {};
  return source.mode === "VirtualIPAddress"
    ? { egressIP: source.ip }
    : { interface: source.interfaceName };
}

function specFor(
  { spec }: Policy,
  { target, egressGateway }: { readonly target: Target; readonly egressGateway: Json },
): JsonObject {
  return {
    selectors: limitRules(spec.selectors, target.gateway?.spec.allowedNamespaces),
    destinationCIDRs: spec.destinationCIDRs,
    ...(spec.excludedCIDRs.length === 0 ? {} : { excludedCIDRs: spec.excludedCIDRs }),
    egressGateway,
  };
}

/** Cilium's CRD fills in empty lists (`egressGateways: []` since 1.20), which say nothing. */
function withoutEmpty(spec: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(spec).filter(([, value]) => !(Array.isArray(value) && value.length === 0)),
  );
}
