/** Agents without nodes: their Leases are renewed each second, and what gateways' statuses tell them is done at once. */
import type { Gateway, ReportedAddress } from "../../src/core/types.ts";
import { renew } from "../../src/agent/renewal.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { sleep } from "../../src/kube/deadline.ts";
import { decodeGateway } from "../../src/cluster/decoders/kinds.ts";
import { Reflector } from "../../src/kube/reflector.ts";
import { PATHS } from "../../src/cluster/resources.ts";

export interface StandInAgents extends AsyncDisposable {
  /** Resolves when every agent has a Lease. */
  readonly renewed: Promise<void>;
}

/** From a change of a gateway until agents act on it. */
const NEWS_MILLISECONDS = 5;

export function standInAgents(client: KubeClient, nodeNames: readonly string[]): StandInAgents {
  const stop = new AbortController();
  const { signal } = stop;
  let gateways: readonly Gateway[] = [];
  const agents = nodeNames.map((nodeName) => new StandIn(client, { nodeName, signal }));
  const renewAll = () => Promise.all(agents.map((agent) => agent.renew(gateways))).then(() => {});
  let isTold = false;
  const following = new Reflector<Gateway>(client, PATHS.EgressGateway, {
    decode: (item) => {
      const decoded = decodeGateway(item);
      return "object" in decoded ? decoded.object : undefined;
    },
    keyOf: ({ uid }) => uid,
    onChange: (objects) => {
      gateways = objects;
      if (isTold) return;
      isTold = true;
      // Where hundreds of gateways move at once, an agent renews once for what it has heard meanwhile.
      setTimeout(() => {
        isTold = false;
        for (const agent of agents) agent.tell(gateways);
      }, NEWS_MILLISECONDS);
    },
    signal,
  }).run();
  const { promise: renewed, resolve } = Promise.withResolvers<void>();
  const beating = (async () => {
    while (!signal.aborted) {
      // A renewal that fails, on a machine that is very busy, is made up for by the next.
      await renewAll().then(resolve, () => {});
      await sleep(1_000, signal).catch(() => {});
    }
  })();
  return {
    renewed,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.allSettled([following, beating]);
    },
  };
}

class StandIn {
  readonly #client: KubeClient;
  readonly #options: { readonly nodeName: string; readonly signal: AbortSignal };
  #addresses: readonly ReportedAddress[] = [];
  #fence: Readonly<Record<string, number>> = {};
  #last: Promise<void> = Promise.resolve();

  constructor(
    client: KubeClient,
    options: { readonly nodeName: string; readonly signal: AbortSignal },
  ) {
    this.#client = client;
    this.#options = options;
  }

  /** Renews where there is something new to report. */
  tell(gateways: readonly Gateway[]): void {
    const duties = gateways.flatMap((gateway) => this.#duty(gateway));
    const said = (addresses: readonly ReportedAddress[]) =>
      JSON.stringify(addresses.map(({ boundAt: _at, ...address }) => address));
    if (said(duties) !== said(this.#addresses)) this.renew(gateways).catch(() => {});
  }

  /** One at a time: an older report that arrives later would undo a newer one. */
  renew(gateways: readonly Gateway[]): Promise<void> {
    return this.#last = this.#last.catch(() => {}).then(() => this.#renew(gateways));
  }

  async #renew(gateways: readonly Gateway[]): Promise<void> {
    this.#addresses = gateways.flatMap((gateway) => this.#duty(gateway));
    ({ fence: this.#fence } = await renew(this.#client, {
      ...this.#options,
      newlyClaimed: [],
      report: {
        interfaces: [{ name: "eth1", up: true }],
        cilium: { ready: true },
        addresses: this.#addresses,
        failures: [],
        uplinks: [],
        unreachable: [],
        heard: {},
        renewingSince: new Date(0).toISOString(),
        leaving: false,
      },
    }));
  }

  #duty({ name, uid, spec, status }: Gateway): readonly ReportedAddress[] {
    const { nodeName } = this.#options;
    if (spec.sourceIP.mode !== "VirtualIPAddress") return [];
    const term = status.term ?? 0;
    const holds = status.activeNodeName === nodeName;
    const servesYet = status.phase === "Preparing" && status.lastFailover?.from === nodeName;
    if (!holds && !servesYet && !status.standbyNodeNames?.includes(nodeName)) return [];
    const boundAt = this.#addresses.find((address) => address.uid === uid)?.boundAt ??
      new Date().toISOString();
    const speaking = holds && status.phase === "Active" && (this.#fence[uid] ?? 0) <= term;
    return spec.sourceIP.ips.map((ip) => (
      { gateway: name, uid, term, ip, interface: "eth1", boundAt, speaking }
    ));
  }
}
