/**
 * The heartbeat: one server-side apply of the agent's Lease, whose answer brings the fence. A claim that is new in it is held
 * against the gateway as it is then: whoever made the gateway anew since it was read here cannot have seen the claim.
 */
import * as v from "valibot";
import { AGENT_MANAGER, FENCE_ANNOTATION, NAMESPACE, REPORT_ANNOTATION } from "../core/names.ts";
import { TIMINGS } from "../core/timings.ts";
import type { Milliseconds, Report } from "../core/types.ts";
import type { KubeClient } from "../kube/client.ts";
import { readFence } from "../cluster/decoders/lease.ts";
import { decodeGateway } from "../cluster/decoders/kinds.ts";
import { list } from "../kube/list.ts";
import { apply } from "../kube/patch.ts";
import { PATHS } from "../cluster/resources.ts";

/** For people who look at the Lease; nothing of ours reads it. */
const LEASE_DURATION_SECONDS = 4;

const answer = v.object({
  metadata: v.object({
    uid: v.string(),
    resourceVersion: v.optional(v.string()),
    annotations: v.optional(v.record(v.string(), v.string()), {}),
  }),
});

/** What the API server says to a renewal. */
export interface RenewalAnswer {
  /** Gateway uid -> term below which this agent must be silent. */
  readonly fence: Readonly<Record<string, number>>;
  /** The API server's clock; undefined where a proxy took its Date away. */
  readonly serverTime: Milliseconds | undefined;
  /** The Lease's uid: one that was deleted and made anew has another, and has lost its fence. */
  readonly leaseUid: string;
  /** The Lease's resourceVersion: where etcd was restored it is lower than the one before. */
  readonly leaseVersion?: string | undefined;
  /** Gateway uid -> term, of gateways that this node holds, read once the new claims stood; undefined: that failed. */
  readonly held: Readonly<Record<string, number>> | undefined;
}

/** Of more gateways than these a listing of all costs less. */
const MOST_READ = 8;

/**
 * Renews the Lease named as the node.
 *
 * @throws what `KubeClient.request` throws
 */
export async function renew(
  client: KubeClient,
  options: {
    readonly nodeName: string;
    readonly report: Report;
    /** Names of the gateways whose claims no answered renewal has made before. */
    readonly newlyClaimed: readonly string[];
    readonly signal: AbortSignal;
  },
): Promise<RenewalAnswer> {
  const { nodeName, report, newlyClaimed, signal } = options;
  const path = `${PATHS.Lease}/${encodeURIComponent(nodeName)}`;
  const { body, serverTime } = await apply(client, path, {
    fieldManager: AGENT_MANAGER,
    signal,
    timeoutMilliseconds: TIMINGS.renewalTimeoutMilliseconds,
    body: {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: {
        name: nodeName,
        namespace: NAMESPACE,
        annotations: { [REPORT_ANNOTATION]: JSON.stringify(report) },
      },
      spec: {
        holderIdentity: nodeName,
        leaseDurationSeconds: LEASE_DURATION_SECONDS,
        renewTime: new Date().toISOString().replace("Z", "000Z"),
      },
    },
  });
  const { metadata: { uid, resourceVersion, annotations } } = v.parse(answer, body);
  return {
    fence: readFence(annotations[FENCE_ANNOTATION]),
    serverTime: Number.isNaN(serverTime) ? undefined : serverTime,
    leaseUid: uid,
    leaseVersion: resourceVersion,
    held: newlyClaimed.length === 0
      ? {}
      : await heldBy(nodeName, { client, claimed: newlyClaimed, signal }),
  };
}

/** The terms of the claimed gateways, of those that the node holds; undefined: they could not be read. */
async function heldBy(
  nodeName: string,
  { client, claimed, signal }: {
    readonly client: KubeClient;
    readonly claimed: readonly string[];
    readonly signal: AbortSignal;
  },
): Promise<Readonly<Record<string, number>> | undefined> {
  const selectors = claimed.length > MOST_READ
    ? [{}]
    : claimed.map((gateway) => ({ fieldSelector: `metadata.name=${gateway}` }));
  try {
    const lists = await Promise.all(selectors.map((selector) =>
      list(client, PATHS.EgressGateway, {
        ...selector,
        decode: decodeGateway,
        signal,
        timeoutMilliseconds: TIMINGS.renewalTimeoutMilliseconds,
      })
    ));
    const gateways = lists.flatMap(({ items }) => items).flatMap((item) =>
      "object" in item ? [item.object] : []
    );
    return Object.fromEntries(
      gateways.filter(({ status }) => status.activeNodeName === nodeName)
        .map(({ uid, status: { term = 0 } }) => [uid, term]),
    );
  } catch {
    // The renewal was answered; the claims are held against the gateways after the next one.
    return undefined;
  }
}
