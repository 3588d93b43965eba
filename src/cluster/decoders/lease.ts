import * as v from "valibot";
import { fitText } from "../../core/fit.ts";
import { canonicalIP } from "../../core/ip_family.ts";
import {
  AGENT_MANAGER,
  CONTROLLER_MANAGER,
  FENCE_ANNOTATION,
  REPORT_ANNOTATION,
} from "../../core/names.ts";
import { rfc3339 } from "../../core/time.ts";
import type { Lease, Milliseconds, Report } from "../../core/types.ts";
import { address, compact, isObject, itemsOf, lastWrite, metadata, part } from "./common.ts";
import { Parts } from "./parts.ts";

const failureReasons = ["BindFailed", "InterfaceMissing", "AddressConflict"] as const;

/** More of anything than a node can have is not looked at. */
const MOST_ITEMS = 1_024;

/** As many targets as a gateway may have, and as long: what is longer is none of them. */
const MOST_TARGETS = 8;
const LONGEST_TARGET = 64;

/** A name or a time as an agent says it; a longer one is nothing that we know. */
const word = v.pipe(v.string(), v.transform((text) => text.slice(0, 253)));

/** A MAC address (Ethernet's or InfiniBand's); what is none is not told on. */
const mac = v.pipe(
  v.nullish(v.string()),
  v.transform((text) => text && /^[0-9a-f]{2}(:[0-9a-f]{2}){5,19}$/i.test(text) ? text : undefined),
);

const link = v.object({
  name: word,
  up: v.boolean(),
  mac,
  addresses: part(
    v.pipe(
      itemsOf(v.string()),
      v.transform((all) => all.flatMap(addressWithLength).slice(0, MOST_ITEMS)),
    ),
  ),
});

const boundAddress = v.object({
  gateway: word,
  uid: word,
  term: v.pipe(v.number(), v.integer()),
  ip: v.pipe(word, address),
  interface: word,
  boundAt: v.pipe(v.string(), v.transform((text) => text.slice(0, 64))),
  speaking: v.boolean(),
  conflict: mac,
});

const failed = v.pipe(
  v.object({
    gateway: word,
    ip: part(address),
    reason: v.picklist(failureReasons),
    message: v.pipe(v.string(), v.transform(fitText)),
  }),
  v.transform((each) => compact(each)),
);

const targets = part(v.pipe(
  itemsOf(v.pipe(v.string(), v.maxLength(LONGEST_TARGET))),
  v.transform((all) => all.slice(0, MOST_TARGETS)),
));

const uplink = v.object({
  gateway: word,
  uid: word,
  reached: targets,
  missing: targets,
  lost: targets,
  problem: part(v.pipe(v.string(), v.transform(fitText))),
});

/** An address with its prefix length, as `10.0.0.1/24`, in canonical text. */
function addressWithLength(text: string): readonly string[] {
  const [, address = "", length = ""] = /^([^/]*)(\/\d{0,3})?$/.exec(text) ?? [];
  const ip = canonicalIP(address);
  return ip === undefined ? [] : [`${ip}${length}`];
}

/** What is left out is empty: of a report as of every object, one part that is missing takes nothing else with it. */
function reportOf(
  said: Said,
  { parts, madeAt }: { readonly parts: Parts; readonly madeAt: Milliseconds | undefined },
): Report {
  const read = <T>(path: string, schema: v.GenericSchema<unknown, T>) =>
    parts.read(said[path], { path, schema });
  const items = <T>(path: string, schema: v.GenericSchema<unknown, T>) =>
    parts.items(said[path], { path, schema }).slice(0, MOST_ITEMS);
  const cilium = read(
    "cilium",
    v.object({
      ready: v.boolean(),
      message: part(v.pipe(v.string(), v.transform(fitText))),
    }),
  );
  const renewingSince = read("renewingSince", word);
  return {
    interfaces: items("interfaces", link).map((each) => compact(each)),
    ...(cilium === undefined ? {} : { cilium: compact(cilium) }),
    addresses: items("addresses", boundAddress).map((each) => compact(each)),
    failures: items("failures", failed),
    uplinks: items("uplinks", uplink).map(({ gateway, uid, reached, missing, lost, problem }) =>
      compact({
        gateway,
        uid,
        reached: reached ?? [],
        missing: missing ?? [],
        lost: lost ?? [],
        problem,
      })
    ),
    unreachable: items("unreachable", word),
    heard: Object.fromEntries(
      Object.entries(read("heard", v.record(v.string(), v.number())) ?? {}).slice(0, MOST_ITEMS),
    ),
    leaving: read("leaving", v.boolean()) ?? false,
    // Who does not say since when it has renewed its Lease is taken to have done so since that was made.
    renewingSince: said["renewingSince"] === undefined && madeAt !== undefined
      ? rfc3339(madeAt)
      : renewingSince ?? null,
  };
}

/** `coordination.k8s.io/v1` Lease of an agent, with the report in its annotation. */
export const lease = v.pipe(
  v.object({ metadata }),
  v.transform(({ metadata }): Lease => {
    const text = metadata.annotations?.[REPORT_ANNOTATION];
    const renewedAt = lastWrite(metadata, { manager: AGENT_MANAGER });
    return compact({
      name: metadata.name,
      resourceVersion: metadata.resourceVersion,
      renewedAt,
      unread: renewedAt === undefined && metadata.unreadWrites
        ? "metadata.managedFields: write entries with manager, subresource and an RFC 3339 time"
        : undefined,
      ...(text === undefined ? {} : readReport(text, metadata.creationTimestamp ?? undefined)),
      fence: readFence(metadata.annotations?.[FENCE_ANNOTATION]),
      fencedAt: lastWrite(metadata, { manager: CONTROLLER_MANAGER }),
    });
  }),
);

/** Reads a report as far as it can be read, and says what of it cannot. */
function readReport(
  text: string,
  madeAt: Milliseconds | undefined,
): { report?: Report; reportError?: string | undefined } {
  const value = parseJson(text);
  if (value === undefined) return { reportError: `annotation ${REPORT_ANNOTATION} is not JSON` };
  const parts = new Parts();
  const said = parts.read(value, { path: "report", schema: v.custom<Said>(isObject) });
  const report = said === undefined ? undefined : reportOf(said, { parts, madeAt });
  return compact({ report, reportError: value === null ? "report: null" : parts.unread });
}

type Said = Readonly<Record<string, unknown>>;

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
