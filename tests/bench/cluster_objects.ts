/** Nodes and Cilium's pods as they are in clusters: about 10 kB and 8 kB each, most of it nothing that a tick uses. */

import type { Labels } from "../../src/core/types.ts";
import type { KubeClient } from "../../src/kube/client.ts";

type Json = Readonly<Record<string, unknown>>;

export interface ObjectWithStatus {
  readonly object: Json;
  readonly status: Json;
}

/** A busy API server is waited for. */
export const BUSY_MILLISECONDS = 60_000;

/** Makes an object, and gives it its status as its owner would. */
export async function createWithStatus(
  client: KubeClient,
  path: string,
  { object, status }: ObjectWithStatus,
): Promise<void> {
  const timeoutMilliseconds = BUSY_MILLISECONDS;
  await client.request({ method: "POST", path, body: object, timeoutMilliseconds });
  const { name } = object["metadata"] as { readonly name: string };
  await client.request({
    method: "PATCH",
    path: `${path}/${name}/status`,
    body: { status },
    contentType: "application/merge-patch+json",
    timeoutMilliseconds,
  });
}

export const EGRESS_LABEL = "dedicated/egress";

export const nodeName = (index: number): string => `node-${String(index).padStart(4, "0")}`;

/** A worker node that the kubelet and Cilium have written to. */
export function largeNode(index: number, { labels = {} }: { readonly labels?: Labels } = {}) {
  const name = nodeName(index);
  const ip = `10.0.${index >> 8}.${index & 255}`;
  const podCIDR = `10.${64 + (index >> 8)}.${index & 255}.0/24`;
  const object = {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "m6i.2xlarge",
        "topology.kubernetes.io/region": "region-1",
        "topology.kubernetes.io/zone": `zone-${"abc"[index % 3]}`,
        ...labels,
      },
      annotations: {
        "csi.volume.kubernetes.io/nodeid": JSON.stringify({ "ebs.csi.aws.com": `i-0${index}` }),
        "network.cilium.io/ipv4-cilium-host": ip,
        "network.cilium.io/ipv4-pod-cidr": podCIDR,
        "node.alpha.kubernetes.io/ttl": "0",
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
      },
    },
    spec: { podCIDR, podCIDRs: [podCIDR], providerID: `aws:///zone/i-0${index}` },
  };
  const resources = {
    cpu: "8",
    "ephemeral-storage": "104845292Ki",
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
    memory: "32386544Ki",
    pods: "110",
  };
  const status = {
    addresses: [{ type: "InternalIP", address: ip }, { type: "Hostname", address: name }],
    allocatable: resources,
    capacity: resources,
    conditions: [
      condition("NetworkUnavailable", "False", "CiliumIsUp", "Cilium is running on this node"),
      condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has memory"),
      condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no pressure"),
      condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID"),
      condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
    // The kubelet reports at most 50 (--node-status-max-images).
    images: Array.from({ length: 24 }, (_, image) => ({
      names: [
        `registry.example.com/platform/component-${image}@sha256:${
          String(image).padStart(64, "a")
        }`,
        `registry.example.com/platform/component-${image}:v1.${image}.0`,
      ],
      sizeBytes: 10_000_000 + image,
    })),
    nodeInfo: {
      architecture: "amd64",
      bootID: uuid(index, "boot"),
      containerRuntimeVersion: "containerd://2.2.0",
      kernelVersion: "6.8.0-1029-generic",
      kubeProxyVersion: "",
      kubeletVersion: "v1.37.2",
      machineID: "ec2d3c4b5a69788796a5b4c3d2e1f001",
      operatingSystem: "linux",
      osImage: "Ubuntu 24.04.2 LTS",
      systemUUID: uuid(index, "system"),
    },
  };
  return { object, status };
}

/** What Cilium writes of a node: its labels and addresses. */
export function largeCiliumNode(index: number, options: { readonly labels?: Labels } = {}): Json {
  const { object } = largeNode(index, options);
  const { metadata: { name, labels }, spec: { podCIDRs } } = object;
  const addresses = ["InternalIP", "CiliumInternalIP"].map((type, each) => ({
    type,
    ip: `10.${each}.${index >> 8}.${index & 255}`,
  }));
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNode",
    metadata: { name, labels },
    spec: {
      addresses,
      bootid: uuid(index, "boot"),
      health: { ipv4: `10.2.${index >> 8}.${index & 255}` },
      ipam: { podCIDRs },
    },
  };
}

/** Cilium's agent on a node. */
export function largeCiliumPod(index: number): ObjectWithStatus {
  const image = `quay.example.com/cilium/cilium:v1.20.2@sha256:${"b".repeat(64)}`;
  const mounts = ["bpf-maps", "cilium-run"].map(
    (name) => ({ name, mountPath: `/host/${name}` }),
  );
  const steps = ["config", "clean-state"];
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `cilium-${index}`,
      namespace: "kube-system",
      labels: {
        "app.kubernetes.io/name": "cilium-agent",
        "app.kubernetes.io/part-of": "cilium",
        "controller-revision-hash": "6b8f7c9d5",
        "k8s-app": "cilium",
        "pod-template-generation": "3",
      },
      annotations: { "cilium.io/cilium-configmap-checksum": "c".repeat(64) },
    },
    spec: {
      nodeName: nodeName(index),
      hostNetwork: true,
      tolerations: [{ operator: "Exists" }],
      initContainers: steps.map((name) => ({
        name,
        image,
        command: ["sh", "-ec", `cp /usr/bin/cilium-${name} /hostbin && nsenter --mount=/hostproc`],
        volumeMounts: mounts,
      })),
      containers: [{
        name: "cilium-agent",
        image,
        args: ["--config-dir=/tmp/cilium/config-map"],
        env: ["K8S_NODE_NAME", "CILIUM_K8S_NAMESPACE", "CILIUM_CLUSTERMESH_CONFIG", "GOMEMLIMIT"]
          .map((name) => ({ name, value: "value" })),
        volumeMounts: mounts,
      }],
      volumes: mounts.map(({ name, mountPath }) => ({ name, hostPath: { path: mountPath } })),
    },
  };
  const ready = (name: string) => ({
    name,
    image,
    imageID: image,
    containerID: `containerd://${"d".repeat(64)}`,
    ready: true,
    restartCount: 0,
    started: true,
    state: { running: { startedAt: time() } },
  });
  const status = {
    phase: "Running",
    conditions: ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
      type,
      status: "True",
      lastTransitionTime: time(),
    })),
    initContainerStatuses: steps.map(ready),
    containerStatuses: [ready("cilium-agent")],
    qosClass: "BestEffort",
    startTime: time(),
  };
  return { object, status };
}

/** Our agent on a node. */
export function agentPod(index: number): ObjectWithStatus {
  return {
    object: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: `sallyport-agent-${index}`,
        namespace: "sallyport-system",
        labels: { "app.kubernetes.io/name": "sallyport-agent" },
      },
      spec: { nodeName: nodeName(index), containers: [{ name: "agent", image: "sallyport" }] },
    },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: "True", lastTransitionTime: time() }],
    },
  };
}

/** The same in each run. */
function uuid(index: number, of: string): string {
  const digits = index.toString(16).padStart(8, "0");
  return `${digits}-0000-4000-8000-${of.length.toString(16).padStart(4, "0")}${digits}`;
}

function condition(type: string, status: string, reason: string, message: string): Json {
  return { type, status, reason, message, lastHeartbeatTime: time(), lastTransitionTime: time() };
}

/** A while ago, so that nothing waits for a node to be ready long enough. */
function time(): string {
  return new Date(Date.now() - 3_600_000).toISOString().replace(/\.\d+Z/, "Z");
}
