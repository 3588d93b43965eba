import assert from "node:assert/strict";
import { CommandError } from "../../../src/agent/linux/command.ts";
import { openNft } from "../../../src/agent/linux/nft.ts";
import { labTest, Network } from "../../lab/network.ts";
import { programs } from "../../support/needs.ts";

const NEEDS = [programs("nft")];
const TABLE = "add table arp t; add set arp t s { type ipv4_addr; flags timeout; }";

labTest(
  "transactions are committed in their order, and one that is refused stops no other",
  async () => {
    await using network = await Network.create();
    const host = await network.host("host", []);
    using nft = openNft(host);
    const refused = nft.apply(["add element arp t s { 10.0.0.1 }"]);
    const made = nft.apply([TABLE]);
    const added = [1, 2, 3].map((n) =>
      nft.apply([`add element arp t s { 10.0.0.${n} timeout 9s }`])
    );
    await assert.rejects(refused, (error: CommandError) => /No such file/.test(error.message));
    await Promise.all([made, ...added]);
    const text = await host.run(["nft", "list", "table", "arp", "t"]);
    assert.deepEqual(text.match(/10\.0\.0\.\d/g)?.sort(), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
  },
  NEEDS,
);

labTest("a transaction is all or nothing", async () => {
  await using network = await Network.create();
  const host = await network.host("host", []);
  using nft = openNft(host);
  await nft.apply([TABLE]);
  await assert.rejects(
    nft.apply([
      "add element arp t s { 10.0.0.1 timeout 9s }",
      "delete element arp t s { 10.0.0.2 }",
    ]),
    CommandError,
  );
  assert.doesNotMatch(await host.run(["nft", "list", "table", "arp", "t"]), /10\.0\.0\.1/);
}, NEEDS);

labTest("an nft that died is replaced, and what it was asked for fails", async () => {
  await using network = await Network.create();
  const host = await network.host("host", []);
  using nft = openNft(host);
  const pids = async () => {
    const listing = new Deno.Command("ip", { args: ["netns", "pids", host.namespace] });
    return new TextDecoder().decode((await listing.output()).stdout).trim().split("\n").map(Number);
  };
  await nft.apply([TABLE]);
  const [pid = 0] = await pids();
  Deno.kill(pid, "SIGSTOP");
  const asked = nft.apply(["add element arp t s { 10.0.0.1 timeout 9s }"]);
  Deno.kill(pid, "SIGKILL");
  await assert.rejects(asked, /killed by SIGKILL/);
  await nft.apply(["add element arp t s { 10.0.0.2 timeout 9s }"]);
  const text = await host.run(["nft", "list", "table", "arp", "t"]);
  assert.deepEqual(text.match(/10\.0\.0\.\d/g), ["10.0.0.2"]);
  assert.notDeepEqual(await pids(), [pid]);
}, NEEDS);
