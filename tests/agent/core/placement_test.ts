import assert from "node:assert/strict";
import { placementOf } from "../../../src/agent/core/placement.ts";
import type { HostInterface } from "../../../src/agent/core/view.ts";

function link(name: string, cidr: string, rest: Partial<HostInterface> = {}): HostInterface {
  const [ip = "", length] = cidr.split("/");
  const addresses = [{ ip, prefixLength: Number(length), ours: false }];
  return {
    name,
    up: true,
    state: "up",
    mac: "02:00:00:00:00:01",
    arpIgnore: 0,
    addresses,
    ...rest,
  };
}

const LO = link("lo", "127.0.0.1/8", { state: "unknown" });
const ETH0 = link("eth0", "10.0.0.11/24");
const ETH1 = link("eth1", "198.51.100.11/24");
const HOST = [LO, ETH0, ETH1];

/** With an address of each family on each interface; those of eth0 are private. */
const DUAL = [LO, both(ETH0, "fd00:1::11/64"), both(ETH1, "2a00:7::11/64")];

function both(link: HostInterface, cidr: string): HostInterface {
  const [ip = "", length] = cidr.split("/");
  const address = { ip, prefixLength: Number(length), ours: false };
  return { ...link, addresses: [...link.addresses, address] };
}

/** The node's addresses in the cluster are there. */
function ofNode(link: HostInterface): HostInterface {
  return { ...link, addresses: link.addresses.map((address) => ({ ...address, ofNode: true })) };
}

const NEEDED = new Map([["198.51.100.1", "the next hop of this node's default route"]]);

const PLACES: readonly {
  readonly what: string;
  readonly ip: string;
  readonly listed?: readonly string[];
  readonly interfaces?: readonly HostInterface[];
  readonly defaultRoute?: string;
  readonly defaultRoute6?: string;
  readonly expected: ReturnType<typeof placementOf> | RegExp;
}[] = [
  {
    what: "in the subnet of the listed interface: there",
    ip: "198.51.100.200",
    listed: ["eth1"],
    expected: { interface: "eth1", speakOn: ["eth1"] },
  },
  {
    what: "in the subnet, and lower than the address there: on lo, spoken there",
    ip: "198.51.100.5",
    listed: ["eth1"],
    expected: { interface: "lo", speakOn: ["eth1"] },
  },
  {
    what: "in the subnet, lower than the address there where that is the node's: there",
    ip: "198.51.100.5",
    listed: ["eth1"],
    interfaces: [LO, ETH0, ofNode(ETH1)],
    expected: { interface: "eth1", speakOn: ["eth1"] },
  },
  {
    what: "lower than the address there where the kernel would not answer for it on lo",
    ip: "198.51.100.5",
    listed: ["eth1"],
    interfaces: [LO, ETH0, { ...ETH1, arpIgnore: 1 }],
    expected: /^BindFailed: .*arp_ignore is 1.*write a higher address of the subnet$/,
  },
  {
    what: "in the subnet of another interface than the listed one: on lo, spoken on the listed one",
    ip: "10.0.0.200",
    listed: ["eth1"],
    expected: { interface: "lo", speakOn: ["eth1"] },
  },
  {
    what: "outside all subnets: on lo, spoken on all listed interfaces",
    ip: "203.0.113.9",
    listed: ["eth0", "eth1"],
    expected: { interface: "lo", speakOn: ["eth0", "eth1"] },
  },
  {
    what: "nothing listed: the interface whose subnet holds it",
    ip: "198.51.100.200",
    defaultRoute: "eth0",
    expected: { interface: "eth1", speakOn: ["eth1"] },
  },
  {
    what: "nothing listed and in no subnet: spoken on the default route's interface",
    ip: "203.0.113.9",
    defaultRoute: "eth0",
    expected: { interface: "lo", speakOn: ["eth0"] },
  },
  {
    what: "nothing listed, no subnet, no default route",
    ip: "203.0.113.9",
    expected: /InterfaceMissing.*write virtualIPAddress\.interfaces/,
  },
  {
    what: "a listed interface is absent",
    ip: "198.51.100.200",
    listed: ["eth9"],
    expected: /InterfaceMissing.*'eth9' is not on this node/,
  },
  {
    what: "a listed interface is down",
    ip: "198.51.100.200",
    listed: ["eth1"],
    interfaces: [LO, ETH0, { ...ETH1, up: false, state: "lowerlayerdown" }],
    expected: /InterfaceMissing.*'eth1' is down: its state is lowerlayerdown/,
  },
  {
    what: "the node's own address",
    ip: "10.0.0.11",
    listed: ["eth0"],
    expected: /AddressConflict.*this node's own address on 'eth0'/,
  },
  {
    what: "an address that this node needs",
    ip: "198.51.100.1",
    listed: ["eth1"],
    expected:
      /^AddressConflict: 198\.51\.100\.1 is the next hop of this node's default route; write an/,
  },
  {
    what: "the subnet's network address",
    ip: "198.51.100.0",
    listed: ["eth1"],
    expected: /BindFailed.*network address/,
  },
  {
    what: "the subnet's broadcast address",
    ip: "198.51.100.255",
    listed: ["eth1"],
    expected: /BindFailed.*broadcast address/,
  },
  {
    what: "on lo where the kernel would not answer for it",
    ip: "203.0.113.9",
    listed: ["eth1"],
    interfaces: [LO, ETH0, { ...ETH1, arpIgnore: 1 }],
    expected: /BindFailed.*arp_ignore is 1.*strictARP/,
  },
  {
    what: "IPv6 in the subnet of a listed interface: there, and spoken there alone",
    ip: "2a00:7::200",
    listed: ["eth0", "eth1"],
    interfaces: DUAL,
    expected: { interface: "eth1", speakOn: ["eth1"] },
  },
  {
    what: "IPv6 in the subnet, and lower than the address there: refused",
    ip: "2a00:7::5",
    listed: ["eth1"],
    interfaces: DUAL,
    expected: /^BindFailed: 2a00:7::5 is lower than .* on 'eth1'.*write a higher address/,
  },
  {
    what: "IPv6 in the subnet, lower than the address there where that is the node's: there",
    ip: "2a00:7::5",
    listed: ["eth1"],
    interfaces: DUAL.map(ofNode),
    expected: { interface: "eth1", speakOn: ["eth1"] },
  },
  {
    what: "public IPv6 outside all subnets beside the node's private address: refused",
    ip: "2a00:8::200",
    listed: ["eth0"],
    interfaces: DUAL.map(ofNode),
    expected: /^BindFailed: 2a00:8::200 lies in no subnet of 'eth0'/,
  },
  {
    what: "private IPv6 outside all subnets beside the node's higher private address: there",
    ip: "fd00:0::200",
    listed: ["eth0"],
    interfaces: DUAL.map(ofNode),
    expected: { interface: "eth0", speakOn: ["eth0"] },
  },
  {
    what: "IPv6, nothing listed: the interface whose subnet holds it",
    ip: "fd00:1::200",
    interfaces: DUAL,
    defaultRoute6: "eth1",
    expected: { interface: "eth0", speakOn: ["eth0"] },
  },
  {
    what: "IPv6, nothing listed and in no subnet: the interface of its own default route",
    ip: "2a00:8::200",
    interfaces: DUAL,
    defaultRoute: "eth0",
    defaultRoute6: "eth1",
    expected: { interface: "eth1", speakOn: ["eth1"] },
  },
  {
    what: "IPv6 with a default route of IPv4 alone",
    ip: "2a00:8::200",
    interfaces: DUAL,
    defaultRoute: "eth0",
    expected: /InterfaceMissing.*No interface has 2a00:8::200 in its subnet/,
  },
  {
    what: "private IPv6 outside all subnets beside a public address: there",
    ip: "fd00:9::200",
    listed: ["eth1"],
    interfaces: DUAL,
    expected: { interface: "eth1", speakOn: ["eth1"] },
  },
  {
    what: "public IPv6 outside all subnets beside a private address: refused",
    ip: "2a00:8::200",
    listed: ["eth0"],
    interfaces: DUAL,
    expected: /^BindFailed: 2a00:8::200 lies in no subnet of 'eth0', and other pods' traffic/,
  },
  {
    what: "IPv6 outside all subnets, and lower than the address there: refused",
    ip: "2a00:6::200",
    listed: ["eth1"],
    interfaces: DUAL,
    expected: /^BindFailed: 2a00:6::200 lies in no subnet of 'eth1'/,
  },
  {
    what: "IPv6 on an interface that has none",
    ip: "2a00:7::200",
    listed: ["eth1"],
    expected: /^BindFailed: 2a00:7::200 lies in no subnet of 'eth1'/,
  },
  {
    what: "the address of all routers of an IPv6 subnet",
    ip: "2a00:7::",
    listed: ["eth1"],
    interfaces: DUAL,
    expected: /BindFailed.*2a00:7:: is the anycast address of all routers of 2a00:7::11\/64/,
  },
  {
    what: "the last address of an IPv6 subnet, which is nothing special",
    ip: "2a00:7::ffff:ffff:ffff:ffff",
    listed: ["eth1"],
    interfaces: DUAL,
    expected: { interface: "eth1", speakOn: ["eth1"] },
  },
  {
    what: "the node's own IPv6 address",
    ip: "fd00:1::11",
    listed: ["eth0"],
    interfaces: DUAL,
    expected: /AddressConflict.*this node's own address on 'eth0'/,
  },
  {
    what: "IPv6 where the kernel would not answer ARP for an address of lo",
    ip: "2a00:7::200",
    listed: ["eth1"],
    interfaces: DUAL.map((link) => ({ ...link, arpIgnore: 1 })),
    expected: { interface: "eth1", speakOn: ["eth1"] },
  },
];

for (const { what, ip, listed = [], interfaces = HOST, expected, ...routes } of PLACES) {
  Deno.test(`where a VIP is bound: ${what}`, () => {
    const place = placementOf(ip, {
      listed,
      interfaces,
      defaultRouteInterface: routes.defaultRoute,
      defaultRouteInterface6: routes.defaultRoute6,
      needed: NEEDED,
    });
    if (expected instanceof RegExp) {
      assert.ok("reason" in place);
      assert.match(`${place.reason}: ${place.message}`, expected);
    } else assert.deepEqual(place, expected);
  });
}

Deno.test("an address of ours makes no subnet and is no conflict", () => {
  const bound = {
    ...ETH1,
    addresses: [...ETH1.addresses, { ip: "198.51.100.200", prefixLength: 32, ours: true }],
  };
  const place = placementOf("198.51.100.200", {
    listed: ["eth1"],
    interfaces: [LO, bound],
    defaultRouteInterface: undefined,
    needed: NEEDED,
  });
  assert.deepEqual(place, { interface: "eth1", speakOn: ["eth1"] });
});
