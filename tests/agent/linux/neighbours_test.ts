import assert from "node:assert/strict";
import { bindAddress } from "../../../src/agent/linux/addresses.ts";
import { announce, type AnnounceForm, probe } from "../../../src/agent/linux/neighbours.ts";
import { type Host, labTest, Network } from "../../lab/network.ts";
import { until } from "../../lab/wait.ts";
import { programs } from "../../support/needs.ts";

const VIP = "10.0.0.9";
const VIP6 = "fd00::9";
const NEEDS = [programs("arping", "ndisc6", "ndptool")];

async function pair(network: Network): Promise<readonly [Host, Host]> {
  return [await host(network, "a", 10), await host(network, "b", 11)];
}

function host(network: Network, name: string, number: number): Promise<Host> {
  return network.host(name, [{
    name: "eth1",
    bridge: "public",
    address: `10.0.0.${number}/24`,
    address6: `fd00::${number}/64`,
  }]);
}

function bind({ commands }: Host, ip = VIP): Promise<void> {
  return bindAddress({ ip, interface: "eth1" }, { commands });
}

const FORMS: readonly AnnounceForm[] = ["request", "reply"];
for (const form of FORMS) {
  labTest(`a gratuitous ARP ${form} moves a neighbour's ARP entry`, async () => {
    await using network = await Network.create();
    const [a, b] = await pair(network);
    await bind(a);
    await b.ip(
      "neigh",
      "replace",
      VIP,
      "lladdr",
      "02:00:00:00:00:01",
      "dev",
      "eth1",
      "nud",
      "stale",
    );
    await announce({ ip: VIP, interfaces: ["eth1"], forms: [form] }, a);
    const mac = await a.macOf("eth1");
    await until("the new entry", async () => await b.arpEntry(VIP) === mac);
  }, NEEDS);
}

labTest(
  "an observer that never asks learns the VIP from both forms, also where it is bound on lo",
  async () => {
    await using network = await Network.create();
    const [a, b] = await pair(network);
    await b.sysctl("net/ipv4/conf/eth1/arp_accept", 1);
    await bindAddress({ ip: "10.0.0.200", interface: "lo" }, a);
    await announce({ ip: "10.0.0.200", interfaces: ["eth1"] }, a);
    const mac = await a.macOf("eth1");
    await until("the entry", async () => await b.arpEntry("10.0.0.200") === mac);
  },
  NEEDS,
);

labTest("an announcement that cannot be sent is told, and does not throw", async () => {
  await using network = await Network.create();
  const [a] = await pair(network);
  const failures: string[] = [];
  await announce({ ip: VIP, interfaces: ["eth1", "eth9"], forms: ["request"] }, {
    ...a,
    onFailure: ({ message }) => failures.push(message),
  });
  await until("two failures", () => failures.length === 2);
  const [first = "", second = ""] = failures.toSorted();
  assert.match(first, /^Cannot announce 10.0.0.9 on 'eth1': Cannot run 'arping': exit code/);
  assert.match(second, /^Cannot announce 10.0.0.9 on 'eth9': .*eth9/);
}, NEEDS);

labTest("a probe finds the other owner at once, and nobody where there is none", async () => {
  await using network = await Network.create();
  const [a, b] = await pair(network);
  await bind(b);
  const startedAt = performance.now();
  const question = { interface: "eth1", timeoutMilliseconds: 2000 };
  assert.equal(await probe({ ip: VIP, ...question }, a), await b.macOf("eth1"));
  assert(performance.now() - startedAt < 500);
  const nobody = { ip: "10.0.0.99", interface: "eth1", timeoutMilliseconds: 200 };
  assert.equal(await probe(nobody, a), undefined);
  assert.equal(await b.arpEntry("10.0.0.10"), undefined, "probing leaves no trace");
}, NEEDS);

labTest("a probe by an owner finds the other owner, not itself", async () => {
  await using network = await Network.create();
  const [a, b] = await pair(network);
  await bind(a);
  const question = { ip: VIP, interface: "eth1", timeoutMilliseconds: 300 };
  assert.equal(await probe(question, a), undefined);
  await bind(b);
  assert.equal(await probe(question, a), await b.macOf("eth1"));
}, NEEDS);

labTest(
  "a second interface in the same broadcast domain does not count as another owner",
  async () => {
    await using network = await Network.create();
    const [, b] = await pair(network);
    const c = await network.host("c", [
      { name: "eth1", bridge: "public", address: "10.0.0.12/24" },
      { name: "eth2", bridge: "public", address: "10.9.0.12/24" },
    ]);
    await bind(c);
    const ownMacs = [await c.macOf("eth1"), (await c.macOf("eth2")).toUpperCase()];
    const question = {
      ip: VIP,
      interface: "eth1",
      timeoutMilliseconds: 500,
      ownMacs,
      sourceIP: "10.0.0.12",
    };
    assert.equal(await probe(question, c), undefined);
    await bind(b);
    assert.equal(await probe(question, c), await b.macOf("eth1"));
  },
  NEEDS,
);

labTest(
  "a host that is known to answer hides no other one, and is told where it is alone",
  async () => {
    await using network = await Network.create();
    const [a, b] = await pair(network);
    const c = await network.host("c", [{
      name: "eth1",
      bridge: "public",
      address: "10.0.0.12/24",
    }]);
    const besides = await b.macOf("eth1");
    const ownMacs = [await a.macOf("eth1")];
    const question = { ip: VIP, interface: "eth1", timeoutMilliseconds: 500, ownMacs, besides };
    const look = () => probe({ ...question, sourceIP: "10.0.0.10" }, a);
    assert.equal(await look(), undefined);
    await bind(b);
    assert.equal(await look(), besides);
    await bind(c);
    assert.equal(await look(), await c.macOf("eth1"));
  },
  NEEDS,
);

labTest("a probe that cannot be asked is an error, and so is an aborted one", async () => {
  await using network = await Network.create();
  const [a] = await pair(network);
  const question = { ip: VIP, interface: "eth9", timeoutMilliseconds: 300 };
  await assert.rejects(probe(question, a), /Cannot run 'arping': exit code 2: .*eth9/);
  const signal = AbortSignal.timeout(50);
  const long = { ip: VIP, interface: "eth1", timeoutMilliseconds: 5000 };
  await assert.rejects(probe(long, { ...a, signal }), { name: "TimeoutError" });
}, NEEDS);

labTest("an unsolicited advertisement moves a neighbour's entry, whatever its state", async () => {
  await using network = await Network.create();
  const [a, b] = await pair(network);
  await bind(a, VIP6);
  const mac = await a.macOf("eth1");
  const lies = ["lladdr", "02:00:00:00:00:01", "dev", "eth1", "nud"];
  for (const state of ["stale", "reachable", "delay"]) {
    await b.ip("neigh", "replace", VIP6, ...lies, state);
    await announce({ ip: VIP6, interfaces: ["eth1"] }, a);
    await until(`the new entry (${state})`, async () => await b.arpEntry(VIP6) === mac);
  }
  const failures: string[] = [];
  const onFailure = ({ message }: Error) => failures.push(message);
  await announce({ ip: VIP6, interfaces: ["eth9"] }, { ...a, onFailure });
  await until("the failure", () => failures.length === 1);
  assert.match(
    failures.join(),
    /^Cannot announce fd00::9 on 'eth9': Cannot run 'ndptool': exit code/,
  );
}, NEEDS);

labTest(
  "an IPv6 probe finds the other owner at once, not itself, and nobody where there is none",
  async () => {
    await using network = await Network.create();
    const [a, b] = await pair(network);
    const question = { ip: VIP6, interface: "eth1", timeoutMilliseconds: 1500 };
    const short = { ...question, timeoutMilliseconds: 200 };
    assert.equal(await probe(short, a), undefined);
    await bind(a, VIP6);
    assert.equal(await probe(short, a), undefined);
    await bind(b, VIP6);
    const startedAt = performance.now();
    assert.equal(await probe(question, a), await b.macOf("eth1"));
    assert(performance.now() - startedAt < 1000);
    assert.equal(await b.arpEntry("fd00::10"), undefined, "probing leaves no trace");
  },
  NEEDS,
);

labTest(
  "an IPv6 host that is known to answer hides no other one, and is told where it is alone",
  async () => {
    await using network = await Network.create();
    const [a, b] = await pair(network);
    const c = await host(network, "c", 12);
    const besides = await b.macOf("eth1");
    const look = () => probe({ ip: VIP6, interface: "eth1", timeoutMilliseconds: 500, besides }, a);
    assert.equal(await look(), undefined);
    await bind(b, VIP6);
    assert.equal(await look(), besides);
    await bind(c, VIP6);
    assert.equal(await look(), await c.macOf("eth1"));
  },
  NEEDS,
);

labTest("an IPv6 probe that cannot be asked is an error, and so is an aborted one", async () => {
  await using network = await Network.create();
  const [a] = await pair(network);
  const question = { ip: VIP6, interface: "eth9", timeoutMilliseconds: 300 };
  await assert.rejects(probe(question, a), /Cannot run 'ndisc6': exit code 1: .*eth9/);
  const signal = AbortSignal.timeout(50);
  const long = { ip: VIP6, interface: "eth1", timeoutMilliseconds: 5000 };
  await assert.rejects(probe(long, { ...a, signal }), { name: "TimeoutError" });
}, NEEDS);
