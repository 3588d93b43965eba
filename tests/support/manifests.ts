/** Objects as kubectl prints them, for the command line. All of them default to a healthy one. */

export const SINCE = "2026-11-23T09:00:00Z";

export function readyStatus(status: "True" | "False" = "True", lastTransitionTime = SINCE) {
  return { conditions: [{ type: "Ready", status, message: "as reported", lastTransitionTime }] };
}

/** A node of the group that {@linkcode gatewayManifest} selects. */
export function nodeManifest(name: string, state: object = {}) {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { role: "egress", "kubernetes.io/hostname": name } },
    status: readyStatus(),
    ...state,
  };
}

/** Cilium's agent on a node. */
export function ciliumManifest(node: string) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `cilium-${node}`, namespace: "kube-system", labels: { "k8s-app": "cilium" } },
    spec: { nodeName: node },
    status: readyStatus(),
  };
}

export const PRIMARY = {
  mode: "PrimaryIPFromEgressGatewayNodeInterface",
  primaryIPFromEgressGatewayNodeInterface: { interfaceName: "eth1" },
};

export function gatewayManifest(
  name: string,
  { status, sourceIP = PRIMARY }: { readonly status?: object; readonly sourceIP?: object } = {},
) {
  return {
    apiVersion: "network.deckhouse.io/v1alpha1",
    kind: "EgressGateway",
    metadata: { name },
    spec: { nodeSelector: { role: "egress" }, sourceIP },
    ...(status === undefined ? {} : { status }),
  };
}

export function policyManifest(name: string, egressGatewayName: string, spec: object = {}) {
  return {
    apiVersion: "network.deckhouse.io/v1alpha1",
    kind: "EgressGatewayPolicy",
    metadata: { name },
    spec: {
      egressGatewayName,
      destinationCIDRs: ["0.0.0.0/0"],
      selectors: [{ podSelector: { matchLabels: { app: name } } }],
      ...spec,
    },
  };
}
