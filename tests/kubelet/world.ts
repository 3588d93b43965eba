/** What the steps on a cluster with a kubelet share: the gateway's state, and notes for people. */
import { NAMESPACE } from "../../src/core/names.ts";
import { until } from "../lab/wait.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import type { KubeletCluster } from "./cluster.ts";
import type { Memory } from "./node.ts";

const OURS = "/apis/network.deckhouse.io/v1alpha1";

export class World {
  readonly cluster: KubeletCluster;
  readonly notes: string[] = [];

  constructor(cluster: KubeletCluster) {
    this.cluster = cluster;
  }

  get api() {
    return this.cluster.plane.api;
  }

  note(line: string): void {
    this.notes.push(line);
  }

  noteMemory(what: string, { anonymousBytes, peakBytes }: Memory): void {
    this.note(
      `${what}: ${megabytes(anonymousBytes)} held, ${megabytes(peakBytes)} at most with files`,
    );
  }

  /** Waits until a gateway is Active on a node; resolves with how long that took. */
  async holds(gateway: string, node: string, timeoutMilliseconds = 30_000): Promise<number> {
    const start = performance.now();
    let last: unknown;
    try {
      await until(`gateway '${gateway}' to be Active on '${node}'`, async () => {
        const status = await this.#statusOf(gateway);
        last = status;
        return status?.activeNodeName === node && status.phase === "Active";
      }, { timeoutMilliseconds, everyMilliseconds: 50 });
    } catch (error) {
      const pods = await this.cluster.describe(NAMESPACE, "app.kubernetes.io/part-of=sallyport");
      throw new Error(`${JSON.stringify(last)}\n${pods}`, { cause: error });
    }
    return Math.round(performance.now() - start);
  }

  /** @throws Error when nobody holds it */
  async holderOf(gateway: string): Promise<string> {
    const holder = (await this.#statusOf(gateway))?.activeNodeName;
    if (holder === undefined) throw new Error(`Nobody holds gateway '${gateway}'`);
    return holder;
  }

  async #statusOf(gateway: string): Promise<Gateway["status"]> {
    return (await this.api.get<Gateway>(`${OURS}/egressgateways/${gateway}`)).status;
  }

  /** Cordons a node, or undoes it. */
  async cordon(node: string, unschedulable = true): Promise<void> {
    await this.api.patch(`/api/v1/nodes/${node}`, { spec: { unschedulable } });
  }

  /** Waits until Cilium sends the policy's traffic to a node; the status is written a moment before. */
  async ciliumSendsTo(node: string): Promise<void> {
    await until(`Cilium's policy to name '${node}'`, async () => {
      const { spec } = await this.api.get<CiliumPolicy>(
        "/apis/cilium.io/v2/ciliumegressgatewaypolicies/web",
      );
      return spec.egressGateway.nodeSelector.matchLabels["kubernetes.io/hostname"] === node;
    });
  }
}

interface Gateway extends KubeObject {
  readonly status?: { readonly activeNodeName?: string; readonly phase?: string };
}

interface CiliumPolicy extends KubeObject {
  readonly spec: {
    readonly egressGateway: {
      readonly nodeSelector: { readonly matchLabels: Readonly<Record<string, string>> };
    };
  };
}

/** Since `start`, a value of `performance.now()`. */
export function elapsed(start: number): string {
  return `${Math.round(performance.now() - start)} ms`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
