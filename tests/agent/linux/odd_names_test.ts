/** Interfaces may have any name without white space, slash and colon. None of them may end an agent, or mislead it. */
import assert from "node:assert/strict";
import { linuxHands } from "../../../src/agent/linux/linux_hands.ts";
import { labTest, Network } from "../../lab/network.ts";
import { programs } from "../../support/needs.ts";

const NEEDS = [programs("nft", "arping")];

/** Names that every tool can be told. */
const ODD = [
  "br#1",
  "it's",
  "b{r}",
  "a;b",
  "st*r",
  "$var",
  "-i0",
  "a,b",
  "@x",
  "back\\slash",
  "dev",
  "5",
  "!x",
  "fifteen-letters",
];

/** Names that nft cannot be told. */
const PASSED_OVER = ['q"q', "eth*", "*", "end\\", "ü-日本", "bell\u0007"];

labTest(
  "on interfaces with odd names a VIP is bound, looked for and unbound",
  async () => {
    await using network = await Network.create();
    const told: string[] = [];
    const cables = [...ODD, ...PASSED_OVER].map((name, index) => ({
      name,
      bridge: `lan${index}`,
      address: `10.${index}.0.1/24`,
    }));
    const host = await network.host("a", cables);
    const { commands } = host;
    const ending = new AbortController();
    const hands = linuxHands({
      commands,
      probeMilliseconds: 100,
      onFailure: ({ message }) => told.push(message),
      signal: ending.signal,
    });
    const names = (await hands.interfaces()).map(({ name }) => name);
    assert.deepEqual(names, ["lo", ...ODD, ...PASSED_OVER.slice(0, -1), "bell\uFFFD"]);
    const usable = cables.slice(0, -1);
    const ips = usable.map((_, index) => `10.${index}.0.9`);
    for (let time = 1; time <= 2; time++) await hands.own(ips);
    const gate = await host.run(["nft", "list", "table", "arp", "sallyport"]);
    for (const name of ODD) assert.ok(gate.includes(`oifname "${name}" `), gate);
    for (const name of PASSED_OVER) assert.ok(!gate.includes(`oifname "${name}`), gate);
    assert.equal(told.length, PASSED_OVER.length, "each is told once");
    assert.match(
      told.join("\n"),
      /Cannot name interface "eth\*" in the gate: .* rename the interface/,
    );
    for (const [index, { name }] of usable.entries()) {
      const ip = ips[index] ?? "";
      const place = { ip, interface: name };
      await hands.bind(place);
      const isThere = async () =>
        (await hands.interfaces()).find((link) => link.name === name)?.addresses
          .some((address) => address.ours && address.ip === ip);
      assert.equal(await isThere(), true, name);
      assert.equal(await hands.probe(ip, [name]), undefined, name);
      await hands.unbind(place);
      assert.equal(await isThere(), false, name);
    }
    assert.equal(told.length, PASSED_OVER.length, told.join("\n"));
    ending.abort();
  },
  NEEDS,
);
