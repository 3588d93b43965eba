/** The moments at which the lab's gateway changes, as its watch tells them. */
import type { Gateway, GatewayStatus } from "../../src/core/types.ts";
import { loadCluster } from "../../src/kube/auth/load_cluster.ts";
import { decodeGateway } from "../../src/cluster/decoders/kinds.ts";
import { createClient } from "../../src/kube/http.ts";
import { Reflector } from "../../src/kube/reflector.ts";
import { PATHS } from "../../src/cluster/resources.ts";

export interface Statuses extends AsyncDisposable {
  /** When the next status came of which this holds, milliseconds since the epoch. Rejects after 30 s. */
  next(holds: (status: GatewayStatus) => boolean): Promise<number>;
}

const PATIENCE_MILLISECONDS = 30_000;

/** Follows the one gateway. */
export async function followStatuses(kubeconfig: string): Promise<Statuses> {
  const client = createClient(await loadCluster({ kubeconfig }));
  const stop = new AbortController();
  const waiting = new Set<(status: GatewayStatus) => void>();
  const following = new Reflector<Gateway>(client, PATHS.EgressGateway, {
    decode(item) {
      const decoded = decodeGateway(item);
      return "object" in decoded ? decoded.object : undefined;
    },
    keyOf: ({ uid }) => uid,
    onChange([gateway]) {
      if (gateway === undefined) return;
      for (const notice of waiting) notice(gateway.status);
    },
    signal: stop.signal,
  }).run();
  return {
    next(holds) {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const notice = (status: GatewayStatus) => {
        if (holds(status)) resolve(Date.now());
      };
      const timer = setTimeout(
        () => reject(new Error(`Waited ${PATIENCE_MILLISECONDS} ms for another holder`)),
        PATIENCE_MILLISECONDS,
      );
      waiting.add(notice);
      return promise.finally(() => {
        clearTimeout(timer);
        waiting.delete(notice);
      });
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await following;
      await client.close();
    },
  };
}
