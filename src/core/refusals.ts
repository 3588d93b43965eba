/** Gateways in VirtualIPAddress mode whose address cannot be theirs. */
import { byText } from "./order.ts";
import { egressIPsOf, freshReport, virtualIPsOf } from "./reports.ts";
import type { Facts, NodeFacts } from "./facts.ts";
import type { Gateway } from "./types.ts";

export interface Refusal {
  /** The gateway gets no holder. False: it goes on serving, and the conflict is only shown. */
  readonly refused: boolean;
  readonly message: string;
}

/**
 * Why a gateway's VIP cannot be served, or is disputed; null where nothing is wrong.
 *
 * A gateway that is held goes on: what a node says of its addresses, or a person adds to one by hand, must not end what
 * works. Of two gateways with one VIP the older one goes on and the younger one is refused, so that a slip with a new
 * manifest cannot take down a gateway in production; both carry the condition.
 */
export function refusalOf(gateway: Gateway, facts: Facts): Refusal | null {
  const found = virtualIPsOf(gateway).flatMap((ip) =>
    addressOfNode(ip, { gateway, facts }) ?? sharedWith(ip, { gateway, facts }) ?? []
  );
  // Of two addresses the one that keeps it from serving is told.
  return found.find(({ refused }) => refused) ?? found[0] ?? null;
}

/** Nodes that have the VIP, and not because their agent bound it. */
function addressOfNode(ip: string, { gateway, facts }: Context): Refusal | null {
  const owners = (facts.byAddress.get(ip) ?? []).filter((subject) =>
    !hasBound(subject, { gateway, ip })
  );
  const listed = owners.find(({ node }) => [...node.internalIPs, ...node.externalIPs].includes(ip));
  const owner = listed ??
    owners.find(({ lease }) =>
      freshReport(lease, { gateway, snapshot: facts.snapshot })?.interfaces.some(({ addresses }) =>
        addresses?.some((address) => address.split("/")[0] === ip)
      )
    );
  if (owner === undefined) return null;
  const { activeNodeName, lastFailover } = gateway.status;
  const isHeld = activeNodeName !== undefined && egressIPsOf(gateway.status).includes(ip);
  // A report is the word of one agent: it may keep a gateway from beginning, not from coming back.
  const refused = listed === undefined ? !isHeld && lastFailover === undefined : !isHeld;
  const name = owner.node.name;
  return {
    refused,
    message: refused
      ? `${ip} is node ${name}'s own address; write an address that no host uses`
      : `${ip} is also an address of node ${name}; take it from that node`,
  };
}

/**
 * Tells whether a node has the VIP because of this gateway. Kubelets and cloud controllers list what agents bind among a
 * node's addresses, and go on listing it for a while when it is gone.
 */
function hasBound(
  { node: { name }, lease }: NodeFacts,
  { gateway: { status }, ip }: { readonly gateway: Gateway; readonly ip: string },
): boolean {
  const { activeNodeName, lastFailover } = status;
  const ips = egressIPsOf(status);
  const hadRole = [activeNodeName, lastFailover?.from, lastFailover?.to].includes(name);
  return (hadRole && (ips.length === 0 || ips.includes(ip))) ||
    (lease?.report?.addresses.some((address) => address.ip === ip) ?? false);
}

interface Context {
  readonly gateway: Gateway;
  readonly facts: Facts;
}

function sharedWith(ip: string, { gateway, facts }: Context): Refusal | null {
  const sharers = (facts.byVirtualIP.get(ip) ?? []).toSorted(byAge);
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
