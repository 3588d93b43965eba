/** Where packets leave and with which address, as the world outside sees it, while nothing fails. */
import assert from "node:assert/strict";
import { FAMILIES, type Family, familyName, familyOf } from "../../src/core/ip_family.ts";
import { pause, until } from "../lab/wait.ts";
import { hasIPv6EgressIPs } from "./cilium_build.ts";
import { labTests } from "./e2e.ts";
import {
  ciliumPolicy,
  GATEWAY,
  pin,
  putGateway,
  putPolicy,
  removePolicy,
  seenAs,
  settled,
  statusOf,
} from "./gateways.ts";
import { type Lab, NODE_OF, type PodName } from "./lab.ts";
import {
  DESTINATIONS,
  EXCLUDED,
  OTHER_PORT,
  SERVERS,
  SIDE_DESTINATIONS,
  SIDE_SERVERS,
  wrongSource,
} from "./outside.ts";

const VIP = "172.31.0.200";
const VIP6 = "fd00:31::200";
const VIPS = hasIPv6EgressIPs() ? [VIP, VIP6] : [VIP];
const SECOND_VIP = "172.31.0.201";

/** Destinations of both families. */
const BOTH = Object.values(DESTINATIONS);

const test = labTests({ dual: true });

/** The address of the pod's own node, which it has outside when no policy selects it. */
function nodeAddress(lab: Lab, pod: PodName, family: Family = 4): string {
  return lab.node(NODE_OF[pod]).addresses[family] ?? "";
}

async function assertUnselected(lab: Lab, pods: readonly PodName[]): Promise<void> {
  for (const family of FAMILIES) {
    for (const pod of pods) {
      await seenAs(lab, pod, { source: nodeAddress(lab, pod, family), port: OTHER_PORT });
    }
  }
}

async function assertDropped(lab: Lab, pod: PodName, families = FAMILIES): Promise<void> {
  for (const family of families) {
    await seenAs(lab, pod, { source: "no answer", address: SERVERS[family] });
  }
}

test("without a policy, pods leave with their node's address", async (lab) => {
  await assertUnselected(lab, ["selected", "other", "near", "far"]);
});

test("in primary-IP mode selected pods leave with the holder's addresses, and with the next one's after a move", async (lab) => {
  await putGateway(lab, { pin: "node-b" });
  await putPolicy(lab, { apps: ["selected", "near", "far"], destinationCIDRs: BOTH });
  await settled(lab, { on: "node-b" });
  const addressesOf = (name: string) => Object.values(lab.node(name).addresses);
  const [before, after] = [addressesOf("node-b"), addressesOf("node-c")];
  for (const source of before) {
    for (const pod of ["selected", "near", "far"] as const) await seenAs(lab, pod, { source });
  }
  await assertUnselected(lab, ["other"]);

  const capture = await lab.outside.capture();
  const running = await Promise.all(
    FAMILIES.map((family) => lab.pod("selected").flows({ address: SERVERS[family] })),
  );
  await pause(500);
  await lab.cordon("node-b");
  await settled(lab, { on: "node-c", standby: false });
  for (const source of after) await seenAs(lab, "selected", { source });
  const results = await Promise.all(running.map((flows) => flows.stop()));
  assert.deepEqual(
    results.map(({ sources }) => sources),
    FAMILIES.map((_, index) => [before[index], after[index]]),
  );
  const seen = await capture.stop();
  assert.deepEqual(Object.keys(seen).sort(), [...before, ...after].sort());
});

test("in VIP mode every selected pod leaves with the VIPs, wherever it runs, and nobody else does", async (lab) => {
  await putGateway(lab, { ips: VIPS, pin: "node-b" });
  await putPolicy(lab, { apps: ["selected", "near", "far"], destinationCIDRs: BOTH });
  await settled(lab, { on: "node-b" });
  const pods = VIPS.flatMap((vip) =>
    (["selected", "near", "far"] as const).map((pod) => ({ vip, pod }))
  );
  for (const { vip, pod } of pods) await seenAs(lab, pod, { source: vip });
  await assertUnselected(lab, ["other"]);
  const capture = await lab.outside.capture();
  const running = await Promise.all(pods.map(async ({ vip, pod }) => ({
    vip,
    flows: await lab.pod(pod).flows({ address: SERVERS[familyOf(vip)], everyMilliseconds: 10 }),
  })));
  await pause(3000);
  for (const { vip, flows } of running) {
    const { lost, sources } = await flows.stop();
    assert.deepEqual(sources, [vip]);
    assert.equal(lost, 0);
  }
  assert.equal(wrongSource(await capture.stop(), VIPS), 0);
});

for (const vip of VIPS) {
  const [has, lacks] = FAMILIES.toSorted((family) => family === familyOf(vip) ? -1 : 1).map(
    familyName,
  );
  test(`a gateway of ${has} alone serves it, and drops the ${lacks} of a policy that has both`, async (lab) => {
    const lacking = FAMILIES.filter((family) => family !== familyOf(vip));
    await putGateway(lab, { ips: [vip], pin: "node-b" });
    await putPolicy(lab, { apps: ["selected", "near"], destinationCIDRs: BOTH });
    await settled(lab, { on: "node-b" });
    for (const pod of ["selected", "near"] as const) {
      await seenAs(lab, pod, { source: vip });
      await assertDropped(lab, pod, lacking);
    }
    await assertUnselected(lab, ["other"]);
    const capture = await lab.outside.capture();
    const running = await Promise.all(
      FAMILIES.map((family) => lab.pod("selected").flows({ address: SERVERS[family] })),
    );
    await pause(2000);
    for (const flows of running) await flows.stop();
    assert.deepEqual(Object.keys(await capture.stop()), [vip]);
  });
}

test("excludedCIDRs keep the node's address", async (lab) => {
  await putGateway(lab, { ips: VIPS });
  const excludedCIDRs = [`${EXCLUDED[4]}/32`, `${EXCLUDED[6]}/128`];
  await putPolicy(lab, { destinationCIDRs: BOTH, excludedCIDRs });
  await settled(lab);
  for (const vip of VIPS) {
    const family = familyOf(vip);
    const address = EXCLUDED[family];
    await seenAs(lab, "selected", { source: vip });
    for (const pod of ["selected", "near"] as const) {
      await seenAs(lab, pod, { source: nodeAddress(lab, pod, family), address });
    }
  }
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
  await putGateway(lab, { ips: [VIP] });
  await putPolicy(lab, { selectors });
  await settled(lab);
  const all = async (source?: string) => {
    for (const pod of ["selected", "near"] as const) {
      await seenAs(lab, pod, { source: source ?? nodeAddress(lab, pod) });
    }
  };
  await all(VIP);
  await putGateway(lab, { ips: [VIP], allowedNamespaces: { names: ["elsewhere"] } });
  await all();
  await putGateway(lab, { ips: [VIP], allowedNamespaces: { names: ["elsewhere", "default"] } });
  await all(VIP);
  await putGateway(lab, {
    ips: [VIP],
    allowedNamespaces: { selector: { matchLabels: { team: "shop" } } },
  });
  await all();
  await putGateway(lab, {
    ips: [VIP],
    allowedNamespaces: { selector: { matchLabels: { "kubernetes.io/metadata.name": "default" } } },
  });
  await all(VIP);
});

test("two policies share one gateway, and each ends by itself", async (lab) => {
  await putGateway(lab, { ips: [VIP] });
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
  await putGateway(lab, { name: "first", ips: [VIP], pin: "node-b" });
  await putGateway(lab, { name: "second", ips: [SECOND_VIP], pin: "node-c" });
  await putPolicy(lab, { name: "one", gateway: "first", apps: ["selected"] });
  await putPolicy(lab, { name: "two", gateway: "second", apps: ["other"] });
  await settled(lab, { name: "first", on: "node-b" });
  await settled(lab, { name: "second", on: "node-c" });
  await seenAs(lab, "selected", { source: VIP });
  await seenAs(lab, "other", { source: SECOND_VIP });
});

test("a policy whose gateway is missing drops, and its deletion gives the node's address back", async (lab) => {
  await putPolicy(lab, { gateway: "nowhere", apps: ["selected"], destinationCIDRs: BOTH });
  await until("Cilium's policy", () => ciliumPolicy(lab).then(() => true, () => false));
  await assertDropped(lab, "selected");
  const capture = await lab.outside.capture();
  const flows = await lab.pod("selected").flows();
  await pause(2000);
  const { flows: sent, lost } = await flows.stop();
  assert.equal(lost, sent.length);
  assert.deepEqual(await capture.stop(), {});
  await removePolicy(lab);
  for (const family of FAMILIES) {
    await seenAs(lab, "selected", { source: nodeAddress(lab, "selected", family) });
  }
});

test("with no eligible node, Drop drops and nothing leaks", async (lab) => {
  await putGateway(lab, { ips: VIPS, whenNoneEligible: "Drop" });
  await putPolicy(lab, { destinationCIDRs: BOTH });
  await settled(lab);
  for (const source of VIPS) await seenAs(lab, "selected", { source });
  const capture = await lab.outside.capture();
  const running = await Promise.all(
    VIPS.flatMap((vip) =>
      (["selected", "near"] as const).map(async (pod) => ({
        vip,
        flows: await lab.pod(pod).flows({ address: SERVERS[familyOf(vip)] }),
      }))
    ),
  );
  await lab.cordon("node-b");
  await lab.cordon("node-c");
  await until("no holder", async () => (await statusOf(lab)).activeNodeName === undefined, {
    timeoutMilliseconds: 20_000,
  });
  for (const pod of ["selected", "near"] as const) await assertDropped(lab, pod);
  await lab.cordon("node-c", false);
  await settled(lab, { on: "node-c", standby: false });
  for (const source of VIPS) await seenAs(lab, "selected", { source });
  for (const { vip, flows } of running) assert.deepEqual((await flows.stop()).sources, [vip]);
  assert.equal(wrongSource(await capture.stop(), VIPS), 0);
});

test("with no eligible node, Keep goes on with the last holder", async (lab) => {
  await putGateway(lab, { ips: [VIP], pin: "node-b" });
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
  assert.equal(wrongSource(await capture.stop(), [VIP]), 0);
});

test("a VIP that can be bound nowhere drops, and the nodes do not take turns in failing", async (lab) => {
  await putGateway(lab, { ips: [VIP], interfaceName: "eth7" });
  await putPolicy(lab, { apps: ["selected"] });
  await assertDropped(lab, "selected", [4]);
  await pause(10_000);
  const { term = 0, phase } = await statusOf(lab);
  assert.notEqual(phase, "Active");
  // A first attempt on each node, and a few more as time goes by.
  assert(term <= 6, `${term} terms in some 15 s`);
});

test("nobody but the holder says that it has a VIP, before a move and after it", async (lab) => {
  const macs = await Promise.all(
    ["node-b", "node-c"].map((name) => lab.node(name).host.macOf("eth0")),
  );
  const watch = await lab.outside.watch("arp or icmp6");
  await putGateway(lab, { ips: VIPS, pin: "node-b" });
  await putPolicy(lab, { destinationCIDRs: BOTH });
  for (const on of ["node-b", "node-c"]) {
    await pin(lab, on);
    await settled(lab, { on });
    // The server asks for each VIP anew, and an announcement follows each 2 s.
    await lab.outside.host.ip("neigh", "flush", "dev", "eth0");
    for (const source of VIPS) await seenAs(lab, "selected", { source });
    await pause(3000);
  }
  const said = await watch.stop();
  for (const vip of VIPS) {
    const seen = speakersOf(said, vip);
    assert.deepEqual(seen, macs, `${vip}\n${said}`);
  }
});

/** Who sent ARP packets or neighbour advertisements that say where an address is, or asked in its name: MAC addresses, each time another one. */
function speakersOf(tcpdump: string, ip: string): readonly string[] {
  const says = [`Reply ${ip} is-at`, `tell ${ip},`, `advertisement, tgt is ${ip},`, ` ${ip} > `];
  const senders = tcpdump.split("\n").filter((line) => says.some((words) => line.includes(words)))
    .map((line) => line.split(" ")[1] ?? "");
  return senders.filter((mac, index) => mac !== senders[index - 1]);
}

/** VIPs that might become the address that a node's other traffic is masqueraded with, and the interface of each. */
const PLACES: Readonly<Record<string, readonly [ip: string, interfaceName: "eth0" | "eth1"]>> = {
  "in the nodes' subnet, lower than the nodes' addresses": ["172.31.0.2", "eth0"],
  "in the nodes' subnet, higher than the nodes' addresses": ["172.31.0.240", "eth0"],
  "private, of another subnet": ["10.99.0.9", "eth0"],
  "public, beside private node addresses": ["8.8.4.200", "eth0"],
  "lower than the addresses of an interface that has no InternalIP": ["10.9.0.2", "eth1"],
  ...hasIPv6EgressIPs() && {
    "of IPv6, lower than the nodes' addresses": ["fd00:31::2", "eth0"],
    "of IPv6, private, of another subnet and lower": ["fd00:5::9", "eth0"],
    "of IPv6, higher than the addresses of an interface that has no InternalIP": [
      "fd00:9::240",
      "eth1",
    ],
  },
};

for (const [place, [ip, interfaceName]] of Object.entries(PLACES)) {
  test(`a VIP ${place}, changes no address of pods that no policy selects, on holder and standby`, async (lab) => {
    const family = familyOf(ip);
    const [servers, destinations] = interfaceName === "eth0"
      ? [SERVERS, DESTINATIONS]
      : [SIDE_SERVERS, SIDE_DESTINATIONS];
    const address = servers[family];
    const pods = ["other", "near", "far"] as const;
    // As a router would know it.
    await lab.outside.host.ip("route", "replace", ip, "dev", interfaceName);
    const capture = await lab.outside.capture({ port: OTHER_PORT, interfaceName });
    const runs = await Promise.all(
      pods.map((pod) => lab.pod(pod).flows({ address, port: OTHER_PORT })),
    );
    await putGateway(lab, { ips: [ip], interfaceName, pin: "node-b" });
    await putPolicy(lab, { apps: ["selected"], destinationCIDRs: [destinations[family]] });
    await settled(lab, { on: "node-b" });
    await seenAs(lab, "selected", { source: ip, address });
    await settled(lab, { on: "node-b" });
    await pause(3000);
    const results = await Promise.all(runs.map((run) => run.stop()));
    const expected = pods.map((pod) => {
      const { addresses, sideAddresses } = lab.node(NODE_OF[pod]);
      return (interfaceName === "eth0" ? addresses : sideAddresses)[family] ?? "";
    });
    assert.deepEqual(results.map(({ sources }) => sources), expected.map((each) => [each]));
    assert.deepEqual(Object.keys(await capture.stop()).sort(), expected.toSorted());
    assert.equal((await statusOf(lab, GATEWAY)).activeNodeName, "node-b");
  });
}

/** VIPs of IPv6 that would become that address: the kernel answers for them on the interface alone. */
const REFUSED = {
  "lower than the addresses of an interface that has no InternalIP": ["fd00:9::2", "eth1"],
  "public, beside private node addresses": ["2a00:8::200", "eth0"],
} as const;

for (const [place, [ip, interfaceName]] of Object.entries(REFUSED)) {
  test(`a VIP of IPv6 ${place}, is bound nowhere, and its traffic is dropped`, async (lab) => {
    await putGateway(lab, { ips: [ip], interfaceName });
    await putPolicy(lab, { apps: ["selected"], destinationCIDRs: [DESTINATIONS[6]] });
    await until("the reason", async () => {
      const { candidates = [] } = await statusOf(lab);
      return candidates.length === 2 &&
        candidates.every(({ reasons = [] }) => reasons.some(({ type }) => type === "BindFailed"));
    }, { timeoutMilliseconds: 20_000 });
    await assertDropped(lab, "selected", [6]);
    await assertUnselected(lab, ["near"]);
  });
}
