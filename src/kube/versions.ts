/** Which version of each object there is, without the objects. */
import * as v from "valibot";
import type { KubeClient } from "./client.ts";
import { list } from "./list.ts";
import type { ListOptions } from "./list.ts";

/** What every object of the API has; of one that lacks it nothing is known. */
const VersionSchema = v.pipe(
  v.object({ metadata: v.object({ uid: v.string(), resourceVersion: v.string() }) }),
  v.transform(({ metadata: { uid, resourceVersion } }) => `${uid} ${resourceVersion}`),
);

/** To accept of a listing only the objects' metadata. */
export const METADATA_ALONE = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/** A text that is another one for each version of each object; undefined where the object does not tell. */
export function versionOf(item: unknown): string | undefined {
  const version = v.safeParse(VersionSchema, item);
  return version.success ? version.output : undefined;
}

/**
 * Tells whether a collection is still what a listing found: the same objects, in the same versions. Reads their metadata
 * alone, which is a third of most objects.
 *
 * @param versions `versionOf` each object of the listing
 * @throws what `list` throws
 */
export async function isUnchanged(
  client: KubeClient,
  path: string,
  { versions, ...options }: Pick<ListOptions, "fieldSelector" | "notBefore" | "signal"> & {
    readonly versions: readonly (string | undefined)[];
  },
): Promise<boolean> {
  const { items } = await list(client, path, {
    ...options,
    decode: versionOf,
    accept: METADATA_ALONE,
  });
  const found = new Set(items);
  return !found.has(undefined) && items.length === versions.length &&
    versions.every((version) => found.has(version));
}
