/** VIPs that are somebody else's address, on real nodes: no node is cut off by one. */
import assert from "node:assert/strict";
import { Agent } from "../../../src/agent/agent.ts";
import { linuxHands } from "../../../src/agent/linux/linux_hands.ts";
import type { Report } from "../../../src/core/types.ts";
import { type Host, labTest, Network } from "../../lab/network.ts";
import { pause, until } from "../../lab/wait.ts";
import { gateway } from "../../support/builders.ts";
import { programs } from "../../support/needs.ts";

const NEEDS = [programs("nft", "arping", "fping", "ndisc6", "ndptool")];
const ROUTER = "10.0.0.254";
const ROUTER6 = "fd00::254";
/** Behind the router. */
const API_SERVER = "10.99.0.1";
const API_SERVER6 = "fd99::1";

interface Scene extends AsyncDisposable {
  readonly router: Host;
  /** The last report that reached the API server. */
  readonly report: () => Report | undefined;
  readonly answered: () => number;
  readonly bound: () => Promise<boolean>;
  readonly failures: () => readonly string[];
}

/** A node whose agent is elected for a VIP, and whose renewals pass if the API server can be pinged. */
async function scene(
  vip: string,
  { apiServer, taken = false }: { readonly apiServer?: string; readonly taken?: boolean } = {},
): Promise<Scene> {
  const network = await Network.create();
  const cable = { name: "eth0", bridge: "lan" };
  const far = { name: "eth1", bridge: "far" };
  const router = await network.host("router", [
    { ...cable, address: `${ROUTER}/24`, address6: `${ROUTER6}/64` },
    { ...far, address: "10.99.0.254/24" },
  ]);
  await router.sysctl("net/ipv4/ip_forward", 1);
  const server = await network.host("server", [{ ...far, address: `${API_SERVER}/24` }]);
  await server.ip("route", "add", "default", "via", "10.99.0.254");
  const node = await network.host("node", [
    { ...cable, address: "10.0.0.1/24", address6: "fd00::1/64" },
  ]);
  await node.ip("route", "add", "default", "via", ROUTER);
  await node.ip("route", "add", "default", "via", ROUTER6);
  if (taken) await router.ip("addr", "add", vip, "dev", "eth0", ...noDad(vip));
  const status = { phase: "Preparing", activeNodeName: "a", term: 1, egressIP: vip } as const;
  const gateways = [gateway("g", { vip, status })];
  const ending = new AbortController();
  let report: Report | undefined;
  let answered = 0;
  const agent = new Agent({
    nodeName: "a",
    hands: linuxHands({
      commands: node.commands,
      signal: ending.signal,
      ...(apiServer === undefined ? {} : { apiServer }),
    }),
    async renew(said) {
      // A node that has the address pings itself.
      const route = await node.ip("route", "get", API_SERVER);
      if (route.startsWith("local")) throw new Error("Connection refused");
      await node.run(["fping", "-r", "0", "-t", "1000", API_SERVER]);
      report = said;
      answered++;
      return { fence: {}, serverTime: undefined, leaseUid: "uid-lease", held: {} };
    },
    recall: () => Promise.resolve([]),
    remember: () => Promise.resolve(),
    relist: () => agent.setGateways(gateways),
    setPingTargets: () => {},
  });
  agent.setGateways(gateways);
  const ended = agent.run();
  return {
    router,
    report: () => report,
    answered: () => answered,
    bound: async () => (await node.ip("addr")).includes(` ${vip}/${vip.includes(":") ? 128 : 32} `),
    failures: () => report?.failures.map(({ reason, message }) => `${reason}: ${message}`) ?? [],
    async [Symbol.asyncDispose]() {
      agent.setGateways([]);
      agent.leave();
      await ended;
      ending.abort();
      await network[Symbol.asyncDispose]();
    },
  };
}

function noDad(ip: string): readonly string[] {
  return ip.includes(":") ? ["nodad"] : [];
}

for (
  const [what, vip, options] of [
    ["the next hop of this node's default route", ROUTER, {}],
    ["the next hop of this node's default route", ROUTER6, {}],
    ["the API server's address", API_SERVER, { apiServer: `https://${API_SERVER}:6443` }],
    ["the API server's address", API_SERVER6, { apiServer: `https://[${API_SERVER6}]:6443` }],
  ] as const
) {
  labTest(`a VIP that is ${what} is refused by name: ${vip}`, async () => {
    await using node = await scene(vip, options);
    await until("the refusal", () => node.failures().length > 0);
    assert.deepEqual(node.failures(), [
      `AddressConflict: ${vip} is ${what}; write an address that no host uses`,
    ]);
    assert.equal(await node.bound(), false);
  }, NEEDS);
}

for (const vip of ["10.0.0.77", "fd00::77"]) {
  labTest(
    `a VIP that another host answers for is not bound until it is given up there: ${vip}`,
    async () => {
      await using node = await scene(vip, { taken: true });
      await until("the conflict", () => node.failures().length > 0, {
        timeoutMilliseconds: 10_000,
      });
      const mac = await node.router.macOf("eth0");
      assert.deepEqual(node.failures(), [
        `AddressConflict: Another host (${mac}) answers for ${vip}; take the address from that host`,
      ]);
      assert.equal(await node.bound(), false);
      await node.router.ip("addr", "del", vip, "dev", "eth0");
      await until("the binding", node.bound, { timeoutMilliseconds: 15_000 });
      await until("the report", () => node.report()?.addresses.length === 1);
      assert.deepEqual(node.failures(), []);
    },
    NEEDS,
  );
}

labTest("a VIP that cuts its node off is taken back, and told", async () => {
  // The agent does not know whom it talks to, and nobody answers for the address on the wire.
  await using node = await scene(API_SERVER);
  await until("the binding", node.bound);
  await until("its end", async () => !await node.bound(), { timeoutMilliseconds: 8_000 });
  const before = node.answered();
  await until("an answered renewal", () => node.answered() > before + 1);
  assert.match(
    node.failures().join("\n"),
    /^BindFailed: The API server was not heard any more once 10\.99\.0\.1 was bound on 'lo', so it was taken back/,
  );
  await pause(1_500);
  assert.equal(await node.bound(), false, "it is left alone for a minute");
}, NEEDS);
