import assert from "node:assert/strict";
import {
  arpIgnores,
  bindAddress,
  defaultRoutes,
  listInterfaces,
  unbindAddress,
  watchAddresses,
} from "../../../src/agent/linux/addresses.ts";
import { type Host, labTest, Network } from "../../lab/network.ts";
import { pause, until } from "../../lab/wait.ts";
import { programs } from "../../support/needs.ts";

const NIC = { name: "eth1", bridge: "public", address: "10.0.0.10/24" };

/** A host with one cable, and its addresses as `ip/prefixLength`, ours with a star. */
async function withHost(work: (host: Host, network: Network) => Promise<void>): Promise<void> {
  await using network = await Network.create();
  await work(await network.host("a", [NIC]), network);
}

async function addressesOf({ commands }: Host, name = "eth1"): Promise<readonly string[]> {
  const links = await listInterfaces({ commands });
  const link = links.find((link) => link.name === name);
  return (link?.addresses ?? [])
    .map(({ ip, prefixLength, ours }) => `${ip}/${prefixLength}${ours ? "*" : ""}`);
}

for (const vip of ["10.0.0.9", "10.0.0.200"]) {
  labTest(
    `a VIP that is ${vip} never becomes the source of the node's own traffic`,
    () =>
      withHost(async (host) => {
        const { commands } = host;
        await host.ip("route", "add", "default", "via", "10.0.0.254");
        const before = [await host.sourceFor("10.0.0.77"), await host.sourceFor("192.0.2.1")];
        await bindAddress({ ip: vip, interface: "eth1" }, { commands });
        assert.deepEqual(await addressesOf(host), ["10.0.0.10/24", `${vip}/32*`]);
        const after = [await host.sourceFor("10.0.0.77"), await host.sourceFor("192.0.2.1")];
        assert.deepEqual(before, ["10.0.0.10", "10.0.0.10"]);
        assert.deepEqual(after, before);
      }),
  );
}

labTest("binding what is bound changes nothing", () =>
  withHost(async (host) => {
    const { commands } = host;
    const place = { ip: "10.0.0.9", interface: "eth1" };
    await bindAddress(place, { commands });
    const before = await host.ip("-json", "addr");
    await bindAddress(place, { commands });
    assert.equal(await host.ip("-json", "addr"), before);
  }));

labTest(
  "an address that somebody else added is neither taken over nor removed",
  () =>
    withHost(async (host) => {
      const { commands } = host;
      const place = { ip: "10.0.0.10", interface: "eth1" };
      await assert.rejects(bindAddress(place, { commands }), {
        message:
          "Cannot bind VIP 10.0.0.10 on 'eth1': the address is there already and Sallyport did not add it",
      });
      await unbindAddress(place, { commands });
      assert.deepEqual(await addressesOf(host), ["10.0.0.10/24"]);
    }),
);

labTest(
  "unbinding removes exactly that address, and again does nothing",
  () =>
    withHost(async (host) => {
      const { commands } = host;
      for (const ip of ["10.0.0.9", "10.0.0.11"]) {
        await bindAddress({ ip, interface: "eth1" }, { commands });
      }
      for (let time = 1; time <= 2; time++) {
        await unbindAddress({ ip: "10.0.0.9", interface: "eth1" }, { commands });
        assert.deepEqual(await addressesOf(host), ["10.0.0.10/24", "10.0.0.11/32*"]);
      }
      await unbindAddress({ ip: "10.0.0.9", interface: "eth9" }, { commands });
    }),
);

labTest(
  "a VIP outside the subnet lives on lo, and neighbours on the NIC get an answer for it",
  () =>
    withHost(async (host, network) => {
      const { commands } = host;
      await bindAddress({ ip: "203.0.113.9", interface: "lo" }, { commands });
      assert.deepEqual(await addressesOf(host, "lo"), ["127.0.0.1/8", "203.0.113.9/32*"]);
      assert.equal(await host.sourceFor("10.0.0.77"), "10.0.0.10");
      const client = await network.host("client", [{ ...NIC, address: "10.0.0.2/24" }]);
      await client.ip("route", "add", "203.0.113.9/32", "dev", "eth1");
      await client.run(["fping", "203.0.113.9"]);
      assert.equal(await client.arpEntry("203.0.113.9"), await host.macOf("eth1"));
    }),
);

labTest(
  "the mark fits an interface whose name has 15 characters",
  () =>
    withHost(async (host, network) => {
      const long = { name: "enp0s31f6np1vf2", bridge: "other", address: "10.1.0.10/24" };
      const { commands } = await network.host("long", [long]);
      await bindAddress({ ip: "10.1.0.9", interface: long.name }, { commands });
      const links = await listInterfaces({ commands });
      const link = links.find(({ name }) => name === long.name);
      assert.equal(link?.addresses.find(({ ip }) => ip === "10.1.0.9")?.ours, true);
      assert.deepEqual(await addressesOf(host), ["10.0.0.10/24"]);
    }),
);

labTest(
  "after the node's own address was removed and came back, it is the source of the node's traffic again",
  () =>
    withHost(async (host) => {
      const { commands } = host;
      await host.sysctl("net/ipv4/conf/eth1/promote_secondaries", 1);
      await bindAddress({ ip: "10.0.0.9", interface: "eth1" }, { commands });
      await host.ip("addr", "del", "10.0.0.10/24", "dev", "eth1");
      await host.ip("addr", "add", "10.0.0.10/24", "dev", "eth1");
      assert.equal(await host.sourceFor("10.0.0.77"), "10.0.0.10");
    }),
);

const NIC6 = { ...NIC, address6: "fd00::10/64" };

async function withDualHost(work: (host: Host, network: Network) => Promise<void>): Promise<void> {
  await using network = await Network.create();
  await work(await network.host("a", [NIC6]), network);
}

const bind6 = ({ commands }: Host, ip = "fd00::9") =>
  bindAddress({ ip, interface: "eth1" }, { commands });

/** Notes whence packets to UDP port 9 come. */
const SEEN = `table ip6 seen {
  set sources { type ipv6_addr; flags dynamic; }
  chain in { type filter hook input priority 0; udp dport 9 add @sources { ip6 saddr }; }
}`;

for (const vip of ["fd00::9", "fd00::200"]) {
  labTest(
    `a VIP that is ${vip} is the source of nothing that the node sends or masquerades`,
    () =>
      withDualHost(async (host, network) => {
        const client = await network.host("client", [{ ...NIC6, address6: "fd00::2/64" }]);
        const pods = { name: "eth2", bridge: "pods" };
        await host.useCable({ ...pods, address6: "fd00:1::10/64" });
        const pod = await network.host("pod", [{ ...pods, address6: "fd00:1::2/64" }]);
        await pod.ip("-6", "route", "add", "default", "via", "fd00:1::10");
        await host.sysctl("net/ipv6/conf/all/forwarding", 1);
        await host.run(
          ["nft", "-f", "-"],
          `table ip6 nat {
             chain post { type nat hook postrouting priority srcnat; oifname "eth1" masquerade; }
           }`,
        );
        await client.run(["nft", "-f", "-"], SEEN);
        await bind6(host, vip);
        assert.equal(await host.sourceFor("fd00::2"), "fd00::10");
        for (const from of [host, pod]) await from.run(["bash", "-c", "echo > /dev/udp/fd00::2/9"]);
        const sources = async () =>
          /elements = \{ (.*?) \}/s.exec(await client.run(["nft", "list", "table", "ip6", "seen"]))
            ?.[1];
        await until("packets", async () => await sources() !== undefined);
        await pause(100);
        assert.equal(await sources(), "fd00::10");
        assert.deepEqual(await addressesOf(host), ["10.0.0.10/24", `${vip}/128*`, "fd00::10/64"]);
      }),
    [programs("nft", "bash")],
  );
}

labTest(
  "an IPv6 VIP is bound once, unbound, and nobody else's is touched",
  () =>
    withDualHost(async (host) => {
      const { commands } = host;
      await bind6(host);
      const before = await host.ip("-json", "addr");
      await bind6(host);
      assert.equal(await host.ip("-json", "addr"), before);
      // As another program would add one.
      await host.ip("addr", "add", "fd00::8/128", "dev", "eth1", "nodad", "preferred_lft", "0");
      await assert.rejects(bind6(host, "fd00::8"), {
        message:
          "Cannot bind VIP fd00::8 on 'eth1': the address is there already and Sallyport did not add it",
      });
      await unbindAddress({ ip: "fd00::8", interface: "eth1" }, { commands });
      const others = ["10.0.0.10/24", "fd00::8/128", "fd00::10/64"];
      for (let time = 1; time <= 2; time++) {
        await unbindAddress({ ip: "fd00::9", interface: "eth1" }, { commands });
        assert.deepEqual(await addressesOf(host), others);
      }
    }),
);

labTest(
  "an interface without IPv6 says what to do, and IPv4 goes on there",
  () =>
    withHost(async (host) => {
      await assert.rejects(bind6(host), {
        message:
          "Cannot bind VIP fd00::9 on 'eth1' as IPv6 is off there: set its sysctl disable_ipv6 to 0",
      });
      await bindAddress({ ip: "10.0.0.9", interface: "eth1" }, host);
      assert.deepEqual(await addressesOf(host), ["10.0.0.10/24", "10.0.0.9/32*"]);
    }),
);

labTest(
  "link-local, temporary and tentative addresses are none of the node's",
  () =>
    withDualHost(async (host) => {
      await host.sysctl("net/ipv6/conf/eth1/use_tempaddr", 2);
      await host.ip("addr", "add", "fd00:2::10/64", "dev", "eth1", "mngtmpaddr", "nodad");
      await host.sysctl("net/ipv6/conf/eth1/accept_dad", 1);
      await host.sysctl("net/ipv6/conf/eth1/dad_transmits", 60);
      await host.ip("addr", "add", "fd00::77/64", "dev", "eth1");
      const text = await host.ip("-6", "addr", "show", "dev", "eth1");
      for (const flag of ["temporary", "tentative", "scope link"]) {
        assert.ok(text.includes(flag), flag);
      }
      assert.deepEqual(await addressesOf(host), ["10.0.0.10/24", "fd00:2::10/64", "fd00::10/64"]);
    }),
);

labTest("a change of a link or an address is told at once", () =>
  withHost(async (host) => {
    const ending = new AbortController();
    let changes = 0;
    const watch = watchAddresses(() => changes++, {
      commands: host.commands,
      signal: ending.signal,
    });
    await until("the monitor", () => watch.works());
    await pause(100);
    const before = changes;
    await bindAddress({ ip: "10.0.0.9", interface: "eth1" }, { commands: host.commands });
    await until("news of the address", () => changes > before);
    const bound = changes;
    await host.ip("link", "set", "eth1", "down");
    await until("news of the link", () => changes > bound);
    ending.abort();
    await until("the end", () => !watch.works());
  }));

labTest("an interface is up only with a carrier", () =>
  withHost(async (host) => {
    const { commands } = host;
    const states = async () => {
      const links = await listInterfaces({ commands });
      return links.map(({ name, up, state }) => ({ name, up, state }));
    };
    assert.deepEqual(await states(), [
      { name: "lo", up: true, state: "unknown" },
      { name: "eth1", up: true, state: "up" },
    ]);
    await host.cut({ how: "unplugged" });
    assert.deepEqual((await states())[1], { name: "eth1", up: false, state: "down" });
    await host.restore();
    assert.deepEqual((await states())[1], { name: "eth1", up: true, state: "up" });
    await host.ip("link", "set", "eth1", "down");
    assert.deepEqual((await states())[1], { name: "eth1", up: false, state: "down" });
  }));

labTest(
  "the default route's interface is the one of the lowest metric, or none; the next hops are those of all",
  () =>
    withHost(async (_, network) => {
      const host = await network.host("two", [NIC, {
        ...NIC,
        name: "eth2",
        address: "10.2.0.1/24",
      }]);
      const { commands } = host;
      const expect = async (name: string | undefined, ...nextHops: string[]) => {
        const routes = await defaultRoutes({ commands });
        assert.deepEqual(
          { ...routes, nextHops: routes.nextHops.toSorted() },
          { interface: name, interface6: undefined, nextHops },
        );
      };
      const add = (...route: string[]) => host.ip("route", "add", ...route);
      await expect(undefined);
      await add("default", "via", "10.0.0.7", "table", "77");
      await add("unreachable", "default", "metric", "9999");
      await expect(undefined, "10.0.0.7");
      await add("default", "via", "10.0.0.254", "metric", "200");
      await expect("eth1", "10.0.0.254", "10.0.0.7");
      const hops = ["nexthop", "via", "10.2.0.5", "dev", "eth2", "nexthop", "via", "10.2.0.6"];
      await add("default", "metric", "100", ...hops);
      await expect("eth2", "10.0.0.254", "10.0.0.7", "10.2.0.5", "10.2.0.6");
    }),
);

labTest(
  "each family has its default route's interface; the next hops are those of both",
  () =>
    withDualHost(async (host) => {
      const { commands } = host;
      await host.useCable({ name: "eth2", bridge: "other", address6: "fd00:2::10/64" });
      assert.deepEqual(await defaultRoutes({ commands }), {
        interface: undefined,
        interface6: undefined,
        nextHops: [],
      });
      await host.ip("route", "add", "default", "via", "10.0.0.254");
      await host.ip("-6", "route", "add", "default", "via", "fd00::1", "metric", "200");
      await host.ip(
        "-6",
        "route",
        "add",
        "default",
        "via",
        "fe80::1",
        "dev",
        "eth2",
        "metric",
        "100",
      );
      await host.ip("-6", "route", "add", "unreachable", "default", "metric", "9999");
      assert.deepEqual(await defaultRoutes({ commands }), {
        interface: "eth1",
        interface6: "eth2",
        nextHops: ["10.0.0.254", "fe80::1", "fd00::1"],
      });
    }),
);

labTest(
  "arp_ignore in force is the higher one of all and the interface's own",
  () =>
    withHost(async (host) => {
      const { commands } = host;
      const inForce = async () => (await arpIgnores({ commands })).get("eth1");
      assert.equal(await inForce(), 0);
      await host.sysctl("net/ipv4/conf/all/arp_ignore", 1);
      assert.equal(await inForce(), 1);
      await host.sysctl("net/ipv4/conf/eth1/arp_ignore", 2);
      assert.equal(await inForce(), 2);
    }),
);
