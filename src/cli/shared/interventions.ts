/** What an operator does by hand: move, release, drain. Each is a small patch; the controller does the rest. */
import { PIN_ANNOTATION } from "../../core/names.ts";
import { matchesLabels } from "../../core/selectors.ts";
import type { Node } from "../../core/types.ts";
import type { KubeClient } from "../../kube/client.ts";
import { sleep } from "../../kube/deadline.ts";
import { ApiError, ConfigError } from "../../kube/errors.ts";
import { list } from "../../kube/list.ts";
import { readable } from "../../cluster/decoders/decode.ts";
import { decodeNode } from "../../cluster/decoders/kinds.ts";
import { readStatuses } from "../../cluster/read_statuses.ts";
import { mergePatch } from "../../kube/patch.ts";
import { PATHS } from "../../cluster/resources.ts";

const FIELD_MANAGER = "sallyport-cli";

/** Pins a gateway to a candidate node. Returns a sentence for the operator. */
export async function pinGateway(
  client: KubeClient,
  { gateway, node }: { readonly gateway: string; readonly node: string },
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
  await annotate(client, gateway, node);
  return `Pinned ${gateway} to ${node}; it moves there as soon as ${node} is eligible. sallyport release ${gateway} undoes this.`;
}

/** Takes the pin away. Returns a sentence for the operator. */
export async function releaseGateway(client: KubeClient, gateway: string): Promise<string> {
  try {
    await annotate(client, gateway, null);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    named((await readStatuses(client)).gateways, { name: gateway, kind: "EgressGateway" });
    throw error;
  }
  return `Released ${gateway}; the election decides again.`;
}

async function readNodes(client: KubeClient): Promise<readonly Node[]> {
  return readable((await list(client, PATHS.Node, { decode: decodeNode })).items, []);
}

function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** @throws ConfigError that names those that there are */
function named<T extends { readonly name: string }>(
  objects: readonly T[],
  { name, kind }: { readonly name: string; readonly kind: string },
): T {
  const found = objects.find((object) => object.name === name);
  if (found !== undefined) return found;
  throw new ConfigError(
    `Cannot find ${kind} '${name}' as there is none of that name: there are ${listed(objects)}`,
  );
}

function listed(objects: readonly { readonly name: string }[]): string {
  return objects.map(({ name }) => name).sort().join(", ") || "none";
}

async function annotate(client: KubeClient, gateway: string, pin: string | null): Promise<void> {
  await mergePatch(client, `${PATHS.EgressGateway}/${encodeURIComponent(gateway)}`, {
    body: { metadata: { annotations: { [PIN_ANNOTATION]: pin } } },
    fieldManager: FIELD_MANAGER,
  });
}

async function cordon(
  client: KubeClient,
  { node, signal }: { readonly node: string; readonly signal: AbortSignal },
): Promise<void> {
  try {
    await mergePatch(client, `${PATHS.Node}/${encodeURIComponent(node)}`, {
      body: { spec: { unschedulable: true } },
      fieldManager: FIELD_MANAGER,
      signal,
    });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    named(await readNodes(client), { name: node, kind: "Node" });
    throw error;
  }
}

/**
 * Cordons a node and waits until no gateway is active on it.
 *
 * @returns false when some gateway stayed until the time was over
 */
export async function drainNode(
  client: KubeClient,
  options: {
    readonly node: string;
    readonly timeoutMilliseconds: number;
    readonly onProgress: (text: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<boolean> {
  const { node, timeoutMilliseconds, onProgress, signal } = options;
  await cordon(client, { node, signal });
  onProgress(`Cordoned ${node}.`);
  const deadline = performance.now() + timeoutMilliseconds;
  while (true) {
    const { gateways } = await readStatuses(client, { signal });
    const held = gateways.filter(({ status }) =>
      status.activeNodeName === node ||
      (status.phase === "Preparing" && status.lastFailover?.from === node)
    ).map(({ name }) => name).sort();
    if (held.length === 0) {
      onProgress(`No gateway is active on ${node}.`);
      return true;
    }
    if (performance.now() > deadline) {
      onProgress(`Still active on ${node}: ${held.join(", ")}. sallyport explain says why.`);
      return false;
    }
    await sleep(200, signal);
  }
}
