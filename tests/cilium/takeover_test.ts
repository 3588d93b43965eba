/** What the world outside sees while a gateway moves. In every case no packet may come from a wrong address. */
import assert from "node:assert/strict";
import { pause, until } from "../lab/wait.ts";
import { labTests } from "./e2e.ts";
import { ciliumPolicy, pin, putGateway, putPolicy, seenAs, settled, statusOf } from "./gateways.ts";
import type { Lab } from "./lab.ts";
import { type Observation, observe } from "./observation.ts";

const VIP = "172.31.0.200";

/** A planned move on a machine of two busy cores; `tests/bench/cilium.ts` measures it. */
const MOVE_MILLISECONDS = 1_000;

/** Cilium takes one policy event a second, and that a gateway's node is gone is one. */
const CILIUM_MILLISECONDS = 1_000;

/** Detection and takeover together. */
const POWER_OFF_MILLISECONDS = 6_000;

const test = labTests();

/** A gateway on `node-b` with a standby that is ready, and a policy that is in force. */
async function serve(lab: Lab): Promise<void> {
  await putGateway(lab, { ip: VIP, pin: "node-b" });
  await putPolicy(lab);
  await settled(lab, { on: "node-b" });
  await seenAs(lab, "selected", { source: VIP });
  await seenAs(lab, "near", { source: VIP });
  await pause(2000);
  await pin(lab, undefined);
}

function assertUnharmed(
  seen: Observation,
  { silenceMilliseconds }: { readonly silenceMilliseconds: number },
): void {
  const all = JSON.stringify(seen);
  assert.equal(seen.wrongSource, 0, all);
  assert.deepEqual(seen.sources, [VIP], all);
  assert(seen.silenceMilliseconds <= silenceMilliseconds, all);
  for (const fate of Object.values(seen.connections)) assert(fate.survived, all);
}

interface Way {
  /** What happens to `node-b`, which holds the gateway. */
  readonly what: string;
  /** The longest time in which new flows may get no answer. */
  readonly silenceMilliseconds: number;
  readonly act: (lab: Lab) => Promise<unknown>;
  /** Undoes it while `node-c` holds the gateway, which that must not change. */
  readonly undo?: (lab: Lab) => Promise<unknown>;
}

const holder = (lab: Lab) => lab.node("node-b");

const WAYS: readonly Way[] = [
  {
    what: "a pin names another node",
    silenceMilliseconds: MOVE_MILLISECONDS,
    act: (lab) => pin(lab, "node-c"),
  },
  {
    what: "the holder is cordoned",
    silenceMilliseconds: MOVE_MILLISECONDS,
    act: (lab) => lab.cordon("node-b"),
    undo: (lab) => lab.cordon("node-b", false),
  },
  {
    what: "the holder's label is removed",
    silenceMilliseconds: MOVE_MILLISECONDS,
    act: (lab) => lab.label("node-b", false),
    undo: (lab) => lab.label("node-b", true),
  },
  {
    what: "the holder's Node is deleted",
    silenceMilliseconds: MOVE_MILLISECONDS + CILIUM_MILLISECONDS,
    act: (lab) => lab.plane.api.delete("/api/v1/nodes/node-b"),
    undo: (lab) => lab.putNode("node-b"),
  },
  {
    what: "the holder's agent is told to end",
    silenceMilliseconds: MOVE_MILLISECONDS,
    act: (lab) => holder(lab).sallyport.stop(),
    undo: (lab) => lab.sallyport.startAgent(holder(lab)),
  },
  {
    what: "the holder's agent is killed",
    silenceMilliseconds: POWER_OFF_MILLISECONDS,
    act: (lab) => holder(lab).killSallyport(),
    undo: (lab) => lab.sallyport.startAgent(holder(lab)),
  },
  {
    what: "the holder's agent is stopped, and goes on later",
    silenceMilliseconds: POWER_OFF_MILLISECONDS,
    act: (lab) => Promise.resolve(Deno.kill(holder(lab).sallyport.pid, "SIGSTOP")),
    undo: (lab) => Promise.resolve(Deno.kill(holder(lab).sallyport.pid, "SIGCONT")),
  },
  {
    what: "the holder is cut off from the API server",
    silenceMilliseconds: POWER_OFF_MILLISECONDS,
    act: (lab) => lab.partition("node-b", true),
    undo: (lab) => lab.partition("node-b", false),
  },
];

for (const { what, silenceMilliseconds, act, undo } of WAYS) {
  test(`${what}: the gateway moves, no wrong source, and connections survive`, async (lab) => {
    await serve(lab);
    const pinned = what.startsWith("a pin");
    let undone = false;
    try {
      const seen = await observe(lab, { vip: VIP }, async () => {
        await act(lab);
        await settled(lab, { on: "node-c", standby: pinned });
        if (undo === undefined) return;
        undone = true;
        await undo(lab);
        await settled(lab, { on: "node-c", timeoutMilliseconds: 60_000 });
      });
      assertUnharmed(seen, { silenceMilliseconds });
    } finally {
      if (!undone) await undo?.(lab);
    }
  });
}

test("the API server is away for all: nothing moves, nothing is lost", async (lab) => {
  await serve(lab);
  const before = await statusOf(lab);
  const seen = await observe(lab, { vip: VIP }, async () => {
    await lab.plane.stopApiServer({ graceMilliseconds: 0 });
    await pause(8_000);
    await lab.plane.startApiServer();
    await settled(lab, { on: "node-b", timeoutMilliseconds: 60_000 });
  });
  assertUnharmed(seen, { silenceMilliseconds: MOVE_MILLISECONDS });
  assert.equal((await statusOf(lab)).term, before.term);
});

test("a holder that loses power is replaced, connections survive, and nothing happens when it comes back", async (lab) => {
  await serve(lab);
  const { host } = lab.node("node-b");
  try {
    const seen = await observe(lab, { vip: VIP }, async () => {
      await host.cut();
      await settled(lab, { on: "node-c", standby: false });
    });
    assertUnharmed(seen, { silenceMilliseconds: POWER_OFF_MILLISECONDS });
  } catch (error) {
    await host.restore();
    throw error;
  }
  const back = await observe(lab, { vip: VIP }, async () => {
    await host.restore();
    await settled(lab, { on: "node-c", timeoutMilliseconds: 60_000 });
    await pause(3000);
  });
  assertUnharmed(back, { silenceMilliseconds: MOVE_MILLISECONDS });
  await seenAs(lab, "near", { source: VIP, timeoutMilliseconds: 60_000 });
});

test("Cilium restarted on the holder: the gateway leaves, and may come back", async (lab) => {
  await serve(lab);
  const node = lab.node("node-b");
  const seen = await observe(lab, { vip: VIP }, async () => {
    await node.stopCilium();
    await settled(lab, { on: "node-c", standby: false });
    node.startCilium();
    await node.ciliumReady();
    await settled(lab, { on: "node-c" });
  });
  assertUnharmed(seen, { silenceMilliseconds: MOVE_MILLISECONDS });
  await pin(lab, "node-b");
  await settled(lab, { on: "node-b" });
  await seenAs(lab, "selected", { source: VIP });
  await seenAs(lab, "near", { source: VIP });
});

test("a VIP that somebody removes from the holder is bound again, and Cilium is told", async (lab) => {
  await serve(lab);
  const { host } = lab.node("node-b");
  const before = (await ciliumPolicy(lab)).metadata.annotations;
  const seen = await observe(lab, { vip: VIP }, async () => {
    for (const name of ["eth0", "lo"]) {
      for (const address of await lab.node("node-b").addresses(name)) {
        if (address.startsWith(VIP)) await host.ip("addr", "del", address, "dev", name);
      }
    }
    await until("another bound-at", async () => {
      const { annotations } = (await ciliumPolicy(lab)).metadata;
      return JSON.stringify(annotations) !== JSON.stringify(before);
    }, { timeoutMilliseconds: 20_000 });
    await seenAs(lab, "selected", { source: VIP });
  });
  assert.equal(seen.wrongSource, 0);
  await seenAs(lab, "selected", { source: VIP });
});

test("a controller that is gone changes nothing, and one that comes back goes on", async (lab) => {
  await serve(lab);
  await lab.sallyport.killController();
  const seen = await observe(lab, { vip: VIP }, async () => {
    await pin(lab, "node-c");
    await pause(5000);
    assert.equal((await statusOf(lab)).activeNodeName, "node-b");
    await lab.sallyport.startController();
    await settled(lab, { on: "node-c" });
  });
  assertUnharmed(seen, { silenceMilliseconds: MOVE_MILLISECONDS });
});

for (const phase of ["Preparing", "Active"]) {
  test(`a controller killed when a move is at ${phase} is no harm, and one that comes back ends the move`, async (lab) => {
    await serve(lab);
    const seen = await observe(lab, { vip: VIP }, async () => {
      await pin(lab, "node-c");
      await until("the move", async () => {
        const status = await statusOf(lab);
        return status.activeNodeName === "node-c" &&
          (phase === "Preparing" || status.phase === phase);
      }, { everyMilliseconds: 2, timeoutMilliseconds: 20_000 });
      await lab.sallyport.killController();
      await pause(5000);
      await lab.sallyport.startController();
      await settled(lab, { on: "node-c" });
    });
    assertUnharmed(seen, { silenceMilliseconds: MOVE_MILLISECONDS });
  });
}
