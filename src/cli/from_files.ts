/** A snapshot from files instead of a cluster: YAML documents, or lists as `kubectl get -o yaml` prints them. */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { text } from "node:stream/consumers";
import { LineCounter, parseAllDocuments } from "yaml";
import * as v from "valibot";
import { AGENT_APP, NAMESPACE } from "../core/names.ts";
import { parseTime } from "../core/time.ts";
import type { InvalidObject, Snapshot } from "../core/types.ts";
import { isObject } from "../cluster/decoders/common.ts";
import { readable } from "../cluster/decoders/decode.ts";
import {
  decodeCiliumPolicy,
  decodeGateway,
  decodeLease,
  decodeNode,
  decodePod,
  decodePolicy,
} from "../cluster/decoders/kinds.ts";
import { ConfigError } from "../kube/errors.ts";
import { CILIUM_PODS } from "../cluster/observe.ts";

/**
 * Reads a snapshot from files; `-` is standard input.
 *
 * @param options.now RFC 3339; default: the newest server time found in the files
 * @throws ConfigError for a file that cannot be read or is no YAML, and where no time can be told
 */
export async function snapshotFromFiles(
  files: readonly string[],
  options: { readonly now?: string | undefined },
): Promise<Snapshot> {
  const objects = distinct((await Promise.all(files.map(readObjects))).flat());
  const now = options.now === undefined ? newestTime(objects) : parseTime(options.now);
  if (now === undefined) {
    throw new ConfigError(
      options.now === undefined
        ? "Cannot tell the time as no object in the files carries a server time: give --now 2026-11-23T10:00:00Z"
        : `Cannot read --now '${options.now}': write a time such as 2026-11-23T10:00:00Z`,
    );
  }
  const invalid: InvalidObject[] = [];
  const of = (kind: string) => objects.filter((object) => object.kind === kind);
  const pods = of("Pod");
  return {
    now: Math.floor(now / 1_000) * 1_000,
    nodes: readable(of("Node").map(decodeNode), invalid),
    ciliumPods: readable(
      pods.filter((pod) => hasLabel(pod, CILIUM_PODS.labelSelector)).map(decodePod),
      invalid,
    ),
    agentPods: readable(
      pods.filter((pod) => hasLabel(pod, `app.kubernetes.io/name=${AGENT_APP}`)).map(decodePod),
      invalid,
    ),
    leases: readable(
      of("Lease").filter(({ metadata }) => (metadata?.["namespace"] ?? NAMESPACE) === NAMESPACE)
        .map(
          decodeLease,
        ),
      invalid,
    ),
    gateways: readable(of("EgressGateway").map(withIdentity).map(decodeGateway), invalid),
    policies: readable(of("EgressGatewayPolicy").map(withIdentity).map(decodePolicy), invalid),
    ciliumPolicies: readable(of("CiliumEgressGatewayPolicy").map(decodeCiliumPolicy), invalid),
    invalid,
  };
}

const object = v.looseObject({
  kind: v.optional(v.string(), ""),
  metadata: v.optional(v.looseObject({})),
  items: v.nullish(v.array(v.unknown())),
});

type AnyObject = v.InferOutput<typeof object>;

/** Objects by kind, namespace and name: of several versions of one object the last one read counts. */
function distinct(objects: readonly AnyObject[]): readonly AnyObject[] {
  const known = new Map<string, AnyObject>();
  for (const each of objects) {
    const { namespace, name } = each.metadata ?? {};
    known.set(JSON.stringify([each.kind, namespace, name]), each);
  }
  return [...known.values()];
}

async function readObjects(file: string): Promise<readonly AnyObject[]> {
  const lines = new LineCounter();
  const content = await readText(file);
  return parseAllDocuments(content, { lineCounter: lines, logLevel: "error" }).flatMap(
    (document) => {
      const [error] = document.errors;
      if (error !== undefined) {
        throw new ConfigError(`Cannot read ${file}: ${error.message.trim()}`, { cause: error });
      }
      const { line } = lines.linePos(document.contents?.range?.[0] ?? 0);
      return objectsIn(document.toJS(), `${file}, line ${line}`);
    },
  );
}

async function readText(file: string): Promise<string> {
  try {
    return file === "-" ? await text(process.stdin) : await readFile(file, "utf8");
  } catch (cause) {
    throw new ConfigError(
      `Cannot read ${file}: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
}

/** @param place of the document, for messages */
function objectsIn(value: unknown, place: string): readonly AnyObject[] {
  if (value === null || value === undefined) return [];
  const result = v.safeParse(object, value);
  if (!result.success || (result.output.kind === "" && result.output.items == null)) {
    throw new ConfigError(
      `Cannot use ${place}: it is no Kubernetes object: write one with apiVersion, kind and metadata`,
    );
  }
  const { kind, items } = result.output;
  if (items == null) return [result.output];
  // `kubectl get nodes -o yaml` names the kind in each item; a typed NodeList may leave it out.
  const itemKind = kind.replace(/List$/, "");
  return items.flatMap((item, index) =>
    objectsIn(
      isObject(item) ? { ...(itemKind === "" ? {} : { kind: itemKind }), ...item as object } : item,
      `${place}, item ${index + 1}`,
    )
  );
}

/** Hand-written manifests have no uid; the name stands in for it. */
function withIdentity(value: AnyObject): AnyObject {
  return {
    ...value,
    metadata: { uid: value.metadata?.["name"], generation: 1, ...value.metadata },
  };
}

function hasLabel({ metadata }: AnyObject, selector: string): boolean {
  const [key = "", value] = selector.split("=");
  const labels = metadata?.["labels"];
  return isObject(labels) && (labels as Readonly<Record<string, unknown>>)[key] === value;
}

/** The newest time that an API server wrote into these objects. */
function newestTime(objects: readonly unknown[]): number | undefined {
  return objects.flatMap(timesIn).reduce<number | undefined>(
    (newest, time) => newest === undefined || time > newest ? time : newest,
    undefined,
  );
}

const SERVER_TIMES = new Set(["time", "creationTimestamp", "lastTransitionTime"]);

function timesIn(value: unknown): readonly number[] {
  if (Array.isArray(value)) return value.flatMap(timesIn);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => {
    if (!SERVER_TIMES.has(key)) return timesIn(member);
    const time = member instanceof Date ? member.getTime() : parseTime(String(member));
    return time === undefined ? [] : [time];
  });
}
