/** The cluster that ticks are measured on: a real API server with many nodes and the demo's gateways. */
import { parseAllDocuments } from "yaml";
import { ACTIVE_FOR_LABEL, MEMBER_LABEL, NAMESPACE } from "../../src/core/names.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { list } from "../../src/kube/list.ts";
import { PATHS, podsIn } from "../../src/cluster/resources.ts";
import { tick } from "../../src/controller/tick.ts";
import type { ControlPlane } from "../support/control_plane.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { eventually } from "../support/raw_api.ts";
import {
  agentPod,
  EGRESS_LABEL,
  largeCiliumPod,
  largeNode,
  nodeName,
  type ObjectWithStatus,
} from "./cluster_objects.ts";

/** Nodes that gateways may use; the others only have to be read past. */
export const CANDIDATES = 10;

/** Requests under way at once while the cluster is filled. */
const LANES = 16;

/** `primary`: both gateways of the demo use their nodes' own addresses; `vip`: as they are, one has a virtual IP. */
export type Mode = "primary" | "vip";

export class TickCluster {
  readonly plane: ControlPlane;
  readonly client: KubeClient;
  #size = 0;

  constructor(plane: ControlPlane, client: KubeClient) {
    this.plane = plane;
    this.client = client;
  }

  get candidates(): readonly string[] {
    return Array.from({ length: Math.min(this.#size, CANDIDATES) }, (_, index) => nodeName(index));
  }

  /** Adds nodes, each with Cilium and, on candidates, with our agent's pod. */
  async grow(size: number): Promise<void> {
    const indices = Array.from({ length: size - this.#size }, (_, each) => this.#size + each);
    this.#size = size;
    const next = indices.values();
    await Promise.all(Array.from({ length: LANES }, async () => {
      for (const index of next) {
        const egress = index < CANDIDATES;
        await this.#create(
          PATHS.Node,
          largeNode(index, { labels: egress ? { [EGRESS_LABEL]: "" } : {} }),
        );
        await this.#create(podsIn("kube-system"), largeCiliumPod(index));
        if (egress) await this.#create(podsIn(NAMESPACE), agentPod(index));
      }
    }));
  }

  /** Gateways and policies as if Sallyport had just been installed. */
  async reset(mode: Mode): Promise<void> {
    for (
      const path of ["EgressGatewayPolicy", "CiliumEgressGatewayPolicy", "EgressGateway"] as const
    ) {
      await this.client.request({ method: "DELETE", path: PATHS[path] });
    }
    for (const name of this.candidates) {
      const { metadata } = await this.plane.api.get(`${PATHS.Node}/${name}`);
      const ours = Object.keys(metadata.labels ?? {}).filter((label) =>
        label === MEMBER_LABEL || label.startsWith(ACTIVE_FOR_LABEL)
      );
      const labels = Object.fromEntries(ours.map((label) => [label, null]));
      await this.plane.api.patch(`${PATHS.Node}/${name}`, {
        metadata: { labels },
        spec: { unschedulable: null },
      });
    }
    await this.plane.api.apply(await demo(mode));
  }

  /** Ticks until nothing is left to write. */
  async settle(): Promise<void> {
    await eventually("ticks write nothing", async () => {
      const { plan, settled } = await tick(this.client);
      return settled && plan.changes.length === 0;
    }, { timeoutMilliseconds: 60_000, everyMilliseconds: 200 });
  }

  /** Gateway -> holder. */
  async holders(): Promise<ReadonlyMap<string, string>> {
    const gateways = await this.plane.api.list<
      KubeObject & { readonly status?: { readonly activeNodeName?: string } }
    >(PATHS.EgressGateway);
    return new Map(
      gateways.map(({ metadata, status }) => [metadata.name, status?.activeNodeName ?? ""]),
    );
  }

  async cordon(names: Iterable<string>): Promise<void> {
    for (const name of new Set(names)) {
      await this.plane.api.patch(`${PATHS.Node}/${name}`, { spec: { unschedulable: true } });
    }
  }

  /** Changes whenever something is written that a controller writes. */
  async fingerprint(): Promise<string> {
    const paths = [
      PATHS.Node,
      PATHS.EgressGateway,
      PATHS.EgressGatewayPolicy,
      PATHS.CiliumEgressGatewayPolicy,
      PATHS.Event,
    ];
    const versions = await Promise.all(paths.map(async (path) => {
      const { items } = await list(this.client, path, { decode: versionOf });
      return items;
    }));
    return versions.flat().join();
  }

  async #create(path: string, { object, status }: ObjectWithStatus): Promise<void> {
    await this.client.request({ method: "POST", path, body: object });
    const { name } = object["metadata"] as { readonly name: string };
    await this.client.request({
      method: "PATCH",
      path: `${path}/${name}/status`,
      body: { status },
      contentType: "application/merge-patch+json",
    });
  }
}

function versionOf(item: unknown): string {
  const { metadata } = item as KubeObject;
  return `${metadata.uid}:${metadata.resourceVersion}`;
}

/** The manifests of `k8s/examples/demo`. */
async function demo(mode: Mode): Promise<readonly KubeObject[]> {
  const texts = await Promise.all(
    ["gateways", "policies"].map((file) =>
      Deno.readTextFile(new URL(`../../k8s/examples/demo/${file}.yaml`, import.meta.url))
    ),
  );
  const objects = texts.flatMap((text) =>
    parseAllDocuments(text).map((document) => document.toJS() as KubeObject)
  );
  if (mode === "vip") return objects;
  const own = objects.find(({ metadata }) => metadata.name === "reports") as KubeObject & {
    readonly spec: { readonly sourceIP: unknown };
  };
  return objects.map((object) =>
    object.kind === "EgressGateway"
      ? { ...object, spec: { ...object["spec"] as object, sourceIP: own.spec.sourceIP } }
      : object
  );
}
