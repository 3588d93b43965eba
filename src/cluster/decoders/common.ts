/** Schemas that several decoders share. */
import ipaddr from "ipaddr.js";
import * as v from "valibot";
import { CONTROLLER_MANAGER } from "../../core/names.ts";
import { parseTime } from "../../core/time.ts";
import type { Condition, JsonObject, LabelSelector } from "../../core/types.ts";

export const labels = v.record(v.string(), v.string());

/** RFC 3339 -> milliseconds since the epoch. */
export const time = v.pipe(
  v.string(),
  v.check((text) => parseTime(text) !== undefined, "write a time as in 2026-11-23T10:00:00Z"),
  v.transform((text) => parseTime(text) ?? 0),
);

/**
 * A list of which each item is read on its own: one that cannot be read is as if it were not there, and hides no other.
 * What is no list is an empty one.
 */
export function each<T>(item: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T[]> {
  return v.pipe(
    v.fallback(v.array(v.unknown()), []),
    v.transform((items) =>
      items.flatMap((value) => {
        const result = v.safeParse(item, value);
        return result.success ? [result.output] : [];
      })
    ),
  );
}

/** A part that is as if it were not there where it cannot be read. */
export function part<T>(
  schema: v.GenericSchema<unknown, T>,
): v.GenericSchema<unknown, T | undefined> {
  return v.fallback(v.optional(schema), undefined);
}

export function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const metadata = v.object({
  name: v.string(),
  namespace: v.optional(v.string()),
  uid: v.optional(v.string(), ""),
  resourceVersion: v.optional(v.string(), ""),
  generation: v.optional(v.number(), 0),
  creationTimestamp: part(time),
  deletionTimestamp: v.nullish(v.string()),
  labels: v.nullish(labels),
  annotations: v.nullish(labels),
  ownerReferences: v.optional(each(v.custom<JsonObject>(isObject)), []),
  managedFields: v.optional(
    each(v.object({ manager: v.string(), subresource: part(v.string()), time })),
    [],
  ),
});

export type Metadata = v.InferOutput<typeof metadata>;

/** When a field manager last wrote an object, or a subresource of it; undefined: never, or it is not told. */
export function lastWrite(
  { managedFields }: Metadata,
  by: { readonly manager: string; readonly subresource?: string },
): number | undefined {
  const times = managedFields.filter(({ manager, subresource }) =>
    manager === by.manager && (by.subresource === undefined || subresource === by.subresource)
  ).map(({ time }) => time);
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
  reason: v.optional(v.string(), ""),
  message: v.optional(v.string(), ""),
  lastTransitionTime: v.optional(v.string(), ""),
  observedGeneration: v.optional(v.number(), 0),
});

export const ipv4 = v.pipe(
  v.string(),
  v.check(
    (text) => ipaddr.IPv4.isValidFourPartDecimal(text),
    "write an IPv4 address such as 172.18.18.242",
  ),
);

/** Tells whether a text is an IP address, of either family, and nothing more: no zone, no short form. */
export function isIP(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) ||
    (ipaddr.IPv6.isValid(text) && !text.includes("%"));
}

export const ipv4CIDR = v.pipe(
  v.string(),
  v.check(
    (text) => ipaddr.IPv4.isValidCIDRFourPartDecimal(text),
    "write an IPv4 network such as 10.0.0.0/8",
  ),
);

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
