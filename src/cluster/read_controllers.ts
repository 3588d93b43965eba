/** Whether controllers work in a cluster, as far as it can be told from there. */
import { controllersSeen } from "../core/controllers.ts";
import type { Controllers } from "../core/controllers.ts";
import { CONTROLLER_APP, NAMESPACE } from "../core/names.ts";
import type { KubeClient } from "../kube/client.ts";
import { unlessRefused } from "../kube/errors.ts";
import { list } from "../kube/list.ts";
import { readable } from "./decoders/decode.ts";
import { decodePod } from "./decoders/kinds.ts";
import type { Statuses } from "./read_statuses.ts";
import { podsIn } from "./resources.ts";

/** @throws what `list` throws, but where pods may not be listed */
export async function readControllers(
  client: KubeClient,
  { gateways, policies, signal }: Pick<Statuses, "gateways" | "policies"> & {
    readonly signal?: AbortSignal;
  },
): Promise<Controllers> {
  const found = await unlessRefused(list(client, podsIn(NAMESPACE), {
    decode: decodePod,
    labelSelector: `app.kubernetes.io/name=${CONTROLLER_APP}`,
    signal,
  }));
  return controllersSeen({
    pods: found && readable(found.items, []),
    gateways,
    policies,
    now: found?.serverTime ?? Date.now(),
  });
}
