import assert from "node:assert/strict";
import type { Commands, Followed } from "../../../src/agent/linux/command.ts";
import { PeerPings } from "../../../src/agent/linux/pings.ts";
import { labTest, Network } from "../../lab/network.ts";
import { pause, until } from "../../lab/wait.ts";
import { programs } from "../../support/needs.ts";

const NEEDS = [programs("fping")];

/** A stand-in for fping whose lines the test says. */
class FakePings {
  readonly argvs: (readonly string[])[] = [];
  #say: (line: string) => void = () => {};
  #die: (error: Error) => void = () => {};

  readonly commands: Commands = {
    run: () => Promise.reject(new Error("must not run")),
    follow: (argv, { onLine }): Followed => {
      this.argvs.push(argv);
      this.#say = onLine;
      const { promise: ended, reject, resolve } = Promise.withResolvers<void>();
      this.#die = reject;
      return { started: Promise.resolve(), ended, write: () => {}, stop: resolve };
    },
  };

  say(ip: string, words: "answer" | "miss", ageMilliseconds = 0): void {
    const at = ((Date.now() - ageMilliseconds) / 1000).toFixed(5);
    const rest = words === "miss"
      ? "timed out (NaN avg, 100% loss)"
      : "64 bytes, 0.045 ms (0.056 avg, 0% loss)";
    this.#say(`[${at}] ${ip} : [6], ${rest}`);
  }

  die(): void {
    this.#die(new Error("killed"));
  }
}

Deno.test("three misses in a row make an address unreachable, one answer makes it reachable", () => {
  const fping = new FakePings();
  const told: (readonly string[])[] = [];
  using pings = new PeerPings(["10.0.0.1", "10.0.0.2"], {
    commands: fping.commands,
    onChange: (unreachable) => told.push(unreachable),
  });
  fping.say("10.0.0.2", "answer");
  for (const words of ["miss", "miss", "answer", "miss", "miss"] as const) {
    fping.say("10.0.0.2", words);
    assert.deepEqual(pings.unreachable(), []);
  }
  fping.say("10.0.0.2", "miss");
  assert.deepEqual(pings.unreachable(), ["10.0.0.2"]);
  fping.say("10.0.0.2", "miss");
  fping.say("10.0.0.2", "answer");
  assert.deepEqual(told, [["10.0.0.2"], []]);
});

Deno.test("an address that never answered is not called unreachable", () => {
  const fping = new FakePings();
  using pings = new PeerPings(["10.0.0.1"], { commands: fping.commands });
  for (let count = 0; count < 10; count++) fping.say("10.0.0.1", "miss");
  assert.deepEqual(pings.unreachable(), []);
});

Deno.test("what was said long ago is no news", () => {
  const fping = new FakePings();
  using pings = new PeerPings(["10.0.0.1"], { commands: fping.commands });
  fping.say("10.0.0.1", "answer");
  for (let count = 0; count < 10; count++) fping.say("10.0.0.1", "miss", 60_000);
  assert.deepEqual(pings.unreachable(), []);
});

Deno.test("nothing is known once fping falls silent, as it does when the node's own interface is down", async () => {
  const fping = new FakePings();
  const told: (readonly string[])[] = [];
  using pings = new PeerPings(["10.0.0.1"], {
    commands: fping.commands,
    periodMilliseconds: 10,
    onChange: (unreachable) => told.push(unreachable),
  });
  fping.say("10.0.0.1", "answer");
  for (let count = 0; count < 3; count++) fping.say("10.0.0.1", "miss");
  assert.deepEqual(pings.unreachable(), ["10.0.0.1"]);
  await until("silence to be noticed", () => told.length === 2);
  assert.deepEqual(told, [["10.0.0.1"], []]);
});

Deno.test("fping is started anew only when the targets differ, and what is known stays", () => {
  const fping = new FakePings();
  using pings = new PeerPings([], { commands: fping.commands });
  assert.equal(fping.argvs.length, 0, "nobody to ping");
  pings.setTargets(["10.0.0.1", "10.0.0.2"]);
  fping.say("10.0.0.1", "answer");
  pings.setTargets(["10.0.0.2", "10.0.0.1"]);
  assert.equal(fping.argvs.length, 1);
  pings.setTargets(["10.0.0.1", "10.0.0.3"]);
  assert.equal(fping.argvs.length, 2);
  assert.deepEqual(fping.argvs[1]?.slice(-2), ["10.0.0.1", "10.0.0.3"]);
  for (let count = 0; count < 3; count++) fping.say("10.0.0.1", "miss");
  assert.deepEqual(pings.unreachable(), ["10.0.0.1"]);
});

Deno.test("an fping that dies is told and started again", async () => {
  const fping = new FakePings();
  const failures: string[] = [];
  using pings = new PeerPings(["10.0.0.1"], {
    commands: fping.commands,
    onFailure: ({ message }) => failures.push(message),
  });
  fping.die();
  await until("the restart", () => fping.argvs.length === 2);
  assert.deepEqual(failures, ["killed"]);
  pings.close();
  fping.die();
  await pause(10);
  assert.equal(failures.length, 1, "closed");
});

labTest("a target that reads as an option is none to fping", async () => {
  await using network = await Network.create();
  const a = await network.host("a", [{ name: "eth0", bridge: "c", address: "10.0.0.1/24" }]);
  await network.host("b", [{ name: "eth0", bridge: "c", address: "10.0.0.2/24" }]);
  const said: string[] = [];
  const commands: Commands = {
    ...a.commands,
    follow: (argv, options) =>
      a.commands.follow(argv, {
        ...options,
        onLine: (line) => said.push(line),
        onErrorLine: (line) => said.push(line),
      }),
  };
  // An interval of 0 with 10,000 addresses would flood the network; here it is a name that nobody has.
  using _ = new PeerPings(["-i0", "10.0.0.2"], { commands });
  await until("word of the name", () => said.some((line) => line.startsWith("-i0:")));
  await until("an answer", () => said.some((line) => line.includes("10.0.0.2 : ")));
}, NEEDS);

const CUTS = [
  { how: "silent", peer: "10.0.0.2" },
  { how: "unplugged", peer: "10.0.0.2" },
  { how: "silent", peer: "fd00::2" },
] as const;

for (const { how, peer } of CUTS) {
  labTest(
    `a cut link to ${peer} (${how}) is seen within a second, and its return too`,
    async (t) => {
      await using network = await Network.create();
      const cable = (number: number) => ({
        name: "eth0",
        bridge: "c",
        address: `10.0.0.${number}/24`,
        ...(peer === "fd00::2" ? { address6: `fd00::${number}/64` } : {}),
      });
      const a = await network.host("a", [cable(1)]);
      const b = await network.host("b", [cable(2)]);
      let answered = false;
      const commands: Commands = {
        ...a.commands,
        follow: (argv, options) =>
          a.commands.follow(argv, {
            ...options,
            onLine: (line) => {
              answered ||= line.includes(`${peer} `) && line.includes("bytes");
              options.onLine(line);
            },
          }),
      };
      using pings = new PeerPings([peer, "10.0.0.77"], { commands });
      await until("the first answer", () => answered);
      await b.cut({ how });
      const cutAt = performance.now();
      await until("the cut to be seen", () => pings.unreachable().length > 0, {
        everyMilliseconds: 1,
      });
      const took = performance.now() - cutAt;
      assert.deepEqual(pings.unreachable(), [peer]);
      assert(took > 400 && took < 1000, `seen after ${took} ms in '${t.name}'`);
      await b.restore();
      await until("the return to be seen", () => pings.unreachable().length === 0);
    },
    NEEDS,
  );
}
