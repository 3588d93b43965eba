/** What `check` looks at in a cluster. What may not be read is left open; nothing here writes. */
import * as v from "valibot";
import type { CheckFacts, Definition, RunningVersion } from "../core/check.ts";
import { decide } from "../core/decide.ts";
import { AGENT_APP, CONTROLLER_APP, NAMESPACE } from "../core/names.ts";
import { byText } from "../core/order.ts";
import type { KubeClient } from "../kube/client.ts";
import { ApiError, unlessRefused } from "../kube/errors.ts";
import { list } from "../kube/list.ts";
import type { CiliumPods } from "./cilium_pods.ts";
import { observe } from "./observe.ts";
import { readControllers } from "./read_controllers.ts";
import { PATHS, podsIn } from "./resources.ts";

/** A definition that is needed, and the paths of all fields that this version knows; none: it is somebody else's. */
export interface Needed {
  readonly name: string;
  readonly fields: readonly string[];
}

/** Where Cilium's own chart puts its settings. */
const CILIUM_CONFIG = "cilium-config";

/** @throws what `observe` throws */
export async function readCheck(
  client: KubeClient,
  { cilium, needed }: { readonly cilium: CiliumPods; readonly needed: readonly Needed[] },
): Promise<CheckFacts> {
  const definitions = await Promise.all(needed.map((each) => readDefinition(client, each)));
  const [snapshot, ciliumConfig, ciliumVersions, ownVersions] = await Promise.all([
    observe(client, { cilium }),
    readConfig(client, cilium.namespace),
    readVersions(client, cilium),
    readVersions(client, {
      namespace: NAMESPACE,
      labelSelector: `app.kubernetes.io/name in (${CONTROLLER_APP},${AGENT_APP})`,
    }),
  ]);
  return {
    snapshot,
    plan: decide(snapshot),
    controllers: await readControllers(client, snapshot),
    definitions,
    ciliumConfig,
    ciliumVersions: ciliumVersions ?? [],
    ownVersions,
  };
}

/** The body of an object; null: there is none, undefined: it may not be read. */
async function getIfThere(client: KubeClient, path: string): Promise<unknown> {
  try {
    return (await client.request({ method: "GET", path })).body;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    if (error instanceof ApiError && error.status === 403) return undefined;
    throw error;
  }
}

const Schema = v.object({
  properties: v.optional(v.record(v.string(), v.unknown())),
  items: v.optional(v.unknown()),
});

const CRD = v.object({
  spec: v.object({
    versions: v.array(v.object({ schema: v.object({ openAPIV3Schema: v.unknown() }) })),
  }),
});

async function readDefinition(client: KubeClient, { name, fields }: Needed): Promise<Definition> {
  const body = await getIfThere(client, `${PATHS.CustomResourceDefinition}/${name}`);
  if (body === undefined) return { name, state: "Unknown", missing: [] };
  if (body === null) return { name, state: "Missing", missing: [] };
  const { success, output } = v.safeParse(CRD, body);
  const known = new Set(
    success
      ? output.spec.versions.flatMap(({ schema }) => fieldsOf(schema.openAPIV3Schema))
      : fields,
  );
  return { name, state: "Current", missing: fields.filter((field) => !known.has(field)) };
}

/** Paths of all fields of a schema, as `spec.sourceIP.mode`. */
export function fieldsOf(schema: unknown, path = ""): readonly string[] {
  const { success, output } = v.safeParse(Schema, schema);
  if (!success) return [];
  const { properties = {}, items } = output;
  return [
    ...Object.entries(properties).flatMap(([name, inner]) => {
      const field = path === "" ? name : `${path}.${name}`;
      return [field, ...fieldsOf(inner, field)];
    }),
    ...items === undefined ? [] : fieldsOf(items, `${path}[]`),
  ];
}

const Config = v.object({ data: v.optional(v.record(v.string(), v.string()), {}) });

async function readConfig(
  client: KubeClient,
  namespace: string,
): Promise<CheckFacts["ciliumConfig"]> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps/${CILIUM_CONFIG}`;
  const body = await getIfThere(client, path);
  if (body === undefined || body === null) return body;
  const { success, output } = v.safeParse(Config, body);
  return success ? output.data : {};
}

const VersionedPod = v.object({
  metadata: v.object({ name: v.string() }),
  spec: v.object({ containers: v.array(v.object({ image: v.string() })) }),
  status: v.optional(v.object({ phase: v.optional(v.string()) })),
});

/** The tags of the images of the pods' first containers; undefined: they may not be listed. */
async function readVersions(
  client: KubeClient,
  { namespace, labelSelector }: CiliumPods,
): Promise<readonly RunningVersion[] | undefined> {
  const found = await unlessRefused(list(client, podsIn(namespace), {
    decode: (item) => v.safeParse(VersionedPod, item),
    labelSelector,
  }));
  const pods = found?.items.flatMap(({ success, output }) => {
    const [first] = success ? output.spec.containers : [];
    const ended = success && ["Succeeded", "Failed"].includes(output.status?.phase ?? "");
    return first === undefined || ended || !success
      ? []
      : [{ name: output.metadata.name, version: tagOf(first.image) }];
  });
  return pods && [...Map.groupBy(pods, ({ version }) => version)]
    .map(([version, each]) => ({ version, pods: each.map(({ name }) => name).sort(byText) }))
    .sort((a, b) => byText(a.version, b.version));
}

/** `v1.20.2` of `quay.io/cilium/cilium:v1.20.2@sha256:…`. */
function tagOf(image: string): string {
  const [named = ""] = image.split("@");
  return /:([^:/]+)$/.exec(named)?.[1] ?? named;
}
