/** Where packets leave and with which address, as the world outside sees it, while nothing fails. */
import assert from "node:assert/strict";
import { pause, until } from "../lab/wait.ts";
import { labTests } from "./e2e.ts";
import {
  ciliumPolicy,
  GATEWAY,
  putGateway,
  putPolicy,
  removePolicy,
  seenAs,
  settled,
  statusOf,
} from "./gateways.ts";
import type { Lab, PodName } from "./lab.ts";
import { EXCLUDED, OTHER_PORT, wrongSource } from "./outside.ts";

const VIP = "172.31.0.200";
const SECOND_VIP = "172.31.0.201";
const NODE_OF = {
  selected: "node-a",
  other: "node-a",
  near: "node-b",
  far: "node-c",
  away: "node-d",
} as const;

const test = labTests();

/** The address of the pod's own node, which it has outside when no policy selects it. */
function nodeAddress(lab: Lab, pod: PodName): string {
  return lab.node(NODE_OF[pod]).ip;
}

async function assertUnselected(lab: Lab, pods: readonly PodName[]): Promise<void> {
  for (const pod of pods) {
    await seenAs(lab, pod, { source: nodeAddress(lab, pod), port: OTHER_PORT });
  }
}

test("without a policy, pods leave with their node's address", async (lab) => {
  await assertUnselected(lab, ["selected", "other", "near", "far"]);
});

test("in primary-IP mode selected pods leave with the holder's address, and with the next one's after a move", async (lab) => {
  await putGateway(lab, { pin: "node-b" });
  await putPolicy(lab, { apps: ["selected", "near", "far"] });
  await settled(lab, { on: "node-b" });
  for (const pod of ["selected", "near", "far"] as const) {
    await seenAs(lab, pod, { source: lab.node("node-b").ip });
  }
  await assertUnselected(lab, ["other"]);

  const capture = await lab.outside.capture();
  const flows = await lab.pod("selected").flows();
  await pause(500);
  await lab.cordon("node-b");
  await settled(lab, { on: "node-c", standby: false });
  await seenAs(lab, "selected", { source: lab.node("node-c").ip });
  const { sources } = await flows.stop();
  assert.deepEqual(sources, [lab.node("node-b").ip, lab.node("node-c").ip]);
  const seen = await capture.stop();
  assert.deepEqual(Object.keys(seen).sort(), [lab.node("node-b").ip, lab.node("node-c").ip]);
});

test("in VIP mode every selected pod leaves with the VIP, wherever it runs, and nobody else does", async (lab) => {
  await putGateway(lab, { ip: VIP, pin: "node-b" });
  await putPolicy(lab, { apps: ["selected", "near", "far"] });
  await settled(lab, { on: "node-b" });
  for (const pod of ["selected", "near", "far"] as const) {
    await seenAs(lab, pod, { source: VIP });
  }
  await assertUnselected(lab, ["other"]);
  const capture = await lab.outside.capture();
  const flows = await Promise.all(
    (["selected", "near", "far"] as const).map((pod) => lab.pod(pod).flows()),
  );
  await pause(3000);
  for (const { lost, sources } of await Promise.all(flows.map((run) => run.stop()))) {
    assert.deepEqual(sources, [VIP]);
    assert.equal(lost, 0);
  }
  assert.equal(wrongSource(await capture.stop(), VIP), 0);
});

test("excludedCIDRs keep the node's address", async (lab) => {
  await putGateway(lab, { ip: VIP });
  await putPolicy(lab, { excludedCIDRs: [`${EXCLUDED}/32`] });
  await settled(lab);
  await seenAs(lab, "selected", { source: VIP });
  await seenAs(lab, "selected", { source: nodeAddress(lab, "selected"), address: EXCLUDED });
  await seenAs(lab, "near", { source: nodeAddress(lab, "near"), address: EXCLUDED });
});

test("a gateway serves the namespaces that it allows, whatever a policy selects", async (lab) => {
  // All pods are in namespace `default`. Cilium takes the last of these labels for their namespace's name.
  const selectors = [{
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "elsewhere" } },
    podSelector: {
      matchLabels: {
        app: "selected",
        "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": "default",
      },
    },
  }, { podSelector: { matchLabels: { app: "near" } } }];
  await putGateway(lab, { ip: VIP });
  await putPolicy(lab, { selectors });
  await settled(lab);
  const all = async (source?: string) => {
    for (const pod of ["selected", "near"] as const) {
      await seenAs(lab, pod, { source: source ?? nodeAddress(lab, pod) });
    }
  };
  await all(VIP);
  await putGateway(lab, { ip: VIP, allowedNamespaces: { names: ["elsewhere"] } });
  await all();
  await putGateway(lab, { ip: VIP, allowedNamespaces: { names: ["elsewhere", "default"] } });
  await all(VIP);
  await putGateway(lab, {
    ip: VIP,
    allowedNamespaces: { selector: { matchLabels: { team: "shop" } } },
  });
  await all();
  await putGateway(lab, {
    ip: VIP,
    allowedNamespaces: { selector: { matchLabels: { "kubernetes.io/metadata.name": "default" } } },
  });
  await all(VIP);
});

test("two policies share one gateway, and each ends by itself", async (lab) => {
  await putGateway(lab, { ip: VIP });
  await putPolicy(lab, { name: "one", apps: ["selected"] });
  await putPolicy(lab, { name: "two", apps: ["other"] });
  await settled(lab);
  await seenAs(lab, "selected", { source: VIP });
  await seenAs(lab, "other", { source: VIP });
  await removePolicy(lab, "one");
  await seenAs(lab, "selected", { source: nodeAddress(lab, "selected") });
  await seenAs(lab, "other", { source: VIP });
});

test("two gateways have different holders and different addresses", async (lab) => {
  await putGateway(lab, { name: "first", ip: VIP, pin: "node-b" });
  await putGateway(lab, { name: "second", ip: SECOND_VIP, pin: "node-c" });
  await putPolicy(lab, { name: "one", gateway: "first", apps: ["selected"] });
  await putPolicy(lab, { name: "two", gateway: "second", apps: ["other"] });
  await settled(lab, { name: "first", on: "node-b" });
  await settled(lab, { name: "second", on: "node-c" });
  await seenAs(lab, "selected", { source: VIP });
  await seenAs(lab, "other", { source: SECOND_VIP });
});

test("a policy whose gateway is missing drops, and its deletion gives the node's address back", async (lab) => {
  await putPolicy(lab, { gateway: "nowhere", apps: ["selected"] });
  await until("Cilium's policy", () => ciliumPolicy(lab).then(() => true, () => false));
  await seenAs(lab, "selected", { source: "no answer" });
  const capture = await lab.outside.capture();
  const flows = await lab.pod("selected").flows();
  await pause(2000);
  const { flows: sent, lost } = await flows.stop();
  assert.equal(lost, sent.length);
  assert.deepEqual(await capture.stop(), {});
  await removePolicy(lab);
  await seenAs(lab, "selected", { source: nodeAddress(lab, "selected") });
});

test("with no eligible node, Drop drops and nothing leaks", async (lab) => {
  await putGateway(lab, { ip: VIP, whenNoneEligible: "Drop" });
  await putPolicy(lab);
  await settled(lab);
  await seenAs(lab, "selected", { source: VIP });
  const capture = await lab.outside.capture();
  const flows = await Promise.all(
    (["selected", "near"] as const).map((pod) => lab.pod(pod).flows()),
  );
  await lab.cordon("node-b");
  await lab.cordon("node-c");
  await until("no holder", async () => (await statusOf(lab)).activeNodeName === undefined, {
    timeoutMilliseconds: 20_000,
  });
  await seenAs(lab, "selected", { source: "no answer" });
  await seenAs(lab, "near", { source: "no answer" });
  await lab.cordon("node-c", false);
  await settled(lab, { on: "node-c", standby: false });
  await seenAs(lab, "selected", { source: VIP });
  for (const { sources } of await Promise.all(flows.map((run) => run.stop()))) {
    assert.deepEqual(sources, [VIP]);
  }
  assert.equal(wrongSource(await capture.stop(), VIP), 0);
});

test("with no eligible node, Keep goes on with the last holder", async (lab) => {
  await putGateway(lab, { ip: VIP, pin: "node-b" });
  await putPolicy(lab);
  await settled(lab, { on: "node-b" });
  await seenAs(lab, "selected", { source: VIP });
  const capture = await lab.outside.capture();
  await lab.cordon("node-c");
  await lab.cordon("node-b");
  const noneReady = async () => (await statusOf(lab)).readyNodes === 0;
  await until("no eligible node", noneReady, { timeoutMilliseconds: 20_000 });
  await pause(2000);
  await seenAs(lab, "selected", { source: VIP });
  assert.equal((await statusOf(lab)).activeNodeName, "node-b");
  assert.equal(wrongSource(await capture.stop(), VIP), 0);
});

test("a VIP that can be bound nowhere drops, and the nodes do not take turns in failing", async (lab) => {
  await putGateway(lab, { ip: VIP, interfaceName: "eth7" });
  await putPolicy(lab, { apps: ["selected"] });
  await seenAs(lab, "selected", { source: "no answer" });
  await pause(10_000);
  const { term = 0, phase } = await statusOf(lab);
  assert.notEqual(phase, "Active");
  // A first attempt on each node, and a few more as time goes by.
  assert(term <= 6, `${term} terms in some 15 s`);
});

/** VIPs that might become the address that a node's other traffic is masqueraded with. */
const PLACES = {
  "in the nodes' subnet, lower than the nodes' addresses": "172.31.0.2",
  "in the nodes' subnet, higher than the nodes' addresses": "172.31.0.240",
  "private, of another subnet": "10.99.0.9",
  "public, beside private node addresses": "8.8.4.200",
};

for (const [place, ip] of Object.entries(PLACES)) {
  test(`a VIP ${place}, changes no address of pods that no policy selects, on holder and standby`, async (lab) => {
    // As a router would know it.
    await lab.outside.host.ip("route", "replace", `${ip}/32`, "dev", "eth0");
    const capture = await lab.outside.capture(OTHER_PORT);
    const runs = await Promise.all(
      (["other", "near", "far"] as const).map((pod) => lab.pod(pod).flows({ port: OTHER_PORT })),
    );
    await putGateway(lab, { ip, pin: "node-b" });
    await putPolicy(lab, { apps: ["selected"] });
    await settled(lab, { on: "node-b" });
    await seenAs(lab, "selected", { source: ip });
    await settled(lab, { on: "node-b" });
    await pause(3000);
    const results = await Promise.all(runs.map((run) => run.stop()));
    const addresses = (["other", "near", "far"] as const).map((pod) => nodeAddress(lab, pod));
    assert.deepEqual(results.map(({ sources }) => sources), addresses.map((address) => [address]));
    assert.deepEqual(Object.keys(await capture.stop()).sort(), addresses.toSorted());
    assert.equal((await statusOf(lab, GATEWAY)).activeNodeName, "node-b");
  });
}
