/** The real programs ask real hosts in network namespaces, each from the node's own address. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { uplinkKey } from "../../../src/agent/core/uplinks.ts";
import type { UplinkProbe } from "../../../src/agent/core/view.ts";
import { bindAddress } from "../../../src/agent/linux/addresses.ts";
import { commandRunner, type Commands } from "../../../src/agent/linux/command.ts";
import { probeUplinks } from "../../../src/agent/linux/uplink_probes.ts";
import { labTest, Network } from "../../lab/network.ts";
import { pause, until } from "../../lab/wait.ts";
import { programs } from "../../support/needs.ts";

const INTERVAL = 200;

/** Counts what a prober tells. */
class Heard implements Disposable {
  readonly answers = new Map<string, number>();
  readonly problems = new Map<string, string>();
  readonly #ending = new AbortController();
  readonly set: (probes: readonly UplinkProbe[]) => void;

  constructor(commands: Commands) {
    const { set } = probeUplinks({
      commands,
      signal: this.#ending.signal,
      onAnswer: (key) => void this.answers.set(key, (this.answers.get(key) ?? 0) + 1),
      onBegin: (key) => void this.problems.delete(key),
      onProblem: (key, message) => void this.problems.set(key, message),
    });
    this.set = set;
  }

  of(probe: UplinkProbe): number {
    return this.answers.get(uplinkKey(probe)) ?? 0;
  }

  [Symbol.dispose](): void {
    this.#ending.abort();
  }
}

const echo = (address: string, more: Partial<UplinkProbe> = {}): UplinkProbe => ({
  kind: "icmp",
  family: 4,
  address,
  interface: "eth1",
  source: "10.60.0.11",
  intervalMilliseconds: INTERVAL,
  ...more,
});

labTest(
  "uplink targets are asked by ping, ARP and neighbour discovery, from the node's own address",
  async () => {
    await using network = await Network.create();
    const cable = (address: string) => [{ name: "eth1", bridge: "public", address }];
    const [node, router] = await Promise.all([
      network.host("node", cable("10.60.0.11/24")),
      network.host("router", cable("10.60.0.1/24")),
    ]);
    for (const [host, ip] of [[node, "2001:db8::11"], [router, "2001:db8::1"]] as const) {
      await host.sysctl("net/ipv6/conf/eth1/disable_ipv6", 0);
      await host.ip("-6", "addr", "add", `${ip}/64`, "dev", "eth1", "nodad");
    }
    // A standby has the virtual IP bound, and must not be heard as it.
    await bindAddress({ ip: "10.60.0.200", interface: "eth1" }, { commands: node.commands });
    const capture = router.commands.follow(
      ["tcpdump", "-l", "-n", "-i", "eth1", "arp or icmp or icmp6"],
      { onLine: (line) => lines.push(line) },
    );
    const lines: string[] = [];
    await capture.started;
    const [ping, ping6, absent] = [
      echo("10.60.0.1"),
      echo("2001:db8::1", { family: 6, source: "2001:db8::11" }),
      echo("10.60.0.77"),
    ];
    const arp = echo("10.60.0.1", { kind: "arp", intervalMilliseconds: 1_000 });
    const discovery = echo("2001:db8::1", { ...ping6, kind: "arp" });
    using heard = new Heard(node.commands);
    heard.set([ping, ping6, absent, arp, discovery]);
    await until("answers to each", () => {
      const least = [ping, ping6, arp, discovery].map((probe) => heard.of(probe));
      return Promise.resolve(Math.min(...least) >= 2 || undefined);
    }, { timeoutMilliseconds: 15_000 });
    assert.equal(heard.of(absent), 0);
    assert.deepEqual([...heard.problems], []);
    assert.ok(lines.length > 0);
    assert.deepEqual(lines.filter((line) => line.includes("10.60.0.200")), []);

    await node.cut();
    await pause(2 * INTERVAL);
    const before = [ping, ping6, arp, discovery].map((probe) => heard.of(probe));
    await pause(1_500);
    assert.deepEqual([ping, ping6, arp, discovery].map((probe) => heard.of(probe)), before);
    await node.restore();
    await until("answers again", () => {
      const now = [ping, ping6, arp, discovery].map((probe) => heard.of(probe));
      return Promise.resolve(
        now.every((count, index) => count > (before[index] ?? 0)) || undefined,
      );
    }, { timeoutMilliseconds: 15_000 });
    capture.stop();
  },
  [programs("fping", "arping", "ndisc6", "tcpdump")],
);

Deno.test("a TCP target answers by taking a connection, which comes from the node's own address", async () => {
  const peers: string[] = [];
  const server = createServer((socket) => {
    peers.push(socket.remoteAddress ?? "");
    socket.on("error", () => {});
    socket.end();
  });
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await listening;
  const { port } = server.address() as AddressInfo;
  const probe = echo("127.0.0.1", { kind: "tcp", port, source: "127.0.0.7" });
  using heard = new Heard(commandRunner());
  heard.set([probe]);
  await until("two connections", () => Promise.resolve(heard.of(probe) >= 2 || undefined));
  assert.deepEqual([...new Set(peers)], ["127.0.0.7"]);
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  server.close(() => close());
  await closed;
  const before = heard.of(probe);
  await pause(3 * INTERVAL);
  assert.ok(heard.of(probe) <= before + 1, "a connection that is refused is no answer");
});

Deno.test("a program that cannot be started is told of, by every target that it was for", async () => {
  const missing: Commands = commandRunner({ prefix: ["sallyport-no-such-program"] });
  using heard = new Heard(missing);
  const [one, other] = [echo("10.0.0.1"), echo("10.0.0.2")];
  heard.set([one, other]);
  await until("both to be told of", () => Promise.resolve(heard.problems.size === 2 || undefined));
  for (const probe of [one, other]) {
    assert.match(heard.problems.get(uplinkKey(probe)) ?? "", /Cannot run 'fping'/);
  }
});

Deno.test("one fping asks all targets of one way; what is no longer wanted is stopped", () => {
  const argvs: (readonly string[])[] = [];
  let stopped = 0;
  using heard = new Heard({
    run: () => Promise.reject(new Error("must not run")),
    follow: (argv) => {
      argvs.push(argv);
      return {
        started: Promise.resolve(),
        ended: new Promise(() => {}),
        write: () => {},
        stop: () => void stopped++,
      };
    },
  });
  const all = Array.from({ length: 10 }, (_, index) => echo(`10.0.0.${index + 1}`));
  heard.set(all);
  assert.equal(argvs.length, 1);
  assert.deepEqual(argvs[0]?.slice(0, 2), ["fping", "-4"]);
  assert.deepEqual(argvs[0]?.slice(-10), all.map(({ address }) => address));
  heard.set(all);
  assert.equal(argvs.length, 1);
  heard.set([]);
  assert.equal(stopped, 1);
});
