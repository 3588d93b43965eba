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
import { familyOf } from "./ip_family.ts";
import type { Family } from "./ip_family.ts";
import { listOf } from "./json.ts";
import { equal, mergePatch } from "./merge_patch.ts";
import { requirementFor } from "./node_set.ts";
import type { NodeSet } from "./node_set.ts";
import type { Part } from "./policy_parts.ts";
import { virtualIPsOf } from "./reports.ts";
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
  /** Whose destinations it has; undefined: they stay as they are, and so does the way. */
  readonly networks:
    | Pick<Part, "family" | "destinationCIDRs" | "excludedCIDRs">
    | undefined;
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
  const { part, target, networks } = wanted;
  return {
    apiVersion: CILIUM_API_VERSION,
    kind: "CiliumEgressGatewayPolicy",
    metadata: { name: part.name, ...metadataFor(wanted, undefined) },
    spec: specFor(wanted, {
      egressGateway: egressGatewayFor(target, networks?.family ?? 4),
      selectors: [],
      networks: {},
    }),
  };
}

/**
 * The merge patch that makes an existing policy right, undefined where it is right.
 *
 * A hand-edited policy is put back. Labels and annotations of others stay. While a handover waits, the traffic keeps
 * its way: the part that names node and address is left alone.
 */
export function ciliumPolicyPatch(existing: CiliumPolicy, wanted: Wanted): JsonObject | undefined {
  const { target, networks } = wanted;
  const { selectors = [], egressGateway: observed, destinationCIDRs = [], excludedCIDRs = [] } =
    existing.spec;
  const stays = target.route?.waiting || target.unread || networks === undefined;
  const egressGateway = stays && observed !== undefined
    ? observed
    : egressGatewayFor(target, networks?.family ?? 4);
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
    specFor(wanted, { egressGateway, selectors, networks: { destinationCIDRs, excludedCIDRs } }),
  );
  if (Object.keys(metadata).length === 0 && spec === undefined) return undefined;
  return {
    metadata: { resourceVersion: existing.resourceVersion, ...metadata },
    ...(spec === undefined ? {} : { spec }),
  };
}

function metadataFor(
  { policy, part, target, isMarked, networks }: Wanted,
  existing: CiliumPolicy | undefined,
): {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly JsonObject[];
} {
  const { gateway, route } = target;
  const ip = gateway === undefined || networks === undefined
    ? undefined
    : addressOf(gateway, networks.family);
  const boundAt = ip === undefined ? undefined : route?.boundAt[ip];
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
        ...(boundAt === undefined ? {} : { [BOUND_AT_ANNOTATION]: boundAt }),
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
function egressGatewayFor({ gateway, route, node }: Target, family: Family): JsonObject {
  const source = sourceFor(gateway, family);
  // Without an address of this family Cilium would take whichever the interface has. An address beside no node would say
  // nothing, and where Cilium's CRD refuses it (IPv6 before 1.20) there would be no policy, and nothing dropped.
  if (source === undefined || route?.node === undefined) {
    return { nodeSelector: { matchLabels: { [NO_NODE_LABEL]: "true" } } };
  }
  const matchLabels = { [HOSTNAME_LABEL]: node?.labels[HOSTNAME_LABEL] ?? route.node };
  return { nodeSelector: { matchLabels }, ...source };
}

/** The address of a gateway, or the interface that has it; undefined: there is none of this family. */
function sourceFor(gateway: Gateway | undefined, family: Family): JsonObject | undefined {
  if (gateway === undefined) return undefined;
  const { sourceIP } = gateway.spec;
  if (sourceIP.mode !== "VirtualIPAddress") return { interface: sourceIP.interfaceName };
  const egressIP = addressOf(gateway, family);
  return egressIP === undefined ? undefined : { egressIP };
}

/** The virtual IP of a family. */
function addressOf(gateway: Gateway, family: Family): string | undefined {
  return virtualIPsOf(gateway).find((ip) => familyOf(ip) === family);
}

function specFor(
  { networks, rules, target }: Wanted,
  observed: {
    readonly egressGateway: Json;
    readonly selectors: Json;
    readonly networks: Readonly<Record<string, Json>>;
  },
): JsonObject {
  const { destinationCIDRs = [], excludedCIDRs = [] } = networks ?? observed.networks;
  return {
    selectors: rules === undefined
      ? observed.selectors
      : limitRules(rules.selectors, target.gateway?.spec.allowedNamespaces)
        .map((rule) => onNodes(rule, rules.nodes)),
    destinationCIDRs,
    ...(listOf(excludedCIDRs).length === 0 ? {} : { excludedCIDRs }),
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
