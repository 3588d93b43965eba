/** A policy over three gateways in the wide lab, and what the world outside sees of it. */
import { SHARD_LABEL } from "../../src/core/names.ts";
import { ownersOf } from "../../src/core/shares.ts";
import { denoProgram } from "../lab/deno_program.ts";
import { pause, until } from "../lab/wait.ts";
import { pin, putGateway, putPolicy, seenAs, settled } from "./gateways.ts";
import { type Lab, NODE_OF, type PodName } from "./lab.ts";
import { SERVERS, wrongSource } from "./outside.ts";

/** The gateways, each with the node that holds it at first. */
export const GATEWAYS = [
  { name: "egress-b", ip: "172.31.0.201", node: "node-b" },
  { name: "egress-c", ip: "172.31.0.202", node: "node-c" },
  { name: "egress-d", ip: "172.31.0.203", node: "node-d" },
] as const;

type GatewayName = typeof GATEWAYS[number]["name"];

/** One pod on each node. */
export const PODS = ["selected", "near", "far", "away"] as const;

type Shares = Readonly<Record<typeof PODS[number], GatewayName>>;

/** No pod is on the node that holds its gateway, and both pods of `egress-b` are on other nodes than the others'. */
export const CROSSWISE: Shares = {
  selected: "egress-b",
  near: "egress-b",
  far: "egress-d",
  away: "egress-c",
};

/** Each pod of a gateway's node uses that gateway. */
export const AT_HOME: Shares = {
  selected: "egress-b",
  near: "egress-b",
  far: "egress-c",
  away: "egress-d",
};

export const vipOf = (wanted: string): string =>
  GATEWAYS.find(({ name }) => name === wanted)?.ip ?? "";

/** Gateways with virtual IPs, the first `count` of which the policy is spread over, with nodes as `shares` says. */
export async function spread(
  lab: Lab,
  { shares, count = GATEWAYS.length }: { readonly shares: Shares; readonly count?: number },
): Promise<void> {
  await labelShards(lab, shares);
  for (const { name, ip, node } of GATEWAYS) await putGateway(lab, { name, ips: [ip], pin: node });
  await putSpreadPolicy(lab, count);
  for (const { name, node } of GATEWAYS) await settled(lab, { name, on: node });
}

export async function putSpreadPolicy(lab: Lab, count: number): Promise<void> {
  const names = GATEWAYS.slice(0, count).map(({ name }) => name);
  await putPolicy(lab, {
    apps: PODS,
    ...(names.length === 1 ? { gateway: names[0] ?? "" } : { gateways: names }),
  });
}

/** Gives each node a shard of its gateway's share, as an administrator may; the controller leaves them as they are. */
async function labelShards(lab: Lab, shares: Shares): Promise<void> {
  const owners = ownersOf(GATEWAYS.map(({ name }) => ({ name, weight: 1 })));
  for (const pod of PODS) {
    const index = GATEWAYS.findIndex(({ name }) => name === shares[pod]);
    const shard = String(owners.indexOf(index));
    await lab.plane.api.patch(`/api/v1/nodes/${NODE_OF[pod]}`, {
      metadata: { labels: { [SHARD_LABEL]: shard } },
    });
  }
}

/** Waits until each pod is seen with its gateway's address. */
export async function inForce(lab: Lab, shares: Shares): Promise<void> {
  for (const pod of PODS) await seenAs(lab, pod, { source: vipOf(shares[pod]) });
}

/** What became of one pod's flows. */
export interface PodSeen {
  readonly flows: number;
  readonly lost: number;
  readonly silenceMilliseconds: number;
  /** The addresses that the server saw, each time it was another one. */
  readonly sources: readonly string[];
}

export interface SpreadSeen {
  readonly pods: Readonly<Record<typeof PODS[number], PodSeen>>;
  /** Packets from addresses that are no virtual IP of these gateways. */
  readonly wrongSource: number;
}

/** Lets a pod on each node send new flows while `action` happens. */
export async function observeAll(
  lab: Lab,
  action: () => Promise<void>,
  { everyMilliseconds = 20, afterMilliseconds = 2_500 } = {},
): Promise<SpreadSeen> {
  const capture = await lab.outside.capture();
  const running = await Promise.all(PODS.map((pod) => lab.pod(pod).flows({ everyMilliseconds })));
  await pause(1_000);
  await action();
  await pause(afterMilliseconds);
  const seen = await Promise.all(running.map((flows) => flows.stop()));
  const sources = await capture.stop();
  const pods = PODS.map((pod, index) => {
    const { flows = [], ...result } = seen[index] ?? {};
    return [pod, { ...result, flows: flows.length }] as const;
  });
  return {
    pods: Object.fromEntries(pods) as unknown as SpreadSeen["pods"],
    wrongSource: wrongSource(sources, GATEWAYS.map(({ ip }) => ip)),
  };
}

/** The holder of `egress-b` loses its links, and another node takes over. */
export async function holderDies(lab: Lab): Promise<SpreadSeen> {
  await pin(lab, undefined, "egress-b");
  const { host } = lab.node("node-b");
  try {
    return await observeAll(lab, async () => {
      await host.cut();
      await until("another holder of egress-b", async () => {
        const { activeNodeName } = await settled(lab, { name: "egress-b", standby: false });
        return activeNodeName !== "node-b";
      }, { timeoutMilliseconds: 30_000 });
    });
  } finally {
    await host.restore();
  }
}

/** `egress-b` moves to a node by a person's word. */
export async function plannedMove(lab: Lab, to: string): Promise<SpreadSeen> {
  return await observeAll(lab, async () => {
    await pin(lab, to, "egress-b");
    await settled(lab, { name: "egress-b", on: to });
  });
}

const RATE_MEGABITS = 20;
const SINK_PORT = 9_000;

/** Megabits per second that all pods of the gateways' nodes together send to the server, each gateway's port limited to 20. */
export async function throughput(
  lab: Lab,
  { seconds }: { readonly seconds: number },
): Promise<number> {
  const limited = GATEWAYS.map(({ node }) => lab.node(node).host);
  const rate = `${RATE_MEGABITS}mbit`;
  for (const host of limited) {
    const limit = ["rate", rate, "burst", "64kb", "latency", "50ms"];
    await host.run(["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", ...limit]);
  }
  try {
    const log = `${lab.dir}/sink-${Date.now()}.log`;
    const sink = lab.outside.host.spawn(
      denoProgram("../../cilium/programs/sink.ts", [
        SERVERS[4],
        String(SINK_PORT),
        String(seconds),
      ]),
      { log },
    );
    const text = () => Deno.readTextFile(log).catch(() => "");
    await until("the sink", async () => (await text()).includes("ready"), {
      timeoutMilliseconds: 30_000,
    });
    const sources = (["near", "far", "away"] as const satisfies readonly PodName[]).map((pod) =>
      lab.pod(pod).pour({ port: SINK_PORT })
    );
    await until("the sink's figure", async () => (await text()).includes("bytes "), {
      timeoutMilliseconds: (seconds + 30) * 1_000,
    });
    await Promise.all(sources.map((source) => source.stop()));
    await sink.stop();
    const bytes = Number(/bytes (\d+)/.exec(await text())?.[1]);
    return bytes * 8 / seconds / 1e6;
  } finally {
    for (const host of limited) await host.run(["tc", "qdisc", "del", "dev", "eth0", "root"]);
  }
}
