/** The steps that are Cilium's: whom a gateway's policies select, what Cilium knows of these pods, and where it sends them. */
import { limitRules } from "./allowed_namespaces.ts";
import { networksOf, rulesOf } from "./cilium_spec.ts";
import { fieldChanges } from "./field_changes.ts";
import { isObject } from "./json.ts";
import { familyOf } from "./ip_family.ts";
import { listed } from "./listed.ts";
import { HOSTNAME_LABEL } from "./names.ts";
import { shardOf, UNLABELLED } from "./node_set.ts";
import { partsOf } from "./policy_parts.ts";
import type { Part } from "./policy_parts.ts";
import type { PathFacts, Step, StepName } from "./path_types.ts";
import { labelsForCilium, selectsNode, selectsPod, wayOut } from "./way_out.ts";
import type { SourcePod } from "./way_out.ts";
import type { CiliumPolicy, Policy, ReasonType } from "./types.ts";

export function ciliumSteps(facts: PathFacts): readonly Step[] {
  const parts = partsOfGateway(facts);
  const pods = (facts.pods ?? []).filter((pod) => isSelected(pod, { parts, facts }));
  const context: Context = { ...facts, parts, selected: pods };
  return [podsStep, identityStep, policyStep, nodeStep, datapathStep].map((step) => step(context));
}

/** A part whose traffic the gateway has, as it is to be told to Cilium. */
interface OwnPart {
  readonly policy: Policy;
  readonly part: Part;
}

interface Context extends PathFacts {
  readonly parts: readonly OwnPart[];
  /** Pods whose traffic the gateway has. */
  readonly selected: readonly SourcePod[];
}

const told = (
  step: StepName,
  verdict: Step["verdict"],
  [message, source]: readonly [message: string, source: string],
): Step => ({
  step,
  verdict,
  message,
  source,
  ...(verdict === "unknown" ? {} : { ageSeconds: 0 }),
});

/** Of policies that name the gateway, or that it stands in for. */
function partsOfGateway({ gateway, snapshot, plan }: PathFacts): readonly OwnPart[] {
  return snapshot.policies.filter(({ deleting }) => !deleting).flatMap((policy) => {
    const ways = plan.policies.find(({ name }) => name === policy.name)?.gateways ?? [];
    const served = ways.filter(({ name, servedBy }) => (servedBy ?? name) === gateway.name)
      .map(({ name }) => name);
    const allowed = gateway.spec.allowedNamespaces;
    return partsOf(policy).filter((part) => served.includes(part.gateway)).map((part) => ({
      policy,
      part: { ...part, rules: limitRules(part.rules, allowed) },
    }));
  });
}

function isSelected(
  pod: SourcePod,
  { parts, facts }: { readonly parts: readonly OwnPart[]; readonly facts: PathFacts },
): boolean {
  if (pod.hostNetwork) return false;
  const labels = labelsForCilium(pod);
  const nodeLabels = facts.snapshot.nodes.find(({ name }) => name === pod.nodeName)?.labels;
  const shard = String(shardOf(nodeLabels ?? {}) ?? UNLABELLED);
  return parts.some(({ part: { rules, nodes } }) =>
    // Of a node that was not read nothing is known.
    (nodeLabels === undefined || nodes.has(shard)) &&
    rules.some((rule) =>
      selectsPod(rule, labels) && (nodeLabels === undefined || selectsNode([rule], nodeLabels))
    )
  );
}

const nameOf = ({ namespace, name }: Pick<SourcePod, "namespace" | "name">) =>
  `${namespace}/${name}`;

function policyNames(parts: readonly OwnPart[]): string {
  return listed([...new Set(parts.map(({ policy }) => policy.name))].sort());
}

function podsStep(context: Context): Step {
  const { gateway, parts, pods, selected } = context;
  const source = "Pods, EgressGatewayPolicies";
  if (parts.length === 0) {
    return told("pods", "wrong", [
      `No EgressGatewayPolicy names gateway ${gateway.name}, so that nothing is sent through it: write one`,
      source,
    ]);
  }
  const names = policyNames(parts);
  if (pods === undefined) {
    return told("pods", "unknown", [
      `Whom ${names} select is not known, as pods may not be listed in all namespaces`,
      source,
    ]);
  }
  if (selected.length === 0) {
    return told("pods", "wrong", [
      `No running pod is selected by ${names}: compare the selectors with the labels of the pods, of their namespaces and nodes ` +
      "(kubectl get pods -A --show-labels); sallyport explain --pod says it of one",
      source,
    ]);
  }
  const conflict = conflictOf(context);
  if (conflict !== undefined) return told("pods", "wrong", [conflict, source]);
  return told("pods", "ok", [
    `${selected.length} running pods are selected by ${names}: ${listed(selected.map(nameOf))}`,
    source,
  ]);
}

/** Two policies that name one network for a selected pod, and send it different ways. */
function conflictOf({ parts, selected, snapshot }: Context): string | undefined {
  const networks = [...new Set(parts.flatMap(({ part }) => part.destinationCIDRs))];
  for (const pod of selected) {
    for (const network of networks) {
      const destination = network.split("/")[0] ?? "";
      const way = wayOut(pod, { destination, snapshot });
      if (way.verdict === "Unclear") return `Of pod ${nameOf(pod)}: ${way.why[0]}`;
    }
  }
  return undefined;
}

function identityStep({ parts, selected, endpoints, snapshot }: Context): Step {
  const source = "CiliumEndpoints";
  if (selected.length === 0) {
    return told("identity", "unknown", [
      "No pod is selected whose identity could be looked at",
      source,
    ]);
  }
  if (endpoints === undefined) {
    return told("identity", "unknown", [
      "What Cilium knows of the pods is not known, as CiliumEndpoints may not be listed",
      source,
    ]);
  }
  const byName = new Map(endpoints.map((endpoint) => [nameOf(endpoint), endpoint]));
  const made = new Set(parts.map(({ part }) => part.name));
  const rules = snapshot.ciliumPolicies.filter(({ name }) => made.has(name))
    .flatMap(({ spec }) => rulesOf(spec)).filter((rule) => rule !== undefined);
  for (const pod of selected) {
    const endpoint = byName.get(nameOf(pod));
    const where = `Cilium's agent on node ${pod.nodeName ?? "(none yet)"}`;
    if (endpoint === undefined || endpoint.identity === undefined) {
      return told("identity", "wrong", [
        `${where} has no ${endpoint === undefined ? "CiliumEndpoint" : "identity"} for pod ${
          nameOf(pod)
        }, so that it leaves by its own node: see that agent's log, or delete the pod to have it attached anew`,
        source,
      ]);
    }
    if (rules.length > 0 && !rules.some((rule) => selectsPod(rule, endpoint.labels))) {
      return told("identity", "wrong", [
        `${where} knows pod ${
          nameOf(pod)
        } by identity ${endpoint.identity}, whose labels no policy of the gateway selects, though the pod's do: the agent has not ` +
        "heard of its labels, or leaves them out of identities (Cilium's option labels)",
        source,
      ]);
    }
  }
  return told("identity", "ok", [
    `Cilium knows all ${selected.length} pods by identities that the policies select`,
    source,
  ]);
}

function policyStep({ parts, plan, snapshot, gateway }: Context): Step {
  const source = "CiliumEgressGatewayPolicies";
  const names = [...new Set(parts.map(({ part }) => part.name))].sort();
  if (names.length === 0) {
    return told("policy", "unknown", ["There is no policy that Cilium could be told", source]);
  }
  const policies = new Set(parts.map(({ policy }) => policy.name));
  const clash = plan.policies.filter(({ name }) => policies.has(name))
    .flatMap(({ conditions }) => conditions)
    .find(({ type, reason }) => type === "Conflicted" && reason === "NameClash");
  if (clash !== undefined) return told("policy", "wrong", [clash.message, source]);
  const next = plan.gateways.find(({ name }) => name === gateway.name)?.activeNodeName ?? "no node";
  const isMoving = next !== gateway.status.activeNodeName;
  const changes = plan.changes.filter(({ kind, name }) =>
    kind === "CiliumEgressGatewayPolicy" && names.includes(name)
  );
  for (const change of changes) {
    const fields = fieldChanges(change, snapshot).map(({ path }) => path)
      // What the next move brings is no fault of the policy's.
      .filter((path) => !isMoving || SELECTION.test(path));
    if (fields.length === 0) continue;
    const what = change.action === "create"
      ? "is not there"
      : `is not what EgressGateway '${gateway.name}' and its policies ask for (${listed(fields)})`;
    return told("policy", "wrong", [
      `CiliumEgressGatewayPolicy '${change.name}' ${what}: a tick would mend it, so see that a controller works (sallyport status)`,
      source,
    ]);
  }
  const move = isMoving ? `; the next tick would send it to ${next}` : "";
  return told("policy", "ok", [
    `Cilium is told what the policies ask for: ${listed(names)}${move}`,
    source,
  ]);
}

/** Fields of Cilium's policies that do not depend on who holds the gateway. */
const SELECTION = /^spec\.(selectors|destinationCIDRs|excludedCIDRs)/;

/** What makes a node no gateway for Cilium. */
const NODE_REASONS: ReadonlySet<ReasonType> = new Set([
  "NodeNotReady",
  "NodeDeleting",
  "HostnameLabelMissing",
  "HostnameLabelNotUnique",
  "NoIPv4Address",
  "CiliumNodeMissing",
  "CiliumAgentNotReady",
]);

function nodeStep({ gateway, plan, parts, snapshot, facts }: Context): Step {
  const source = "EgressGateway, CiliumEgressGatewayPolicies, CiliumNodes, Node";
  const { activeNodeName: holder, phase, conditions } = gateway.status;
  if (holder === undefined) {
    const ready = conditions?.find(({ type }) => type === "Ready");
    const why = ready?.message ?? "no controller has decided it yet";
    return told("node", "wrong", [
      `No node holds gateway ${gateway.name}: ${why}; sallyport explain ${gateway.name} says more`,
      source,
    ]);
  }
  const candidate = plan.gateways.find(({ name }) => name === gateway.name)?.candidates
    .find(({ node }) => node === holder);
  const reason = candidate?.reasons.find(({ type }) => NODE_REASONS.has(type));
  if (reason !== undefined) {
    return told("node", "wrong", [`${holder}: ${reason.type}: ${reason.message}`, source]);
  }
  const hostname = facts.byNode.get(holder)?.node.labels[HOSTNAME_LABEL];
  const names = new Set(parts.map(({ part }) => part.name));
  const elsewhere = snapshot.ciliumPolicies.filter(({ name }) => names.has(name))
    .find((policy) => nodeNamedBy(policy) !== hostname);
  if (elsewhere !== undefined) {
    const named = nodeNamedBy(elsewhere) ?? "no node";
    return told("node", "wrong", [
      `CiliumEgressGatewayPolicy '${elsewhere.name}' names ${named}, and ${holder} holds the gateway` +
      (phase === "Preparing"
        ? ": a handover is under way"
        : "; see that a controller works (sallyport status)"),
      source,
    ]);
  }
  return facts.ciliumNodes.has(holder)
    ? told("node", "ok", [`Cilium sends to ${holder}, which it finds by its CiliumNode`, source])
    : told("node", "unknown", [
      `Cilium is told ${holder}; whether it finds it is not known, as no CiliumNode could be listed`,
      source,
    ]);
}

function nodeNamedBy({ spec }: CiliumPolicy): string | undefined {
  const egressGateway = spec["egressGateway"];
  const selector = isObject(egressGateway) ? egressGateway["nodeSelector"] : undefined;
  const labels = isObject(selector) ? selector["matchLabels"] : undefined;
  const hostname = isObject(labels) ? labels[HOSTNAME_LABEL] : undefined;
  return typeof hostname === "string" ? hostname : undefined;
}

function datapathStep({ entries, selected, parts, gateway, facts, snapshot }: Context): Step {
  const source = "cilium-dbg bpf egress list";
  if (entries === undefined) {
    return told("datapath", "unknown", [
      "What Cilium's agents have made of it is not known: --exec asks them, by kubectl exec",
      source,
    ]);
  }
  const holder = gateway.status.activeNodeName;
  const holderIPs = (holder === undefined ? [] : facts.byNode.get(holder)?.node.internalIPs) ?? [];
  const made = new Set(parts.map(({ part }) => part.name));
  const networks = snapshot.ciliumPolicies.filter(({ name }) => made.has(name)).flatMap((
    { spec },
  ) => networksOf(spec, "destinationCIDRs"));
  const sources = selected.filter(({ ips = [] }) => ips.length > 0);
  for (const [node, table] of entries) {
    if ("problem" in table) {
      return told("datapath", "unknown", [
        `Node ${node} could not be asked: ${table.problem}`,
        source,
      ]);
    }
    const here = sources.filter(({ nodeName }) => node === holder || nodeName === node);
    for (const pod of here) {
      for (const network of networks) {
        const ip = pod.ips?.find((each) => familyOf(each) === familyOf(network));
        if (ip === undefined) continue;
        const entry = table.find(({ sourceIP, destination }) =>
          sourceIP === ip && destination === network
        );
        const what = `Cilium's agent on ${node}`;
        const wrong = entry === undefined
          ? `${what} has no entry for pod ${nameOf(pod)} (${ip}) to ${network}`
          : !holderIPs.includes(entry.gatewayIP)
          ? `${what} sends pod ${nameOf(pod)} to ${entry.gatewayIP}, and ${holder} has ${
            listed(holderIPs)
          }`
          : node === holder && isNoAddress(entry.egressIP)
          ? `${what} found no address to send from for ${network}`
          : undefined;
        if (wrong === undefined) continue;
        return told("datapath", "wrong", [
          `${wrong}: see its log, and restart it where it does not go on by itself`,
          source,
        ]);
      }
    }
  }
  return told("datapath", "ok", [
    `Cilium's agents on ${listed([...entries.keys()])} send the pods to ${holder}`,
    source,
  ]);
}

function isNoAddress(ip: string): boolean {
  return ip === "" || ip === "0.0.0.0" || ip === "::";
}
