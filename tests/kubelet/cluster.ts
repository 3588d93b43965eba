/**
 * A cluster that runs pods for real: control plane, scheduler, one node with a kubelet. A second node is only an object,
 * kept Ready, so that a gateway has somewhere to move.
 *
 *     host `a` of the lab: kubelet, containerd, pods     host `control`: the API server, as the nodes see it
 *     pods 10.88.0.0/24, and the service `kubernetes` by its own address, as kube-proxy would have it
 */
import { dirname } from "node:path";
import { CONTROL_PLANE_IP, type Lab, startLab } from "../lab/hosts.ts";
import { isAlive, namespaces } from "../lab/network.ts";
import { until } from "../lab/wait.ts";
import { ciliumCrds } from "../support/cilium_crds.ts";
import { putNode } from "../support/cluster.ts";
import { type ControlPlane, startControlPlane } from "../support/control_plane.ts";
import {
  controllerManager,
  controlPlane,
  nodeParts,
  nodePrograms,
} from "../support/control_plane_binary.ts";
import { kustomize } from "../../src/build/kustomize.ts";
import { type Need, programs, root } from "../support/needs.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { cgroups } from "./cgroups.ts";
import { debianPackages } from "./debian_packages.ts";
import { buildImages, type BuiltImages, imageTools, STANDIN } from "./images.ts";
import { KubeletNode, POD_CIDR } from "./node.ts";

/** What a machine must have. */
export const kubeletNeeds: readonly Need[] = [
  root,
  controlPlane,
  controllerManager,
  nodeParts,
  namespaces,
  cgroups,
  debianPackages,
  imageTools,
  programs("ip", "nft", "arping", "fping", "ndisc6", "ndptool", "nsenter", "unshare"),
  ciliumCrds,
  kustomize,
];

/** The node with a kubelet, and the one without. */
export const REAL = "a";
export const PAPER = "b";

/** Candidates of the tests' gateways. */
export const CANDIDATE = { "dedicated/egress": "" } as const;

/** The second address of `10.0.0.0/24`, the control plane's service range, is the service `kubernetes`. */
const SERVICE_IP = "10.0.0.1";

/** A node whose Lease is older than 40 s is lost. */
const HEARTBEAT_MILLISECONDS = 5_000;

/** All but those of volumes that are disks, which there are none of and which want a folder of the machine. */
const CONTROLLERS = ["*", "binder", "attach-detach", "expander"].map((name) =>
  name === "*" ? name : `-persistentvolume-${name}-controller`
);

export class KubeletCluster implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly lab: Lab;
  readonly node: KubeletNode;
  readonly images: BuiltImages;
  readonly #closing: () => Promise<void>;

  private constructor(
    parts: Pick<KubeletCluster, "plane" | "lab" | "node" | "images">,
    closing: () => Promise<void>,
  ) {
    this.plane = parts.plane;
    this.lab = parts.lab;
    this.node = parts.node;
    this.images = parts.images;
    this.#closing = closing;
  }

  /** Resolves when both nodes are Ready and run what stands in for Cilium. */
  static async start(): Promise<KubeletCluster> {
    const stack = new AsyncDisposableStack();
    try {
      const dir = await scratchFolder();
      stack.defer(() => removeAll(dir));
      const kubeletUser = `system:node:${REAL}`;
      const [plane, lab, images, { kubelet, "kube-scheduler": scheduler }] = await Promise.all([
        startControlPlane({
          controllerManager: { controllers: CONTROLLERS },
          users: { [kubeletUser]: ["system:nodes"] },
        }).then((started) => stack.use(started)),
        startLab({ nodes: 1 }).then((started) => stack.use(started)),
        buildImages(dir),
        nodePrograms(),
      ]);
      const kubeconfig = await plane.writeKubeconfig("kubelet", plane.tokenFor(kubeletUser));
      const api = await lab.exposeApi(plane.server);
      const { host, clusterIP } = lab.node("a");
      await serveServiceAddress(lab, new URL(api.server).port);
      lab.outside.spawn(
        [
          ...scheduler,
          `--kubeconfig=${plane.kubeconfigPath}`,
          "--leader-elect=false",
          "--secure-port=0",
        ],
        { log: `${dir}/scheduler.log` },
      );
      const node = stack.use(
        await KubeletNode.start({
          name: REAL,
          host,
          ip: clusterIP,
          dir,
          images: images.archive,
          kubeconfig: await api.kubeconfigFrom(kubeconfig),
          kubelet,
        }),
      );
      stack.defer(await addPaperNode(plane));
      const all = stack.move();
      const cluster = new KubeletCluster({ plane, lab, node, images }, () => all.disposeAsync());
      await cluster.#furnish();
      return cluster;
    } catch (error) {
      await stack.disposeAsync();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closing();
  }

  /** Waits until the kubelet's node is Ready; then it gets the labels of a candidate, and Cilium. */
  async #furnish(): Promise<void> {
    const { api } = this.plane;
    const path = `/api/v1/nodes/${REAL}`;
    try {
      await until(`node '${REAL}' to be Ready`, async () => {
        const { status, body } = await api.request({ path });
        return status === 200 && isReady(body as KubeObject);
      }, { timeoutMilliseconds: 60_000, everyMilliseconds: 100 });
      await api.patch(path, { metadata: { labels: CANDIDATE } });
      await api.apply(CILIUM);
      await this.podReady("kube-system", "k8s-app=cilium", { node: REAL });
    } catch (error) {
      const trouble = await this.node.troubles();
      await this[Symbol.asyncDispose]();
      throw new Error(trouble, { cause: error });
    }
  }

  /** Pods of a namespace with these labels. */
  pods(namespace: string, selector: string): Promise<readonly KubeObject[]> {
    const query = encodeURIComponent(selector);
    return this.plane.api.list(`/api/v1/namespaces/${namespace}/pods?labelSelector=${query}`);
  }

  /**
   * Waits for a pod that is Ready and not about to go.
   *
   * @throws Error with the pods' states and logs when there is none in time
   */
  async podReady(
    namespace: string,
    selector: string,
    { node, other, timeoutMilliseconds = 30_000 }: {
      readonly node?: string;
      /** A uid that it must not have. */
      readonly other?: string | undefined;
      readonly timeoutMilliseconds?: number;
    } = {},
  ): Promise<KubeObject> {
    try {
      return await until(`a pod ${selector} to be Ready`, async () => {
        const pods = await this.pods(namespace, selector);
        return pods.find((pod) =>
          isReady(pod) && pod.metadata["deletionTimestamp"] === undefined &&
          pod.metadata.uid !== other &&
          (node === undefined || (pod["spec"] as { nodeName?: string }).nodeName === node)
        );
      }, { timeoutMilliseconds, everyMilliseconds: 100 });
    } catch (error) {
      throw new Error(await this.describe(namespace, selector), { cause: error });
    }
  }

  /** States and logs of pods, for messages. */
  async describe(namespace: string, selector: string): Promise<string> {
    const pods = await this.pods(namespace, selector);
    const texts = await Promise.all(pods.map(async (pod) => {
      const log = (await this.node.logOf(pod)).slice(-10).join("\n");
      return `${pod.metadata.name}: ${JSON.stringify(pod["status"])}\n${log}`;
    }));
    return texts.length === 0 ? `No pod ${selector} in ${namespace}` : texts.join("\n");
  }
}

const SCRATCH = "sallyport-kubelet-";

/** Its name has our pid, so that what runs leave behind that were killed, 250 MB, is found by the next. */
async function scratchFolder(): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: `${SCRATCH}${Deno.pid}-` });
  const parent = dirname(dir);
  for await (const { name } of Deno.readDir(parent)) {
    const [, pid] = new RegExp(`^${SCRATCH}(\\d+)-`).exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) await removeAll(`${parent}/${name}`);
  }
  return dir;
}

/** Once more when the kernel has not yet let go of everything. */
async function removeAll(dir: string): Promise<void> {
  await until(`${dir} to be removed`, () =>
    Deno.remove(dir, { recursive: true }).then(
      () => true,
      (error) => error instanceof Deno.errors.NotFound,
    ));
}

/** What kube-proxy does for the one service that everything needs, and masquerading of pods that go there. */
async function serveServiceAddress(lab: Lab, port: string): Promise<void> {
  const toService = `ip daddr ${SERVICE_IP} tcp dport 443 dnat to ${CONTROL_PLANE_IP}:${port}`;
  await lab.node("a").host.run(
    ["nft", "-f", "-"],
    `table ip test_service {
       chain prerouting { type nat hook prerouting priority dstnat; ${toService}; }
       chain output { type nat hook output priority -100; ${toService}; }
       chain postrouting {
         type nat hook postrouting priority srcnat;
         ip saddr ${POD_CIDR} ip daddr ${CONTROL_PLANE_IP} masquerade
       }
     }`,
  );
}

/** Adds the node without a kubelet; nothing is scheduled there that does not tolerate everything. Returns what ends its heartbeat. */
async function addPaperNode(plane: ControlPlane): Promise<() => void> {
  const renew = () =>
    plane.api.apply({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: PAPER, namespace: "kube-node-lease" },
      spec: {
        holderIdentity: PAPER,
        leaseDurationSeconds: 40,
        renewTime: new Date().toISOString().replace("Z", "000Z"),
      },
    });
  await putNode(plane, PAPER, {
    labels: { "kubernetes.io/os": "linux", ...CANDIDATE },
    internalIP: "10.50.0.12",
  });
  await plane.api.patch(`/api/v1/nodes/${PAPER}`, {
    spec: { taints: [{ key: "sallyport.test/no-kubelet", effect: "NoSchedule" }] },
  });
  // Without room for it, the scheduler would not give it the DaemonSet's pod.
  const room = { cpu: "1", memory: "1Gi", pods: "10" };
  await plane.api.patch(`/api/v1/nodes/${PAPER}/status`, {
    status: { capacity: room, allocatable: room },
  });
  await renew();
  const timer = setInterval(() => void renew().catch(() => {}), HEARTBEAT_MILLISECONDS);
  return () => clearInterval(timer);
}

/** Cilium's agent on the real node, as far as Sallyport can see it. */
const CILIUM: KubeObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: `cilium-${REAL}`,
    namespace: "kube-system",
    labels: { "k8s-app": "cilium" },
  },
  spec: {
    nodeName: REAL,
    hostNetwork: true,
    tolerations: [{ operator: "Exists" }],
    containers: [{
      name: "cilium-agent",
      image: STANDIN,
      imagePullPolicy: "Never",
      args: ["127.0.0.1:9879"],
    }],
  },
};

export function isReady({ status }: KubeObject): boolean {
  const { conditions = [] } = (status ?? {}) as {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
  return conditions.some((each) => each.type === "Ready" && each.status === "True");
}
