/** One decoder for each kind that a tick reads. */
import { ciliumPolicy } from "./cilium_policy.ts";
import { decoderOf } from "./decode.ts";
import { gateway } from "./gateway.ts";
import { lease } from "./lease.ts";
import { node } from "./node.ts";
import { pod } from "./pod.ts";
import { policy } from "./policy.ts";

export const decodeNode = decoderOf("Node", node);
export const decodePod = decoderOf("Pod", pod);
export const decodeLease = decoderOf("Lease", lease);
export const decodeGateway = decoderOf("EgressGateway", gateway);
export const decodePolicy = decoderOf("EgressGatewayPolicy", policy);
export const decodeCiliumPolicy = decoderOf("CiliumEgressGatewayPolicy", ciliumPolicy);
