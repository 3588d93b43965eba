/** A pod and what decides by which way its traffic leaves, from a cluster or from files. */
import { decodeCiliumPolicy } from "../../cluster/decoders/kinds.ts";
import { decodeNamespace, decodeSourcePod } from "../../cluster/decoders/source_pod.ts";
import { readWayOut } from "../../cluster/read_way_out.ts";
import type { WayOutFacts } from "../../cluster/read_way_out.ts";
import { decide } from "../../core/decide.ts";
import type { SourcePod } from "../../core/way_out.ts";
import type { CiliumPolicy, Snapshot } from "../../core/types.ts";
import { ConfigError } from "../../kube/errors.ts";
import { withClient } from "../../program/connect.ts";
import { ciliumPods } from "../../program/settings.ts";
import { manifestsIn, snapshotOf } from "./from_files.ts";
import { note, read } from "./source.ts";
import type { SourceFlags, SourceSettings } from "./source.ts";

export interface AskedPod {
  readonly namespace: string;
  readonly name: string;
  /** What of the cluster has this address is told, too. */
  readonly destination?: string;
}

/** @throws ConfigError where there is no such pod */
export function readPod(flags: SourceFlags, asked: AskedPod): Promise<WayOutFacts> {
  return read<WayOutFacts>(flags, {
    files: (files, settings) => fromFiles(files, { flags, settings, asked }),
    cluster: (settings) =>
      withClient(
        { ...settings, unnamed: "CurrentContext" },
        (client) => readWayOut(client, asked),
      ),
  });
}

async function fromFiles(
  files: readonly string[],
  { flags, settings, asked }: {
    readonly flags: SourceFlags;
    readonly settings: SourceSettings;
    readonly asked: AskedPod;
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
    !hostNetwork && asked.destination !== undefined && ips.includes(asked.destination)
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
