/**
 * An API server in a few pure functions: applies a plan to the snapshot that it was decided from.
 *
 * Every write of an existing object must carry the resourceVersion that is stored, as a real server demands where one
 * is given. The one exception is kept by the real writer too: a second write to an object in the same plan follows the
 * resourceVersion that the first one was answered with. The very same write, planned by two groups, is made once.
 */
import { FENCE_ANNOTATION } from "../../src/core/names.ts";
import { applyMergePatch } from "../../src/core/merge_patch.ts";
import type {
  Change,
  CiliumPolicy,
  Json,
  JsonObject,
  Lease,
  Plan,
  Snapshot,
} from "../../src/core/types.ts";

/** A write that the API server refuses. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/** Applies all changes of a plan, or those that `only` selects, in the plan's order. Throws `Refused`. */
export function applyPlan(
  snapshot: Snapshot,
  plan: Pick<Plan, "changes">,
  only: (change: Change, index: number) => boolean = () => true,
): Snapshot {
  const write = { answered: new Map<string, string>(), made: new Set<string>() };
  return plan.changes.filter(only).reduce(
    (state, change) => applyChange(state, { change, ...write }),
    snapshot,
  );
}

/**
 * Applies a plan as a tick does that may be late or die: a refused write leaves out the rest of its group, and nothing
 * is written after `limit` changes.
 */
export function applyWhatFits(
  snapshot: Snapshot,
  plan: Pick<Plan, "changes">,
  { limit = Infinity }: { readonly limit?: number } = {},
): Snapshot {
  const write = { answered: new Map<string, string>(), made: new Set<string>() };
  const stopped = new Set<string>();
  return plan.changes.slice(0, limit).reduce((state, change) => {
    if (stopped.has(change.group)) return state;
    try {
      return applyChange(state, { change, ...write });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      stopped.add(change.group);
      return state;
    }
  }, snapshot);
}

interface Write {
  readonly change: Change;
  /** resourceVersion that was given -> the one that the write was answered with, by object. */
  readonly answered: Map<string, string>;
  /** Writes that were made, as JSON. */
  readonly made: Set<string>;
}

function applyChange(state: Snapshot, write: Write): Snapshot {
  const { action, kind, name, subresource, body } = write.change;
  const same = JSON.stringify({ action, kind, name, subresource, body });
  if (write.made.has(same)) return state;
  const after = performed(state, write);
  write.made.add(same);
  return after;
}

function performed(state: Snapshot, write: Write): Snapshot {
  const { change } = write;
  const { action, kind, name } = change;
  switch (action) {
    case "create":
      if (kind === "CiliumEgressGatewayPolicy") {
        absent(state.ciliumPolicies, change);
        return { ...state, ciliumPolicies: [...state.ciliumPolicies, createdPolicy(change)] };
      }
      if (kind === "Lease") {
        absent(state.leases, change);
        return { ...state, leases: [...state.leases, createdLease(change, state.now)] };
      }
      throw new Refused(`Cannot create ${kind} '${name}': nothing of ours creates those`);
    case "delete":
      if (kind === "Lease") {
        const { resourceVersion } = object_(change.body["preconditions"]);
        const found = state.leases.find((lease) => lease.name === name);
        if (found?.resourceVersion !== resourceVersion) {
          throw new Refused(`Cannot delete Lease '${name}': preconditions fail`);
        }
        return { ...state, leases: state.leases.filter((lease) => lease !== found) };
      }
      if (kind !== "CiliumEgressGatewayPolicy") {
        throw new Refused(`Cannot delete ${kind} '${name}': nothing of ours deletes those`);
      }
      return { ...state, ciliumPolicies: withoutOne(state.ciliumPolicies, change) };
    case "patch":
      return patched(state, write);
  }
}

function patched(state: Snapshot, write: Write): Snapshot {
  const { change: { kind, name, body } } = write;
  const labelled = <T extends object>(object: T): T => merge(object, object_(body["metadata"]));
  const status = <T extends { readonly status: object }>(object: T): T => ({
    ...object,
    status: merge(object.status, object_(body["status"])),
  });
  const isInvalid = state.invalid.some((object) => object.kind === kind && object.name === name);
  if (isInvalid) {
    return {
      ...state,
      invalid: replaced(state.invalid, write, (object) => ({
        ...object,
        ...merge({ conditions: object.conditions ?? [] }, object_(body["status"])),
      })),
    };
  }
  switch (kind) {
    case "Node":
      return { ...state, nodes: replaced(state.nodes, write, labelled) };
    case "Lease":
      return {
        ...state,
        leases: replaced(state.leases, write, (object) => fenced(object, body, state.now)),
      };
    case "EgressGateway":
      return { ...state, gateways: replaced(state.gateways, write, status) };
    case "EgressGatewayPolicy":
      return { ...state, policies: replaced(state.policies, write, status) };
    case "CiliumEgressGatewayPolicy":
      return {
        ...state,
        ciliumPolicies: replaced(state.ciliumPolicies, write, (object) => ({
          ...labelled(object),
          spec: merge(object.spec, object_(body["spec"] ?? {})),
        })),
      };
  }
}

interface Stored {
  readonly name: string;
  readonly resourceVersion?: string;
}

/** The list with the patched object in it, its resourceVersion checked and moved on. */
function replaced<T extends Stored>(
  objects: readonly T[],
  { change, answered }: Write,
  patch: (object: T) => T,
): readonly T[] {
  const what = `${change.kind} '${change.name}'`;
  if (!objects.some(({ name }) => name === change.name)) {
    throw new Refused(`Cannot patch ${what}: not found`);
  }
  return objects.map((object) => {
    if (object.name !== change.name) return object;
    const given = object_(change.body["metadata"])["resourceVersion"];
    const key = `${change.kind}/${change.name}/${given}`;
    if (typeof given !== "string" || (answered.get(key) ?? given) !== object.resourceVersion) {
      throw new Refused(
        `Cannot patch ${what}: resourceVersion is ${object.resourceVersion}, not ${given}`,
      );
    }
    const resourceVersion = nextVersion(object.resourceVersion);
    answered.set(key, resourceVersion);
    return { ...patch(object), resourceVersion };
  });
}

function fenced(object: Lease, body: JsonObject, now: number): Lease {
  const annotations = object_(object_(body["metadata"])["annotations"]);
  return { ...object, fence: fenceOf(annotations), fencedAt: now };
}

function createdLease({ name, body }: Change, now: number): Lease {
  const annotations = object_(object_(body["metadata"])["annotations"]);
  return { name, resourceVersion: `lease-${name}-1`, fence: fenceOf(annotations), fencedAt: now };
}

function fenceOf(annotations: JsonObject): Lease["fence"] {
  return JSON.parse(String(annotations[FENCE_ANNOTATION]));
}

function createdPolicy({ name, body }: Change): CiliumPolicy {
  const metadata = object_(body["metadata"]);
  return merge({
    name,
    uid: `uid-created-${name}`,
    resourceVersion: `cegp-${name}-1`,
    labels: {},
    annotations: {},
    ownerReferences: [],
    deleting: false,
    spec: object_(body["spec"]),
  }, metadata);
}

function withoutOne(
  policies: readonly CiliumPolicy[],
  { name, body }: Change,
): readonly CiliumPolicy[] {
  const { uid, resourceVersion } = object_(body["preconditions"]);
  const found = policies.find((policy) => policy.name === name);
  if (found?.uid !== uid || found?.resourceVersion !== resourceVersion) {
    throw new Refused(`Cannot delete CiliumEgressGatewayPolicy '${name}': preconditions fail`);
  }
  return policies.filter((policy) => policy !== found);
}

function absent(objects: readonly Stored[], { kind, name }: Change): void {
  if (objects.some((object) => object.name === name)) {
    throw new Refused(`Cannot create ${kind} '${name}': it exists`);
  }
}

/** `PREFIX-7` becomes `PREFIX-8`. */
export function nextVersion(version: string | undefined): string {
  const [, prefix = "", count = "0"] = /^(.*?)(\d*)$/.exec(version ?? "") ?? [];
  return `${prefix}${Number(count) + 1}`;
}

/** A patched copy; what the patch makes of the fields is what the server would store. */
function merge<T extends object>(object: T, patch: JsonObject): T {
  return applyMergePatch(object as unknown as Json, patch) as unknown as T;
}

function object_(value: Json | undefined): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`Expected an object, found ${JSON.stringify(value)}`);
  }
  return value as JsonObject;
}
