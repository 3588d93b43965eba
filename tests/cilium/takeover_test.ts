/** What the world outside sees while a gateway moves. In every case no packet may come from a wrong address. */
import assert from "node:assert/strict";
import { familyName, familyOf } from "../../src/core/ip_family.ts";
import { pause, until } from "../lab/wait.ts";
import { hasIPv6EgressIPs } from "./cilium_build.ts";
import { labTests } from "./e2e.ts";
import { ciliumPolicy, pin, putGateway, putPolicy, seenAs, settled, statusOf } from "./gateways.ts";
import { type Lab, NODE_OF } from "./lab.ts";
import { type Observation, observe } from "./observation.ts";
import { DESTINATIONS } from "./outside.ts";

const VIP = "172.31.0.200";
const VIP6 = "fd00:31::200";

/** Of the gateway that most scenes have. */
const VIPS = hasIPv6EgressIPs() ? [VIP, VIP6] : [VIP];

/** A planned move on a machine of two busy cores; `tests/bench/cilium.ts` measures it. */
const MOVE_MILLISECONDS = 1_000;

/** Cilium takes one policy event a second: that a gateway's node is gone is one, and so is the policy of the other family. */
const CILIUM_MILLISECONDS = 1_000;

/** Detection and takeover together. */
const POWER_OFF_MILLISECONDS = 6_000;

const test = labTests({ dual: true });

/** A gateway on `node-b` with a standby that is ready, and a policy that is in force. */
async function serve(lab: Lab, vips = VIPS): Promise<void> {
  await putGateway(lab, { ips: vips, pin: "node-b" });
  await putPolicy(lab, { destinationCIDRs: vips.map((vip) => DESTINATIONS[familyOf(vip)]) });
  await settled(lab, { on: "node-b" });
  await allSeenAs(lab, vips);
  await pause(2000);
  await pin(lab, undefined);
}

/** Waits until pods on the holder and elsewhere leave with the VIPs. */
async function allSeenAs(
  lab: Lab,
  vips = VIPS,
  options: { readonly timeoutMilliseconds?: number } = {},
): Promise<void> {
  for (const source of vips) {
    for (const pod of ["selected", "near"] as const) {
      await seenAs(lab, pod, { source, ...options });
    }
  }
}

function assertUnharmed(
  seen: readonly Observation[],
  limits: { readonly silenceMilliseconds: number },
): void {
  const all = JSON.stringify(seen);
  for (const { vip, wrongSource, sources, silenceMilliseconds, connections } of seen) {
    assert.equal(wrongSource, 0, all);
    assert.deepEqual(sources, [vip], all);
    const waiting = seen.length > 1 ? CILIUM_MILLISECONDS : 0;
    assert(silenceMilliseconds <= limits.silenceMilliseconds + waiting, all);
    for (const fate of Object.values(connections)) assert(fate.survived, all);
  }
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
      const seen = await observe(lab, { vips: VIPS }, async () => {
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
  const seen = await observe(lab, { vips: VIPS }, async () => {
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
    const seen = await observe(lab, { vips: VIPS }, async () => {
      await host.cut();
      await settled(lab, { on: "node-c", standby: false });
    });
    assertUnharmed(seen, { silenceMilliseconds: POWER_OFF_MILLISECONDS });
  } catch (error) {
    await host.restore();
    throw error;
  }
  const back = await observe(lab, { vips: VIPS }, async () => {
    await host.restore();
    await settled(lab, { on: "node-c", timeoutMilliseconds: 60_000 });
    await pause(3000);
  });
  assertUnharmed(back, { silenceMilliseconds: MOVE_MILLISECONDS });
  await allSeenAs(lab, VIPS, { timeoutMilliseconds: 60_000 });
});

for (const vip of VIPS.length > 1 ? VIPS : []) {
  const family = familyName(familyOf(vip));
  test(`a gateway of ${family} alone is moved, and then its holder loses power: connections survive`, async (lab) => {
    await serve(lab, [vip]);
    const moved = await observe(lab, { vips: [vip] }, async () => {
      await pin(lab, "node-c");
      await settled(lab, { on: "node-c" });
    });
    assertUnharmed(moved, { silenceMilliseconds: MOVE_MILLISECONDS });
    await pin(lab, undefined);
    const { host } = lab.node("node-c");
    try {
      const died = await observe(lab, { vips: [vip] }, async () => {
        await host.cut();
        await settled(lab, { on: "node-b", standby: false });
      });
      assertUnharmed(died, { silenceMilliseconds: POWER_OFF_MILLISECONDS });
    } finally {
      await host.restore();
    }
    await settled(lab, { on: "node-b", timeoutMilliseconds: 60_000 });
  });
}

test("Cilium restarted on the holder: the gateway leaves, and may come back", async (lab) => {
  await serve(lab);
  const node = lab.node("node-b");
  const seen = await observe(lab, { vips: VIPS }, async () => {
    await node.stopCilium();
    await settled(lab, { on: "node-c", standby: false });
    node.startCilium();
    await node.ciliumReady();
    await settled(lab, { on: "node-c" });
  });
  assertUnharmed(seen, { silenceMilliseconds: MOVE_MILLISECONDS });
  await pin(lab, "node-b");
  await settled(lab, { on: "node-b" });
  await allSeenAs(lab);
});

test("the holder and Cilium there do not hear of a move: pods on it go on by it, and their answers come by the new one", async (lab) => {
  await serve(lab);
  try {
    const seen = await observe(lab, { vips: VIPS, pod: "near" }, async () => {
      await lab.partition(NODE_OF.near, true);
      await pin(lab, "node-c");
      await settled(lab, { on: "node-c", standby: false });
      await pause(5_000);
    });
    assertUnharmed(seen, { silenceMilliseconds: MOVE_MILLISECONDS });
  } finally {
    await lab.partition(NODE_OF.near, false);
  }
  await settled(lab, { on: "node-c", timeoutMilliseconds: 60_000 });
  await allSeenAs(lab, VIPS, { timeoutMilliseconds: 60_000 });
});

test("a VIP that somebody removes from the holder is bound again, and Cilium is told", async (lab) => {
  await serve(lab);
  const { host } = lab.node("node-b");
  const notes = async () => {
    const policies = VIPS.map((vip) => ciliumPolicy(lab, vip === VIP ? "policy" : "policy-ipv6"));
    return (await Promise.all(policies)).map(({ metadata }) =>
      JSON.stringify(metadata.annotations)
    );
  };
  const before = await notes();
  const seen = await observe(lab, { vips: VIPS }, async () => {
    for (const name of ["eth0", "lo"]) {
      for (const address of await lab.node("node-b").addressesOf(name)) {
        if (!VIPS.some((vip) => address.startsWith(vip))) continue;
        await host.ip("addr", "del", address, "dev", name);
      }
    }
    await until("another bound-at", async () => {
      const now = await notes();
      return now.every((note, index) => note !== before[index]);
    }, { timeoutMilliseconds: 20_000 });
    await allSeenAs(lab);
  });
  for (const { wrongSource } of seen) assert.equal(wrongSource, 0);
  await allSeenAs(lab);
});

test("a controller that is gone changes nothing, and one that comes back goes on", async (lab) => {
  await serve(lab);
  await lab.sallyport.killController();
  const seen = await observe(lab, { vips: VIPS }, async () => {
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
    const seen = await observe(lab, { vips: VIPS }, async () => {
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
