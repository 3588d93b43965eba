/** The steps behind Cilium: the address on the node, the right to speak for it, who answers on the wire, and whether the world does. */
import { familyOf } from "./ip_family.ts";
import { listed } from "./listed.ts";
import { NAMESPACE } from "./names.ts";
import type { PathFacts, Step, StepName } from "./path_types.ts";
import { foreignHost, reportedAddresses, unreportedIPs, virtualIPsOf } from "./reports.ts";
import { TIMINGS } from "./timings.ts";
import type { Lease } from "./types.ts";

export function addressSteps(facts: PathFacts): readonly Step[] {
  const holder = facts.gateway.status.activeNodeName;
  const lease = holder === undefined ? undefined : facts.facts.leases.get(holder);
  const context: Context = { ...facts, holder, lease, age: ageOf(lease, facts) };
  const virtual = virtualIPsOf(facts.gateway).length > 0;
  return (virtual
    ? [bound, permission, neighbours, answer]
    : [primaryAddress, needless("permission"), needless("neighbours"), answer])
    .map((step) => step(context));
}

interface Context extends PathFacts {
  readonly holder: string | undefined;
  readonly lease: Lease | undefined;
  /** Seconds since the holder's agent last renewed its Lease. */
  readonly age: number | undefined;
}

function ageOf(lease: Lease | undefined, { snapshot: { now } }: PathFacts): number | undefined {
  return lease?.renewedAt === undefined ? undefined : Math.max(0, (now - lease.renewedAt) / 1_000);
}

function told(
  step: StepName,
  verdict: Step["verdict"],
  { holder, age }: Context,
  message: string,
): Step {
  return {
    step,
    verdict,
    message,
    source: holder === undefined ? "EgressGateway" : `Lease ${NAMESPACE}/${holder}`,
    ...(age === undefined ? {} : { ageSeconds: age }),
  };
}

/** What is said where nobody holds the gateway, or its agent says nothing. */
function silent(step: StepName, context: Context): Step | undefined {
  const { holder, lease } = context;
  if (holder === undefined) {
    return told(step, "unknown", context, "No node holds the gateway");
  }
  if (lease?.report !== undefined) return undefined;
  return told(
    step,
    "unknown",
    context,
    `No agent's report is there of ${holder}: see DaemonSet sallyport-agent`,
  );
}

/** A report that is older than a permission lives is one of the past. */
function isOld({ age = Infinity }: Context): boolean {
  return age * 1_000 >= TIMINGS.speechMilliseconds + TIMINGS.clockGrainMilliseconds;
}

function bound(context: Context): Step {
  const none = silent("address", context);
  if (none !== undefined) return none;
  const { gateway, holder, lease, age } = context;
  const failure = lease?.report?.failures.find((failed) => failed.gateway === gateway.name);
  if (failure !== undefined) {
    return told("address", "wrong", context, `${holder}: ${failure.reason}: ${failure.message}`);
  }
  const unbound = unreportedIPs(lease, gateway);
  if (unbound.length > 0) {
    return told(
      "address",
      "wrong",
      context,
      `${listed(unbound)} is not bound on ${holder}: the log of its agent says why`,
    );
  }
  const places = reportedAddresses(lease, gateway);
  const down = places.find((place) =>
    lease?.report?.interfaces.some(({ name, up }) => name === place.interface && !up)
  );
  if (down !== undefined) {
    return told(
      "address",
      "wrong",
      context,
      `${down.ip} is on interface '${down.interface}' of ${holder}, which is down: see to the link`,
    );
  }
  const where = listed(places.map((place) => `${place.ip} on '${place.interface}'`));
  return isOld(context)
    ? told("address", "unknown", context, `${holder} had bound ${where}, ${age} s ago`)
    : told("address", "ok", context, `${holder} has bound ${where}`);
}

function primaryAddress(context: Context): Step {
  const none = silent("address", context);
  if (none !== undefined) return none;
  const { gateway: { spec: { sourceIP } }, holder, lease, snapshot, gateway } = context;
  const name = sourceIP.mode === "VirtualIPAddress" ? "" : sourceIP.interfaceName;
  const link = lease?.report?.interfaces.find((each) => each.name === name);
  if (link === undefined || !link.up) {
    const what = link === undefined ? "is not there" : "is down";
    return told("address", "wrong", context, `Interface '${name}' of ${holder} ${what}`);
  }
  const families = new Set(
    snapshot.policies.filter(({ spec }) => spec.gateways.some((each) => each.name === gateway.name))
      .flatMap(({ spec }) => spec.destinationCIDRs.map(familyOf)),
  );
  const addresses = (link.addresses ?? []).map((address) => address.split("/")[0] ?? "");
  const lacking = [...families].find((family) =>
    !addresses.some((address) => familyOf(address) === family)
  );
  if (lacking !== undefined) {
    return told(
      "address",
      "wrong",
      context,
      `Interface '${name}' of ${holder} has no IPv${lacking} address, so that Cilium drops what goes to such destinations`,
    );
  }
  return isOld(context)
    ? told("address", "unknown", context, `The last report of ${holder} is old`)
    : told("address", "ok", context, `${holder} has ${listed(addresses)} on '${name}'`);
}

function needless(step: StepName): () => Step {
  const message = "The address is the node's own, for which its kernel answers in any case";
  return () => ({ step, verdict: "ok", message, source: "EgressGateway", ageSeconds: 0 });
}

function permission(context: Context): Step {
  const none = silent("permission", context);
  if (none !== undefined) return none;
  const { gateway, holder, lease, age } = context;
  const { term = 0, phase } = gateway.status;
  const fence = lease?.fence[gateway.uid] ?? 0;
  if (fence > term) {
    return told(
      "permission",
      "wrong",
      context,
      `${holder} is fenced for term ${fence}, and the gateway is in term ${term}: a controller mends it at its next tick`,
    );
  }
  if (isOld(context)) {
    return told(
      "permission",
      "wrong",
      context,
      `The agent on ${holder} has not renewed its Lease for ${age} s, and a permission ends 3 s after a renewal, so that nobody answers for the address unless the agent is cut off alone: ` +
        "see the agent's pod, and why no other node takes over (sallyport explain)",
    );
  }
  const places = reportedAddresses(lease, gateway);
  const mute = places.filter(({ speaking, term: heard }) => !speaking || heard !== term);
  if (phase !== "Active") {
    const ready = gateway.status.conditions?.find(({ type }) => type === "Ready");
    return told(
      "permission",
      "wrong",
      context,
      ready?.message ?? `The gateway's phase is ${phase}`,
    );
  }
  if (places.length === 0 || mute.length > 0) {
    return told(
      "permission",
      "wrong",
      context,
      `The agent on ${holder} does not claim ${
        listed(virtualIPsOf(gateway))
      } in term ${term}: its log says what it waits for`,
    );
  }
  return told("permission", "ok", context, `${holder} may speak in term ${term}`);
}

/** Who answers for the address, as agents hear it: the holder looks each 10 s for others, and standbys for anybody. */
function neighbours(context: Context): Step {
  const none = silent("neighbours", context);
  if (none !== undefined) return none;
  const { gateway, holder, lease, facts, snapshot } = context;
  const nodes = facts.nodes.map(({ node: { name } }) => name);
  for (const node of nodes) {
    const foreign = foreignHost(node, { gateway, facts });
    if (foreign === undefined) continue;
    return told(
      "neighbours",
      "wrong",
      context,
      `Another host (${foreign.mac}) answers for ${foreign.ip}, as ${node} hears it: find it by its MAC address, and take the address from it`,
    );
  }
  const own = new Set(lease?.report?.interfaces.flatMap(({ mac }) => mac?.toLowerCase() ?? []));
  const heard = snapshot.leases.filter(({ name, renewedAt = 0 }) =>
    name !== holder && snapshot.now - renewedAt < TIMINGS.pauseMilliseconds
  ).flatMap((standby) =>
    reportedAddresses(standby, gateway).map(({ conflict }) => ({ ...standby, conflict }))
  );
  const witness = heard.find(({ conflict }) =>
    conflict !== undefined && own.has(conflict.toLowerCase())
  );
  if (witness !== undefined) {
    return told(
      "neighbours",
      "ok",
      context,
      `${witness.name} hears the address answered by ${witness.conflict}, which is ${holder}'s; what a router keeps in its table only the router shows`,
    );
  }
  return told(
    "neighbours",
    "unknown",
    context,
    `No other host is heard to have the address, and no standby has heard ${holder} answer for it: look at the router's table`,
  );
}

function answer(context: Context): Step {
  const none = silent("answer", context);
  if (none !== undefined) return none;
  const { gateway, holder, lease } = context;
  const { uplink } = gateway.spec.failureDetection;
  if (uplink === undefined) {
    return told(
      "answer",
      "unknown",
      context,
      "Nobody looks whether the world answers: name targets in failureDetection.uplink, or send something from a pod",
    );
  }
  const said = lease?.report?.uplinks.find(({ uid }) => uid === gateway.uid);
  if (said === undefined || said.problem !== undefined || isOld(context)) {
    return told(
      "answer",
      "unknown",
      context,
      `${holder} does not tell whether its uplink works${said?.problem ? `: ${said.problem}` : ""}`,
    );
  }
  const unanswered = [...said.lost, ...said.missing];
  const isWrong = uplink.require === "All" ? unanswered.length > 0 : said.reached.length === 0;
  return isWrong
    ? told(
      "answer",
      "wrong",
      context,
      `${
        listed(unanswered)
      } does not answer ${holder}: see to its router, cable and VLAN, and to filters upstream`,
    )
    : told("answer", "ok", context, `${listed(said.reached)} answers ${holder}`);
}
