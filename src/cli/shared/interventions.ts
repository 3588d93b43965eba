/** What an operator does by hand: move, release, drain, undrain. Each is a small patch; the controller does the rest. */
import { PIN_ANNOTATION } from "../../core/names.ts";
import { matchesLabels } from "../../core/selectors.ts";
import type { Gateway, Node } from "../../core/types.ts";
import type { KubeClient } from "../../kube/client.ts";
import { ConfigError } from "../../kube/errors.ts";
import { list } from "../../kube/list.ts";
import { readable } from "../../cluster/decoders/decode.ts";
import { decodeNode } from "../../cluster/decoders/kinds.ts";
import { readStatuses } from "../../cluster/read_statuses.ts";
import { mergePatch } from "../../kube/patch.ts";
import { PATHS } from "../../cluster/resources.ts";
import { listed, named } from "./named.ts";

const FIELD_MANAGER = "sallyport-cli";

/** How a person wants it done. */
export interface Manner {
  /** The API server checks the writes and stores none. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

/** Pins a gateway to a candidate node. Returns a sentence for the operator. */
export async function pinGateway(
  client: KubeClient,
  { gateway, node }: { readonly gateway: string; readonly node: string },
  manner: Manner = {},
): Promise<string> {
  const [{ gateways }, nodes] = await Promise.all([readStatuses(client), readNodes(client)]);
  const found = named(gateways, { name: gateway, kind: "EgressGateway" });
  const { labels } = named(nodes, { name: node, kind: "Node" });
  if (!matchesLabels(labels, found.spec.nodeSelector)) {
    const candidates = nodes.filter((each) => matchesLabels(each.labels, found.spec.nodeSelector));
    throw new ConfigError(
      `Cannot move ${gateway} to ${node} as its nodeSelector does not match that node: it matches ${
        listed(candidates)
      }`,
    );
  }
  await annotate(client, { gateway, pin: node }, manner);
  return `Pinned ${gateway} to ${node}; ${
    whenItMoves(found, node)
  }. sallyport release ${gateway} undoes this.`;
}

function whenItMoves({ status }: Gateway, node: string): string {
  if (status.activeNodeName === node) return "it is there already";
  const [reason] = status.candidates?.find((each) => each.node === node)?.reasons ?? [];
  const against = reason === undefined
    ? ""
    : `, which it is not now: ${reason.type}: ${reason.message}`;
  return `it moves there as soon as ${node} is eligible${against}`;
}

/** Takes the pin away. Returns a sentence for the operator. */
export async function releaseGateway(
  client: KubeClient,
  gateway: string,
  manner: Manner = {},
): Promise<string> {
  const { gateways } = await readStatuses(client);
  const pin = named(gateways, { name: gateway, kind: "EgressGateway" }).annotations[PIN_ANNOTATION];
  await annotate(client, { gateway, pin: null }, manner);
  return pin === undefined
    ? `${gateway} was not pinned; the election decides as before.`
    : `Released ${gateway}, which was pinned to ${pin}; the election decides again.`;
}

/**
 * Cordons a node and takes away the pins that name it, which would bring their gateways back as soon as it is uncordoned.
 * Returns what was done, a sentence each.
 */
export async function emptyNode(
  client: KubeClient,
  node: string,
  manner: Manner = {},
): Promise<readonly string[]> {
  const { cordoned, pinned } = await cordon(client, { node, cordoned: true }, manner);
  for (const gateway of pinned) await annotate(client, { gateway, pin: null }, manner);
  return [
    cordoned ? `${node} was cordoned already.` : `Cordoned ${node}.`,
    ...pinned.map((gateway) =>
      `Released ${gateway}, which was pinned to ${node}; sallyport move ${gateway} ${node} pins it again.`
    ),
  ];
}

/** Lets a node hold gateways again. Returns what was done, a sentence each. */
export async function uncordonNode(
  client: KubeClient,
  node: string,
  manner: Manner = {},
): Promise<readonly string[]> {
  const { cordoned, pinned } = await cordon(client, { node, cordoned: null }, manner);
  return [
    cordoned ? `Uncordoned ${node}; it may hold gateways again.` : `${node} was not cordoned.`,
    ...pinned.map((gateway) =>
      `${gateway} is pinned to ${node}, and moves there once it is eligible.`
    ),
  ];
}

function pinnedTo(node: string, gateways: readonly Gateway[]): readonly string[] {
  return gateways.filter(({ annotations }) => annotations[PIN_ANNOTATION] === node)
    .map(({ name }) => name).sort();
}

async function readNodes(client: KubeClient): Promise<readonly Node[]> {
  return readable((await list(client, PATHS.Node, { decode: decodeNode })).items, []);
}

async function annotate(
  client: KubeClient,
  { gateway, pin }: { readonly gateway: string; readonly pin: string | null },
  manner: Manner,
): Promise<void> {
  await mergePatch(client, `${PATHS.EgressGateway}/${encodeURIComponent(gateway)}`, {
    body: { metadata: { annotations: { [PIN_ANNOTATION]: pin } } },
    fieldManager: FIELD_MANAGER,
    ...manner,
  });
}

/** Cordons a node or not; returns whether it was before, and the gateways that are pinned to it. */
async function cordon(
  client: KubeClient,
  { node, cordoned }: { readonly node: string; readonly cordoned: true | null },
  manner: Manner,
): Promise<{ readonly cordoned: boolean; readonly pinned: readonly string[] }> {
  const [{ gateways }, nodes] = await Promise.all([readStatuses(client), readNodes(client)]);
  const before = named(nodes, { name: node, kind: "Node" });
  await mergePatch(client, `${PATHS.Node}/${encodeURIComponent(node)}`, {
    body: { spec: { unschedulable: cordoned } },
    fieldManager: FIELD_MANAGER,
    ...manner,
  });
  return { cordoned: before.cordoned, pinned: pinnedTo(node, gateways) };
}
