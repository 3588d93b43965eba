/** Every name that Sallyport writes into a cluster, in one place. */

/** API group and version of EgressGateway and EgressGatewayPolicy. */
export const API_GROUP = "network.deckhouse.io";
export const API_VERSION = `${API_GROUP}/v1alpha1`;

/** API group and version of CiliumEgressGatewayPolicy. */
export const CILIUM_API_VERSION = "cilium.io/v2";

/** Prefix of all labels and annotations of ours. */
export const PREFIX = "egress-gateway.network.deckhouse.io/";

/** Namespace of the agent's pods and Leases, and of the controller. */
export const NAMESPACE = "sallyport-system";

/** Label of the agent's pods: `app.kubernetes.io/name: sallyport-agent`. */
export const AGENT_APP = "sallyport-agent";

/** Label of the controllers' pods, of whichever kind. */
export const CONTROLLER_APP = "sallyport-controller";

/** Field managers; the time of the agent's last write judges its heartbeat. */
export const AGENT_MANAGER = "agent";
export const CONTROLLER_MANAGER = "controller";

/** Node label on every candidate; it places the agent DaemonSet. */
export const MEMBER_LABEL = `${PREFIX}member`;

/** Node label: the shard of its pods where policies are spread over several gateways; written once. */
export const SHARD_LABEL = `${PREFIX}shard`;

/** Start of the node label on the holder only; the gateway's name follows. */
export const ACTIVE_FOR_LABEL = `${PREFIX}active-for-`;

/** Label on CiliumEgressGatewayPolicies that Sallyport keeps, made by us or adopted; its value is the policy's name. */
export const POLICY_LABEL = `${PREFIX}policy`;

/** Annotation on a CiliumEgressGatewayPolicy that is one of several of its policy: what follows the policy's name and a dot. */
export const PART_ANNOTATION = `${PREFIX}part`;

/** Annotation on it: the generation of its policy that it was last made for. */
export const GENERATION_ANNOTATION = `${PREFIX}generation`;

/** Label on CiliumEgressGatewayPolicies: the name of the gateway that the traffic is sent to. */
export const GATEWAY_LABEL = `${PREFIX}gateway`;

/** Label on what Sallyport made, and on nothing that it adopted. */
export const MANAGED_BY_LABEL = "app.kubernetes.io/managed-by";
export const MANAGER = "sallyport";

/** Annotation on adopted CiliumEgressGatewayPolicies: JSON, the spec that they had before. */
export const FORMER_ANNOTATION = `${PREFIX}former`;

/** Annotation on a gateway: the node that must hold it while it is eligible. */
export const PIN_ANNOTATION = `${PREFIX}pin`;

/** Annotations on CiliumEgressGatewayPolicies: a changed value makes Cilium evaluate the policy anew. */
export const TERM_ANNOTATION = `${PREFIX}term`;
export const BOUND_AT_ANNOTATION = `${PREFIX}bound-at`;

/** Annotation on an agent's Lease: the agent's report as JSON. */
export const REPORT_ANNOTATION = `${PREFIX}report`;

/** Annotation on an agent's Lease: JSON map from gateway uid to the term below which the agent must be silent. */
export const FENCE_ANNOTATION = `${PREFIX}fence`;

/** Label by which a CiliumEgressGatewayPolicy selects its node. */
export const HOSTNAME_LABEL = "kubernetes.io/hostname";

/** Labels that Cilium gives to a pod: its namespace's name, and each of its namespace's labels behind this prefix. */
export const POD_NAMESPACE_LABEL = "io.kubernetes.pod.namespace";
export const NAMESPACE_LABELS_PREFIX = "io.cilium.k8s.namespace.labels.";

/** Label that Kubernetes gives to a namespace: its name. */
export const NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name";

/** Label that no node carries: a CiliumEgressGatewayPolicy that selects it selects no node, and Cilium drops. */
export const NO_NODE_LABEL = `${PREFIX}no-node`;
