/** Policies of Cilium that somebody else made: taken into Sallyport's keeping, and given back as they were. */
import { adoption, givenBack, isAdopted, isOurs, wasAdopted } from "../../core/adoption.ts";
import { equal } from "../../core/merge_patch.ts";
import { familiesOf } from "../../core/policy_parts.ts";
import type { CiliumPolicy, Gateway, Json, JsonObject, Policy } from "../../core/types.ts";
import { decodeCiliumPolicy } from "../../cluster/decoders/kinds.ts";
import { readStatuses } from "../../cluster/read_statuses.ts";
import { PATHS } from "../../cluster/resources.ts";
import type { KubeClient } from "../../kube/client.ts";
import { ApiError, ConfigError } from "../../kube/errors.ts";
import { list } from "../../kube/list.ts";
import { mergePatch } from "../../kube/patch.ts";
import type { Manner } from "./interventions.ts";
import { named } from "./named.ts";

const FIELD_MANAGER = "sallyport-cli";

/** Somebody who writes the object at the same time, such as a controller that ticks, is read again so often. */
const ATTEMPTS = 5;

/**
 * Lets Sallyport keep a CiliumEgressGatewayPolicy for the EgressGatewayPolicy of its name. What it was is kept beside it.
 *
 * @throws ConfigError where there is no such policy, or nobody to send the traffic to
 */
export async function adoptPolicy(
  client: KubeClient,
  name: string,
  manner: Manner = {},
): Promise<readonly string[]> {
  const { gateways, policies } = await readStatuses(client, manner);
  const policy = policies.find((each) => each.name === name);
  if (policy === undefined) {
    throw new ConfigError(
      `Cannot adopt CiliumEgressGatewayPolicy '${name}' as there is no EgressGatewayPolicy of that name: write one first, with its selectors and destinations`,
    );
  }
  assertServed(policy, gateways);
  const decide = (existing: CiliumPolicy): Change => {
    if (isOurs(existing)) {
      const how = isAdopted(existing) ? "adopted" : "made by Sallyport";
      return { says: [`CiliumEgressGatewayPolicy ${name} is ${how} already.`] };
    }
    return {
      patch: adoption(existing),
      says: [
        `Adopted CiliumEgressGatewayPolicy ${name}; its traffic goes to EgressGateway ${
          gatewaysOf(policy)
        } from the next tick on. sallyport give-back ${name} undoes this.`,
        ...differences(existing, policy),
      ],
    };
  };
  return await write(client, { name, manner, decide });
}

/** Without a node the traffic of the policy would be dropped. */
function assertServed({ name, spec }: Policy, gateways: readonly Gateway[]): void {
  for (const { name: wanted } of spec.gateways) {
    const gateway = named(gateways, { name: wanted, kind: "EgressGateway" });
    const ready = gateway.status.conditions?.find(({ type }) => type === "Ready");
    if (ready?.status === "True") continue;
    throw new ConfigError(
      `Cannot adopt CiliumEgressGatewayPolicy '${name}' as EgressGateway '${gateway.name}' is not ready, and its traffic would be dropped: ${
        ready?.message ?? "no controller has looked at it yet"
      }`,
    );
  }
}

function gatewaysOf({ spec }: Policy): string {
  return spec.gateways.map(({ name }) => name).join(", ");
}

/** What of the object becomes otherwise than it is, beside its node and address. */
function differences({ spec }: CiliumPolicy, policy: Policy): readonly string[] {
  const wanted: Readonly<Record<string, Json | undefined>> = {
    selectors: policy.spec.selectors,
    destinationCIDRs: policy.spec.destinationCIDRs,
    excludedCIDRs: policy.spec.excludedCIDRs,
  };
  const changed = Object.keys(wanted).filter((key) => !equal(spec[key] ?? [], wanted[key] ?? []));
  const several = spec["egressGateways"];
  return [
    ...(changed.length === 0
      ? []
      : [`Note: ${changed.join(", ")} of the EgressGatewayPolicy are other than its own.`]),
    ...(familiesOf(policy.spec.destinationCIDRs).length > 1
      ? [
        `Note: it keeps the IPv4 destinations; those of IPv6 go over to CiliumEgressGatewayPolicy ${policy.name}-ipv6.`,
      ]
      : []),
    ...(Array.isArray(several) && several.length > 0
      ? [`Note: its ${several.length} egressGateways become one.`]
      : []),
  ];
}

/**
 * Gives a CiliumEgressGatewayPolicy back as it was before it was adopted.
 *
 * @throws ConfigError where it was not adopted, or where nobody knows what it was
 */
export function giveBackPolicy(
  client: KubeClient,
  name: string,
  { keepSpec = false, ...manner }: Manner & { readonly keepSpec?: boolean } = {},
): Promise<readonly string[]> {
  const decide = (existing: CiliumPolicy): Change => {
    if (!wasAdopted(existing)) {
      throw new ConfigError(
        isOurs(existing)
          ? `Cannot give CiliumEgressGatewayPolicy '${name}' back as Sallyport made it: it goes with its EgressGatewayPolicy`
          : `Cannot give CiliumEgressGatewayPolicy '${name}' back as it was not adopted`,
      );
    }
    const back = givenBack(existing, { keepSpec });
    if ("lost" in back) {
      throw new ConfigError(
        `Cannot give CiliumEgressGatewayPolicy '${name}' back as ${back.lost}: with --keep-spec it stays as it is now`,
      );
    }
    return {
      patch: back.patch,
      says: [
        keepSpec
          ? `Gave CiliumEgressGatewayPolicy ${name} back as it is now.`
          : `Gave CiliumEgressGatewayPolicy ${name} back as it was.`,
        `EgressGatewayPolicy ${name}, where it is still there, does nothing now; delete it.`,
      ],
    };
  };
  return write(client, { name, manner, decide });
}

/** Names of all that is adopted, or was and has lost its label, sorted. */
export async function adoptedPolicies(client: KubeClient): Promise<readonly string[]> {
  const { items } = await list(client, PATHS.CiliumEgressGatewayPolicy, {
    decode: decodeCiliumPolicy,
  });
  return items.flatMap((item) =>
    "object" in item && wasAdopted(item.object) ? item.object.name : []
  )
    .sort();
}

interface Change {
  /** Absent: nothing is to be written. */
  readonly patch?: JsonObject;
  readonly says: readonly string[];
}

/** Writes what was decided from the object against the version that it was decided from. */
async function write(
  client: KubeClient,
  { name, manner, decide }: {
    readonly name: string;
    readonly manner: Manner;
    readonly decide: (existing: CiliumPolicy) => Change;
  },
): Promise<readonly string[]> {
  for (let attempt = 1;; attempt++) {
    const { patch, says } = decide(await read(client, name, manner));
    if (patch === undefined) return says;
    try {
      await mergePatch(client, `${PATHS.CiliumEgressGatewayPolicy}/${encodeURIComponent(name)}`, {
        body: patch,
        fieldManager: FIELD_MANAGER,
        ...manner,
      });
      return says;
    } catch (error) {
      const raced = error instanceof ApiError && error.status === 409;
      if (!raced || attempt === ATTEMPTS) throw error;
    }
  }
}

async function read(
  client: KubeClient,
  name: string,
  { signal }: Manner,
): Promise<CiliumPolicy> {
  const { items } = await list(client, PATHS.CiliumEgressGatewayPolicy, {
    decode: decodeCiliumPolicy,
    signal,
  });
  const broken = items.find((item) => "invalid" in item && item.invalid.name === name);
  if (broken !== undefined && "invalid" in broken) {
    throw new ConfigError(
      `Cannot read CiliumEgressGatewayPolicy '${name}': ${broken.invalid.message}`,
    );
  }
  const all = items.flatMap((item) => "object" in item ? [item.object] : []);
  return named(all, { name, kind: "CiliumEgressGatewayPolicy" });
}
