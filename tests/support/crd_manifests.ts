/** Valid manifests of our kinds, for tests of the CRDs to change. */
import type { KubeObject } from "../../src/build/kube_object.ts";

/** A manifest that the API server must refuse. */
export interface Refusal {
  /** What is wrong, for the test's name. */
  readonly what: string;
  readonly object: KubeObject;
  /** The only field that is complained about. */
  readonly field: string;
  /** Words of the message. */
  readonly says: string;
}

export type Spec = Readonly<Record<string, unknown>>;

export const PRIMARY_MODE = "PrimaryIPFromEgressGatewayNodeInterface";
/** The block of that mode. */
export const PRIMARY = "primaryIPFromEgressGatewayNodeInterface";

/** A gateway with virtual IP, its spec changed by `changes`; undefined removes a field. */
export function virtualGateway(changes: Spec = {}, name = "g"): KubeObject {
  const sourceIP = { mode: "VirtualIPAddress", virtualIPAddress: { ip: "172.18.18.242" } };
  return gateway({ nodeSelector: {}, sourceIP, ...changes }, name);
}

/** A gateway with the nodes' own addresses, its spec changed by `changes`. */
export function primaryGateway(changes: Spec = {}): KubeObject {
  return gateway({
    nodeSelector: { "dedicated/egress": "" },
    sourceIP: { mode: PRIMARY_MODE, [PRIMARY]: { interfaceName: "eth1" } },
    ...changes,
  });
}

/** A policy, its spec changed by `changes`. */
export function policy(changes: Spec = {}, name = "p"): KubeObject {
  const spec = {
    egressGatewayName: "g",
    destinationCIDRs: ["0.0.0.0/0"],
    selectors: [{ podSelector: { matchLabels: { app: "backend" } } }],
    ...changes,
  };
  return {
    apiVersion: "network.deckhouse.io/v1alpha1",
    kind: "EgressGatewayPolicy",
    metadata: { name },
    spec,
  };
}

/** A gateway with virtual IP whose block is changed by `changes`. */
export function virtualWith(changes: Spec): KubeObject {
  const virtualIPAddress = { ip: "172.18.18.242", ...changes };
  return virtualGateway({ sourceIP: { mode: "VirtualIPAddress", virtualIPAddress } });
}

/** A gateway with exactly this spec. */
export function gateway(spec: Spec, name = "g"): KubeObject {
  return {
    apiVersion: "network.deckhouse.io/v1alpha1",
    kind: "EgressGateway",
    metadata: { name },
    spec,
  };
}
