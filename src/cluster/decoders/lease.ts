import * as v from "valibot";
import { fitText } from "../../core/fit.ts";
import {
  AGENT_MANAGER,
  CONTROLLER_MANAGER,
  FENCE_ANNOTATION,
  REPORT_ANNOTATION,
} from "../../core/names.ts";
import { rfc3339 } from "../../core/time.ts";
import type { Lease, Milliseconds, Report } from "../../core/types.ts";
import { compact, isIP, lastWrite, metadata } from "./common.ts";
import { describeIssues } from "./issues.ts";

const failureReasons = ["BindFailed", "InterfaceMissing", "AddressConflict"] as const;

/** More of anything than a node can have is not looked at. */
const MOST_ITEMS = 1_024;

/** A name or a time as an agent says it; a longer one is nothing that we know. */
const word = v.pipe(v.string(), v.transform((text) => text.slice(0, 253)));

function list<T>(item: v.GenericSchema<unknown, T>) {
  return v.optional(
    v.pipe(v.array(item), v.transform((items): readonly T[] => items.slice(0, MOST_ITEMS))),
    [],
  );
}

/** A MAC address (Ethernet's or InfiniBand's); what is none is not told on. */
const mac = v.pipe(
  v.nullish(v.string()),
  v.transform((text) => text && /^[0-9a-f]{2}(:[0-9a-f]{2}){5,19}$/i.test(text) ? text : undefined),
);

const failure = v.object({
  gateway: word,
  reason: v.picklist(failureReasons),
  message: v.pipe(v.string(), v.transform(fitText)),
});

/** What is left out is empty: of a report as of every object, one part that is missing takes nothing else with it. */
const report = v.object({
  interfaces: list(v.object({
    name: word,
    up: v.boolean(),
    mac,
    addresses: v.pipe(
      v.nullish(v.array(v.string())),
      v.transform((all) => all?.filter(isAddress).slice(0, MOST_ITEMS)),
    ),
  })),
  cilium: v.nullish(v.object({
    ready: v.boolean(),
    message: v.pipe(v.nullish(v.string()), v.transform((text) => text && fitText(text))),
  })),
  addresses: list(v.object({
    gateway: word,
    uid: word,
    term: v.pipe(v.number(), v.integer()),
    ip: word,
    interface: word,
    boundAt: v.pipe(v.string(), v.transform((text) => text.slice(0, 64))),
    speaking: v.boolean(),
    conflict: mac,
  })),
  failures: list(failure),
  unreachable: list(word),
  heard: v.optional(
    v.pipe(
      v.record(v.string(), v.number()),
      v.transform((heard) => Object.fromEntries(Object.entries(heard).slice(0, MOST_ITEMS))),
    ),
    {},
  ),
  leaving: v.optional(v.boolean(), false),
  renewingSince: v.optional(v.nullable(word)),
});

/** An address with its prefix length, as `10.0.0.1/24`. */
function isAddress(text: string): boolean {
  const [ip = "", length = "", ...rest] = text.split("/");
  return rest.length === 0 && isIP(ip) && /^\d{0,3}$/.test(length);
}

function reportOf(said: v.InferOutput<typeof report>, madeAt: Milliseconds | undefined): Report {
  const { interfaces, cilium, addresses, renewingSince, ...rest } = said;
  return {
    ...compact({
      ...rest,
      interfaces: interfaces.map((link) => compact(link)),
      addresses: addresses.map((address) => compact(address)),
      cilium: cilium ? compact(cilium) : undefined,
    }),
    // Who does not say since when it has renewed its Lease is taken to have done so since that was made.
    renewingSince: renewingSince === undefined && madeAt !== undefined
      ? rfc3339(madeAt)
      : renewingSince ?? null,
  };
}

/** `coordination.k8s.io/v1` Lease of an agent, with the report in its annotation. */
export const lease = v.pipe(
  v.object({ metadata }),
  v.transform(({ metadata }): Lease => {
    const text = metadata.annotations?.[REPORT_ANNOTATION];
    return compact({
      name: metadata.name,
      resourceVersion: metadata.resourceVersion,
      renewedAt: lastWrite(metadata, { manager: AGENT_MANAGER }),
      ...(text === undefined ? {} : readReport(text, metadata.creationTimestamp ?? undefined)),
      fence: readFence(metadata.annotations?.[FENCE_ANNOTATION]),
      fencedAt: lastWrite(metadata, { manager: CONTROLLER_MANAGER }),
    });
  }),
);

/** Reads a report; one that cannot be read says why. */
function readReport(
  text: string,
  madeAt: Milliseconds | undefined,
): { report: Report } | { reportError: string } {
  const value = parseJson(text);
  if (value === undefined) return { reportError: `annotation ${REPORT_ANNOTATION} is not JSON` };
  const result = v.safeParse(report, value);
  return result.success
    ? { report: reportOf(result.output, madeAt) }
    : { reportError: describeIssues(result.issues) };
}

/** A fence that cannot be read is none: the next one replaces it. */
export function readFence(text: string | undefined): Readonly<Record<string, number>> {
  const result = v.safeParse(
    v.record(v.string(), v.number()),
    text === undefined ? {} : parseJson(text),
  );
  return result.success ? result.output : {};
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
