/** Which objects in files are read. Others share the names of our kinds, so group and name tell them. */
import { API_VERSION, CILIUM_API_VERSION } from "../../core/names.ts";
import type { InvalidObject } from "../../core/types.ts";
import { isSlip } from "../../cluster/schema/slip.ts";
import { groupOf } from "./manifest.ts";
import type { Manifest } from "./manifest.ts";

export type Kind = InvalidObject["kind"];

/** Kind -> the apiVersion to write; of a foreign kind any version is read. */
export const API_VERSIONS: Readonly<Record<Kind, string>> = {
  Node: "v1",
  Pod: "v1",
  Lease: "coordination.k8s.io/v1",
  EgressGateway: API_VERSION,
  EgressGatewayPolicy: API_VERSION,
  CiliumEgressGatewayPolicy: CILIUM_API_VERSION,
};

const KINDS: readonly Kind[] = [
  "Node",
  "Pod",
  "Lease",
  "EgressGateway",
  "EgressGatewayPolicy",
  "CiliumEgressGatewayPolicy",
];

/**
 * The kind that an object is, or is meant to be by all but a slip: one that is misspelt or lacks its group would else be
 * passed over, and what it says with it. Undefined: another kind.
 */
export function kindOf({ group, kind }: Manifest): Kind | undefined {
  return KINDS.find((each) => each === kind && groupOf(API_VERSIONS[each]) === group) ??
    KINDS.find((each) => isMeant(each, { group, kind }));
}

function isMeant(
  wanted: Kind,
  { group, kind }: { readonly group: string | undefined; readonly kind: string },
): boolean {
  const wantedGroup = groupOf(API_VERSIONS[wanted]);
  if (group === wantedGroup) return isSlip(kind.toLowerCase(), wanted.toLowerCase());
  if (kind !== wanted) return false;
  return group === undefined || (wantedGroup !== "" &&
    (group === "" || isSlip(group.toLowerCase(), wantedGroup)));
}
