/** What `check GATEWAY` looks at in a cluster. What may not be read is left open; nothing here writes. */
import * as v from "valibot";
import { decide } from "../core/decide.ts";
import type { CiliumEndpoint, Entries, Entry, PathSources } from "../core/path_types.ts";
import type { Policy, Snapshot } from "../core/types.ts";
import type { SourcePod } from "../core/way_out.ts";
import type { KubeClient } from "../kube/client.ts";
import { unlessRefused } from "../kube/errors.ts";
import { list } from "../kube/list.ts";
import type { CiliumPods } from "./cilium_pods.ts";
import { metadata, part } from "./decoders/common.ts";
import { decodeNamespace, decodeSourcePod } from "./decoders/source_pod.ts";
import { observe } from "./observe.ts";
import { ciliumEndpointsIn, PATHS } from "./resources.ts";

/** Runs a program in a pod, and gives what it prints. */
export type Exec = (
  pod: { readonly namespace: string; readonly name: string },
  command: readonly string[],
) => Promise<string>;

export interface ReadPathOptions {
  readonly gateway: string;
  readonly cilium: CiliumPods;
  /** Absent: Cilium's agents are not asked. */
  readonly exec?: Exec | undefined;
}

/** Of so many nodes with selected pods Cilium's agents are asked, beside the holder's. */
const ASKED_NODES = 3;

/** In more namespaces than these all CiliumEndpoints are listed at once. */
const NAMESPACES = 20;

/** @throws what `observe` throws */
export async function readPath(
  client: KubeClient,
  { gateway, cilium, exec }: ReadPathOptions,
): Promise<PathSources> {
  const snapshot = await observe(client, { cilium });
  const plan = decide(snapshot);
  const concerned = new Set(
    plan.policies.filter(({ gateways }) =>
      gateways.some(({ name, servedBy }) => name === gateway || servedBy === gateway)
    ).map(({ name }) => name),
  );
  const policies = snapshot.policies.filter(({ name }) => concerned.has(name));
  const pods = await unlessRefused(readPods(client, policies), NOT_KNOWN);
  const endpoints = pods === undefined
    ? undefined
    : await unlessRefused(readEndpoints(client, pods), NOT_KNOWN);
  const nodes = exec === undefined ? [] : askedNodes(gateway, { snapshot, pods: pods ?? [] });
  return {
    snapshot,
    plan,
    pods,
    endpoints,
    entries: exec && new Map(
      await Promise.all(
        nodes.map(async (node) => [node, await readEntries(node, { snapshot, exec })] as const),
      ),
    ),
  };
}

/** It may not be read, or there is no such kind. */
const NOT_KNOWN = [403, 404];

/** Running pods that the policies may select, with the labels of their namespaces. */
async function readPods(
  client: KubeClient,
  policies: readonly Policy[],
): Promise<readonly SourcePod[]> {
  const labelSelectors = podSelectors(policies);
  const [namespaces, ...lists] = await Promise.all([
    list(client, PATHS.Namespace, { decode: decodeNamespace }),
    ...labelSelectors.map((labelSelector) =>
      list(client, PATHS.Pod, {
        decode: decodeSourcePod,
        fieldSelector: "status.phase=Running",
        labelSelector,
      })
    ),
  ]);
  const labelsOf = new Map(
    namespaces.items.flatMap((each) => each ? [[each.name, each.labels]] : []),
  );
  const pods = new Map(
    lists.flatMap(({ items }) => items).flatMap((pod) =>
      pod === undefined ? [] : [[`${pod.namespace}/${pod.name}`, pod] as const]
    ),
  );
  return [...pods.values()].map((pod) => ({
    ...pod,
    namespaceLabels: labelsOf.get(pod.namespace) ?? {},
  }));
}

/** Labels that are a pod's own, as a selector of the API server's; those of its namespace are only Cilium's. */
const OWN_LABEL = /^(?!io\.kubernetes\.|io\.cilium\.)[\w./-]+$/;

/** The selectors by which pods are asked for: what a rule's matchLabels say; `undefined` for all. */
function podSelectors(policies: readonly Policy[]): readonly (string | undefined)[] {
  const each = new Set(
    policies.flatMap(({ spec }) => spec.selectors).map(({ podSelector }) =>
      Object.entries(podSelector?.matchLabels ?? {}).filter(([key]) => OWN_LABEL.test(key))
        .map(([key, value]) => `${key}=${value}`).sort().join(",")
    ),
  );
  return each.has("") ? [undefined] : [...each].sort();
}

const EndpointSchema = v.object({
  metadata,
  status: part(v.object({
    state: part(v.string()),
    identity: part(v.object({ id: part(v.number()), labels: part(v.array(v.string())) })),
    networking: part(v.object({
      addressing: part(v.array(v.object({ ipv4: part(v.string()), ipv6: part(v.string()) }))),
    })),
  })),
});

function decodeEndpoint(item: unknown): CiliumEndpoint | undefined {
  const { success, output } = v.safeParse(EndpointSchema, item);
  if (!success) return undefined;
  const { metadata: { namespace, name }, status } = output;
  const labels = (status?.identity?.labels ?? []).flatMap((label) => {
    const [, key = "", value = ""] = /^k8s:([^=]+)=?(.*)$/.exec(label) ?? [];
    return key === "" ? [] : [[key, value] as const];
  });
  return {
    namespace: namespace ?? "default",
    name,
    state: status?.state ?? undefined,
    identity: status?.identity?.id ?? undefined,
    labels: Object.fromEntries(labels),
    ips: (status?.networking?.addressing ?? []).flatMap((
      { ipv4, ipv6 },
    ) => [ipv4 ?? [], ipv6 ?? []])
      .flat(),
  };
}

async function readEndpoints(
  client: KubeClient,
  pods: readonly SourcePod[],
): Promise<readonly CiliumEndpoint[]> {
  const namespaces = [...new Set(pods.map(({ namespace }) => namespace))];
  const paths = namespaces.length > NAMESPACES
    ? [PATHS.CiliumEndpoint]
    : namespaces.map(ciliumEndpointsIn);
  const lists = await Promise.all(
    paths.map((path) => list(client, path, { decode: decodeEndpoint })),
  );
  return lists.flatMap(({ items }) => items).filter((item) => item !== undefined);
}

/** The holder, and some nodes of pods. */
function askedNodes(
  gateway: string,
  { snapshot, pods }: { readonly snapshot: Snapshot; readonly pods: readonly SourcePod[] },
): readonly string[] {
  const holder = snapshot.gateways.find(({ name }) => name === gateway)?.status.activeNodeName;
  const nodes = [...new Set(pods.flatMap(({ nodeName }) => nodeName ?? []))].sort();
  return [...new Set([...holder === undefined ? [] : [holder], ...nodes.slice(0, ASKED_NODES)])];
}

const EntriesSchema = v.array(v.pipe(
  v.object({
    SourceIP: v.string(),
    DestCIDR: v.string(),
    EgressIP: v.string(),
    GatewayIP: v.string(),
  }),
  v.transform(({ SourceIP, DestCIDR, EgressIP, GatewayIP }): Entry => ({
    sourceIP: SourceIP,
    destination: DestCIDR,
    egressIP: EgressIP,
    gatewayIP: GatewayIP,
  })),
));

const LIST_ENTRIES = ["cilium-dbg", "bpf", "egress", "list", "-o", "json"];

async function readEntries(
  node: string,
  { snapshot, exec }: { readonly snapshot: Snapshot; readonly exec: Exec },
): Promise<Entries> {
  const pod = snapshot.ciliumPods.find(({ nodeName, ready }) => nodeName === node && ready);
  if (pod === undefined) return { problem: "no ready pod of Cilium is known there" };
  try {
    const text = await exec(pod, LIST_ENTRIES);
    return v.parse(EntriesSchema, JSON.parse(text === "" ? "[]" : text) ?? []);
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
