/** The lab itself: what the agents' tests rely on. */
import assert from "node:assert/strict";
import { linuxHands } from "../../src/agent/linux/linux_hands.ts";
import { type GatewayNode, type Lab, startLab } from "./hosts.ts";
import { labTest } from "./network.ts";
import { contested, parseSamples } from "./sampler.ts";
import { parseStream } from "./stream.ts";
import { pause, until } from "./wait.ts";
import { programs } from "../support/needs.ts";

const VIP = "10.60.0.200";
const NEEDS = [programs("nft", "arping", "fping", "tcpdump")];

function hands({ host: { commands } }: GatewayNode) {
  return linuxHands({ commands });
}

/** Both bound and silent, as holder and standby are. */
async function prepare(lab: Lab, ip = VIP): Promise<void> {
  const place = ip === VIP
    ? { ip, interface: "eth1", prefixLength: 24 }
    : { ip, interface: "lo", prefixLength: 32 };
  for (const node of lab.nodes) {
    await hands(node).own([ip]);
    await hands(node).bind(place);
  }
}

async function speak(node: GatewayNode, ip = VIP): Promise<void> {
  await hands(node).speak([{ ip, milliseconds: 30_000, undisputedMilliseconds: 30_000 }]);
  await hands(node).announce(ip, ["eth1"], new AbortController().signal);
}

for (const ip of [VIP, "203.0.113.9"]) {
  labTest(
    `the lab shows a prepared move of ${ip}: client, observer, and never two answers`,
    async () => {
      await using lab = await startLab({ nodes: 2 });
      const [a, b] = [lab.node("a"), lab.node("b")];
      await prepare(lab, ip);
      assert.deepEqual(await lab.whoAnswers(ip), []);
      await speak(a, ip);
      assert.deepEqual(await lab.whoAnswers(ip), [await a.publicMac()]);
      await until("the observer", async () => await lab.observer.macOf(ip) === await a.publicMac());

      const stream = await lab.client.stream({ ip });
      const sampler = await lab.sampler({ ip });
      await pause(500);
      await hands(a).mute([ip]);
      await speak(b, ip);
      await pause(500);
      const samples = await sampler.stop();
      const result = await stream.stop();

      assert.deepEqual(result.hosts, ["a", "b"]);
      assert(result.sent > 150, `${result.sent} sent`);
      assert(result.outage.milliseconds < 300, `${result.outage.milliseconds} ms without answers`);
      assert(samples.length > 20, `${samples.length} samples`);
      assert.deepEqual(contested(samples), []);
      assert.deepEqual(new Set(samples.flatMap(({ macs }) => macs)).size, 2);
      assert.equal(await lab.observer.macOf(ip), await b.publicMac());
      assert.equal(await lab.client.macOf(ip), await b.publicMac());
    },
    NEEDS,
  );
}

labTest("the lab tells two owners, and what a client loses while nobody answers", async () => {
  await using lab = await startLab({ nodes: 2 });
  await prepare(lab);
  for (const node of lab.nodes) await speak(node);
  const sampler = await lab.sampler({ ip: VIP });
  await pause(200);
  const macs = await Promise.all(lab.nodes.map((node) => node.publicMac()));
  assert.deepEqual(await lab.whoAnswers(VIP), macs.toSorted());
  assert(contested(await sampler.stop()).length > 2);

  await hands(lab.node("b")).mute([VIP]);
  await speak(lab.node("a"));
  await using stream = await lab.client.stream({ ip: VIP });
  await until("answers", async () => (await stream.soFar()).answers.length > 20);
  await lab.node("a").cutLinks();
  await pause(500);
  await lab.node("a").restoreLinks();
  await pause(500);
  const { outage, lost } = await stream.stop();
  assert(outage.milliseconds >= 480 && outage.milliseconds < 1500, `${outage.milliseconds} ms`);
  assert(lost > 50, `${lost} lost`);
}, NEEDS);

labTest("a partition cuts off the API server and nobody else, and can be healed", async () => {
  await using lab = await startLab({ nodes: 2 });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("hello"),
  );
  const api = await lab.exposeApi(`http://127.0.0.1:${server.addr.port}`);
  const { host, ...node } = lab.node("a");
  const url = api.server.replace("https", "http");
  const ask = () =>
    host.commands.run(
      [
        Deno.execPath(),
        "eval",
        `console.log(await (await fetch("${url}", { signal: AbortSignal.timeout(1000) })).text())`,
      ],
      { timeoutMilliseconds: 20_000 },
    );
  const ping = (ip: string) => host.commands.run(["fping", "-r", "0", "-t", "300", ip]);
  assert.equal(await ask(), "hello\n");
  await lab.node("a").partitionFromApi();
  await assert.rejects(ask());
  await ping(lab.node("b").clusterIP);
  await ping(lab.node("b").publicIP);
  await lab.node("a").healPartition();
  assert.equal(await ask(), "hello\n");
  assert.equal(node.name, "a");
}, NEEDS);

labTest(
  "programs on a node can be frozen, thawed and killed, and its public interface taken down",
  async () => {
    await using lab = await startLab({ nodes: 1 });
    const node = lab.node("a");
    const script = "while true; do echo tick; sleep 0.05 & wait; done";
    const program = node.spawn(["sh", "-c", script]);
    const ticks = async () => (await Deno.readTextFile(program.log)).split("\n").length;
    await until("ticks", async () => await ticks() > 3);
    await node.freeze();
    const frozen = await ticks();
    await pause(300);
    assert.equal(await ticks(), frozen);
    await node.thaw();
    await until("more ticks", async () => await ticks() > frozen + 3);
    await node.killPrograms();
    assert.equal((await program.exited).signal, "SIGKILL");

    const up = async () => (await hands(node).interfaces()).find(({ name }) => name === "eth1")?.up;
    for (const how of ["admin", "unplugged"] as const) {
      await node.publicDown({ how });
      assert.equal(await up(), false);
      await node.publicUp();
      assert.equal(await up(), true);
    }
    assert.equal(await hands(node).defaultRouteInterface(), "eth1");
  },
  NEEDS,
);

Deno.test("a stream's log gives losses, the longest time without an answer, and who answered", () => {
  const log = [
    "ready",
    "0 1000 1001 a",
    "2 1010 1012 a",
    "1 1005 1006 a",
    "7 1035 1100 b",
    "end 9 1110",
  ];
  const result = parseStream(log.join("\n"), { startedAt: 999, now: 0 });
  assert.equal(result.sent, 9);
  assert.equal(result.lost, 5);
  assert.deepEqual(result.outage, { milliseconds: 75, from: 1035 });
  assert.deepEqual(result.silence, { milliseconds: 88, from: 1012 });
  assert.deepEqual(result.hosts, ["a", "b"]);
  const nothing = parseStream("ready\nend 60 400", { startedAt: 100, now: 0 });
  assert.deepEqual(nothing.outage, { milliseconds: 300, from: 100 });
  assert.deepEqual(nothing.answers, []);
});

Deno.test("samples are requests with their answers; announcements answer nobody", () => {
  const arp = "ethertype ARP (0x0806), length 42:";
  const log = [
    "listening on eth1",
    `1.000 02:00:00:00:00:50 > ff:ff:ff:ff:ff:ff, ${arp} Request who-has 10.0.0.9 tell 10.0.0.2, length 28`,
    `1.001 02:00:00:00:00:0b > 02:00:00:00:00:50, ${arp} Reply 10.0.0.9 is-at 02:00:00:00:00:0b, length 28`,
    `1.002 02:00:00:00:00:0a > 02:00:00:00:00:50, ${arp} Reply 10.0.0.9 is-at 02:00:00:00:00:0a, length 28`,
    `2.000 02:00:00:00:00:50 > ff:ff:ff:ff:ff:ff, ${arp} Request who-has 10.0.0.9 tell 10.0.0.2, length 28`,
    `2.001 02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff, ${arp} Reply 10.0.0.9 is-at 02:00:00:00:00:0a, length 46`,
  ];
  // The holder asks for the client in the VIP's name, and the client answers.
  log.push(
    `2.002 02:00:00:00:00:0a > 02:00:00:00:00:50, ${arp} Request who-has 10.0.0.2 tell 10.0.0.9, length 28`,
    `2.003 02:00:00:00:00:50 > 02:00:00:00:00:0a, ${arp} Reply 10.0.0.2 is-at 02:00:00:00:00:50, length 28`,
  );
  const samples = parseSamples(log.join("\n"), "10.0.0.9");
  assert.deepEqual(samples, [
    { at: 1000, macs: ["02:00:00:00:00:0a", "02:00:00:00:00:0b"] },
    { at: 2000, macs: [] },
  ]);
  assert.equal(contested(samples).length, 1);
});

Deno.test("samples of an IPv6 address are solicitations to all with their answers", () => {
  const [client, a, b] = ["02:00:00:00:00:50", "02:00:00:00:00:0a", "02:00:00:00:00:0b"];
  const line = (at: string, from: string, to: string, said: string) =>
    `${at} ${from} > ${to}, ethertype IPv6 (0x86dd), length 86: fe80::1 > ff02::1: ICMP6, neighbor ${said}, length 32`;
  const all = "33:33:ff:00:02:00";
  const asked = "solicitation, who has fd00::200";
  const told = "advertisement, tgt is fd00::200";
  const log = [
    line("1.000", client, all, asked),
    line("1.001", b, client, told),
    line("1.002", a, client, told),
    // A look whether the known one is still there, an announcement, and talk about another address.
    line("1.500", client, a, asked),
    line("1.501", a, "33:33:00:00:00:01", told),
    line("2.000", client, all, asked),
    line("2.001", a, client, "advertisement, tgt is fd00::20"),
  ];
  assert.deepEqual(parseSamples(log.join("\n"), "fd00::200"), [
    { at: 1000, macs: [a, b] },
    { at: 2000, macs: [] },
  ]);
});
