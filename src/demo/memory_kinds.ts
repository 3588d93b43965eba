/** The kinds that the demo's API serves. */

export interface Kind {
  /** Empty: the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Status is written by its own path only. */
  readonly status: boolean;
}

const core = { group: "", version: "v1", namespaced: true, status: true };
const deckhouse = {
  group: "network.deckhouse.io",
  version: "v1alpha1",
  namespaced: false,
  status: true,
};

export const KINDS: readonly Kind[] = [
  { ...core, kind: "Node", plural: "nodes", namespaced: false },
  { ...core, kind: "Pod", plural: "pods" },
  { ...core, kind: "Event", plural: "events", status: false },
  { ...core, kind: "Namespace", plural: "namespaces", namespaced: false },
  { ...core, kind: "ConfigMap", plural: "configmaps", status: false },
  {
    group: "apiextensions.k8s.io",
    version: "v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    namespaced: false,
    status: true,
  },
  {
    group: "coordination.k8s.io",
    version: "v1",
    kind: "Lease",
    plural: "leases",
    namespaced: true,
    status: false,
  },
  { ...deckhouse, kind: "EgressGateway", plural: "egressgateways" },
  { ...deckhouse, kind: "EgressGatewayPolicy", plural: "egressgatewaypolicies" },
  {
    group: "cilium.io",
    version: "v2",
    kind: "CiliumEgressGatewayPolicy",
    plural: "ciliumegressgatewaypolicies",
    namespaced: false,
    status: false,
  },
];

export function apiVersionOf({ group, version }: Kind): string {
  return group === "" ? version : `${group}/${version}`;
}

/** The path below which a group's resources are. */
export function rootOf(kind: Kind): string {
  return `${kind.group === "" ? "/api" : "/apis"}/${apiVersionOf(kind)}`;
}

/** @throws where no such kind is served */
export function kindNamed(name: string): Kind {
  const kind = KINDS.find((each) => each.kind === name);
  if (kind === undefined) throw new Error(`Cannot serve kind '${name}'`);
  return kind;
}
