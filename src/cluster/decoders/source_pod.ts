/** A pod as a sender of traffic. */
import * as v from "valibot";
import type { SourcePod } from "../../core/way_out.ts";
import { compact, metadata, part } from "./common.ts";

const pod = v.object({
  metadata,
  spec: part(v.object({ nodeName: part(v.string()), hostNetwork: part(v.boolean()) })),
  status: part(v.object({
    podIP: part(v.string()),
    podIPs: part(v.array(v.object({ ip: v.string() }))),
  })),
});

/** What is known of a pod alone; undefined for what is no object with a name. */
export function decodeSourcePod(
  item: unknown,
): Omit<SourcePod, "namespaceLabels"> & { readonly ips: readonly string[] } | undefined {
  const { success, output } = v.safeParse(pod, item);
  if (!success) return undefined;
  const { metadata, spec, status } = output;
  const ips = [status?.podIP, ...status?.podIPs?.map(({ ip }) => ip) ?? []];
  return compact({
    namespace: metadata.namespace ?? "default",
    name: metadata.name,
    labels: metadata.labels,
    nodeName: spec?.nodeName,
    hostNetwork: spec?.hostNetwork ?? false,
    ips: [...new Set(ips.filter((ip) => ip != null))],
  });
}

/** A namespace's name and labels; undefined for what is no object with a name. */
export function decodeNamespace(
  item: unknown,
): { readonly name: string; readonly labels: SourcePod["namespaceLabels"] } | undefined {
  const { success, output } = v.safeParse(v.object({ metadata }), item);
  return success ? output.metadata : undefined;
}
