/** `which POD DESTINATION`: by which gateway, node and address the pod's traffic to there leaves, and why. */
import process from "node:process";
import type { Command } from "commander";
import { decodeNamespace, decodeSourcePod } from "../../cluster/decoders/source_pod.ts";
import { readWayOut } from "../../cluster/read_way_out.ts";
import type { WayOutFacts } from "../../cluster/read_way_out.ts";
import { decide } from "../../core/decide.ts";
import { wayOut } from "../../core/way_out.ts";
import type { SourcePod, WayOut } from "../../core/way_out.ts";
import type { CiliumPolicy, Snapshot } from "../../core/types.ts";
import { ConfigError } from "../../kube/errors.ts";
import { withClient } from "../../program/connect.ts";
import { ciliumPods } from "../../program/settings.ts";
import { decodeCiliumPolicy } from "../../cluster/decoders/kinds.ts";
import { onSnapshot } from "../shared/command.ts";
import { manifestsIn, snapshotOf } from "../shared/from_files.ts";
import { ipAddress, podName } from "../shared/names.ts";
import { show, withOutput } from "../shared/output.ts";
import type { OutputFlags } from "../shared/output.ts";
import { note, read } from "../shared/source.ts";
import type { SourceFlags, SourceSettings } from "../shared/source.ts";

interface Asked {
  readonly namespace: string;
  readonly name: string;
  readonly destination: string;
}

export function whichCommand(): Command {
  return withOutput(
    onSnapshot(
      "which",
      "say by which gateway, node and address a pod's traffic to a destination leaves",
    ),
  )
    .argument("<pod>", "NAMESPACE/POD")
    .argument("<destination>", "IP address that the pod sends to")
    .option("-n, --namespace <name>", "namespace of the pod, where its name is given alone")
    .action(async (
      pod: string,
      destination: string,
      flags: SourceFlags & OutputFlags & { readonly namespace?: string },
    ) => {
      const asked = { ...podName(pod, flags.namespace), destination: ipAddress(destination) };
      const facts = await read<WayOutFacts>(flags, {
        files: (files, settings) => fromFiles(files, { flags, settings, asked }),
        cluster: (settings) =>
          withClient(
            { ...settings, unnamed: "CurrentContext" },
            (client) => readWayOut(client, asked),
          ),
      });
      const way = wayOut(facts.pod, { ...facts, destination: asked.destination });
      show(
        { pod: `${asked.namespace}/${asked.name}`, destination: asked.destination, ...way },
        flags.output,
        () => inSentences(asked, way),
      );
      process.exitCode = way.verdict === "Gateway" || way.verdict === "OwnNode" ? 0 : 1;
    });
}

async function fromFiles(
  files: readonly string[],
  { flags, settings, asked }: {
    readonly flags: SourceFlags;
    readonly settings: SourceSettings;
    readonly asked: Asked;
  },
): Promise<WayOutFacts> {
  const manifests = await manifestsIn(files);
  const cilium = ciliumPods(settings);
  const snapshot = snapshotOf(manifests, { now: flags.now, cilium, onNote: note, files });
  const ofKind = (kind: string) =>
    manifests.filter((manifest) => manifest.kind === kind && (manifest.group ?? "") === "")
      .map(({ object }) => object);
  const pods = ofKind("Pod").flatMap((pod) => decodeSourcePod(pod) ?? []);
  const pod = pods.findLast(({ namespace, name }) =>
    namespace === asked.namespace && name === asked.name
  );
  if (pod === undefined) {
    throw new ConfigError(
      `Cannot find Pod '${asked.name}' of namespace '${asked.namespace}' in ${
        files.join(", ")
      }: add what kubectl get pod prints`,
    );
  }
  const receiver = pods.find(({ ips, hostNetwork }) =>
    !hostNetwork && ips.includes(asked.destination)
  );
  return {
    pod: { ...pod, namespaceLabels: labelsOf(asked.namespace, ofKind("Namespace")) },
    inCluster: receiver && `pod ${receiver.namespace}/${receiver.name}`,
    snapshot: { ...snapshot, ciliumPolicies: ciliumPoliciesOf(snapshot) },
  };
}

function labelsOf(name: string, namespaces: readonly unknown[]): SourcePod["namespaceLabels"] {
  const own = { "kubernetes.io/metadata.name": name };
  const found = namespaces.map(decodeNamespace).findLast((namespace) => namespace?.name === name);
  if (found === undefined) {
    note(`The files hold no Namespace '${name}', so it is taken to have no labels but its name`);
    return own;
  }
  return { ...found.labels, ...own };
}

/** Manifests alone, as in a review, say nothing of what Cilium is told: then what a tick would tell it counts. */
function ciliumPoliciesOf(snapshot: Snapshot): readonly CiliumPolicy[] {
  if (snapshot.ciliumPolicies.length > 0 || snapshot.policies.length === 0) {
    return snapshot.ciliumPolicies;
  }
  note("The files hold no CiliumEgressGatewayPolicy, so what a tick would write is taken");
  return decide(snapshot).changes.flatMap(({ kind, action, body }) => {
    if (kind !== "CiliumEgressGatewayPolicy" || action !== "create") return [];
    const decoded = decodeCiliumPolicy(body);
    return "object" in decoded ? [decoded.object] : [];
  });
}

function inSentences(asked: Asked, way: WayOut): string {
  const lines = [
    `${asked.namespace}/${asked.name} to ${asked.destination}: ${headline(way)}.`,
    ...way.why.map((sentence) => `  Why: ${sentence}.`),
    ...way.others.map((sentence) => `  Also: ${sentence}.`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function headline({ verdict, gateway, policy, node, egressIP }: WayOut): string {
  const address = egressIP === undefined ? "" : `, as ${egressIP}`;
  switch (verdict) {
    case "Gateway":
      return gateway === undefined
        ? `leaves by node ${node}${address}, as CiliumEgressGatewayPolicy '${policy}' says`
        : `leaves by gateway ${gateway}, node ${node}${address}`;
    case "OwnNode":
      return `leaves by the pod's own node${node === undefined ? "" : ` ${node}`}, by no gateway`;
    case "Dropped":
      return gateway === undefined ? "is dropped" : `is dropped at gateway ${gateway}`;
    case "Unclear":
      return "cannot be told";
  }
}
