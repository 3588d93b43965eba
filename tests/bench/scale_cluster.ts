/** A large cluster on a real API server: nodes with Cilium, gateways and policies, all from a fixed seed. */
import { inLanes } from "../../src/cluster/lanes.ts";
import { ACTIVE_FOR_LABEL, MEMBER_LABEL, NAMESPACE, SHARD_LABEL } from "../../src/core/names.ts";
import { messageOf } from "../../src/core/message.ts";
import { PATHS, podsIn } from "../../src/cluster/resources.ts";
import { tick } from "../../src/controller/tick.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import type { ControlPlane } from "../support/control_plane.ts";
import { eventually } from "../support/raw_api.ts";
import {
  agentPod,
  BUSY_MILLISECONDS,
  createWithStatus,
  largeCiliumNode,
  largeCiliumPod,
  largeNode,
  nodeName,
} from "./cluster_objects.ts";
import {
  CROWD,
  GATEWAY_NODES,
  gatewayName,
  gatewaysAndPolicies,
  POOL_LABEL,
  POOL_LIST,
  poolOf,
} from "./scale_objects.ts";

/** Requests under way at once while the cluster is filled. */
const BUSY = { lanes: 32 };

export class ScaleCluster {
  readonly plane: ControlPlane;
  readonly client: KubeClient;
  #size = 0;
  #gateways = 0;
  #hasShards = false;

  /** @param client with as many connections as there are lanes, so that filling takes no longer than it must */
  constructor(plane: ControlPlane, client: KubeClient) {
    this.plane = plane;
    this.client = client;
  }

  /** Adds nodes, each with Cilium and, on gateway nodes, with our agent's pod. */
  async grow(size: number): Promise<void> {
    const indices = Array.from({ length: size - this.#size }, (_, each) => this.#size + each);
    this.#size = size;
    await inLanes(indices, async (index) => {
      const pool = poolOf(index);
      const labels = pool === undefined ? {} : { [POOL_LABEL]: pool.name };
      const { object, status } = largeNode(index, { labels });
      // As a kubelet registers: with its status. Pods begin without one.
      await this.#create(PATHS.Node, { ...object, status });
      await createWithStatus(this.client, podsIn("kube-system"), largeCiliumPod(index));
      await this.#create(PATHS.CiliumNode, largeCiliumNode(index, { labels }));
      if (pool !== undefined) {
        await createWithStatus(this.client, podsIn(NAMESPACE), agentPod(index));
      }
    }, BUSY);
  }

  /** So many gateways and their policies, as if they had just been applied. */
  async reset(gateways: number, { virtual = false, spread = false } = {}): Promise<void> {
    this.#gateways = gateways;
    for (
      const path of ["EgressGatewayPolicy", "CiliumEgressGatewayPolicy", "EgressGateway"] as const
    ) {
      await this.client.request({
        method: "DELETE",
        path: PATHS[path],
        timeoutMilliseconds: BUSY_MILLISECONDS,
      });
    }
    await inLanes(GATEWAY_NODES, async (index) => {
      const path = `${PATHS.Node}/${nodeName(index)}`;
      const { metadata, spec } = await this.plane.api.get<
        KubeObject & { readonly spec?: { readonly unschedulable?: boolean } }
      >(path);
      const ours = Object.keys(metadata.labels ?? {}).filter((label) =>
        label === MEMBER_LABEL || label.startsWith(ACTIVE_FOR_LABEL)
      );
      if (ours.length === 0 && spec?.unschedulable !== true) return;
      await this.plane.api.patch(path, {
        metadata: { labels: Object.fromEntries(ours.map((label) => [label, null])) },
        spec: { unschedulable: null },
      });
    }, BUSY);
    if (this.#hasShards) await this.#takeShards();
    this.#hasShards = spread;
    const objects = gatewaysAndPolicies(gateways, { virtual, spread });
    await inLanes(objects.gateways, (object) => this.#create(PATHS.EgressGateway, object), BUSY);
    await inLanes(
      objects.policies,
      (object) => this.#create(PATHS.EgressGatewayPolicy, object),
      BUSY,
    );
  }

  /** Ticks until nothing is left to write. */
  async settle(): Promise<void> {
    let left = "";
    await eventually("ticks write nothing", async () => {
      const { plan, settled } = await tick(this.client);
      const moving = plan.gateways.filter(({ phase }) => phase === "Preparing");
      left = `${plan.changes.length} changes, ${moving.length} moves: ${moving[0]?.message}`;
      return settled && plan.changes.length === 0;
    }, { timeoutMilliseconds: 120_000, everyMilliseconds: 200 }).catch((error) => {
      throw new Error(`${messageOf(error)}; left were ${left}`);
    });
  }

  /** Gateway -> holder, of those whose term is complete. */
  async holders(): Promise<ReadonlyMap<string, string>> {
    const gateways = await this.plane.api.list<
      KubeObject & {
        readonly status?: { readonly activeNodeName?: string; readonly phase?: string };
      }
    >(PATHS.EgressGateway);
    return new Map(
      gateways.flatMap(({ metadata, status }) =>
        status?.phase === "Active" ? [[metadata.name, status.activeNodeName ?? ""]] : []
      ),
    );
  }

  /** How many gateways have one holder, and move at once. */
  get crowd(): number {
    return Math.min(CROWD, this.#gateways - 1);
  }

  /** Uncordons the pool of the first gateway alone, or of the crowd. */
  async uncordon(what: "one" | "many"): Promise<void> {
    for (const index of POOL_LIST[what === "one" ? 0 : 1]?.nodes ?? []) {
      await this.plane.api.patch(`${PATHS.Node}/${nodeName(index)}`, {
        spec: { unschedulable: null },
      });
    }
  }

  /**
   * Cordons the node that holds the first gateway alone, or all of the crowd.
   *
   * @returns `performance.now()` when the API server had taken it
   */
  async cordonHolder(what: "one" | "many"): Promise<number> {
    const name = (await this.holders()).get(gatewayName(what === "one" ? 0 : 1)) ?? "";
    await this.plane.api.patch(`${PATHS.Node}/${name}`, { spec: { unschedulable: true } });
    return performance.now();
  }

  /** As if no policy had ever been spread over several gateways. */
  async #takeShards(): Promise<void> {
    await inLanes(Array.from({ length: this.#size }, (_, index) => index), async (index) => {
      await this.client.request({
        method: "PATCH",
        path: `${PATHS.Node}/${nodeName(index)}`,
        body: { metadata: { labels: { [SHARD_LABEL]: null } } },
        contentType: "application/merge-patch+json",
        timeoutMilliseconds: BUSY_MILLISECONDS,
      });
    }, BUSY);
  }

  async #create(path: string, body: unknown): Promise<void> {
    await this.client.request({
      method: "POST",
      path,
      body,
      timeoutMilliseconds: BUSY_MILLISECONDS,
    });
  }
}
