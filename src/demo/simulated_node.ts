/** A node of the demo: its objects as a kubelet and the node controller would write them, its agent, its power switch. */
import { join } from "node:path";
import type { AgentEvent } from "../agent/agent_status.ts";
import { AGENT_APP, NAMESPACE } from "../core/names.ts";
import type { JsonObject, Labels } from "../core/types.ts";
import type { KubeClient } from "../kube/client.ts";
import { sleep } from "../kube/deadline.ts";
import { kindNamed } from "./memory_kinds.ts";
import { patched } from "./memory_store.ts";
import type { MemoryStore, Reference } from "./memory_store.ts";
import { Kernel } from "./segment.ts";
import type { Segment } from "./segment.ts";
import { runSimulatedAgent } from "./simulated_agent.ts";

export interface NodeDescription {
  readonly name: string;
  readonly labels: Labels;
  readonly address: string;
  /** A second one, of IPv6, in a network of 64 bits. */
  readonly ip6?: string;
  readonly mac: string;
  /** Whether the agent's DaemonSet places a pod here. */
  readonly agent: boolean;
}

export interface NodeSurroundings {
  readonly store: MemoryStore;
  readonly client: KubeClient;
  readonly segment: Segment;
  readonly directory: string;
  readonly onEvent: (node: string, event: AgentEvent) => void;
}

/** `off` soon after the power went, `lost` once Kubernetes has noticed too. */
export type NodeState = "on" | "starting" | "off" | "lost";

/** Kubernetes calls a node that fell silent not ready after this long (node-monitor-grace-period, as of 1.32 50 s). */
const GRACE_MILLISECONDS = 50_000;

/** A real node takes longer to start. */
const START_MILLISECONDS = 2_000;

const [NODE, POD] = [kindNamed("Node"), kindNamed("Pod")];
const KUBELET = { manager: "kubelet", operation: "Update", subresource: "status" } as const;

export class SimulatedNode {
  readonly description: NodeDescription;
  readonly #surroundings: NodeSurroundings;
  #power = new AbortController();
  #kernel: Kernel | undefined;
  #running: Promise<void> = Promise.resolve();
  #state: NodeState = "off";
  #failedAt = 0;
  #starts = 0;

  /** Creates the objects of a node that is about to be switched on. */
  constructor(description: NodeDescription, surroundings: NodeSurroundings) {
    this.description = description;
    this.#surroundings = surroundings;
    const { name, labels, address, agent } = description;
    const { store } = surroundings;
    const manager = { manager: "kubelet", operation: "Update" } as const;
    store.create(NODE, { namespace: "", name }, {
      ...manager,
      object: {
        metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
        spec: {},
        status: { addresses: [{ type: "InternalIP", address: address.split("/")[0] ?? "" }] },
      },
    });
    for (const pod of this.#pods()) {
      const app = pod.namespace === NAMESPACE
        ? { "app.kubernetes.io/name": AGENT_APP }
        : { "k8s-app": "cilium" };
      if (pod.namespace === NAMESPACE && !agent) continue;
      store.create(POD, pod, {
        ...manager,
        object: {
          metadata: { name: pod.name, namespace: pod.namespace, labels: app },
          spec: { nodeName: name },
        },
      });
    }
  }

  get name(): string {
    return this.description.name;
  }

  get state(): NodeState {
    return this.#state;
  }

  /** How long it has been without power; undefined while it has some. */
  get failedForMilliseconds(): number | undefined {
    const off = this.#state === "off" || this.#state === "lost";
    return off ? performance.now() - this.#failedAt : undefined;
  }

  /** Switches on at once, as for a node that was there before the demo began. */
  boot(): void {
    const { description: { name, address, ip6, mac, agent } } = this;
    const { client, segment, directory, onEvent } = this.#surroundings;
    const power = this.#power = new AbortController();
    const kernel = this.#kernel = new Kernel({
      node: name,
      mac,
      address,
      ...(ip6 === undefined ? {} : { ip6 }),
      interface: "eth1",
    });
    segment.attach(kernel);
    this.#state = "on";
    this.#setReady("True");
    if (!agent) return;
    this.#running = runSimulatedAgent(client, {
      segment,
      kernel,
      stateDirectory: join(directory, `${name}-${++this.#starts}`),
      onEvent: (event) => onEvent(name, event),
      power: power.signal,
    }).catch((error: unknown) => onEvent(name, { event: "Failed", message: String(error) }));
  }

  /** Cuts the power. Kubernetes notices much later. */
  fail(): void {
    if (this.#state === "off" || this.#state === "lost") return;
    const wasOn = this.#state === "on";
    this.#power.abort(new Error(`${this.name} has no power`));
    if (this.#kernel !== undefined) this.#surroundings.segment.detach(this.#kernel);
    this.#kernel = undefined;
    this.#state = "off";
    this.#failedAt = performance.now();
    if (wasOn) void this.#notice(this.#power = new AbortController());
  }

  /** Switches on again. */
  async repair(): Promise<void> {
    if (this.#state !== "off" && this.#state !== "lost") return;
    this.#power.abort();
    const power = this.#power = new AbortController();
    this.#state = "starting";
    // Pods are not ready until their containers run again.
    this.#setReady("False");
    await sleep(START_MILLISECONDS, power.signal).catch(() => {});
    if (!power.signal.aborted) this.boot();
  }

  /** For the end of the demo: everything stops. */
  async stop(): Promise<void> {
    this.#power.abort(new Error("the demo ends"));
    await this.#running;
  }

  /** What the node controller does about a node that it has not heard of. */
  async #notice(silence: AbortController): Promise<void> {
    await sleep(GRACE_MILLISECONDS, silence.signal).catch(() => {});
    if (silence.signal.aborted) return;
    this.#state = "lost";
    this.#setReady("Unknown");
  }

  #pods(): readonly Reference[] {
    return [
      { namespace: "kube-system", name: `cilium-${this.name}` },
      { namespace: NAMESPACE, name: `${AGENT_APP}-${this.name}` },
    ];
  }

  #setReady(status: "True" | "False" | "Unknown"): void {
    const { store } = this.#surroundings;
    const message = {
      True: "kubelet is posting ready status",
      False: "container runtime is starting",
      Unknown: "Kubelet stopped posting node status.",
    }[status];
    const change = (current: JsonObject) => withReady(current, { status, message });
    store.update(NODE, { namespace: "", name: this.name }, { ...KUBELET, change });
    for (const pod of this.#pods()) {
      if (store.find(POD, pod) === undefined) continue;
      const ready = status === "True" ? "True" : "False";
      store.update(POD, pod, {
        ...KUBELET,
        change: (current) => withReady(current, { status: ready, message: "" }),
      });
    }
  }
}

/** The object with this Ready condition; the time moves only when the status does. */
function withReady(
  object: JsonObject,
  { status, message }: { readonly status: string; readonly message: string },
): JsonObject {
  const before = (object["status"] as { conditions?: readonly { status: string }[] } | undefined)
    ?.conditions?.[0];
  if (before?.status === status) return object;
  const lastTransitionTime = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  return patched(object, {
    status: { conditions: [{ type: "Ready", status, message, lastTransitionTime }] },
  });
}
