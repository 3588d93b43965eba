/** The last third of a tick: writes a plan. */
import { isObject } from "../core/json.ts";
import { CONTROLLER_MANAGER } from "../core/names.ts";
import type { Change, JsonObject, Plan, PlannedEvent } from "../core/types.ts";
import { API_VERSION } from "../core/names.ts";
import { ApiError } from "../kube/errors.ts";
import type { KubeClient, KubeRequest } from "../kube/client.ts";
import { inLanes } from "./lanes.ts";
import { pathOf, PATHS } from "./resources.ts";

/**
 * - `written`
 * - `conflict`: somebody else wrote first; the next tick decides anew
 * - `failed`: see the error
 * - `skipped`: an earlier change of the same group was not written
 */
export type ChangeResult =
  | { readonly change: Change; readonly result: "written" | "conflict" | "skipped" }
  | { readonly change: Change; readonly result: "failed"; readonly error: Error };

export interface ApplyOptions {
  /** `performance.now()` when the plan's snapshot was taken: a finished move's duration grows until it is written. */
  readonly observedAt?: number;
  /** What Events name as their reporter, as a pod's name. Default `sallyport`. */
  readonly instance?: string;
  readonly signal?: AbortSignal;
}

/**
 * Writes the changes of a plan: groups side by side, stages of a group one after the other, the changes of a stage at
 * once. A change that is not written stops its group, so that nothing follows from it; other groups go on.
 *
 * Labels of nodes come last. Cilium's agents copy them to their CiliumNodes, which is an event for its egress gateways,
 * and take one such event a second: the policies of a move would wait for the rest of it (measured: 0.95 s of silence).
 *
 * @throws only the signal's reason; what went wrong with a change is in its result
 */
export async function apply(
  plan: Plan,
  client: KubeClient,
  options: ApplyOptions = {},
): Promise<readonly ChangeResult[]> {
  const fences: Context["fences"] = new Map();
  const context = { client, fences, ...options };
  const results = [
    ...await applyGroups(plan.changes.filter(({ kind }) => kind !== "Node"), context),
    ...await applyGroups(plan.changes.filter(({ kind }) => kind === "Node"), context),
  ];
  await recordEvents(plan, { client, results, instance: options.instance ?? "sallyport" });
  options.signal?.throwIfAborted();
  return results;
}

interface Context extends ApplyOptions {
  readonly client: KubeClient;
  /** Gateways that leave the same node carry the same fence of its Lease; it is written once for all of them. */
  readonly fences: Map<string, Promise<ChangeResult>>;
}

async function applyGroups(
  changes: readonly Change[],
  context: Context,
): Promise<readonly ChangeResult[]> {
  const groups = Map.groupBy(changes, (change) => change.group);
  return (await inLanes([...groups.values()], (group) => applyGroup(group, context))).flat();
}

async function applyGroup(
  changes: readonly Change[],
  context: Context,
): Promise<readonly ChangeResult[]> {
  const versions = new Map<string, string>();
  const stages = [...Map.groupBy(changes, (change) => change.stage)].sort(([a], [b]) => a - b);
  const results: ChangeResult[] = [];
  for (const [, stage] of stages) {
    const stopped = results.some(({ result }) => result !== "written");
    results.push(
      ...stopped
        ? stage.map((change) => ({ change, result: "skipped" } as const))
        : await Promise.all(stage.map(async (change) => ({
          ...await applyOnce(change, { ...context, versions }),
          change,
        }))),
    );
  }
  return results;
}

function applyOnce(
  change: Change,
  context: Context & { readonly versions: Map<string, string> },
): Promise<ChangeResult> {
  if (change.kind !== "Lease") return applyChange(change, context);
  const key = JSON.stringify([change.action, change.name, change.body]);
  const written = context.fences.get(key) ?? applyChange(change, context);
  context.fences.set(key, written);
  return written;
}

async function applyChange(
  change: Change,
  context: Context & { readonly versions: Map<string, string> },
): Promise<ChangeResult> {
  const { client, versions } = context;
  const key = `${change.kind}/${change.name}`;
  try {
    const { body } = await client.request(
      requestFor(change, { ...context, version: versions.get(key) }),
    );
    const version = resourceVersionOf(body);
    if (version !== undefined) versions.set(key, version);
    return { change, result: "written" };
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return { change, result: "conflict" };
    // What is to be deleted is gone, or what is to be patched was deleted: the next tick sees the new state.
    if (error instanceof ApiError && error.status === 404 && change.action !== "create") {
      return { change, result: change.action === "delete" ? "written" : "conflict" };
    }
    if (error instanceof Error) return { change, result: "failed", error };
    throw error;
  }
}

const ACTIONS = {
  create: { method: "POST", contentType: "application/json" },
  patch: { method: "PATCH", contentType: "application/merge-patch+json" },
  delete: { method: "DELETE", contentType: "application/json" },
} as const;

function requestFor(
  change: Change,
  { version, observedAt, signal }: Context & { readonly version: string | undefined },
): KubeRequest {
  const body = change.action === "patch" && version !== undefined
    ? {
      ...change.body,
      metadata: { ...change.body["metadata"] as JsonObject, resourceVersion: version },
    }
    : change.body;
  return {
    ...ACTIONS[change.action],
    path: pathOf(change),
    query: change.action === "delete" ? {} : { fieldManager: CONTROLLER_MANAGER },
    body: change.kind === "EgressGateway" ? withDuration(body, observedAt) : body,
    signal,
  };
}

/** Adds what has passed since the observation to the duration of a move that is finished by this write. */
function withDuration(body: JsonObject, observedAt: number | undefined): JsonObject {
  const status = body["status"];
  if (observedAt === undefined || !isObject(status)) return body;
  const passed = performance.now() - observedAt;
  const { lastFailover, history } = status;
  const [head, ...rest] = Array.isArray(history) ? history : [];
  return {
    ...body,
    status: {
      ...status,
      ...(isObject(lastFailover) ? { lastFailover: lengthened(lastFailover, passed) } : {}),
      // A history is written when a move begins, which has no duration, and when it is finished.
      ...(isObject(head) ? { history: [lengthened(head, passed), ...rest] } : {}),
    },
  };
}

function lengthened(move: JsonObject, passed: number): JsonObject {
  const numbers = ["durationMilliseconds", "outageMilliseconds"].flatMap((key) => {
    const value = move[key];
    return typeof value === "number" ? [[key, Math.round(value + passed)] as const] : [];
  });
  return { ...move, ...Object.fromEntries(numbers) };
}

function resourceVersionOf(body: unknown): string | undefined {
  const metadata = (body as { metadata?: { resourceVersion?: unknown } } | undefined)?.metadata;
  return typeof metadata?.resourceVersion === "string" ? metadata.resourceVersion : undefined;
}

/** An event is not worth waiting long for. */
const EVENT_MILLISECONDS = 2_000;

/**
 * Events tell what was done: only of groups whose changes were all written, and also by a program that was told to stop
 * meanwhile, since no later tick tells it. A lost event is not a failed tick.
 */
async function recordEvents(
  plan: Plan,
  { client, results, instance }: {
    readonly client: KubeClient;
    readonly results: readonly ChangeResult[];
    readonly instance: string;
  },
): Promise<void> {
  const failed = new Set(
    results.filter(({ result }) => result !== "written").map(({ change }) => change.group),
  );
  await inLanes(plan.events.filter(({ group }) => !failed.has(group)), async (event) => {
    await client.request({
      method: "POST",
      path: PATHS.Event,
      body: eventObject(event, instance),
      timeoutMilliseconds: EVENT_MILLISECONDS,
    }).catch(() => {});
  });
}

/** Events about cluster-scoped objects live in namespace `default`, as kubectl describe expects. */
function eventObject(
  { kind, name, uid, type, reason, message }: PlannedEvent,
  instance: string,
): object {
  const time = new Date().toISOString();
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { generateName: `${name}.`, namespace: "default" },
    involvedObject: { apiVersion: API_VERSION, kind, name, uid },
    type,
    reason,
    message: message.slice(0, 1_024),
    source: { component: "sallyport-controller" },
    reportingComponent: "sallyport.dev/controller",
    reportingInstance: instance.slice(0, 128),
    firstTimestamp: time.replace(/\.\d+Z$/, "Z"),
    lastTimestamp: time.replace(/\.\d+Z$/, "Z"),
    count: 1,
  };
}
