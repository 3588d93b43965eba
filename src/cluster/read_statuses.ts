/** What gateways and policies say of themselves: enough to show, not to decide from. */
import type { Gateway, InvalidObject, Policy } from "../core/types.ts";
import type { KubeClient } from "../kube/client.ts";
import { list } from "../kube/list.ts";
import { readable } from "./decoders/decode.ts";
import { decodeGateway, decodePolicy } from "./decoders/kinds.ts";
import { PATHS } from "./resources.ts";

export interface Statuses {
  readonly gateways: readonly Gateway[];
  readonly policies: readonly Policy[];
  readonly invalid: readonly InvalidObject[];
}

/** @throws what `list` throws */
export async function readStatuses(
  client: KubeClient,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Statuses> {
  const [gateways, policies] = await Promise.all([
    list(client, PATHS.EgressGateway, { decode: decodeGateway, signal }),
    list(client, PATHS.EgressGatewayPolicy, { decode: decodePolicy, signal }),
  ]);
  const invalid: InvalidObject[] = [];
  return {
    gateways: readable(gateways.items, invalid),
    policies: readable(policies.items, invalid),
    invalid,
  };
}
