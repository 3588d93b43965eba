/** A snapshot from files instead of a cluster: YAML or JSON, as kubectl prints and accepts it. */
import { AGENT_APP, API_VERSION, NAMESPACE } from "../core/names.ts";
import { parseTime, rfc3339 } from "../core/time.ts";
import type { InvalidObject, Milliseconds, Snapshot } from "../core/types.ts";
import { invalidObject, readable } from "../cluster/decoders/decode.ts";
import type { Decoded } from "../cluster/decoders/decode.ts";
import {
  decodeCiliumPolicy,
  decodeGateway,
  decodeLease,
  decodeNode,
  decodePod,
  decodePolicy,
} from "../cluster/decoders/kinds.ts";
import { isMap } from "../cluster/schema/json.ts";
import type { Json } from "../cluster/schema/json.ts";
import { CILIUM_PODS } from "../cluster/observe.ts";
import { ConfigError } from "../kube/errors.ts";
import { newestTime } from "./files/clock.ts";
import { judgeForeign, judgeOwn } from "./files/judge.ts";
import type { Judged } from "./files/judge.ts";
import { withRenewalTime } from "./files/lease_without_fields.ts";
import { readManifests } from "./files/manifest.ts";
import type { Manifest } from "./files/manifest.ts";
import { readTexts } from "./files/text.ts";

export interface FromFilesOptions {
  /** RFC 3339; default: the newest time in the files, else this machine's. */
  readonly now?: string | undefined;
  /** Told what was taken for granted, a sentence each. */
  readonly onNote?: (note: string) => void;
}

/**
 * Reads a snapshot from files; `-` is standard input, and a directory stands for the YAML and JSON files in it.
 *
 * @throws ConfigError for a file that cannot be read or holds something else than objects
 */
export async function snapshotFromFiles(
  files: readonly string[],
  { now, onNote = () => {} }: FromFilesOptions,
): Promise<Snapshot> {
  const texts = (await Promise.all([...new Set(files)].map(readTexts))).flat();
  const manifests = distinct(
    texts.flatMap(readManifests).filter(isRead),
  );
  const judged = manifests.map(judge);
  for (const { judgement } of judged) judgement.notes.forEach(onNote);
  const leases = judged.filter(({ manifest }) => manifest.kind === "Lease");
  if (leases.some(({ judgement }) => withRenewalTime(judgement.object) !== judgement.object)) {
    onNote(
      "Leases lack managedFields, so heartbeats are judged by spec.renewTime, which is the nodes' own clocks: dump with " +
        "kubectl get --show-managed-fields for the API server's",
    );
  }
  if (!judged.some(({ manifest: { kind } }) => kind.startsWith("EgressGateway"))) {
    onNote(`The files hold no EgressGateway of ${API_VERSION}`);
  }

  const invalid: InvalidObject[] = [];
  const read = <T>(kind: InvalidObject["kind"], options: ReadOptions<T>) =>
    readable(
      judged.filter(({ manifest }) => manifest.kind === kind)
        .flatMap(({ judgement }) => readOne(judgement, { kind, ...options })),
      invalid,
    );
  return {
    now: timeOf(now, { objects: manifests.map(({ object }) => object), onNote }),
    nodes: read("Node", { decode: decodeNode }),
    ciliumPods: read("Pod", {
      decode: decodePod,
      where: (pod) => hasLabel(pod, CILIUM_PODS.labelSelector),
    }),
    agentPods: read("Pod", {
      decode: decodePod,
      where: (pod) => hasLabel(pod, `app.kubernetes.io/name=${AGENT_APP}`),
    }),
    leases: read("Lease", {
      decode: (lease) => decodeLease(withRenewalTime(lease)),
      where: (lease) => namespaceOf(lease) === NAMESPACE,
    }),
    gateways: read("EgressGateway", {
      decode: (gateway) => decodeGateway(withIdentity(gateway)),
    }),
    policies: read("EgressGatewayPolicy", {
      decode: (policy) => decodePolicy(withIdentity(policy)),
    }),
    ciliumPolicies: read("CiliumEgressGatewayPolicy", { decode: decodeCiliumPolicy }),
    invalid,
  };
}

interface ReadOptions<T> {
  readonly decode: (object: Json) => Decoded<T>;
  /** Which objects of the kind are meant; default: all. */
  readonly where?: (object: Json) => boolean;
}

function readOne<T>(
  { object, refusal }: Judged,
  { kind, decode, where = () => true }: ReadOptions<T> & { readonly kind: InvalidObject["kind"] },
): readonly Decoded<T>[] {
  if (!where(object)) return [];
  return [
    refusal === undefined
      ? decode(object)
      : { invalid: invalidObject(object, { kind, message: refusal }) },
  ];
}

/** Group -> kinds of it that are read. Others share their names. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  "": ["Node", "Pod"],
  "coordination.k8s.io": ["Lease"],
  "network.deckhouse.io": ["EgressGateway", "EgressGatewayPolicy"],
  "cilium.io": ["CiliumEgressGatewayPolicy"],
};

/** A kind of ours without a group is read and refused: it is meant. */
function isRead({ group, kind }: Manifest): boolean {
  if (group === undefined) return Object.values(KINDS).flat().includes(kind);
  return Object.hasOwn(KINDS, group) && KINDS[group]?.includes(kind) === true;
}

/** Objects by kind, namespace and name: of several versions of one object the last one read counts. */
function distinct(manifests: readonly Manifest[]): readonly Manifest[] {
  const known = new Map<string, Manifest>();
  for (const each of manifests) {
    const { namespace, name } = metadataOf(each.object);
    known.set(JSON.stringify([each.kind, namespace, name]), each);
  }
  return [...known.values()];
}

function judge(manifest: Manifest): { readonly manifest: Manifest; readonly judgement: Judged } {
  const { kind } = manifest;
  const own = kind === "EgressGateway" || kind === "EgressGatewayPolicy";
  return { manifest, judgement: own ? judgeOwn(kind, manifest) : judgeForeign(manifest) };
}

function timeOf(
  now: string | undefined,
  { objects, onNote }: {
    readonly objects: readonly Json[];
    readonly onNote: (note: string) => void;
  },
): Milliseconds {
  const time = now === undefined ? newestTime(objects) : parseTime(now);
  if (time !== undefined) return Math.floor(time / 1_000) * 1_000;
  if (now !== undefined) {
    throw new ConfigError(
      `Cannot read --now '${now}': write a time such as 2026-11-23T10:00:00Z`,
    );
  }
  const ours = Math.floor(Date.now() / 1_000) * 1_000;
  onNote(
    `No object in the files carries a time, so this machine's clock is taken: --now ${
      rfc3339(ours)
    }`,
  );
  return ours;
}

/** Hand-written manifests have no uid; the name stands in for it. */
function withIdentity(object: Json): Json {
  const metadata = metadataOf(object);
  return { ...object, metadata: { uid: metadata["name"], generation: 1, ...metadata } };
}

function hasLabel(object: Json, selector: string): boolean {
  const [key = "", value] = selector.split("=");
  const { labels } = metadataOf(object);
  return isMap(labels) && labels[key] === value;
}

function namespaceOf(object: Json): unknown {
  return metadataOf(object)["namespace"] ?? NAMESPACE;
}

function metadataOf({ metadata }: Json): Json {
  return isMap(metadata) ? metadata : {};
}
