/** What this node knows no connection of goes to who spoke for the VIP before, while it may speak for it. */
import assert from "node:assert/strict";
import { linuxHands } from "../../../src/agent/linux/linux_hands.ts";
import type { Hands } from "../../../src/agent/hands.ts";
import { type Host, labTest, Network } from "../../lab/network.ts";
import { pause, until } from "../../lab/wait.ts";
import { programs } from "../../support/needs.ts";

const NEEDS = [programs("nft", "bash", "fping", "timeout")];
const FAMILIES = {
  IPv4: { vip: "10.0.0.200", header: "ip" },
  IPv6: { vip: "fd00::200", header: "ip6" },
} as const;

interface Segment {
  readonly server: Host;
  readonly former: Host;
  readonly holder: Host;
  readonly hands: Hands;
  /** Passes on from the holder to the former one. */
  readonly passOn: (milliseconds: number) => Promise<void>;
  /** Whose kernel takes one datagram that the server sends. */
  readonly takerOfAnswer: (port?: number) => Promise<"former" | "holder">;
}

for (const [name, { vip, header }] of Object.entries(FAMILIES)) {
  const lateTest = (what: string, work: (segment: Segment) => Promise<void>) =>
    labTest(`${name}: ${what}`, () => withSegment({ vip, header }, work), NEEDS);

  lateTest("an answer is passed on to the former holder, by the holder's own MAC address", async ({
    server,
    former,
    holder,
    passOn,
    takerOfAnswer,
  }) => {
    assert.equal(await takerOfAnswer(), "holder");
    await passOn(3_000);
    assert.equal(await takerOfAnswer(), "former");
    const senders = await former.run(["nft", "list", "set", header, "count", "senders"]);
    assert.match(senders, new RegExp(await holder.macOf("eth1")));
    assert.doesNotMatch(senders, new RegExp(await server.macOf("eth1")));
  });

  lateTest(
    "a ping, a first packet of TCP and what goes to a server's port are no answers: they stay",
    async ({
      server,
      former,
      passOn,
      takerOfAnswer,
    }) => {
      await passOn(3_000);
      assert.equal(await takerOfAnswer(9), "holder");
      await former.ip("addr", "del", vip, "dev", "eth1");
      await server.run(["fping", "-c1", "-t500", vip]);
      await assert.rejects(
        server.run(["timeout", "1", "bash", "-c", `exec 3<>/dev/tcp/${vip}/9`]),
        /refused/,
      );
    },
  );

  lateTest("what the former holder passes on is not sent back to it", async ({
    former,
    holder,
    passOn,
    takerOfAnswer,
  }) => {
    await passOn(3_000);
    const { commands } = former;
    const ending = new AbortController();
    await linuxHands({ commands, signal: ending.signal }).passOn?.([{
      ip: vip,
      mac: await holder.macOf("eth1"),
      milliseconds: 3_000,
      links: [{ name: "eth1", mac: await former.macOf("eth1") }],
    }]);
    assert.equal(await takerOfAnswer(), "former");
    ending.abort();
  });

  lateTest("passing on ends with the permission, or when it is told to", async ({
    holder,
    hands,
    passOn,
    takerOfAnswer,
  }) => {
    await passOn(300);
    await pause(400);
    assert.equal(await takerOfAnswer(), "holder");
    await passOn(3_000);
    assert.equal(await takerOfAnswer(), "former");
    await passOn(300);
    await pause(400);
    assert.equal(await takerOfAnswer(), "holder", "a shorter time counts");
    await passOn(3_000);
    await hands.passOn?.([]);
    assert.equal(await takerOfAnswer(), "holder");
    assert.doesNotMatch(await holder.run(["nft", "list", "tables"]), /netdev/);
  });
}

async function withSegment(
  { vip, header }: { readonly vip: string; readonly header: "ip" | "ip6" },
  work: (segment: Segment) => Promise<void>,
): Promise<void> {
  await using network = await Network.create();
  const [server, former, holder] = await Promise.all(
    [9, 1, 2].map((number) =>
      network.host(`host${number}`, [{
        name: "eth1",
        bridge: "lan",
        address: `10.0.0.${number}/24`,
        address6: `fd00::${number}/64`,
      }])
    ),
  ) as [Host, Host, Host];
  const { commands } = holder;
  const ending = new AbortController();
  const hands = linuxHands({ commands, signal: ending.signal });
  for (const host of [former, holder]) {
    await host.ip("addr", "add", vip, "dev", "eth1", ...vip.includes(":") ? ["nodad"] : []);
    await host.run(
      ["nft", "-f", "-"],
      [
        `add table ${header} count`,
        `add set ${header} count senders { type ether_addr; flags dynamic; size 16; }`,
        `add chain ${header} count input { type filter hook input priority 0; }`,
        `add rule ${header} count input ${header} daddr ${vip} udp dport { 9, 40000 } ` +
        "add @senders { ether saddr } counter",
      ].join("\n"),
    );
  }
  await server.ip("neigh", "replace", vip, "lladdr", await holder.macOf("eth1"), "dev", "eth1");
  const count = async (host: Host) => {
    const text = await host.run(["nft", "list", "chain", header, "count", "input"]);
    return Number(/counter packets (\d+)/.exec(text)?.[1]);
  };
  const takerOfAnswer = async (port = 40_000) => {
    const before = [await count(former), await count(holder)];
    await server.run(["bash", "-c", `echo > /dev/udp/${vip}/${port}`]);
    let after = before;
    await until("somebody to take it", async () => {
      after = [await count(former), await count(holder)];
      return after.join() !== before.join();
    }, { timeoutMilliseconds: 2_000 });
    return after[0] === before[0] ? "holder" : "former";
  };
  const passOn = async (milliseconds: number) => {
    const mac = await former.macOf("eth1");
    const links = [{ name: "eth1", mac: await holder.macOf("eth1") }];
    await hands.passOn?.([{ ip: vip, mac, milliseconds, links }]);
  };
  try {
    await work({ server, former, holder, hands, passOn, takerOfAnswer });
  } finally {
    ending.abort();
  }
}
