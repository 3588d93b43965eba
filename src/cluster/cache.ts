/**
 * What a resident process sees of the cluster between ticks, by watches: enough to tell whether there is anything to do.
 *
 * Nothing is written from it alone. Watches lag behind each other, so what was made from a gateway may be newer here than
 * the gateway itself; a plan that has changes is made again from listings, or from what the API server has confirmed, before
 * it is carried out. So a cache that is behind can make a tick late or superfluous, and not wrong.
 */
import type { InvalidObject, Lease, Snapshot } from "../core/types.ts";
import type { KubeClient } from "../kube/client.ts";
import { Reflector } from "../kube/reflector.ts";
import { type Decoded, readable } from "./decoders/decode.ts";
import {
  decodeCiliumPolicy,
  decodeGateway,
  decodeLease,
  decodeNode,
  decodePod,
  decodePolicy,
} from "./decoders/kinds.ts";
import type { LeaseWitness } from "./lease_witness.ts";
import { CILIUM_PODS } from "./cilium_pods.ts";
import type { CiliumPods } from "./cilium_pods.ts";
import { AGENT_PODS, PATHS, podsIn } from "./resources.ts";
import { nodeScope } from "./scope.ts";

/** Each watch holds a connection of the client's 16, and requests need some too; with more selectors every node is followed. */
const MOST_NODE_WATCHES = 6;

export interface CacheOptions {
  readonly cilium?: CiliumPods;
  readonly witness: LeaseWitness;
  /** Something has changed, renewals of Leases that say nothing new excepted. */
  readonly onNews: () => void;
  readonly onError?: ((error: Error) => void) | undefined;
  readonly signal: AbortSignal;
}

/** What every object has that is followed here. */
interface Named {
  readonly name: string;
  readonly namespace?: string;
}

/** What is followed. */
interface Collection<T> {
  readonly path: string;
  readonly labelSelector?: string;
  readonly decode: (item: unknown) => Decoded<T>;
}

/** A copy that follows one collection. */
class Copy<T extends Named> {
  #items: readonly Decoded<T>[] | undefined;
  readonly #stop = new AbortController();
  readonly #reflector: Reflector<Decoded<T>>;
  readonly ended: Promise<void>;

  constructor(
    client: KubeClient,
    { path, labelSelector, decode }: Collection<T>,
    { signal, onNews, onError }: Pick<CacheOptions, "signal" | "onNews" | "onError">,
  ) {
    this.#reflector = new Reflector<Decoded<T>>(client, path, {
      decode,
      keyOf: identityOf,
      ...(labelSelector === undefined ? {} : { labelSelector }),
      onChange: (items) => {
        this.#items = items;
        onNews();
      },
      onError: (error) => {
        this.#items = undefined;
        onError?.(error);
      },
      signal: AbortSignal.any([signal, this.#stop.signal]),
    });
    this.ended = this.#reflector.run();
  }

  /** Undefined before the first listing, and from an error until the next. */
  get items(): readonly Decoded<T>[] | undefined {
    return this.#items;
  }

  relist(): void {
    this.#items = undefined;
    this.#reflector.relist();
  }

  stop(): void {
    this.#stop.abort();
  }
}

export class ClusterCache {
  readonly #client: KubeClient;
  readonly #options: CacheOptions;
  readonly #gateways;
  readonly #policies;
  readonly #ciliumPolicies;
  readonly #ciliumPods;
  readonly #agentPods;
  readonly #leases;
  /** Label selector, `` for every node -> the nodes that it matches. */
  readonly #nodes = new Map<string, Copy<Snapshot["nodes"][number]>>();
  readonly #reports = new Map<string, string>();
  /** Gateways or policies have changed, and with them perhaps which nodes are to be followed. */
  #isScopeOld = true;
  #leaseCount = 0;

  /** Begins to follow the cluster. */
  constructor(client: KubeClient, options: CacheOptions) {
    const { cilium = CILIUM_PODS } = options;
    this.#client = client;
    this.#options = options;
    const copy = <T extends Named>(collection: Collection<T>) =>
      new Copy(client, collection, options);
    const choosing = {
      ...options,
      onNews: () => {
        this.#isScopeOld = true;
        if (this.#nodes.size === 0) this.#followNodes();
        options.onNews();
      },
    };
    this.#gateways = new Copy(
      client,
      { path: PATHS.EgressGateway, decode: decodeGateway },
      choosing,
    );
    this.#policies = new Copy(
      client,
      { path: PATHS.EgressGatewayPolicy, decode: decodePolicy },
      choosing,
    );
    this.#ciliumPolicies = copy({
      path: PATHS.CiliumEgressGatewayPolicy,
      decode: decodeCiliumPolicy,
    });
    this.#ciliumPods = copy({
      path: podsIn(cilium.namespace),
      labelSelector: cilium.labelSelector,
      decode: decodePod,
    });
    this.#agentPods = copy({
      path: podsIn(AGENT_PODS.namespace),
      labelSelector: AGENT_PODS.labelSelector,
      decode: decodePod,
    });
    // Each agent renews each second; what is news of that is told by `#hear`.
    this.#leases = new Copy(client, { path: PATHS.Lease, decode: (item) => this.#hear(item) }, {
      ...options,
      onNews: () => this.#noteLeases(),
    });
  }

  /** Resolves when the signal has aborted and nothing is followed any more. */
  async ended(): Promise<void> {
    await Promise.all(this.#copies().map(({ ended }) => ended));
  }

  /** Forgets everything and lists it again: what watches told was undone. */
  relist(): void {
    for (const copy of this.#copies()) copy.relist();
  }

  #copies() {
    return [
      this.#gateways,
      this.#policies,
      this.#ciliumPolicies,
      this.#ciliumPods,
      this.#agentPods,
      this.#leases,
      ...this.#nodes.values(),
    ];
  }

  /**
   * What is known of the cluster; undefined while some part is not known to be whole, and without one pod of Cilium.
   *
   * @param serverTime the API server's clock, milliseconds since the epoch
   * @param local the same moment by the clock that the witness goes by
   */
  snapshot({ serverTime, local }: { serverTime: number; local: number }): Snapshot | undefined {
    this.#followNodes();
    const invalid: InvalidObject[] = [];
    const gateways = this.#gateways.items;
    const policies = this.#policies.items;
    const ciliumPolicies = this.#ciliumPolicies.items;
    const ciliumPods = this.#ciliumPods.items;
    const agentPods = this.#agentPods.items;
    const leases = this.#leases.items;
    const nodes = this.#nodeItems();
    if (
      gateways === undefined || policies === undefined || ciliumPolicies === undefined ||
      ciliumPods === undefined || agentPods === undefined || leases === undefined ||
      nodes === undefined || ciliumPods.length === 0
    ) return undefined;
    return {
      now: Math.floor(serverTime / 1_000) * 1_000,
      clock: serverTime,
      nodes: readable(nodes, invalid),
      ciliumPods: readable(ciliumPods, invalid),
      agentPods: readable(agentPods, invalid),
      leases: this.#options.witness.judge(readable(leases, invalid), {
        sent: local,
        received: local,
      }),
      gateways: readable(gateways, invalid),
      policies: readable(policies, invalid),
      ciliumPolicies: readable(ciliumPolicies, invalid),
      invalid,
    };
  }

  #nodeItems(): readonly Decoded<Snapshot["nodes"][number]>[] | undefined {
    const copies = [...this.#nodes.values()].map(({ items }) => items);
    if (copies.length === 0 || copies.includes(undefined)) return undefined;
    // A node that several selectors match is one.
    return [
      ...new Map(copies.flatMap((items) => items ?? []).map((node) => [identityOf(node), node]))
        .values(),
    ];
  }

  /** Follows the nodes that the gateways select now. */
  #followNodes(): void {
    if (!this.#isScopeOld) return;
    // Without the policies nothing is decided yet.
    if (this.#gateways.items === undefined || this.#policies?.items === undefined) return;
    this.#isScopeOld = false;
    const scope = nodeScope(readable(this.#gateways.items, []), readable(this.#policies.items, []));
    const isWide = scope.every || scope.labelSelectors.length > MOST_NODE_WATCHES;
    const wanted = new Set(isWide ? [""] : scope.labelSelectors);
    for (const [selector, copy] of this.#nodes) {
      if (wanted.has(selector)) continue;
      copy.stop();
      this.#nodes.delete(selector);
    }
    for (const labelSelector of wanted) {
      if (this.#nodes.has(labelSelector)) continue;
      const selector = labelSelector === "" ? {} : { labelSelector };
      const collection = { path: PATHS.Node, decode: decodeNode, ...selector };
      this.#nodes.set(labelSelector, new Copy(this.#client, collection, this.#options));
    }
  }

  /** A Lease that is gone is news as well. */
  #noteLeases(): void {
    const count = this.#leases.items?.length ?? 0;
    if (count === this.#leaseCount) return;
    this.#leaseCount = count;
    this.#options.onNews();
  }

  #hear(item: unknown): Decoded<Lease> {
    const decoded = decodeLease(item);
    if (!("object" in decoded)) return decoded;
    const { object: lease } = decoded;
    this.#options.witness.note(lease, performance.now());
    const report = JSON.stringify(lease.report);
    if (this.#reports.get(lease.name) !== report) {
      this.#reports.set(lease.name, report);
      this.#options.onNews();
    }
    return decoded;
  }
}

function identityOf(decoded: Decoded<Named>): string {
  const { name, namespace = "" }: Named = "object" in decoded ? decoded.object : decoded.invalid;
  return `${namespace}/${name}`;
}
