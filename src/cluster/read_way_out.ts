/** What is to be known of a cluster to say by which way a pod's traffic leaves. */
import type { SourcePod, WayOutSnapshot } from "../core/way_out.ts";
import type { KubeClient } from "../kube/client.ts";
import { ConfigError, unlessRefused } from "../kube/errors.ts";
import { list } from "../kube/list.ts";
import { readable } from "./decoders/decode.ts";
import { decodeCiliumPolicy, decodeNode } from "./decoders/kinds.ts";
import { decodeNamespace, decodeSourcePod } from "./decoders/source_pod.ts";
import { readStatuses } from "./read_statuses.ts";
import { PATHS, podsIn } from "./resources.ts";

export interface WayOutFacts {
  readonly pod: SourcePod;
  /** What of the cluster has the destination's address beside nodes. */
  readonly inCluster: string | undefined;
  readonly snapshot: WayOutSnapshot;
}

/** @throws ConfigError where there is no such pod; what `list` throws */
export async function readWayOut(
  client: KubeClient,
  { namespace, name, destination }: {
    readonly namespace: string;
    readonly name: string;
    readonly destination?: string;
  },
): Promise<WayOutFacts> {
  const [pods, namespaceLabels, nodes, statuses, ciliumPolicies, inCluster] = await Promise.all([
    list(client, podsIn(namespace), {
      decode: decodeSourcePod,
      fieldSelector: `metadata.name=${name}`,
    }),
    labelsOfNamespace(client, namespace),
    list(client, PATHS.Node, { decode: decodeNode }),
    readStatuses(client),
    list(client, PATHS.CiliumEgressGatewayPolicy, { decode: decodeCiliumPolicy }),
    destination === undefined ? undefined : podWith(client, destination),
  ]);
  const [pod] = pods.items;
  if (pod === undefined) {
    throw new ConfigError(
      `Cannot find Pod '${name}' in namespace '${namespace}': write NAMESPACE/POD as kubectl get pods -A shows them`,
    );
  }
  const { gateways, policies } = statuses;
  return {
    pod: { ...pod, namespaceLabels },
    inCluster,
    snapshot: {
      nodes: readable(nodes.items, []),
      gateways,
      policies,
      ciliumPolicies: readable(ciliumPolicies.items, []),
    },
  };
}

async function labelsOfNamespace(
  client: KubeClient,
  namespace: string,
): Promise<SourcePod["namespaceLabels"]> {
  const { items: [found] } = await list(client, PATHS.Namespace, {
    decode: decodeNamespace,
    fieldSelector: `metadata.name=${namespace}`,
  });
  return found?.labels ?? {};
}

/** The pod that has the address; who may not list the pods of all namespaces is not told. */
async function podWith(client: KubeClient, address: string): Promise<string | undefined> {
  const found = await unlessRefused(list(client, PATHS.Pod, {
    decode: decodeSourcePod,
    fieldSelector: `status.podIP=${address}`,
  }));
  const [pod] = found?.items ?? [];
  return pod && `pod ${pod.namespace}/${pod.name}`;
}
