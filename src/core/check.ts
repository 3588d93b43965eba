/** Findings about a cluster: is all there that Sallyport needs, and does it work. One small function per matter. */
import type { Controllers } from "./controllers.ts";
import { familyOf } from "./ip_family.ts";
import { listed } from "./listed.ts";
import { PIN_ANNOTATION } from "./names.ts";
import { byText } from "./order.ts";
import { virtualIPsOf } from "./reports.ts";
import type { Condition, Gateway, Plan, Policy, Snapshot } from "./types.ts";

export interface Finding {
  readonly level: "ok" | "warning" | "error";
  /** What was looked at, in a word or two. */
  readonly about: string;
  /** One sentence, with what to do where something is. */
  readonly message: string;
}

/** What was read; undefined: it may not be. */
export interface CheckFacts {
  readonly snapshot: Snapshot;
  readonly plan: Plan;
  readonly controllers: Controllers;
  readonly definitions: readonly Definition[];
  /** The data of Cilium's ConfigMap; null: there is none of that name. */
  readonly ciliumConfig: Readonly<Record<string, string>> | null | undefined;
  readonly ciliumVersions: readonly RunningVersion[];
  readonly ownVersions: readonly RunningVersion[] | undefined;
}

/** A CustomResourceDefinition that is needed. */
export interface Definition {
  readonly name: string;
  readonly state: "Current" | "Missing" | "Unknown" | "Foreign";
  /** Fields that this version has and the installed one lacks. */
  readonly missing: readonly string[];
}

/** A version, and the pods that run it. */
export interface RunningVersion {
  readonly version: string;
  readonly pods: readonly string[];
}

/** All findings, in the order in which a person should read them. */
export function findings(facts: CheckFacts): readonly Finding[] {
  return [
    ...facts.definitions.map(definition),
    controllers(facts),
    ...versions(facts),
    ...cilium(facts),
    ...candidates(facts),
    ...facts.snapshot.invalid.map(({ kind, name, message }): Finding => ({
      level: "error",
      about: `${kind} ${name}`,
      message: `Cannot be read: ${message}`,
    })),
    ...facts.snapshot.gateways.flatMap(gateway),
    ...policies(facts),
  ];
}

function definition({ name, state, missing }: Definition): Finding {
  const about = `CRD ${name}`;
  if (state === "Unknown") {
    return {
      level: "warning",
      about,
      message: "May not be read: ask for get of customresourcedefinitions",
    };
  }
  if (state === "Missing") {
    const advice = name.endsWith(".cilium.io")
      ? "install Cilium with egressGateway.enabled=true"
      : "kubectl apply --server-side -f k8s/crds";
    return { level: "error", about, message: `Is not installed: ${advice}` };
  }
  if (missing.length > 0) {
    return {
      level: "warning",
      about,
      message: `Is older than this program, and lacks ${
        listed(missing)
      }: kubectl apply --server-side -f k8s/crds`,
    };
  }
  return { level: "ok", about, message: "Installed" };
}

function controllers({ controllers: { state, message } }: CheckFacts): Finding {
  const about = "controllers";
  switch (state) {
    case "Working":
      return { level: "ok", about, message };
    case "Unknown":
      return {
        level: "warning",
        about,
        message: `${message}; see that one runs, or nothing moves`,
      };
    case "NotWorking":
      return {
        level: "error",
        about,
        message: `${message}; kubectl -n sallyport-system get pods, and logs, say why`,
      };
  }
}

function versions({ ownVersions }: CheckFacts): readonly Finding[] {
  const about = "versions";
  if (ownVersions === undefined) return [];
  if (ownVersions.length === 0) return [];
  const told = ownVersions.map(({ version, pods }) => `${version} (${pods.length} pods)`).join(
    ", ",
  );
  return [
    ownVersions.length === 1
      ? { level: "ok", about, message: `Controllers and agents run ${told}` }
      : {
        level: "warning",
        about,
        message:
          `Controllers and agents run ${told}: well during an upgrade; else finish it, and use no new field before`,
      },
  ];
}

/** Cilium's ConfigMap: key, what is needed, what it means where the key is not there, and the Helm value. */
const CILIUM_SETTINGS: readonly {
  readonly key: string;
  readonly wanted: readonly string[];
  readonly absent: string;
  readonly helm: string;
}[] = [
  {
    key: "enable-egress-gateway",
    wanted: ["true"],
    absent: "false",
    helm: "egressGateway.enabled=true",
  },
  { key: "enable-bpf-masquerade", wanted: ["true"], absent: "false", helm: "bpf.masquerade=true" },
  {
    key: "enable-ipv4-masquerade",
    wanted: ["true"],
    absent: "true",
    helm: "enableIPv4Masquerade=true",
  },
  {
    key: "kube-proxy-replacement",
    wanted: ["true"],
    absent: "false",
    helm: "kubeProxyReplacement=true",
  },
  {
    key: "identity-allocation-mode",
    wanted: ["crd"],
    absent: "crd",
    helm: "identityAllocationMode=crd",
  },
  {
    key: "enable-cilium-endpoint-slice",
    wanted: ["false"],
    absent: "false",
    helm: "ciliumEndpointSlice.enabled=false",
  },
  { key: "underlay-protocol", wanted: ["ipv4"], absent: "ipv4", helm: "underlayProtocol=ipv4" },
];

/** The oldest minor version of Cilium that this was tried on. */
const OLDEST_CILIUM = [1, 18] as const;

function cilium(facts: CheckFacts): readonly Finding[] {
  const { ciliumVersions, snapshot } = facts;
  const about = "Cilium";
  const unready = snapshot.ciliumPods.filter(({ ready, ended }) => !ready && ended === undefined);
  const old = ciliumVersions.filter(({ version }) => isOlder(version, OLDEST_CILIUM));
  const ofIPv6 = gatewaysOfIPv6(snapshot).map(({ name }) => name);
  const oldForIPv6 = ofIPv6.length === 0
    ? []
    : ciliumVersions.filter(({ version }) =>
      !isOlder(version, OLDEST_CILIUM) && isOlder(version, OLDEST_CILIUM_IPV6)
    );
  return [
    ...settings(facts),
    ...old.map(({ version, pods }): Finding => ({
      level: "error",
      about,
      message: `${listed(pods)} run ${version}: 1.${OLDEST_CILIUM[1]} or newer is needed`,
    })),
    ...oldForIPv6.map(({ version, pods }): Finding => ({
      level: "error",
      about,
      message: `${listed(pods)} run ${version}, which takes no IPv6 address as egressIP: 1.${
        OLDEST_CILIUM_IPV6[1]
      } or newer is needed for gateways ${listed(ofIPv6)}`,
    })),
    ...ciliumVersions.length > 1
      ? [{
        level: "warning" as const,
        about,
        message: `Several versions run: ${ciliumVersions.map(({ version }) => version).join(", ")}`,
      }]
      : [],
    unready.length === 0
      ? { level: "ok", about, message: `${snapshot.ciliumPods.length} pods are ready` }
      : {
        level: "warning",
        about,
        message: `Not ready on ${
          listed(unready.map(({ nodeName }) => nodeName))
        }: these nodes hold no gateway`,
      },
  ];
}

/** The same, of clusters with gateways or policies of IPv6. */
const CILIUM_SETTINGS_IPV6: typeof CILIUM_SETTINGS = [
  { key: "enable-ipv6", wanted: ["true"], absent: "true", helm: "ipv6.enabled=true" },
  {
    key: "enable-ipv6-masquerade",
    wanted: ["true"],
    absent: "true",
    helm: "enableIPv6Masquerade=true",
  },
  // Cilium sends a gateway its traffic by the node's IPv4 address, whichever family it is of.
  { key: "enable-ipv4", wanted: ["true"], absent: "true", helm: "ipv4.enabled=true" },
];

/** The oldest minor version of Cilium that takes an IPv6 address as `egressIP`. */
const OLDEST_CILIUM_IPV6 = [1, 20] as const;

/** Gateways with a virtual IP of IPv6. */
function gatewaysOfIPv6({ gateways }: Snapshot): readonly Gateway[] {
  return gateways.filter((gateway) => virtualIPsOf(gateway).some((ip) => familyOf(ip) === 6));
}

function wantsIPv6(snapshot: Snapshot): boolean {
  return gatewaysOfIPv6(snapshot).length > 0 ||
    snapshot.policies.some(({ spec }) =>
      spec.destinationCIDRs.some((network) => familyOf(network) === 6)
    );
}

function settings({ ciliumConfig: config, snapshot }: CheckFacts): readonly Finding[] {
  const about = "Cilium settings";
  if (config === undefined) {
    return [{
      level: "warning",
      about,
      message: "ConfigMap cilium-config may not be read: ask for get",
    }];
  }
  if (config === null) {
    return [{
      level: "warning",
      about,
      message:
        "No ConfigMap cilium-config is beside Cilium's pods: see docs/cilium.md for what must be set",
    }];
  }
  const needed = [...CILIUM_SETTINGS, ...wantsIPv6(snapshot) ? CILIUM_SETTINGS_IPV6 : []];
  const wrong = needed.flatMap(({ key, wanted, absent, helm }): readonly Finding[] => {
    const value = config[key] ?? absent;
    return wanted.includes(value)
      ? []
      : [{ level: "error", about, message: `${key} is ${value}: Helm value ${helm}` }];
  });
  return wrong.length > 0
    ? wrong
    : [{ level: "ok", about, message: "All that egress gateways need is set" }];
}

function isOlder(version: string, oldest: readonly [major: number, minor: number]): boolean {
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(version)?.slice(1) ?? []).map(Number);
  const [wantedMajor, wantedMinor] = oldest;
  if (major === 0 && minor === 0) return false;
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

/** Nodes that may hold nothing now, each once with all gateways that want it. */
function candidates({ plan }: CheckFacts): readonly Finding[] {
  const all = plan.gateways.flatMap(({ name, candidates }) =>
    candidates.map((candidate) => ({ gateway: name, ...candidate }))
  );
  const nodes = new Set(all.map(({ node }) => node));
  const unfit = Map.groupBy(all.filter(({ eligible }) => !eligible), ({ node }) => node);
  const told = [...unfit].sort(([a], [b]) => byText(a, b)).map(([node, each]): Finding => {
    const [reason] = each.flatMap(({ reasons }) => reasons);
    const gateways = listed(each.map(({ gateway }) => gateway));
    return {
      level: "warning",
      about: `node ${node}`,
      message: `May not hold ${gateways}: ${reason?.type}: ${reason?.message}`,
    };
  });
  return [
    {
      level: "ok",
      about: "candidates",
      message: `${nodes.size - unfit.size} of ${nodes.size} may hold each of their gateways`,
    },
    ...told,
  ];
}

function gateway({ name, status, annotations }: Gateway): readonly Finding[] {
  const about = `gateway ${name}`;
  const condition = (type: string): Condition | undefined =>
    status.conditions?.find((each) => each.type === type);
  const ready = condition("Ready");
  const standby = condition("NoStandby");
  const pin = annotations[PIN_ANNOTATION];
  return [
    ready?.status === "True"
      ? { level: "ok", about, message: `Held by ${status.activeNodeName}` }
      : {
        level: "error",
        about,
        message: ready === undefined
          ? "No controller has decided it yet"
          : `${ready.reason}: ${ready.message}; sallyport explain ${name} says more`,
      },
    ...standby?.status === "True"
      ? [{ level: "warning" as const, about, message: `${standby.message}: see to a second node` }]
      : [],
    ...pin !== undefined && pin !== status.activeNodeName
      ? [{
        level: "warning" as const,
        about,
        message:
          `Pinned to ${pin}, which does not hold it: sallyport release ${name} takes the pin away`,
      }]
      : [],
  ];
}

function policies({ snapshot }: CheckFacts): readonly Finding[] {
  const bad = snapshot.policies.flatMap(policyFindings);
  const good = snapshot.policies.length - new Set(bad.map(({ about }) => about)).size;
  return [
    {
      level: "ok",
      about: "policies",
      message: `${good} of ${snapshot.policies.length} are in force`,
    },
    ...bad,
  ];
}

function policyFindings({ name, status }: Policy): readonly Finding[] {
  const about = `policy ${name}`;
  const of = (type: string) => status.conditions?.find((each) => each.type === type);
  const [ready, conflicted] = [of("Ready"), of("Conflicted")];
  return [
    ...ready?.status === "True" ? [] : [{
      level: "error" as const,
      about,
      message: ready === undefined
        ? "No controller has decided it yet"
        : `${ready.reason}: ${ready.message}`,
    }],
    ...conflicted?.status === "True" && conflicted.reason !== ready?.reason
      ? [{
        level: "warning" as const,
        about,
        message: `${conflicted.reason}: ${conflicted.message}`,
      }]
      : [],
  ];
}
