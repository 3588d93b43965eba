/**
 * Policies of Cilium that somebody else made and that Sallyport keeps for a while.
 *
 * | how it came | told by | when its EgressGatewayPolicy is gone |
 * |---|---|---|
 * | made by us | our owner reference, or label `policy` beside `managed-by: sallyport` | deleted |
 * | adopted | label `policy` without these, or the annotation `former` | given back: its former spec, and nothing of ours left |
 * | somebody else's | neither label nor owner | never touched |
 *
 * An adopted object has no owner of ours, since Kubernetes' garbage collection would delete it with that owner. Whoever takes
 * the label away by hand takes it out of our hands, as it then is; `sallyport give-back` restores what it was.
 */
import { isObject } from "./json.ts";
import { equal, mergePatch } from "./merge_patch.ts";
import {
  API_GROUP,
  BOUND_AT_ANNOTATION,
  FORMER_ANNOTATION,
  GATEWAY_LABEL,
  GENERATION_ANNOTATION,
  HOSTNAME_LABEL,
  MANAGED_BY_LABEL,
  MANAGER,
  NO_NODE_LABEL,
  PART_ANNOTATION,
  POLICY_LABEL,
  TERM_ANNOTATION,
} from "./names.ts";
import { policyOf } from "./policy_parts.ts";
import type { Change, CiliumPolicy, Json, JsonObject } from "./types.ts";

/** Tells whether Sallyport keeps a CiliumEgressGatewayPolicy: by its label, or by its owner. */
export function isOurs(policy: CiliumPolicy): boolean {
  return policyOf(policy) !== undefined;
}

/** Tells whether somebody else made an object that Sallyport keeps: it is given back, and never deleted. */
export function isAdopted(policy: CiliumPolicy): boolean {
  const { labels, annotations, ownerReferences } = policy;
  return isOurs(policy) && (annotations[FORMER_ANNOTATION] !== undefined ||
    (labels[MANAGED_BY_LABEL] !== MANAGER && !ownerReferences.some(isOwner)));
}

/** Tells whether an object is adopted, or was and has lost its label. */
export function wasAdopted(policy: CiliumPolicy): boolean {
  return policy.annotations[FORMER_ANNOTATION] !== undefined || isAdopted(policy);
}

/** Tells whether an owner reference is to an EgressGatewayPolicy. */
export function isOwner(owner: JsonObject): boolean {
  return owner["kind"] === "EgressGatewayPolicy" &&
    String(owner["apiVersion"]).startsWith(`${API_GROUP}/`);
}

/**
 * How Sallyport takes its hands off an object that it keeps and that nothing needs any more: what it made is deleted, what it
 * adopted is given back. Undefined: it stays as it is, since nobody knows what it was.
 */
export function removal(policy: CiliumPolicy): Pick<Change, "action" | "body"> | undefined {
  const { uid, resourceVersion } = policy;
  if (!isAdopted(policy)) {
    return { action: "delete", body: { preconditions: { uid, resourceVersion } } };
  }
  const back = givenBack(policy);
  return "lost" in back ? undefined : { action: "patch", body: back.patch };
}

const OUR_ANNOTATIONS = [
  FORMER_ANNOTATION,
  TERM_ANNOTATION,
  BOUND_AT_ANNOTATION,
  PART_ANNOTATION,
  GENERATION_ANNOTATION,
];

/** What an adopted object was before, as its annotation keeps it. */
export type Former =
  | { readonly spec: JsonObject }
  /** Why it cannot be told. */
  | { readonly lost: string };

/** The spec that an adopted object had. */
export function formerOf({ annotations }: CiliumPolicy): Former {
  const text = annotations[FORMER_ANNOTATION];
  if (text === undefined) return { lost: `it has no annotation ${FORMER_ANNOTATION}` };
  const kept = parse(text);
  if (kept === undefined) return { lost: `its annotation ${FORMER_ANNOTATION} is not JSON` };
  const spec = isObject(kept) ? kept["spec"] : undefined;
  return isObject(spec) && Object.keys(spec).length > 0
    ? { spec }
    : { lost: `its annotation ${FORMER_ANNOTATION} has no spec` };
}

/** The annotation that keeps what an object is now. */
export function formerAnnotation({ spec }: Pick<CiliumPolicy, "spec">): string {
  return JSON.stringify({ spec });
}

/**
 * The merge patch that adopts an object. Where an earlier adoption was left by taking the label away, what it was before that
 * one still counts, unless somebody has pointed it elsewhere since.
 */
export function adoption(policy: CiliumPolicy): JsonObject {
  const kept = "spec" in formerOf(policy) && isPointedByUs(policy)
    ? policy.annotations[FORMER_ANNOTATION] ?? formerAnnotation(policy)
    : formerAnnotation(policy);
  return {
    metadata: {
      resourceVersion: policy.resourceVersion,
      labels: { [POLICY_LABEL]: policy.name },
      annotations: { [FORMER_ANNOTATION]: kept },
    },
  };
}

/** Tells whether an object names its node as we do it. */
function isPointedByUs({ spec, annotations }: CiliumPolicy): boolean {
  const egressGateway = spec["egressGateway"];
  const selector = isObject(egressGateway) ? egressGateway["nodeSelector"] : undefined;
  const labels = isObject(selector) ? selector["matchLabels"] : undefined;
  const keys = isObject(labels) ? Object.keys(labels) : [];
  return annotations[TERM_ANNOTATION] !== undefined && keys.length === 1 &&
    (keys[0] === HOSTNAME_LABEL || keys[0] === NO_NODE_LABEL);
}

/**
 * The merge patch that gives an object back: its former spec, and nothing of ours left on it.
 *
 * @param options.keepSpec leave its spec as it is now
 * @returns why that cannot be, where it is not known what it was
 */
export function givenBack(
  policy: CiliumPolicy,
  { keepSpec = false }: { readonly keepSpec?: boolean } = {},
): { readonly patch: JsonObject } | { readonly lost: string } {
  const former = keepSpec ? { spec: policy.spec } : formerOf(policy);
  if ("lost" in former) return former;
  const { labels, annotations, ownerReferences } = policy;
  const managed = labels[MANAGED_BY_LABEL] === MANAGER ? [MANAGED_BY_LABEL] : [];
  const others = ownerReferences.filter((owner) => !isOwner(owner));
  const spec = mergePatch(policy.spec, former.spec);
  return {
    patch: {
      metadata: {
        resourceVersion: policy.resourceVersion,
        labels: taken(labels, [POLICY_LABEL, GATEWAY_LABEL, ...managed]),
        annotations: taken(annotations, OUR_ANNOTATIONS),
        ...(equal([...ownerReferences], others) ? {} : { ownerReferences: others }),
      },
      ...(spec === undefined ? {} : { spec }),
    },
  };
}

function taken(map: Readonly<Record<string, string>>, keys: readonly string[]): JsonObject {
  return Object.fromEntries(keys.filter((key) => map[key] !== undefined).map((key) => [key, null]));
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
