/** Which uplink targets an agent asks, and when it calls one missing or lost. */
import assert from "node:assert/strict";
import { decide } from "../../../src/agent/core/decide.ts";
import { uplinkKey } from "../../../src/agent/core/uplinks.ts";
import type { AgentView, HostAddress, UplinkAnswers } from "../../../src/agent/core/view.ts";
import type { Uplink } from "../../../src/core/types.ts";
import { gateway, VIP } from "../../support/builders.ts";
import type { GatewayOptions } from "../../support/builders.ts";
import { NOW, QUIET } from "../../support/agent_view.ts";

const OWN: HostAddress = { ip: "172.18.18.10", prefixLength: 24, ours: false };
const OWN_IPV6: HostAddress = { ip: "2001:db8::10", prefixLength: 64, ours: false };

const UPLINK: Uplink = {
  targets: ["icmp:172.18.18.1"],
  intervalMilliseconds: 1_000,
  failures: 3,
  require: "Any",
};

function watching(uplink: Partial<Uplink> = {}, options: GatewayOptions = {}) {
  return gateway("gw", {
    interfaceName: "eth1",
    ...options,
    failureDetection: { uplink: { ...UPLINK, ...uplink } },
    status: {
      candidates: [{ node: "a", eligible: false, rank: 0, reasons: [] }],
      ...options.status,
    },
  });
}

function view(
  parts: Partial<AgentView> & { readonly addresses?: readonly HostAddress[] },
): AgentView {
  const { addresses = [OWN], ...rest } = parts;
  return {
    ...QUIET,
    gateways: [watching()],
    interfaces: [{ name: "eth1", up: true, state: "up", mac: "02:00:00:00:00:0a", addresses }],
    ...rest,
  };
}

/** The view in which its only probe was answered so long ago. */
function heard(ago: number, more: Partial<UplinkAnswers> = {}, uplink: Partial<Uplink> = {}) {
  const gateways = [watching(uplink)];
  const [probe] = decide(view({ gateways })).uplinkProbes;
  assert.ok(probe);
  const answers = { heardAt: NOW - ago, answered: true, ...more };
  return decide(view({ gateways, uplinks: new Map([[uplinkKey(probe), answers]]) }));
}

function stateOf({ report }: ReturnType<typeof decide>): string {
  const [said] = report?.uplinks ?? [];
  assert.ok(said);
  return (["reached", "missing", "lost"] as const).filter((state) => said[state].length > 0)
    .join() || "unknown";
}

const STATES: readonly (readonly [ago: number, state: string])[] = [
  [0, "reached"],
  [1_599, "reached"],
  [1_600, "missing"],
  [3_099, "missing"],
  [3_100, "lost"],
  [60_000, "lost"],
];

for (const [ago, state] of STATES) {
  Deno.test(`a target that answered ${ago} ms ago, asked each second, is ${state}`, () => {
    assert.equal(stateOf(heard(ago)), state);
  });
}

Deno.test("who loses a target first is known to be about to by those who lose it last", () => {
  // Two agents that heard a target just before it died: one at once, the other an interval before.
  for (const failures of [3, 5, 20]) {
    for (const intervalMilliseconds of [100, 1_000, 60_000]) {
      const lostAt = failures * intervalMilliseconds + 100;
      const other = heard(lostAt - intervalMilliseconds, {}, { failures, intervalMilliseconds });
      assert.equal(stateOf(other), "missing");
      const renewed = heard(lostAt - 1.4 * intervalMilliseconds, {}, {
        failures,
        intervalMilliseconds,
      });
      assert.equal(stateOf(renewed), "missing", "and its renewal has arrived");
    }
  }
});

Deno.test("a target that never answered is not known, then lost", () => {
  assert.equal(stateOf(heard(3_099, { answered: false })), "unknown");
  assert.equal(stateOf(heard(3_100, { answered: false })), "lost");
});

Deno.test("a target that is back counts as heard once every node has had the time to hear it", () => {
  assert.equal(stateOf(heard(0, { backAt: NOW - 1_599 })), "missing");
  assert.equal(stateOf(heard(0, { backAt: NOW - 1_600 })), "reached");
  assert.equal(heard(0, { backAt: NOW - 100 }).uplinkNewsAt, NOW + 1_500);
});

Deno.test("a target that cannot be asked is not lost, and it is told why", () => {
  const plan = heard(60_000, { problem: "fping is missing" });
  assert.equal(stateOf(plan), "unknown");
  assert.equal(plan.report?.uplinks[0]?.problem, "fping is missing");
});

Deno.test("the loop wakes when a target is about to be missing or lost", () => {
  assert.equal(heard(0).uplinkNewsAt, NOW + 1_600);
  assert.equal(heard(1_700).uplinkNewsAt, NOW + 1_400);
  assert.equal(heard(5_000).uplinkNewsAt, undefined);
});

Deno.test("targets are asked from the node's own address of their family, not from a virtual IP", () => {
  const targets = ["icmp:192.0.2.1", "tcp:[2001:db8::1]:443", "arp:fe80::1"];
  const vip = { ip: VIP, prefixLength: 32, ours: true };
  const { uplinkProbes } = decide(view({
    addresses: [vip, OWN, OWN_IPV6],
    gateways: [watching({ targets })],
  }));
  assert.deepEqual(
    uplinkProbes.map(({ kind, address, source }) => [kind, address, source]),
    [
      ["arp", "fe80::1", undefined],
      ["icmp", "192.0.2.1", "172.18.18.10"],
      ["tcp", "2001:db8::1", "2001:db8::10"],
    ],
  );
});

Deno.test("without an address of the family nothing is asked, and it is told why", () => {
  const { uplinkProbes, report } = decide(view({
    gateways: [watching({ targets: ["icmp:2001:db8::1"] })],
  }));
  assert.deepEqual(uplinkProbes, []);
  assert.equal(
    report?.uplinks[0]?.problem,
    "the node has no IPv6 address of its own on 'eth1'",
  );
});

const INTERFACES: readonly (readonly [
  what: string,
  options: GatewayOptions,
  uplink: Partial<Uplink>,
  name: string,
])[] = [
  ["the gateway's own in primary-IP mode", { interfaceName: "eth1" }, {}, "eth1"],
  ["where the virtual IP is bound", { vip: VIP }, {}, "eth1"],
  ["where the virtual IP is announced", { vip: "10.9.9.9", interfaces: ["eth2"] }, {}, "eth2"],
  ["the one that is named", { vip: VIP }, { interface: "eth2" }, "eth2"],
];

for (const [what, options, uplink, name] of INTERFACES) {
  Deno.test(`targets are asked by the interface ${what}`, () => {
    const plan = decide(view({
      gateways: [watching(uplink, options)],
      interfaces: ["eth0", "eth1", "eth2"].map((link, index) => ({
        name: link,
        up: true,
        state: "up",
        addresses: [{ ip: `172.18.${17 + index}.10`, prefixLength: 24, ours: false }],
      })),
    }));
    assert.deepEqual(plan.uplinkProbes.map((probe) => probe.interface), [name]);
  });
}

Deno.test("gateways that ask alike share a probe; a node that is no candidate asks nothing", () => {
  const gateways = [
    watching(),
    { ...watching({ failures: 5 }), name: "other", uid: "uid-other" },
    { ...watching({ targets: ["icmp:192.0.2.9"] }), name: "third", uid: "uid-third", status: {} },
  ];
  const plan = decide(view({ gateways }));
  assert.deepEqual(plan.uplinkProbes.map(({ address }) => address), ["172.18.18.1"]);
  assert.deepEqual(plan.report?.uplinks.map(({ gateway: name }) => name), ["gw", "other"]);
});
