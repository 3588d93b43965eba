/** Nodes and pods on a real API server, as kubelets would report them, and the controller's client for it. */
import type { Labels } from "../../src/core/types.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { loadCluster } from "../../src/kube/auth/load_cluster.ts";
import { createClient } from "../../src/kube/http.ts";
import type { ClientOptions } from "../../src/kube/client.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import type { ControlPlane } from "./control_plane.ts";

export interface NodeState {
  readonly labels?: Labels;
  readonly ready?: boolean;
  readonly internalIP?: string;
}

/** Creates a node that runs Cilium, or sets the status of one that exists. */
export async function putNode(
  plane: ControlPlane,
  name: string,
  state: NodeState = {},
): Promise<void> {
  const { labels = {}, ready = true, internalIP } = state;
  await plane.api.apply({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
  });
  await setReady(plane, `/api/v1/nodes/${name}`, ready, {
    ...(internalIP === undefined
      ? {}
      : { addresses: [{ type: "InternalIP", address: internalIP }] }),
  });
  await putPod(plane, {
    name: `cilium-${name}`,
    node: name,
    namespace: "kube-system",
    labels: { "k8s-app": "cilium" },
  });
}

/** What Cilium's agent writes of its node, as far as a gateway's way goes by it. */
export function ciliumNode(
  name: string,
  { hostname = name, labels = {} }: { readonly hostname?: string; readonly labels?: Labels } = {},
): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNode",
    metadata: { name, labels: { "kubernetes.io/hostname": hostname, ...labels } },
    spec: {},
  };
}

export interface PodState {
  readonly name: string;
  readonly namespace: string;
  readonly node: string;
  readonly labels: Labels;
  readonly ready?: boolean;
  readonly serviceAccountName?: string;
}

export async function putPod(plane: ControlPlane, pod: PodState): Promise<void> {
  const { name, namespace, node, labels, ready = true, serviceAccountName } = pod;
  await plane.api.apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels },
    spec: {
      nodeName: node,
      containers: [{ name: "main", image: "none" }],
      ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
    },
  });
  await setReady(plane, `/api/v1/namespaces/${namespace}/pods/${name}`, ready);
}

/** Deletes a pod at once, as the kubelet finishes a deletion. */
export async function removePod(
  plane: ControlPlane,
  namespace: string,
  name: string,
): Promise<void> {
  await plane.api.delete(`/api/v1/namespaces/${namespace}/pods/${name}?gracePeriodSeconds=0`);
}

/** A client as the functions make it, of the control plane's admin unless another kubeconfig is given. */
export async function clientOf(
  plane: ControlPlane,
  options: ClientOptions & { readonly kubeconfig?: string } = {},
): Promise<KubeClient & AsyncDisposable> {
  const { kubeconfig = plane.kubeconfigPath, ...rest } = options;
  const client = createClient(await loadCluster({ kubeconfig }), rest);
  return { ...client, [Symbol.asyncDispose]: () => client.close() };
}

async function setReady(
  plane: ControlPlane,
  path: string,
  ready: boolean,
  more: object = {},
): Promise<void> {
  const conditions = [{
    type: "Ready",
    status: ready ? "True" : "False",
    lastTransitionTime: new Date().toISOString().replace(/\.\d+Z/, "Z"),
  }];
  await plane.api.patch(`${path}/status`, { status: { conditions, ...more } }, "strategic-merge");
}
