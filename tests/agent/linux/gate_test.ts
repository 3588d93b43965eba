import assert from "node:assert/strict";
import { bindAddress } from "../../../src/agent/linux/addresses.ts";
import { mute, own, readGate, removeGate, speak } from "../../../src/agent/linux/gate.ts";
import { type Nft, openNft } from "../../../src/agent/linux/nft.ts";
import { probe } from "../../../src/agent/linux/neighbours.ts";
import { type Host, labTest, Network } from "../../lab/network.ts";
import { pause, until } from "../../lab/wait.ts";
import { programs } from "../../support/needs.ts";

const VIP = "10.0.0.9";
const NEEDS = [programs("nft", "arping", "fping", "tcpdump")];

interface Pair {
  /** Has the VIP bound behind a gate. */
  readonly holder: Host;
  readonly nft: Nft;
  readonly client: Host;
  /** Whether the client gets an answer for an address (default the VIP) within 300 ms. */
  readonly answers: (ip?: string) => Promise<boolean>;
}

function gateTest(name: string, work: (pair: Pair) => Promise<void>): void {
  labTest(name, async () => {
    await using network = await Network.create();
    const cable = { name: "eth1", bridge: "public" };
    const holder = await network.host("holder", [{ ...cable, address: "10.0.0.10/24" }]);
    const client = await network.host("client", [{ ...cable, address: "10.0.0.2/24" }]);
    const { commands } = holder;
    using nft = openNft({ commands });
    await own(nft, [VIP]);
    await bindAddress({ ip: VIP, interface: "eth1" }, { commands });
    const answers = async (ip = VIP) => {
      const question = { ip, interface: "eth1", timeoutMilliseconds: 300 };
      return await probe(question, { commands: client.commands }) !== undefined;
    };
    await work({ holder, nft, client, answers });
  }, NEEDS);
}

gateTest(
  "an owned VIP is silent until it may be spoken for, other addresses are not",
  async (lab) => {
    const { nft, answers } = lab;
    assert.equal(await answers(), false);
    assert.equal(await answers("10.0.0.10"), true);
    await speak(nft, [{ ip: VIP, milliseconds: 3000 }]);
    assert.equal(await answers(), true);
  },
);

gateTest(
  "speech ends by itself when nobody renews it",
  async ({ nft, answers }) => {
    const startedAt = performance.now();
    await speak(nft, [{ ip: VIP, milliseconds: 3000 }]);
    await pause(1000);
    const renewedAt = performance.now();
    await speak(nft, [{ ip: VIP, milliseconds: 3000 }]);
    assert.equal(await answers(), true);
    await until("silence", async () => !(await answers()));
    const silentAt = performance.now();
    assert(silentAt - renewedAt > 2900, `silent after ${silentAt - renewedAt} ms`);
    assert(silentAt - startedAt < 5500, `silent after ${silentAt - startedAt} ms`);
  },
);

gateTest("renewing can shorten the remaining time", async ({ nft, holder: { commands } }) => {
  await speak(nft, [{ ip: VIP, milliseconds: 60_000 }]);
  await speak(nft, [{ ip: VIP, milliseconds: 2500 }]);
  const { speaking } = await readGate({ commands }) ?? { speaking: [] };
  const left = speaking[0]?.expiresMilliseconds ?? 0;
  assert(left > 1000 && left <= 2500, `${left} ms left`);
});

gateTest("muting silences at once, and muting the silent is no error", async (lab) => {
  const { nft, answers } = lab;
  await speak(nft, [{ ip: VIP, milliseconds: 60_000 }]);
  assert.equal(await answers(), true);
  await mute(nft, [VIP]);
  assert.equal(await answers(), false);
  await mute(nft, [VIP, "10.0.0.99"]);
  await mute(nft, []);
});

gateTest(
  "owning other addresses keeps what is speaking, and gives back what is not owned",
  async (lab) => {
    const { nft, holder: { commands }, answers } = lab;
    await speak(nft, [{ ip: VIP, milliseconds: 60_000 }]);
    await own(nft, [VIP, "10.0.0.8"]);
    await own(nft, ["10.0.0.8", VIP, VIP]);
    const gate = await readGate({ commands });
    assert.deepEqual(gate?.owned.toSorted(), ["10.0.0.8", VIP]);
    assert.deepEqual(gate?.speaking.map(({ ip }) => ip), [VIP]);
    assert.equal(await answers(), true);
    await mute(nft, [VIP]);
    await own(nft, []);
    assert.deepEqual(await readGate({ commands }), { owned: [], speaking: [] });
    assert.equal(await answers(), true, "nothing is owned any more");
  },
);

gateTest("owning repairs a gate that somebody changed", async ({ nft, holder, answers }) => {
  await holder.run(["nft", "flush", "table", "arp", "sallyport"]);
  assert.equal(await answers(), true);
  await own(nft, [VIP]);
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
  "the node's own ARP requests never carry a silent VIP, and its neighbours stay known",
  async (lab) => {
    const { holder, client } = lab;
    // Traffic from the VIP to a neighbour that is not yet known: the kernel asks with the VIP as sender.
    const ask = () => holder.run(["fping", "-r", "0", "-t", "300", "-S", VIP, "10.0.0.2"]);
    await assert.rejects(ask());
    assert.equal(await client.arpEntry(VIP), undefined);
    await holder.run(["fping", "-S", "10.0.0.10", "10.0.0.2"]);
    assert.equal(await holder.arpEntry("10.0.0.2"), await client.macOf("eth1"));
  },
);

gateTest(
  "with the node's own address known, a silent VIP's traffic finds its neighbours",
  async (lab) => {
    const { nft, holder, client, answers } = lab;
    await own(nft, [VIP], { ownAddresses: { eth1: "10.0.0.10", eth7: "10.7.0.1" } });
    await assert.rejects(
      holder.run(["fping", "-r", "0", "-t", "300", "-S", VIP, "10.0.0.2"]),
      "the client finds no way back to a silent VIP",
    );
    assert.equal(await holder.arpEntry("10.0.0.2"), await client.macOf("eth1"));
    assert.equal(await client.arpEntry("10.0.0.10"), await holder.macOf("eth1"));
    assert.equal(await client.arpEntry(VIP), undefined);
    assert.equal(await answers(), false);
  },
);

Deno.test("nothing but an IPv4 address gets into the gate's script", async () => {
  const nft: Nft = {
    apply: () => Promise.reject(new Error("must not run")),
    [Symbol.dispose]: () => {},
  };
  for (const ip of ["10.0.0.9 }; flush ruleset", "fe80::1", "10.0.0.0/8", ""]) {
    await assert.rejects(own(nft, [ip]), TypeError);
    await assert.rejects(speak(nft, [{ ip, milliseconds: 1000 }]), TypeError);
    await assert.rejects(mute(nft, [ip]), TypeError);
    await assert.rejects(own(nft, [], { ownAddresses: { eth1: ip } }), TypeError);
  }
  await assert.rejects(speak(nft, [{ ip: VIP, milliseconds: 0 }]), RangeError);
});
