/** `check GATEWAY` on real Cilium: each step from pod to wire is broken once, and it names that step. */
import assert from "node:assert/strict";
import { CILIUM_PODS } from "../../src/cluster/cilium_pods.ts";
import { readPath } from "../../src/cluster/read_path.ts";
import type { Exec } from "../../src/cluster/read_path.ts";
import { pathOf } from "../../src/core/path.ts";
import type { Step, StepName } from "../../src/core/path_types.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { until } from "../lab/wait.ts";
import { clientOf, putPod } from "../support/cluster.ts";
import { labTests } from "./e2e.ts";
import { ciliumPolicy, GATEWAY, putGateway, putPolicy, seenAs, settled } from "./gateways.ts";
import type { Lab } from "./lab.ts";
import { DESTINATIONS } from "./outside.ts";

const VIP = "172.31.0.200";
const ROUTER = "172.31.0.100";
const GATEWAY_PATH = `/apis/network.deckhouse.io/v1alpha1/egressgateways/${GATEWAY}`;
const POLICY_PATH = "/apis/network.deckhouse.io/v1alpha1/egressgatewaypolicies/policy";
const CEGP_PATH = "/apis/cilium.io/v2/ciliumegressgatewaypolicies/policy";
const CILIUM_NODE_PATH = "/apis/cilium.io/v2/ciliumnodes/node-b";
const PODS_PATH = "/api/v1/namespaces/default/pods";

const test = labTests();

/** Cilium's own program in the room of its node; no kubelet is here that would run it in the pod. */
const execIn = (lab: Lab): Exec => ({ name }, [, ...command]) =>
  lab.node(name.replace("cilium-", "")).dbg(...command);

async function check(lab: Lab, client: KubeClient): Promise<readonly Step[]> {
  const options = { gateway: GATEWAY, cilium: CILIUM_PODS, exec: execIn(lab) };
  const sources = await readPath(client, options);
  const gateway = sources.snapshot.gateways.find(({ name }) => name === GATEWAY);
  assert.ok(gateway);
  return pathOf(gateway, sources);
}

interface Break {
  readonly step: StepName;
  readonly how: string;
  readonly says: RegExp;
  readonly act: (lab: Lab) => Promise<unknown>;
  readonly undo: (lab: Lab) => Promise<unknown>;
}

const signal = (lab: Lab, pid: (lab: Lab) => number, name: Deno.Signal) =>
  Promise.resolve(Deno.kill(pid(lab), name));
const agentOf = (lab: Lab) => lab.node("node-b").sallyport.pid;
const ciliumOf = (lab: Lab) => lab.node("node-a").cilium.pid;
const destinations = (lab: Lab, networks: readonly string[], path: string) =>
  lab.plane.api.patch(path, { spec: { destinationCIDRs: networks } });
const MORE = [DESTINATIONS[4], "203.0.113.0/24"];
/** Another network than {@linkcode MORE} has: Cilium may be behind with taking it back when the next break begins. */
const EDITED = [DESTINATIONS[4], "192.0.2.0/24"];
let ciliumNode: (KubeObject & { readonly spec?: unknown }) | undefined;

/** While no controller runs that would mend it, in the order in which a packet meets them. */
const BREAKS: readonly Break[] = [
  {
    step: "pods",
    how: "the pod loses its label",
    says: /No running pod is selected by policy/,
    act: (lab) =>
      lab.plane.api.patch(`${PODS_PATH}/selected`, { metadata: { labels: { app: "lost" } } }),
    undo: (lab) =>
      lab.plane.api.patch(`${PODS_PATH}/selected`, { metadata: { labels: { app: "selected" } } }),
  },
  {
    step: "identity",
    how: "a pod is there that Cilium has not attached",
    says: /agent on node node-a has no CiliumEndpoint for pod default\/unattached/,
    act: async (lab) => {
      const labels = { app: "selected" };
      await putPod(lab.plane, { name: "unattached", namespace: "default", node: "node-a", labels });
      const status = { phase: "Running", podIP: "10.244.11.250" };
      await lab.plane.api.patch(`${PODS_PATH}/unattached/status`, { status });
    },
    undo: (lab) => lab.plane.api.delete(`${PODS_PATH}/unattached?gracePeriodSeconds=0`),
  },
  {
    step: "policy",
    how: "somebody edits Cilium's policy",
    says: /CiliumEgressGatewayPolicy 'policy' is not what .*destinationCIDRs/,
    act: (lab) => destinations(lab, EDITED, CEGP_PATH),
    undo: (lab) => destinations(lab, [DESTINATIONS[4]], CEGP_PATH),
  },
  {
    step: "node",
    how: "the holder's CiliumNode is deleted",
    says: /node-b: CiliumNodeMissing: No CiliumNode 'node-b'/,
    act: async (lab) => {
      ciliumNode = await lab.plane.api.get(CILIUM_NODE_PATH);
      await lab.plane.api.delete(CILIUM_NODE_PATH);
    },
    undo: async (lab) => {
      if (ciliumNode === undefined) return;
      const { apiVersion, kind, metadata: { name, labels }, spec } = ciliumNode;
      await lab.plane.api.apply({
        apiVersion,
        kind,
        metadata: { name, ...(labels === undefined ? {} : { labels }) },
        spec,
      });
    },
  },
  {
    step: "datapath",
    how: "Cilium's agent on the pod's node stands still while the policy changes",
    says:
      /agent on node-a has no entry for pod default\/selected \(10\.244\.11\.\d+\) to 203\.0\.113\.0\/24/,
    act: async (lab) => {
      await signal(lab, ciliumOf, "SIGSTOP");
      await lab.sallyport.startController();
      await destinations(lab, MORE, POLICY_PATH);
      await until(
        "Cilium's policy to follow",
        async () => JSON.stringify((await ciliumPolicy(lab)).spec).includes("203.0.113.0/24"),
        {
          timeoutMilliseconds: 20_000,
        },
      );
      await lab.sallyport.killController();
    },
    undo: (lab) => signal(lab, ciliumOf, "SIGCONT"),
  },
  {
    step: "address",
    how: "the virtual IP is written anew, as the address of the nodes' router",
    says: /172\.31\.0\.100/,
    act: (lab) => lab.plane.api.patch(GATEWAY_PATH, virtualIP(ROUTER)),
    undo: (lab) => lab.plane.api.patch(GATEWAY_PATH, virtualIP(VIP)),
  },
  {
    step: "permission",
    how: "the holder's agent stands still",
    says: /agent on node-b has not renewed its Lease for \d+ s/,
    act: (lab) => signal(lab, agentOf, "SIGSTOP"),
    undo: (lab) => signal(lab, agentOf, "SIGCONT"),
  },
  {
    step: "neighbours",
    how: "another host takes the address",
    says: /Another host \(([0-9a-f]{2}:){5}[0-9a-f]{2}\) answers for 172\.31\.0\.200/,
    act: (lab) => lab.outside.host.ip("addr", "add", `${VIP}/32`, "dev", "eth0"),
    undo: (lab) => lab.outside.host.ip("addr", "del", `${VIP}/32`, "dev", "eth0"),
  },
  {
    step: "answer",
    how: "the uplink's target does not answer",
    says: /icmp:172\.31\.0\.100 does not answer node-b/,
    act: (lab) => lab.outside.host.sysctl("net/ipv4/icmp_echo_ignore_all", 1),
    undo: (lab) => lab.outside.host.sysctl("net/ipv4/icmp_echo_ignore_all", 0),
  },
];

function virtualIP(ip: string) {
  return { spec: { sourceIP: { virtualIPAddress: { ip } } } };
}

test("each step from pod to wire is broken once, and check names that step", async (lab, t) => {
  await using client = await clientOf(lab.plane);
  await putGateway(lab, { ips: [VIP], pin: "node-b" });
  const uplink = { targets: [`icmp:${ROUTER}`], intervalMilliseconds: 500, failures: 2 };
  await lab.plane.api.patch(GATEWAY_PATH, { spec: { failureDetection: { uplink } } });
  await putPolicy(lab, { apps: ["selected"] });
  await settled(lab, { on: "node-b" });
  await seenAs(lab, "selected", { source: VIP });

  const eventually = async (what: string, isSo: (steps: readonly Step[]) => boolean) => {
    let steps: readonly Step[] = [];
    try {
      await until(what, async () => isSo(steps = await check(lab, client)), {
        timeoutMilliseconds: 45_000,
        everyMilliseconds: 500,
      });
    } catch (error) {
      throw new Error(JSON.stringify(steps, null, 1), { cause: error });
    }
  };
  const isWell = (steps: readonly Step[]) => steps.every(({ verdict }) => verdict === "ok");

  await eventually("all steps to be well", isWell);
  await lab.sallyport.killController();
  try {
    for (const { step, how, says, act, undo } of BREAKS) {
      await t.step(`${step}: ${how}`, async () => {
        try {
          await act(lab);
          await eventually(`${step} to be the first step that is wrong`, (steps) => {
            const first = steps.find(({ verdict }) => verdict === "wrong");
            return first?.step === step && says.test(first.message);
          });
        } finally {
          await undo(lab);
        }
        await eventually(`all steps to be well after ${step}`, isWell);
      });
    }
  } finally {
    await lab.sallyport.startController();
  }
});
