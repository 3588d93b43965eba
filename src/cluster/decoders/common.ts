/** Schemas that several decoders share. */
import * as v from "valibot";
import { canonicalCIDR, canonicalIP } from "../../core/ip_family.ts";
import { CONTROLLER_MANAGER } from "../../core/names.ts";
import { parseTime } from "../../core/time.ts";
import type { Condition, JsonObject, Labels, LabelSelector } from "../../core/types.ts";

export const labels = v.record(v.string(), v.string());

/** RFC 3339 -> milliseconds since the epoch. */
export const time = v.pipe(
  v.string(),
  v.check((text) => parseTime(text) !== undefined, "write a time as in 2026-11-23T10:00:00Z"),
  v.transform((text) => parseTime(text) ?? 0),
);

export function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A part of an object that is unknown where it is absent, and where it cannot be read. */
export function part<T>(schema: v.GenericSchema<unknown, T>) {
  return v.fallback(v.nullish(schema), undefined);
}

/** A list of which each item is read on its own; what cannot be read is left out. */
export function itemsOf<T>(schema: v.GenericSchema<unknown, T>) {
  return v.pipe(
    v.array(v.unknown()),
    v.transform((items) =>
      items.flatMap((item) => {
        const result = v.safeParse(schema, item);
        return result.success ? [result.output] : [];
      })
    ),
  );
}

const texts = v.custom<Readonly<Record<string, unknown>>>(isObject);

/** Texts by key; what is not text is left out. */
function textsOf(record: Readonly<Record<string, unknown>>): Labels {
  return Object.fromEntries(
    Object.entries(record).filter((entry): entry is [string, string] =>
      typeof entry[1] === "string"
    ),
  );
}

/** Stands for every key of labels that are no map at all. */
export const EVERY_KEY = "*";

/** Keys of labels that are there and cannot be read. */
function unreadKeys(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  const result = v.safeParse(texts, value);
  return result.success
    ? Object.keys(result.output).filter((key) => typeof result.output[key] !== "string")
    : [EVERY_KEY];
}

const list = v.array(v.unknown());

/** A write as managedFields has it. */
const write = v.object({
  manager: v.nullish(v.string()),
  subresource: v.nullish(v.string()),
  time: v.nullish(time),
});

/** An object without a name is none. Of everything else, one part that cannot be read takes nothing else with it. */
export const metadata = v.pipe(
  v.object({
    name: v.string(),
    namespace: part(v.string()),
    uid: v.fallback(v.optional(v.string(), ""), ""),
    resourceVersion: v.fallback(v.optional(v.string(), ""), ""),
    generation: v.fallback(v.optional(v.number(), 0), 0),
    creationTimestamp: part(time),
    deletionTimestamp: part(v.string()),
    labels: v.optional(v.unknown()),
    annotations: part(v.pipe(texts, v.transform(textsOf))),
    ownerReferences: part(itemsOf(v.custom<JsonObject>(isObject))),
    managedFields: v.optional(v.unknown()),
  }),
  v.transform(({ labels, managedFields, ...rest }) => ({
    ...rest,
    labels: textsOf(v.is(texts, labels) ? labels : {}),
    unreadLabels: unreadKeys(labels),
    managedFields: v.is(list, managedFields) ? v.parse(itemsOf(write), managedFields) : [],
    /** Some entry of managedFields cannot be read, so that who is not in it may have written too. */
    unreadWrites: managedFields != null && !v.is(v.array(write), managedFields),
  })),
);

export type Metadata = v.InferOutput<typeof metadata>;

/** When a field manager last wrote an object, or a subresource of it; undefined: never, or it is not told. */
export function lastWrite(
  { managedFields }: Metadata,
  by: { readonly manager: string; readonly subresource?: string },
): number | undefined {
  const times = managedFields.filter(({ manager, subresource }) =>
    manager === by.manager && (by.subresource === undefined || subresource === by.subresource)
  ).map(({ time }) => time).filter((time) => time != null);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** The same of a status that controllers write. */
export function statusWrite(metadata: Metadata): { readonly statusWrittenAt?: number } {
  const at = lastWrite(metadata, { manager: CONTROLLER_MANAGER, subresource: "status" });
  return at === undefined ? {} : { statusWrittenAt: at };
}

export const condition: v.GenericSchema<unknown, Condition> = v.object({
  type: v.string(),
  status: v.picklist(["True", "False", "Unknown"]),
  reason: v.fallback(v.optional(v.string(), ""), ""),
  message: v.fallback(v.optional(v.string(), ""), ""),
  lastTransitionTime: v.fallback(v.optional(v.string(), ""), ""),
  observedGeneration: v.fallback(v.optional(v.number(), 0), 0),
});

/** An address of either family, in canonical text. */
export const ip = v.pipe(
  v.string(),
  v.check(
    (text) => canonicalIP(text) !== undefined,
    "write an IP address such as 172.18.18.242 or 2001:db8::242",
  ),
  v.transform((text) => canonicalIP(text) ?? text),
);

/** A network of either family, in canonical text. */
export const cidr = v.pipe(
  v.string(),
  v.check(
    (text) => canonicalCIDR(text) !== undefined,
    "write a network such as 10.0.0.0/8 or 2001:db8::/32",
  ),
  v.transform((text) => canonicalCIDR(text) ?? text),
);

/** An address in canonical text; what is none stays as it is. */
export const address = v.pipe(v.string(), v.transform((text) => canonicalIP(text) ?? text));

/** An object without the members that are undefined or null. */
export type Compact<T> =
  & { [K in keyof T as undefined extends T[K] ? never : null extends T[K] ? never : K]: T[K] }
  & {
    [K in keyof T as undefined extends T[K] ? K : null extends T[K] ? K : never]?: NonNullable<
      T[K]
    >;
  };

/** Drops members that are undefined or null, as Kubernetes takes both for absent. */
export function compact<T extends object>(object: T): Compact<T> {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined && value !== null),
  ) as Compact<T>;
}

/** As Kubernetes has it. */
export const labelSelector = v.pipe(
  v.object({
    matchLabels: v.nullish(labels),
    matchExpressions: v.nullish(v.array(v.pipe(
      v.object({
        key: v.string(),
        operator: v.picklist(["In", "NotIn", "Exists", "DoesNotExist"]),
        values: v.nullish(v.array(v.string())),
      }),
      v.transform((expression) => compact(expression)),
    ))),
  }),
  v.transform((selector): LabelSelector => compact(selector)),
);
