/** Where the objects that we read and write live in the API. */
import { AGENT_APP, API_VERSION, CILIUM_API_VERSION, NAMESPACE } from "../core/names.ts";
import type { Change } from "../core/types.ts";

/** The list path of each kind; Leases are ours alone, in our namespace. */
export const PATHS = {
  Node: "/api/v1/nodes",
  Pod: "/api/v1/pods",
  Namespace: "/api/v1/namespaces",
  CustomResourceDefinition: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
  Lease: `/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases`,
  EgressGateway: `/apis/${API_VERSION}/egressgateways`,
  EgressGatewayPolicy: `/apis/${API_VERSION}/egressgatewaypolicies`,
  CiliumEgressGatewayPolicy: `/apis/${CILIUM_API_VERSION}/ciliumegressgatewaypolicies`,
  CiliumNode: `/apis/${CILIUM_API_VERSION}/ciliumnodes`,
  CiliumEndpoint: `/apis/${CILIUM_API_VERSION}/ciliumendpoints`,
  Event: "/api/v1/namespaces/default/events",
} as const;

/** Where our agents run. */
export const AGENT_PODS = {
  namespace: NAMESPACE,
  labelSelector: `app.kubernetes.io/name=${AGENT_APP}`,
} as const;

/** The path of the pods of a namespace. */
export function podsIn(namespace: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
}

/** The path of the CiliumEndpoints of a namespace, which are named as its pods. */
export function ciliumEndpointsIn(namespace: string): string {
  return `/apis/${CILIUM_API_VERSION}/namespaces/${encodeURIComponent(namespace)}/ciliumendpoints`;
}

/** The path of the object, or of its subresource, that a change writes to. */
export function pathOf({ kind, name, subresource, action }: Change): string {
  if (action === "create") return PATHS[kind];
  const object = `${PATHS[kind]}/${encodeURIComponent(name)}`;
  return subresource === undefined ? object : `${object}/${subresource}`;
}
