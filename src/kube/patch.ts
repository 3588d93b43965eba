/** The two ways in which we change objects; both mean the same when they arrive twice. */
import type { KubeClient, KubeResponse } from "./client.ts";

interface PatchOptions {
  readonly body: unknown;
  readonly fieldManager: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMilliseconds?: number | undefined;
  /** Checked by the API server as any other, and not stored. */
  readonly dryRun?: boolean;
}

/**
 * Merges `body` into an object. With `metadata.resourceVersion` in it, the object must still be at that version.
 *
 * @throws ApiError 409 when it is not, and what `KubeClient.request` throws
 */
export function mergePatch(
  client: KubeClient,
  path: string,
  options: PatchOptions,
): Promise<KubeResponse> {
  const { fieldManager, dryRun, ...rest } = options;
  return client.request({
    ...rest,
    method: "PATCH",
    path,
    query: { fieldManager, dryRun: dryRun ? "All" : undefined },
    contentType: "application/merge-patch+json",
  });
}

/**
 * Server-side apply: `body` is all that `fieldManager` wants of the object, which is created where it is missing.
 *
 * @param force take over fields that other managers own; default true, as controllers should
 * @throws ApiError 409 without force, when another manager owns a field with another value
 */
export function apply(
  client: KubeClient,
  path: string,
  options: PatchOptions & { readonly force?: boolean },
): Promise<KubeResponse> {
  const { fieldManager, force = true, dryRun, ...rest } = options;
  return client.request({
    ...rest,
    method: "PATCH",
    path,
    query: { fieldManager, force, dryRun: dryRun ? "All" : undefined },
    // JSON is YAML.
    contentType: "application/apply-patch+yaml",
  });
}
