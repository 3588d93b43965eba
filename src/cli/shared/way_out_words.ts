/** A way out in words. */
import type { WayOut } from "../../core/way_out.ts";

/** What becomes of the traffic, without a subject. */
export function headline({ verdict, gateway, policy, node, egressIP }: WayOut): string {
  const address = egressIP === undefined ? "" : `, as ${egressIP}`;
  switch (verdict) {
    case "Gateway":
      return gateway === undefined
        ? `leaves by node ${node}${address}, as CiliumEgressGatewayPolicy '${policy}' says`
        : `leaves by gateway ${gateway}, node ${node}${address}`;
    case "OwnNode":
      return `leaves by the pod's own node${node === undefined ? "" : ` ${node}`}, by no gateway`;
    case "Dropped":
      return gateway === undefined ? "is dropped" : `is dropped at gateway ${gateway}`;
    case "Unclear":
      return "cannot be told";
  }
}
