/** Gateways in VirtualIPAddress mode whose address cannot be theirs. */
import { byText } from "./order.ts";
import { virtualIPOf } from "./reports.ts";
import type { Facts } from "./facts.ts";
import type { Gateway } from "./types.ts";

export interface Refusal {
  /** The gateway gets no holder. False: it goes on serving, and the conflict is only shown. */
  readonly refused: boolean;
  readonly message: string;
}

/**
 * Why a gateway's VIP cannot be served, or is disputed; null where nothing is wrong.
 *
 * Of two gateways with one VIP the older one goes on and the younger one is refused, so that a slip with a new
 * manifest cannot take down a gateway in production; both carry the condition.
 */
export function refusalOf(gateway: Gateway, facts: Facts): Refusal | null {
  const ip = virtualIPOf(gateway);
  if (ip === undefined) return null;
  const owner = facts.nodes.find(({ node, lease }) =>
    node.internalIPs.includes(ip) ||
    lease?.report?.interfaces.some((link) =>
      link.addresses?.some((address) => address.split("/")[0] === ip)
    )
  );
  if (owner !== undefined) {
    return {
      refused: true,
      message: `${ip} is node ${owner.node.name}'s own address; write an address that no host uses`,
    };
  }
  const sharers = facts.snapshot.gateways.filter((other) => virtualIPOf(other) === ip).sort(byAge);
  if (sharers.length < 2) return null;
  const others = sharers.filter(({ uid }) => uid !== gateway.uid).map(({ name }) => name);
  const refused = sharers[0]?.uid !== gateway.uid;
  return {
    refused,
    message: `${ip} is also the virtual IP of ${others.join(", ")}; ` +
      (refused ? "write another address here" : "this gateway is the oldest and keeps it"),
  };
}

function byAge(a: Gateway, b: Gateway): number {
  return a.createdAt - b.createdAt || byText(a.name, b.name) || byText(a.uid, b.uid);
}
