/** Leases as kubectl prints them, without managedFields: the server's time of the last renewal is not among it. */
import { isMap } from "../../cluster/schema/json.ts";
import type { Json } from "../../cluster/schema/json.ts";
import { AGENT_MANAGER } from "../../core/names.ts";
import { parseTime } from "../../core/time.ts";

/**
 * The Lease with `spec.renewTime` in place of that time: what the node's own clock said, which is all that there is. The
 * Lease itself where it needs nothing or says nothing.
 */
export function withRenewalTime(lease: Json): Json {
  const metadata = isMap(lease["metadata"]) ? lease["metadata"] : {};
  const spec = isMap(lease["spec"]) ? lease["spec"] : {};
  const { renewTime } = spec;
  if (metadata["managedFields"] !== undefined || typeof renewTime !== "string") return lease;
  const time = parseTime(renewTime);
  if (time === undefined) return lease;
  const managedFields = [{
    manager: AGENT_MANAGER,
    // The server's times are whole seconds.
    time: new Date(Math.floor(time / 1_000) * 1_000).toISOString(),
  }];
  return { ...lease, metadata: { ...metadata, managedFields } };
}
