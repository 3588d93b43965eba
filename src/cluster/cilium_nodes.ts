/**
 * Cilium's own record of the nodes. It takes a gateway's node from CiliumNodes, by the hostname label, so that a node without one
 * is Ready, and its traffic dropped. They are several kB each and seldom change: asked for are the metadata of candidates'
 * alone, and not with each look.
 */
import * as v from "valibot";
import { HOSTNAME_LABEL } from "../core/names.ts";
import { matchesLabels } from "../core/selectors.ts";
import type { CiliumNode, CiliumNodes, Node, Snapshot } from "../core/types.ts";
import type { KubeClient } from "../kube/client.ts";
import { countItems, list } from "../kube/list.ts";
import { METADATA_ALONE } from "../kube/versions.ts";
import { metadata } from "./decoders/common.ts";
import { PATHS } from "./resources.ts";
import { requirementsInPortions } from "./scope.ts";

/** What a resident process knows of a node that has its CiliumNode is taken for true so long, … */
const FRESH_MILLISECONDS = 60_000;
/** … and where one is missing, or a candidate is new, so long. */
const DOUBTFUL_MILLISECONDS = 5_000;

/** What a resident process remembers of its last look. */
export class CiliumNodeMemory {
  #known: CiliumNodes | undefined;
  #askedAt = -Infinity;
  #asking = false;
  readonly #now: () => number;

  /** @param now milliseconds of a monotonic clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** As of the last look; undefined: not known. */
  get known(): CiliumNodes | undefined {
    return this.#known;
  }

  /** Looks where that is due, and gives what is known then. Never throws. */
  async look(
    client: KubeClient,
    snapshot: Pick<Snapshot, "nodes" | "gateways">,
    signal?: AbortSignal,
  ): Promise<CiliumNodes | undefined> {
    const now = this.#now();
    const age = now - this.#askedAt;
    if (this.#asking || age < DOUBTFUL_MILLISECONDS) return this.#known;
    const candidates = candidatesIn(snapshot);
    if (age < FRESH_MILLISECONDS && !isDoubtful(this.#known, candidates)) return this.#known;
    this.#asking = true;
    this.#askedAt = now;
    this.#known = await readCiliumNodes(client, candidates, signal);
    this.#asking = false;
    return this.#known;
  }
}

/** Undefined where there is no such kind, none of its objects, no right to list them, or no answer: nothing is missing then. */
async function readCiliumNodes(
  client: KubeClient,
  nodes: readonly Node[],
  signal: AbortSignal | undefined,
): Promise<CiliumNodes | undefined> {
  const hostnames = [...new Set(nodes.flatMap(({ labels }) => labels[HOSTNAME_LABEL] ?? []))]
    .sort();
  if (hostnames.length === 0) return undefined;
  try {
    const selectors = requirementsInPortions(HOSTNAME_LABEL, hostnames);
    const lists = await Promise.all(
      selectors.map((labelSelector) =>
        list(client, PATHS.CiliumNode, {
          decode: decodeCiliumNode,
          accept: METADATA_ALONE,
          labelSelector,
          signal,
        })
      ),
    );
    const found = lists.flatMap(({ items }) => items).filter((item) => item !== undefined);
    const isThere = found.length > 0 || await countItems(client, PATHS.CiliumNode, { signal }) > 0;
    return isThere ? { asked: nodes.map(({ name }) => name), found } : undefined;
  } catch {
    return undefined;
  }
}

const CiliumNodeSchema = v.object({ metadata });

/** Undefined for what is no object with a name. */
export function decodeCiliumNode(item: unknown): CiliumNode | undefined {
  const { success, output } = v.safeParse(CiliumNodeSchema, item);
  if (!success) return undefined;
  const { name, labels } = output.metadata;
  return { name, hostname: labels[HOSTNAME_LABEL] };
}

/** Nodes that a gateway selects. */
function candidatesIn({ nodes, gateways }: Pick<Snapshot, "nodes" | "gateways">): readonly Node[] {
  const selectors = new Map(
    gateways.map(({ spec: { nodeSelector } }) => [JSON.stringify(nodeSelector), nodeSelector]),
  );
  return nodes.filter(({ labels }) =>
    [...selectors.values()].some((selector) => matchesLabels(labels, selector))
  );
}

function isDoubtful(known: CiliumNodes | undefined, candidates: readonly Node[]): boolean {
  if (known === undefined) return false;
  const found = new Set(known.found.map(({ name }) => name));
  return candidates.some(({ name }) => !found.has(name));
}
