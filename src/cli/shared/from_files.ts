/** A snapshot from files instead of a cluster: YAML or JSON, as kubectl prints and accepts it. */
import * as v from "valibot";
import { API_VERSION, HOSTNAME_LABEL, NAMESPACE } from "../../core/names.ts";
import { parseTime, rfc3339 } from "../../core/time.ts";
import type { InvalidObject, Milliseconds, Snapshot } from "../../core/types.ts";
import { invalidObject, readable } from "../../cluster/decoders/decode.ts";
import type { Decoded } from "../../cluster/decoders/decode.ts";
import {
  decodeCiliumPolicy,
  decodeGateway,
  decodeLease,
  decodeNode,
  decodePod,
  decodePolicy,
} from "../../cluster/decoders/kinds.ts";
import { isMap } from "../../cluster/schema/json.ts";
import type { Json } from "../../cluster/schema/json.ts";
import { CILIUM_PODS, CiliumNotFoundError } from "../../cluster/cilium_pods.ts";
import type { CiliumPods } from "../../cluster/cilium_pods.ts";
import { AGENT_PODS } from "../../cluster/resources.ts";
import { ConfigError } from "../../kube/errors.ts";
import { parseLabelSelector } from "../../kube/label_selector.ts";
import { newestTime } from "../files/clock.ts";
import { judgeForeign, judgeOwn } from "../files/judge.ts";
import type { Judged } from "../files/judge.ts";
import { kindOf } from "../files/kinds.ts";
import type { Kind } from "../files/kinds.ts";
import { withRenewalTime } from "../files/lease_without_fields.ts";
import { readManifests } from "../files/manifest.ts";
import type { Manifest } from "../files/manifest.ts";
import { readTexts } from "../files/text.ts";

export interface FromFilesOptions {
  /** RFC 3339; default: the newest time in the files, else this machine's. */
  readonly now?: string | undefined;
  /** Where Cilium's pods are, for a snapshot that something is decided from: there must be one then. */
  readonly cilium?: CiliumPods;
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
  options: FromFilesOptions,
): Promise<Snapshot> {
  return snapshotOf(await manifestsIn(files), { ...options, files });
}

/**
 * All objects in the files, of whichever kind.
 *
 * @throws ConfigError for a file that cannot be read or holds something else than objects
 */
export async function manifestsIn(files: readonly string[]): Promise<readonly Manifest[]> {
  const texts = (await Promise.all([...new Set(files)].map(readTexts))).flat();
  return texts.flatMap(readManifests);
}

/** The same as {@linkcode snapshotFromFiles}, of objects that were read already. */
export function snapshotOf(
  manifests: readonly Manifest[],
  { now, cilium, onNote = () => {}, files }: FromFilesOptions & {
    readonly files: readonly string[];
  },
): Snapshot {
  const items = distinct(manifests);
  const judged = items.map(judge);
  tellNotes(judged, onNote);
  const isCilium = selectedBy(cilium ?? CILIUM_PODS);
  // Kubelets set the label, so that nodes without it are no dump but written by hand.
  const isSketch = !judged.some(({ kind, object }) => kind === "Node" && hasHostname(object));
  const invalid: InvalidObject[] = [];
  const read = <T>(kind: Kind, options: ReadOptions<T>) =>
    readable(
      judged.filter((each) => each.kind === kind).flatMap((each) => readOne(each, options)),
      invalid,
    );
  const snapshot = {
    now: timeOf(now, { objects: items.map(({ manifest }) => manifest.object), onNote }),
    nodes: read("Node", { decode: (node) => decodeNode(isSketch ? withHostname(node) : node) }),
    ciliumPods: read("Pod", { decode: decodePod, where: isCilium }),
    agentPods: read("Pod", { decode: decodePod, where: selectedBy(AGENT_PODS) }),
    leases: read("Lease", {
      decode: (lease) => decodeLease(withRenewalTime(lease)),
      where: isOurs,
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
  const pods = items.filter(({ kind }) => kind === "Pod");
  // Manifests alone say nothing of any node, right or wrong.
  const hasNodes = items.some(({ kind }) => kind === "Node");
  if (
    cilium !== undefined && hasNodes && !pods.some(({ manifest: { object } }) => isCilium(object))
  ) {
    for (const { kind, name, message } of invalid) {
      onNote(`Cannot read ${kind} '${name}': ${message}`);
    }
    const others = pods.length === 0 ? ", nor any other" : "";
    throw new CiliumNotFoundError(cilium, {
      among: `in ${files.join(", ")}${others}`,
      advice: "add what kubectl get pods -A -o yaml prints, or ",
    });
  }
  return snapshot;
}

function tellNotes(
  judged: readonly (Judged & { readonly kind: Kind })[],
  onNote: (note: string) => void,
): void {
  for (const { notes } of judged) notes.forEach(onNote);
  const leases = judged.filter(({ kind, object }) => kind === "Lease" && isOurs(object));
  if (leases.some(({ object }) => withRenewalTime(object) !== object)) {
    onNote(
      "Leases lack managedFields, so heartbeats are judged by spec.renewTime, which is the nodes' own clocks: dump with " +
        "kubectl get --show-managed-fields for the API server's",
    );
  }
  if (!judged.some(({ kind }) => kind === "EgressGateway" || kind === "EgressGatewayPolicy")) {
    onNote(`The files hold no EgressGateway of ${API_VERSION}`);
  }
}

interface ReadOptions<T> {
  readonly decode: (object: Json) => Decoded<T>;
  /** Which objects of the kind are meant; default: all. */
  readonly where?: (object: Json) => boolean;
}

function readOne<T>(
  { kind, object, refusal }: Judged & { readonly kind: Kind },
  { decode, where = () => true }: ReadOptions<T>,
): readonly Decoded<T>[] {
  if (!where(object)) return [];
  return [
    refusal === undefined
      ? decode(object)
      : { invalid: invalidObject(object, { kind, message: refusal }) },
  ];
}

interface Item {
  readonly kind: Kind;
  readonly manifest: Manifest;
}

/** Objects by kind, namespace and name: of several versions of one object the last one read counts. */
function distinct(manifests: readonly Manifest[]): readonly Item[] {
  const known = new Map<string, Item>();
  for (const manifest of manifests) {
    const kind = kindOf(manifest);
    if (kind === undefined) continue;
    const { namespace, name } = metadataOf(manifest.object);
    // The API server takes no notice of a namespace on what has none.
    const place = kind === "Pod" || kind === "Lease" ? namespace : undefined;
    known.set(JSON.stringify([kind, place, name]), { kind, manifest });
  }
  return [...known.values()];
}

function judge({ kind, manifest }: Item): Judged & { readonly kind: Kind } {
  const judged = kind === "EgressGateway" || kind === "EgressGatewayPolicy"
    ? judgeOwn(kind, manifest)
    : judgeForeign(kind, manifest);
  return { kind, ...judged };
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

function hasHostname(node: Json): boolean {
  const { labels } = metadataOf(node);
  return isMap(labels) && labels[HOSTNAME_LABEL] !== undefined;
}

function withHostname(node: Json): Json {
  const metadata = metadataOf(node);
  const { name, labels } = metadata;
  return labels === undefined || labels === null || isMap(labels)
    ? { ...node, metadata: { ...metadata, labels: { ...labels, [HOSTNAME_LABEL]: name } } }
    : node;
}

const LABELS = v.record(v.string(), v.string());

/** Tells whether an API server would list an object for this namespace and selector. One that names none is anywhere. */
function selectedBy({ namespace, labelSelector }: CiliumPods): (object: Json) => boolean {
  const matches = parseLabelSelector(labelSelector);
  return (object) => {
    const { labels, namespace: own = namespace } = metadataOf(object);
    return own === namespace && matches(v.is(LABELS, labels) ? labels : {});
  };
}

/** kubelets have Leases too. */
function isOurs(lease: Json): boolean {
  return (metadataOf(lease)["namespace"] ?? NAMESPACE) === NAMESPACE;
}

function metadataOf({ metadata }: Json): Json {
  return isMap(metadata) ? metadata : {};
}
