import * as v from "valibot";
import {
  AGENT_MANAGER,
  CONTROLLER_MANAGER,
  FENCE_ANNOTATION,
  REPORT_ANNOTATION,
} from "../../core/names.ts";
import { rfc3339 } from "../../core/time.ts";
import type { Lease, Milliseconds, Report } from "../../core/types.ts";
import { compact, lastWrite, metadata } from "./common.ts";
import { describeIssues } from "./issues.ts";

const failureReasons = ["BindFailed", "InterfaceMissing", "AddressConflict"] as const;

/** What is left out is empty: of a report as of every object, one part that is missing takes nothing else with it. */
const report = v.object({
  interfaces: v.optional(
    v.array(v.object({
      name: v.string(),
      up: v.boolean(),
      mac: v.nullish(v.string()),
      addresses: v.nullish(v.array(v.string())),
    })),
    [],
  ),
  cilium: v.nullish(v.object({ ready: v.boolean(), message: v.nullish(v.string()) })),
  addresses: v.optional(
    v.array(v.object({
      gateway: v.string(),
      uid: v.string(),
      term: v.pipe(v.number(), v.integer()),
      ip: v.string(),
      interface: v.string(),
      boundAt: v.string(),
      speaking: v.boolean(),
      conflict: v.nullish(v.string()),
    })),
    [],
  ),
  failures: v.optional(
    v.array(
      v.object({ gateway: v.string(), reason: v.picklist(failureReasons), message: v.string() }),
    ),
    [],
  ),
  unreachable: v.optional(v.array(v.string()), []),
  heard: v.optional(v.record(v.string(), v.number()), {}),
  leaving: v.optional(v.boolean(), false),
  renewingSince: v.optional(v.nullable(v.string())),
});

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
