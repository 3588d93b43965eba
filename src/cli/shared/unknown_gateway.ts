import { sortedByName } from "../../core/order.ts";
import type { Snapshot } from "../../core/types.ts";
import { ConfigError } from "../../kube/errors.ts";

/** Why a command cannot do what it was asked for about a gateway that is not there. */
export function unknownGateway(
  verb: string,
  wanted: string,
  { gateways, invalid }: Snapshot,
): Error {
  const broken = invalid.find(({ kind, name }) => kind === "EgressGateway" && name === wanted);
  if (broken !== undefined) {
    return new Error(
      `Cannot ${verb} EgressGateway '${wanted}' as it cannot be read: ${broken.message}`,
    );
  }
  const known = sortedByName(gateways).map(({ name }) => name).join(", ") || "none";
  return new ConfigError(
    `Cannot ${verb} EgressGateway '${wanted}' as there is none of that name: there are ${known}`,
  );
}
