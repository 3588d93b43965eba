/** The cluster that starts are measured on: a real API server with a few nodes and the demo's gateways. */
import { parseAllDocuments } from "yaml";
import { NAMESPACE } from "../../src/core/names.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { PATHS, podsIn } from "../../src/cluster/resources.ts";
import { tick } from "../../src/controller/tick.ts";
import type { ControlPlane } from "../support/control_plane.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { eventually } from "../support/raw_api.ts";
import {
  agentPod,
  createWithStatus,
  EGRESS_LABEL,
  largeCiliumPod,
  largeNode,
} from "./cluster_objects.ts";

export class SmallCluster {
  readonly plane: ControlPlane;
  readonly client: KubeClient;

  constructor(plane: ControlPlane, client: KubeClient) {
    this.plane = plane;
    this.client = client;
  }

  /** Makes nodes, each with Cilium and our agent's pod, and gateways and policies as if they had just been applied. */
  async fill(size: number): Promise<void> {
    for (let index = 0; index < size; index++) {
      await createWithStatus(
        this.client,
        PATHS.Node,
        largeNode(index, { labels: { [EGRESS_LABEL]: "" } }),
      );
      await createWithStatus(this.client, podsIn("kube-system"), largeCiliumPod(index));
      await createWithStatus(this.client, podsIn(NAMESPACE), agentPod(index));
    }
    await this.plane.api.apply(await demo());
  }

  /** Ticks until nothing is left to write. */
  async settle(): Promise<void> {
    await eventually("ticks write nothing", async () => {
      const { plan, settled } = await tick(this.client);
      return settled && plan.changes.length === 0;
    }, { timeoutMilliseconds: 60_000, everyMilliseconds: 200 });
  }
}

/** The manifests of `k8s/examples/demo`, whose gateways both use their nodes' own addresses. */
async function demo(): Promise<readonly KubeObject[]> {
  const texts = await Promise.all(
    ["gateways", "policies"].map((file) =>
      Deno.readTextFile(new URL(`../../k8s/examples/demo/${file}.yaml`, import.meta.url))
    ),
  );
  const objects = texts.flatMap((text) =>
    parseAllDocuments(text).map((document) => document.toJS() as KubeObject)
  );
  const own = objects.find(({ metadata }) => metadata.name === "reports") as KubeObject & {
    readonly spec: { readonly sourceIP: unknown };
  };
  return objects.map((object) =>
    object.kind === "EgressGateway"
      ? { ...object, spec: { ...object["spec"] as object, sourceIP: own.spec.sourceIP } }
      : object
  );
}
