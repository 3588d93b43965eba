import assert from "node:assert/strict";
import { bindAddress, unbindAddress } from "../../../src/agent/linux/addresses.ts";
import { CommandError } from "../../../src/agent/linux/command.ts";
import {
  knowsIPv6,
  mute,
  own,
  readGate,
  removeGate,
  speak,
} from "../../../src/agent/linux/gate.ts";
import { type Nft, openNft } from "../../../src/agent/linux/nft.ts";
import { announce, probe } from "../../../src/agent/linux/neighbours.ts";
import { type Host, labTest, Network } from "../../lab/network.ts";
import { pause, until } from "../../lab/wait.ts";
import { programs } from "../../support/needs.ts";

const NEEDS = [programs("nft", "arping", "fping", "ndisc6", "ndptool", "tcpdump")];

/** The hosts' network, in each family. */
const HOSTS = {
  IPv4: (number: number) => `10.0.0.${number}`,
  IPv6: (number: number) => `fd00::${number}`,
} as const;
type Family = keyof typeof HOSTS;
const FAMILIES = ["IPv4", "IPv6"] as const;

interface Pair {
  /** Has the VIP bound behind a gate. */
  readonly holder: Host;
  readonly nft: Nft;
  readonly client: Host;
  /** Says that it has the VIP, as a successor does, and is gone again. */
  readonly dispute: () => Promise<void>;
  /** MAC address of who says so. */
  readonly rivalMac: string;
  readonly vip: string;
  /** The address of this number: 2 is the client's, 10 the holder's. */
  readonly at: (number: number) => string;
  /** Whether the client gets an answer for an address (default the VIP) within 300 ms. */
  readonly answers: (ip?: string) => Promise<boolean>;
}

function gateTest(
  name: string,
  work: (pair: Pair) => Promise<void>,
  families: readonly Family[] = FAMILIES,
): void {
  for (const family of families) {
    labTest(`${family}: ${name}`, () => withPair(family, work), NEEDS);
  }
}

async function withPair(family: Family, work: (pair: Pair) => Promise<void>): Promise<void> {
  await using network = await Network.create();
  const at = HOSTS[family];
  const vip = at(9);
  const cable = (number: number) => ({
    name: "eth1",
    bridge: "public",
    address: `${HOSTS.IPv4(number)}/24`,
    ...(family === "IPv6" ? { address6: `${at(number)}/64` } : {}),
  });
  const holder = await network.host("holder", [cable(10)]);
  const client = await network.host("client", [cable(2)]);
  const rival = await network.host("rival", [cable(3)]);
  const { commands } = holder;
  using nft = openNft({ commands });
  await own(nft, [vip], { ownMacs: [await holder.macOf("eth1")] });
  await bindAddress({ ip: vip, interface: "eth1" }, { commands });
  const dispute = async () => {
    const { commands } = rival;
    await bindAddress({ ip: vip, interface: "eth1" }, { commands });
    await announce({ ip: vip, interfaces: ["eth1"] }, { commands });
    await pause(100);
    await unbindAddress({ ip: vip, interface: "eth1" }, { commands });
  };
  const answers = async (ip = vip) => {
    const question = { ip, interface: "eth1", timeoutMilliseconds: 300 };
    return await probe(question, { commands: client.commands }) !== undefined;
  };
  await until("the network", () => answers(at(10)));
  const rivalMac = await rival.macOf("eth1");
  await work({ holder, nft, client, dispute, rivalMac, vip, at, answers });
}

gateTest(
  "an owned VIP is silent until it may be spoken for, other addresses are not",
  async (lab) => {
    const { nft, vip, at, answers } = lab;
    assert.equal(await answers(), false);
    assert.equal(await answers(at(10)), true);
    await speak(nft, [{ ip: vip, milliseconds: 3000 }]);
    assert.equal(await answers(), true);
  },
);

gateTest(
  "speech ends by itself when nobody renews it",
  async ({ nft, vip, answers }) => {
    const startedAt = performance.now();
    await speak(nft, [{ ip: vip, milliseconds: 3000 }]);
    await pause(1000);
    const renewedAt = performance.now();
    await speak(nft, [{ ip: vip, milliseconds: 3000 }]);
    assert.equal(await answers(), true);
    await until("silence", async () => !(await answers()));
    const silentAt = performance.now();
    assert(silentAt - renewedAt > 2900, `silent after ${silentAt - renewedAt} ms`);
    assert(silentAt - startedAt < 5500, `silent after ${silentAt - startedAt} ms`);
  },
);

gateTest(
  "another host that says it has the VIP silences a node that may have been replaced",
  async (lab) => {
    const { nft, holder, vip, at, dispute, answers } = lab;
    await speak(nft, [{ ip: vip, milliseconds: 60_000 }]);
    await dispute();
    assert.deepEqual((await readGate({ commands: holder.commands }))?.disputed, [vip]);
    assert.equal(await answers(), false);
    assert.equal(await answers(at(10)), true);
    // Its agent does not know better: cut off, it lets the kernel go on.
    await speak(nft, [{ ip: vip, milliseconds: 60_000 }]);
    assert.equal(await answers(), false);
    // It does once the API server has said so.
    await speak(nft, [{ ip: vip, milliseconds: 60_000, undisputedMilliseconds: 1 }]);
    assert.equal(await answers(), true);
    await dispute();
    assert.equal(await answers(), false);
    await until("the end of the dispute", answers);
  },
);

gateTest(
  "a node that has just heard the API server goes on, whoever says that it has the VIP",
  async (lab) => {
    const { nft, vip, dispute, answers } = lab;
    const entry = { ip: vip, milliseconds: 60_000, undisputedMilliseconds: 60_000 };
    await speak(nft, [entry]);
    await dispute();
    assert.equal(await answers(), true);
    await mute(nft, [vip]);
    await speak(nft, [{ ip: vip, milliseconds: 60_000 }]);
    await dispute();
    assert.equal(await answers(), false, "silence ends that too");
  },
);

gateTest("what a known stranger says, or this node itself, silences nobody", async (lab) => {
  const { nft, vip, holder, rivalMac, dispute, answers } = lab;
  await speak(nft, [{ ip: vip, milliseconds: 60_000, stranger: rivalMac }]);
  await dispute();
  assert.equal(await answers(), true);
  // Its own announcement comes back by a second interface in the same network.
  const mac = await holder.macOf("eth1");
  await own(nft, [vip], { ownMacs: [mac, rivalMac] });
  await dispute();
  assert.equal(await answers(), true);
});

gateTest("renewing can shorten the remaining time", async ({ nft, vip, holder: { commands } }) => {
  await speak(nft, [{ ip: vip, milliseconds: 60_000 }]);
  await speak(nft, [{ ip: vip, milliseconds: 2500 }]);
  const { speaking } = await readGate({ commands }) ?? { speaking: [] };
  const left = speaking[0]?.expiresMilliseconds ?? 0;
  assert(left > 1000 && left <= 2500, `${left} ms left`);
});

gateTest("muting silences at once, and muting the silent is no error", async (lab) => {
  const { nft, vip, at, answers } = lab;
  await speak(nft, [{ ip: vip, milliseconds: 60_000 }]);
  assert.equal(await answers(), true);
  await mute(nft, [vip]);
  assert.equal(await answers(), false);
  await mute(nft, [vip, at(99)]);
  await mute(nft, []);
});

gateTest(
  "owning other addresses keeps what is speaking, and gives back what is not owned",
  async (lab) => {
    const { nft, vip, at, holder: { commands }, answers } = lab;
    await speak(nft, [{ ip: vip, milliseconds: 60_000 }]);
    await own(nft, [vip, at(8)]);
    await own(nft, [at(8), vip, vip]);
    const gate = await readGate({ commands });
    assert.deepEqual(gate?.owned.toSorted(), [at(8), vip]);
    assert.deepEqual(gate?.speaking.map(({ ip }) => ip), [vip]);
    assert.equal(await answers(), true);
    await mute(nft, [vip]);
    await own(nft, []);
    assert.deepEqual(await readGate({ commands }), { owned: [], speaking: [], disputed: [] });
    assert.equal(await answers(), true, "nothing is owned any more");
  },
);

gateTest("owning repairs a gate that somebody changed", async ({ nft, vip, holder, answers }) => {
  const table = vip.includes(":") ? "ip6" : "arp";
  await holder.run(["nft", "flush", "table", table, "sallyport"]);
  assert.equal(await answers(), true);
  await own(nft, [vip]);
  assert.equal(await answers(), false);
});

gateTest("removing the gate leaves nothing, twice over", async ({ nft, holder, answers }) => {
  const { commands } = holder;
  await removeGate(nft);
  await removeGate(nft);
  assert.equal(await readGate({ commands }), undefined);
  assert.equal(await holder.run(["nft", "list", "ruleset"]), "");
  assert.equal(await answers(), true);
});

gateTest(
  "the node's own requests for neighbours never carry a silent VIP, and its neighbours stay known",
  async (lab) => {
    const { holder, client, vip, at } = lab;
    // Traffic from the VIP to a neighbour that is not yet known: the kernel asks with the VIP as sender.
    const ask = () => holder.run(["fping", "-r", "0", "-t", "300", "-S", vip, at(2)]);
    await assert.rejects(ask());
    assert.equal(await client.arpEntry(vip), undefined);
    await holder.run(["fping", "-S", at(10), at(2)]);
    assert.equal(await holder.arpEntry(at(2)), await client.macOf("eth1"));
  },
);

gateTest(
  "with the node's own address known, a silent VIP's traffic finds its neighbours",
  async (lab) => {
    const { nft, holder, client, vip, at, answers } = lab;
    await own(nft, [vip], { ownAddresses: { eth1: [at(10)], eth7: ["10.7.0.1", "fd07::1"] } });
    await assert.rejects(
      holder.run(["fping", "-r", "0", "-t", "300", "-S", vip, at(2)]),
      "the client finds no way back to a silent VIP",
    );
    assert.equal(await holder.arpEntry(at(2)), await client.macOf("eth1"));
    assert.equal(await client.arpEntry(at(10)), await holder.macOf("eth1"));
    assert.equal(await client.arpEntry(vip), undefined);
    assert.equal(await answers(), false);
  },
);

Deno.test("nothing but an address gets into the gate's script", async () => {
  const nft: Nft = {
    apply: () => Promise.reject(new Error("must not run")),
    [Symbol.dispose]: () => {},
  };
  for (
    const ip of [
      "10.0.0.9 }; flush ruleset",
      "fe80::1%eth0",
      "fe80::1 }; flush ruleset",
      "10.0.0.0/8",
      "",
    ]
  ) {
    await assert.rejects(own(nft, [ip]), TypeError);
    await assert.rejects(speak(nft, [{ ip, milliseconds: 1000 }]), TypeError);
    await assert.rejects(mute(nft, [ip]), TypeError);
    await assert.rejects(own(nft, [], { ownAddresses: { eth1: [ip] } }), TypeError);
  }
  await assert.rejects(speak(nft, [{ ip: "10.0.0.9", milliseconds: 0 }]), RangeError);
  const mac = "02:00:00:00:00:01, 02:00:00:00:00:02";
  await assert.rejects(own(nft, [], { ownMacs: [mac] }), TypeError);
  const stranger = { ip: "10.0.0.9", milliseconds: 1_000, stranger: mac };
  await assert.rejects(speak(nft, [stranger]), TypeError);
});

gateTest(
  "an announcement of a silent VIP is held back, whoever sends it",
  async ({ nft, vip, holder, client }) => {
    const failures: Error[] = [];
    const say = () =>
      announce({ ip: vip, interfaces: ["eth1"] }, {
        commands: holder.commands,
        onFailure: (error) => failures.push(error),
      });
    const learned = "02:00:00:00:00:01";
    await client.ip("neigh", "replace", vip, "lladdr", learned, "dev", "eth1", "nud", "stale");
    await say();
    await until("the refusal", () => failures.length === 1);
    assert.equal(await client.arpEntry(vip), learned);
    await speak(nft, [{ ip: vip, milliseconds: 60_000 }]);
    await say();
    const mac = await holder.macOf("eth1");
    await until("the new entry", async () => await client.arpEntry(vip) === mac);
    assert.equal(failures.length, 1);
  },
  ["IPv6"],
);

labTest("both families are silenced and let speak together", async () => {
  await using network = await Network.create();
  const cable = (number: number) => ({
    name: "eth1",
    bridge: "public",
    address: `10.0.0.${number}/24`,
    address6: `fd00::${number}/64`,
  });
  const holder = await network.host("holder", [cable(10)]);
  const { commands } = holder;
  using nft = openNft({ commands });
  const vips = ["10.0.0.9", "fd00::9"];
  await own(nft, vips);
  await speak(nft, vips.map((ip) => ({ ip, milliseconds: 60_000 })));
  const gate = await readGate({ commands });
  assert.deepEqual(gate?.owned, vips);
  assert.deepEqual(gate?.speaking.map(({ ip }) => ip), vips);
  // One that is refused takes the other with it: there is one transaction.
  await assert.rejects(
    speak(nft, [{ ip: "10.0.0.9", milliseconds: 1 }, { ip: "x", milliseconds: 1 }]),
  );
  assert.deepEqual((await readGate({ commands }))?.speaking.map(({ ip }) => ip), vips);
  await mute(nft, vips);
  assert.deepEqual((await readGate({ commands }))?.speaking, []);
  await removeGate(nft);
  assert.equal(await readGate({ commands }), undefined);
}, NEEDS);

labTest("where the kernel has no IPv6, IPv4 is gated alone and IPv6 refused by name", async () => {
  await using network = await Network.create();
  const holder = await network.host("holder", [{
    name: "eth1",
    bridge: "public",
    address: "10.0.0.10/24",
  }]);
  const { commands } = holder;
  using nft = openNft({ commands });
  assert.equal(await knowsIPv6({ commands }), true);
  await own(nft, ["10.0.0.9"], { ipv6: false });
  assert.doesNotMatch(await holder.run(["nft", "list", "ruleset"]), /ip6/);
  assert.deepEqual((await readGate({ commands }))?.owned, ["10.0.0.9"]);
  await assert.rejects(own(nft, ["fd00::9"], { ipv6: false }), {
    message: "Cannot put fd00::9 into the gate: this node's kernel has no IPv6",
  });
  await removeGate(nft, { ipv6: false });
  const stderr = "Error: Could not process rule: Operation not supported";
  const without = {
    ...commands,
    run: () => Promise.reject(new CommandError(["nft"], "exit code 1", { stderr })),
  };
  assert.equal(await knowsIPv6({ commands: without }), false);
}, NEEDS);
