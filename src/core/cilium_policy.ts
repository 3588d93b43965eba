/** The translation of one part of a policy to a CiliumEgressGatewayPolicy; `policy_parts.ts` tells which parts there are. */
import { formerAnnotation, isAdopted, isOwner } from "./adoption.ts";
import { limitRules } from "./allowed_namespaces.ts";
import type { Route } from "./gateway_outcome.ts";
import {
  API_VERSION,
  BOUND_AT_ANNOTATION,
  CILIUM_API_VERSION,
  FORMER_ANNOTATION,
  GATEWAY_LABEL,
  GENERATION_ANNOTATION,
  HOSTNAME_LABEL,
  MANAGED_BY_LABEL,
  MANAGER,
  NO_NODE_LABEL,
  PART_ANNOTATION,
  POLICY_LABEL,
  TERM_ANNOTATION,
} from "./names.ts";
import { equal, mergePatch } from "./merge_patch.ts";
import { requirementFor } from "./node_set.ts";
import type { NodeSet } from "./node_set.ts";
import type { Part } from "./policy_parts.ts";
import type {
  CiliumPolicy,
  Gateway,
  Json,
  JsonObject,
  Labels,
  Node,
  Policy,
  PolicyRule,
} from "./types.ts";

/** What Cilium is to be told; `gateway` undefined: no such gateway, so that Cilium drops. */
export interface Target {
  readonly gateway: Gateway | undefined;
  readonly route: Route | undefined;
  /** The node object that `route` names, where it still exists. */
  readonly node: Node | undefined;
  /** That object is there and its labels cannot be read: a policy that sends traffic to it is left as it is. */
  readonly unread?: boolean;
}

/** What is written of one part. */
export interface Wanted {
  readonly policy: Policy;
  readonly part: Pick<Part, "name" | "suffix" | "gateway">;
  /** Undefined: those of a gateway that is no longer the policy's stay as they are until its traffic has gone over. */
  readonly rules:
    | { readonly selectors: readonly PolicyRule[]; readonly nodes: NodeSet }
    | undefined;
  readonly target: Target;
  /** It is to say for which generation of the policy it was made. */
  readonly isMarked: boolean;
}

/** The whole object to create. */
export function ciliumPolicyFor(wanted: Wanted): JsonObject {
  const { part, target } = wanted;
  return {
    apiVersion: CILIUM_API_VERSION,
    kind: "CiliumEgressGatewayPolicy",
    metadata: { name: part.name, ...metadataFor(wanted, undefined) },
    spec: specFor(wanted, { egressGateway: egressGatewayFor(target), selectors: [] }),
  };
}

/**
 * The merge patch that makes an existing policy right, undefined where it is right.
 *
 * A hand-edited policy is put back. Labels and annotations of others stay. While a handover waits, the traffic keeps
 * its way: the part that names node and address is left alone.
 */
export function ciliumPolicyPatch(existing: CiliumPolicy, wanted: Wanted): JsonObject | undefined {
  const { target } = wanted;
  const { selectors = [], egressGateway: observed } = existing.spec;
  const egressGateway = (target.route?.waiting || target.unread) && observed !== undefined
    ? observed
    : egressGatewayFor(target);
  const { annotations, ownerReferences } = existing;
  const meta = metadataFor(wanted, existing);
  const labels = isAdopted(existing) ? withoutManager(existing.labels) : existing.labels;
  const metadata = {
    ...mergePatch({ labels: existing.labels, annotations }, {
      labels: { ...labels, ...meta.labels },
      annotations: { ...annotations, ...meta.annotations },
    }),
    ...(equal([...ownerReferences], [...meta.ownerReferences])
      ? {}
      : { ownerReferences: meta.ownerReferences }),
  };
  const spec = mergePatch(
    withoutEmpty(existing.spec),
    specFor(wanted, { egressGateway, selectors }),
  );
  if (Object.keys(metadata).length === 0 && spec === undefined) return undefined;
  return {
    metadata: { resourceVersion: existing.resourceVersion, ...metadata },
    ...(spec === undefined ? {} : { spec }),
  };
}

function metadataFor(
  { policy, part, target, isMarked }: Wanted,
  existing: CiliumPolicy | undefined,
): {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly JsonObject[];
} {
  const { gateway, route } = target;
  const keep = route?.waiting && existing !== undefined;
  const owner = {
    apiVersion: API_VERSION,
    kind: "EgressGatewayPolicy",
    name: policy.name,
    uid: policy.uid,
    controller: true,
  };
  const others = existing?.ownerReferences.filter((reference) => !isOwner(reference)) ?? [];
  const adopted = existing !== undefined && isAdopted(existing);
  return {
    labels: {
      ...(adopted ? {} : { [MANAGED_BY_LABEL]: MANAGER }),
      [POLICY_LABEL]: policy.name,
      [GATEWAY_LABEL]: gateway?.name ?? part.gateway,
    },
    annotations: {
      ...(part.suffix === "" ? {} : { [PART_ANNOTATION]: part.suffix }),
      ...(isMarked ? { [GENERATION_ANNOTATION]: String(policy.generation) } : {}),
      ...(adopted && existing.annotations[FORMER_ANNOTATION] === undefined
        ? { [FORMER_ANNOTATION]: formerAnnotation(existing) }
        : {}),
      ...(route === undefined || keep ? {} : {
        [TERM_ANNOTATION]: String(route.term),
        ...(route.boundAt === undefined ? {} : { [BOUND_AT_ANNOTATION]: route.boundAt }),
      }),
    },
    ownerReferences: adopted ? others : [...others, owner],
  };
}

function withoutManager(labels: Labels): Labels {
  const { [MANAGED_BY_LABEL]: manager, ...others } = labels;
  return manager === MANAGER ? others : labels;
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
    ? { egressIP: source.ips[0] ?? "" }
    : { interface: source.interfaceName };
}

function specFor(
  { policy: { spec }, rules, target }: Wanted,
  observed: { readonly egressGateway: Json; readonly selectors: Json },
): JsonObject {
  return {
    selectors: rules === undefined
      ? observed.selectors
      : limitRules(rules.selectors, target.gateway?.spec.allowedNamespaces)
        .map((rule) => onNodes(rule, rules.nodes)),
    destinationCIDRs: spec.destinationCIDRs,
    ...(spec.excludedCIDRs.length === 0 ? {} : { excludedCIDRs: spec.excludedCIDRs }),
    egressGateway: observed.egressGateway,
  };
}

/** The rule for pods on these nodes alone; the requirement comes last. */
function onNodes(rule: PolicyRule, nodes: NodeSet): PolicyRule {
  const requirement = requirementFor(nodes);
  if (requirement === undefined) return rule;
  const { nodeSelector } = rule;
  return {
    ...rule,
    nodeSelector: {
      ...nodeSelector,
      matchExpressions: [...nodeSelector?.matchExpressions ?? [], requirement],
    },
  };
}

/** Cilium's CRD fills in empty lists (`egressGateways: []` since 1.20), which say nothing. */
function withoutEmpty(spec: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(spec).filter(([, value]) => !(Array.isArray(value) && value.length === 0)),
  );
}
