/** The data of `path.ts`. */
import type { Facts } from "./facts.ts";
import type { Gateway, Plan, Snapshot } from "./types.ts";
import type { SourcePod } from "./way_out.ts";

/** In the order in which a packet takes them. */
export type StepName =
  | "pods"
  | "identity"
  | "policy"
  | "node"
  | "datapath"
  | "address"
  | "permission"
  | "neighbours"
  | "answer";

export interface Step {
  readonly step: StepName;
  /** `unknown`: nobody who could be asked knows; nothing is known to be wrong. */
  readonly verdict: "ok" | "wrong" | "unknown";
  /** One sentence, with what to do where something is wrong. */
  readonly message: string;
  /** What tells it, as `Lease sallyport-system/a`. */
  readonly source: string;
  /** How old that is; 0: it was read just now. Absent: there is no evidence. */
  readonly ageSeconds?: number;
}

/** What Cilium's agent knows of a pod: a CiliumEndpoint of its name. */
export interface CiliumEndpoint {
  readonly namespace: string;
  readonly name: string;
  readonly state: string | undefined;
  readonly identity: number | undefined;
  /** The identity's labels, of Kubernetes only. */
  readonly labels: Readonly<Record<string, string>>;
  readonly ips: readonly string[];
}

/** `cilium-dbg bpf egress list -o json`, or why it could not be had. */
export type Entries = readonly Entry[] | { readonly problem: string };

export interface Entry {
  readonly sourceIP: string;
  readonly destination: string;
  readonly egressIP: string;
  /** The node's address, or words where there is none. */
  readonly gatewayIP: string;
}

/** What was read; undefined: it may not be, or was not asked for. */
export interface PathSources {
  readonly snapshot: Snapshot;
  readonly plan: Plan;
  /** Running pods that policies of the gateway may select. */
  readonly pods: readonly SourcePod[] | undefined;
  /** Of the namespaces of these pods. */
  readonly endpoints: readonly CiliumEndpoint[] | undefined;
  /** Node -> its Cilium agent's table of egress policies. */
  readonly entries: ReadonlyMap<string, Entries> | undefined;
}

export interface PathFacts extends PathSources {
  readonly gateway: Gateway;
  readonly facts: Facts;
}
