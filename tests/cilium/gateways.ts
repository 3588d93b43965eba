/** Gateways and policies as the tests write them, and what the controller says about them. */
import { familyOf } from "../../src/core/ip_family.ts";
import { API_VERSION } from "../../src/core/names.ts";
import type { AllowedNamespaces, PolicyRule } from "../../src/core/types.ts";
import { until } from "../lab/wait.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import type { CiliumNode } from "./cilium_node.ts";
import { GATEWAY_LABELS, type Lab } from "./lab.ts";
import { DESTINATIONS, SERVERS } from "./outside.ts";

const API = `/apis/${API_VERSION}`;
const CILIUM_POLICIES = "/apis/cilium.io/v2/ciliumegressgatewaypolicies";

export interface GatewayOptions {
  readonly name?: string;
  /** VirtualIPAddress mode with these addresses; none: the primary addresses of eth0. */
  readonly ips?: readonly string[];
  /** Where they are announced. Default `eth0`. */
  readonly interfaceName?: string;
  readonly standby?: "Bound" | "Unbound";
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly whenNoneEligible?: "Keep" | "Drop";
  readonly allowedNamespaces?: AllowedNamespacesOption;
  /** The node to hold it. */
  readonly pin?: string;
  /** Default `Never`, so that tests say themselves when a gateway moves. */
  readonly failback?: "Auto" | "Never";
}

/** As a manifest has it. */
export type AllowedNamespacesOption = Partial<AllowedNamespaces>;

export interface PolicyOptions {
  readonly name?: string;
  readonly gateway?: string;
  /** Instead of `gateway`: those over which the traffic is spread. */
  readonly gateways?: readonly string[];
  /** Label `app` of the pods. Default `selected` and `near`. */
  readonly apps?: readonly string[];
  /** Instead of `apps`. */
  readonly selectors?: readonly PolicyRule[];
  /** Default: those of IPv4. */
  readonly destinationCIDRs?: readonly string[];
  readonly excludedCIDRs?: readonly string[];
}

export interface GatewayStatus {
  readonly activeNodeName?: string;
  readonly standbyNodeNames?: readonly string[];
  readonly term?: number;
  readonly phase?: string;
  readonly readyNodes?: number;
  readonly candidates?: readonly { readonly reasons?: readonly { readonly type: string }[] }[];
  readonly lastFailover?: {
    readonly from?: string;
    readonly to?: string;
    readonly reason?: string;
    readonly durationMilliseconds?: number;
  };
}

/** The gateway's usual name. */
export const GATEWAY = "gateway";

export async function putGateway(lab: Lab, options: GatewayOptions = {}): Promise<void> {
  const { name = GATEWAY, ips = [], standby = "Bound", nodeSelector = GATEWAY_LABELS } = options;
  const { interfaceName = "eth0" } = options;
  const addresses = ips.length === 1 ? { ip: ips[0] } : { ips };
  const virtualIPAddress = { ...addresses, interfaces: [interfaceName], standby };
  const sourceIP = ips.length === 0
    ? {
      mode: "PrimaryIPFromEgressGatewayNodeInterface",
      primaryIPFromEgressGatewayNodeInterface: { interfaceName },
    }
    : { mode: "VirtualIPAddress", virtualIPAddress };
  await lab.plane.api.apply({
    apiVersion: API_VERSION,
    kind: "EgressGateway",
    metadata: { name },
    spec: {
      nodeSelector,
      sourceIP,
      failback: { mode: options.failback ?? "Never" },
      whenNoneEligible: options.whenNoneEligible ?? "Keep",
      ...(options.allowedNamespaces === undefined
        ? {}
        : { allowedNamespaces: options.allowedNamespaces }),
    },
  });
  await pin(lab, options.pin, name);
}

/** Sets or removes the annotation, as `sallyport move` and `sallyport release` do. */
export async function pin(lab: Lab, node: string | undefined, name = GATEWAY): Promise<void> {
  const annotations = { "egress-gateway.network.deckhouse.io/pin": node ?? null };
  await lab.plane.api.patch(`${API}/egressgateways/${name}`, { metadata: { annotations } });
}

export async function putPolicy(lab: Lab, options: PolicyOptions = {}): Promise<void> {
  const { name = "policy", gateway = GATEWAY, apps = ["selected", "near"] } = options;
  const { gateways, destinationCIDRs = [DESTINATIONS[4]], excludedCIDRs } = options;
  await lab.plane.api.apply({
    apiVersion: API_VERSION,
    kind: "EgressGatewayPolicy",
    metadata: { name },
    spec: {
      ...(gateways === undefined
        ? { egressGatewayName: gateway }
        : { egressGatewayNames: gateways }),
      destinationCIDRs,
      ...(excludedCIDRs === undefined ? {} : { excludedCIDRs }),
      selectors: options.selectors ??
        apps.map((app) => ({ podSelector: { matchLabels: { app } } })),
    },
  });
}

export async function removePolicy(lab: Lab, name = "policy"): Promise<void> {
  await lab.plane.api.delete(`${API}/egressgatewaypolicies/${name}`);
}

export async function statusOf(lab: Lab, name = GATEWAY): Promise<GatewayStatus> {
  const object = await lab.plane.api.get<KubeObject & { readonly status?: GatewayStatus }>(
    `${API}/egressgateways/${name}`,
  );
  return object.status ?? {};
}

export function ciliumPolicy(lab: Lab, name = "policy"): Promise<KubeObject> {
  return lab.plane.api.get(`${CILIUM_POLICIES}/${name}`);
}

export interface Settled {
  readonly name?: string;
  readonly on?: string;
  /** Whether another node must stand by. Default true. */
  readonly standby?: boolean;
  readonly timeoutMilliseconds?: number;
}

/** Waits until a gateway serves, on a certain node where one is given, and returns its status. */
export async function settled(lab: Lab, options: Settled = {}): Promise<GatewayStatus> {
  const { name = GATEWAY, on, standby = true, timeoutMilliseconds = 20_000 } = options;
  let status: GatewayStatus = {};
  const isSettled = async () => {
    status = await statusOf(lab, name);
    return status.phase === "Active" && status.activeNodeName !== undefined &&
      (on === undefined || status.activeNodeName === on) &&
      (!standby || (status.standbyNodeNames ?? []).length > 0);
  };
  try {
    await until(`gateway ${name}${on === undefined ? "" : ` on ${on}`}`, isSettled, {
      timeoutMilliseconds,
    });
  } catch (error) {
    throw new Error(`The gateway's status is ${JSON.stringify(status)}`, { cause: error });
  }
  return status;
}

/**
 * Waits until the server sees a pod come from an address (or gets `no answer`), three times in a row. Default: the server of
 * the source's family.
 */
export async function seenAs(
  lab: Lab,
  pod: Parameters<Lab["pod"]>[0],
  options: {
    readonly source: string;
    readonly address?: string;
    readonly port?: number;
    readonly timeoutMilliseconds?: number;
  },
): Promise<void> {
  const { source, timeoutMilliseconds = 20_000, ...rest } = options;
  const target = { address: SERVERS[familyOf(source)], ...rest };
  let seen = "";
  let times = 0;
  const isSo = async () => {
    seen = await lab.pod(pod).source(target);
    times = seen === source ? times + 1 : 0;
    return times === 3;
  };
  try {
    await until(`pod ${pod} to be seen as ${source}`, isSo, { timeoutMilliseconds });
  } catch (error) {
    throw new Error(`Pod ${pod} is seen as ${seen}, not as ${source}`, { cause: error });
  }
}

/** Removes all gateways and policies and uncordons the nodes, so that the next test starts from nothing. */
export async function cleanUp(lab: Lab): Promise<void> {
  const { api } = lab.plane;
  for (const { name } of lab.nodes) await lab.cordon(name, false);
  for (const kind of ["egressgatewaypolicies", "egressgateways"]) {
    for (const { metadata } of await api.list(`${API}/${kind}`)) {
      await api.delete(`${API}/${kind}/${metadata.name}`);
    }
  }
  await until(
    "Cilium's policies to be gone",
    async () => (await api.list(CILIUM_POLICIES)).length === 0,
    {
      timeoutMilliseconds: 20_000,
    },
  );
  // One whose watch was cut off hears late of policies, of the next ones too: it sends their pods' traffic as if there were none.
  await until("Cilium's agents to have heard of it", async () => await mapEntries(lab) === 0, {
    everyMilliseconds: 1_000,
    timeoutMilliseconds: 90_000,
  });
  await until("the agents to let their addresses go", async () => {
    const bound = await Promise.all(lab.nodes.map(virtualIPsOn));
    return bound.flat().length === 0;
  }, { timeoutMilliseconds: 20_000 });
}

/** Entries of the agents' BPF map of egress policies, on all nodes. */
export async function mapEntries(lab: Lab): Promise<number> {
  const lists = await Promise.all(
    lab.nodes.map((node) => node.dbg("bpf", "egress", "list", "-o", "json")),
  );
  return lists.reduce((sum, list) => sum + entriesIn(list), 0);
}

function entriesIn(list: string): number {
  const entries: unknown = JSON.parse(list || "[]");
  return Array.isArray(entries) ? entries.length : Object.keys(entries ?? {}).length;
}

/** Addresses of a node's interfaces that are bound for themselves alone. */
async function virtualIPsOn(node: CiliumNode): Promise<readonly string[]> {
  const lists = await Promise.all(["lo", "eth0", "eth1"].map((name) => node.addressesOf(name)));
  return lists.flat().filter((address) => /\/(32|128)$/.test(address));
}
