/** When a holder is to announce its VIPs as if it had just begun to speak. */
import { byText } from "../../core/order.ts";
import { egressIPsOf } from "../../core/reports.ts";
import type { Gateway } from "../../core/types.ts";

/**
 * VIPs that this node holds and whose holder before is heard again. That node may have answered for them in the moments before
 * it heard that it had been replaced (it was paused, or cut off), and neighbours may have learned its address.
 */
export function heardAgain(
  before: readonly Gateway[],
  after: readonly Gateway[],
  nodeName: string,
): readonly string[] {
  return after.flatMap((gateway) => {
    const { activeNodeName, phase } = gateway.status;
    const earlier = before.find(({ uid }) => uid === gateway.uid);
    const held = activeNodeName === nodeName && phase === "Active";
    return held && earlier !== undefined && isPredecessorLost(earlier) &&
        !isPredecessorLost(gateway)
      ? egressIPsOf(gateway.status)
      : [];
  }).sort(byText);
}

function isPredecessorLost({ status: { candidates = [], lastFailover } }: Gateway): boolean {
  const from = candidates.find(({ node }) => node === lastFailover?.from);
  return from?.reasons.some(({ type }) => type === "HeartbeatStale" || type === "Unreachable") ??
    false;
}
