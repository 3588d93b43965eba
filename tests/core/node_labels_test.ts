/** The labels that Sallyport keeps on nodes: `member` and `active-for-<gateway>`. */
import assert from "node:assert/strict";
import { ACTIVE_FOR_LABEL, MEMBER_LABEL } from "../../src/core/names.ts";
import { decide } from "../../src/core/decide.ts";
import type { Plan } from "../../src/core/types.ts";
import { address, cluster, edit, gateway, invalid, lastRenewed, VIP } from "../support/builders.ts";
import { obey, running } from "../support/obedient_agents.ts";

/** Label changes by node. */
function labelPatches(plan: Plan): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    plan.changes.filter(({ kind }) => kind === "Node").map(({ name, body }) => [
      name,
      (body["metadata"] as Record<string, unknown>)["labels"],
    ]),
  );
}

const egress = { node: { labels: { role: "egress" } } };
const selected = gateway("gw", { nodeSelector: { role: "egress" } });

Deno.test("every candidate is a member, ready or not; the holder is marked as active", () => {
  const plan = decide(cluster({
    nodes: { a: egress, b: { node: { ...egress.node, ready: false } }, c: {} },
    gateways: [selected],
  }));
  assert.deepEqual(labelPatches(plan), {
    a: { [MEMBER_LABEL]: "", [`${ACTIVE_FOR_LABEL}gw`]: "" },
    b: { [MEMBER_LABEL]: "" },
  });
});

Deno.test("labels that are right are not written again", () => {
  assert.deepEqual(
    labelPatches(decide(running(cluster({ nodes: { a: egress }, gateways: [selected] })))),
    {},
  );
});

Deno.test("a failover moves the active mark, and each node is patched on its own resourceVersion", () => {
  const before = running(cluster({ nodes: { a: egress, b: egress }, gateways: [selected] }));
  const plan = decide(edit(before, { nodes: { a: { cordoned: true } } }));
  assert.deepEqual(labelPatches(plan), {
    a: { [`${ACTIVE_FOR_LABEL}gw`]: null },
    b: { [`${ACTIVE_FOR_LABEL}gw`]: "" },
  });
  for (const { name, body } of plan.changes.filter(({ kind }) => kind === "Node")) {
    const stored = before.nodes.find((node) => node.name === name)?.resourceVersion;
    assert.equal((body["metadata"] as Record<string, unknown>)["resourceVersion"], stored);
  }
});

Deno.test("while a VIP is handed over, the mark stays with the node that serves", () => {
  const before = running(
    cluster({ nodes: { a: {}, b: {} }, gateways: [gateway("gw", { vip: VIP })] }),
  );
  const plan = decide(edit(before, {
    gateways: { gw: { annotations: gateway("gw", { pin: "b" }).annotations } },
  }));
  assert.equal(plan.gateways[0]?.phase, "Preparing");
  assert.deepEqual(labelPatches(plan), {});
});

Deno.test("a node that is no longer a candidate stays a member while it reports an address of ours", () => {
  const before = running(cluster({ nodes: { a: egress, b: egress }, gateways: [selected] }));
  const relabelled = edit(before, {
    nodes: { b: { labels: { [MEMBER_LABEL]: "" } } },
    leases: {
      b: {
        report: {
          interfaces: [],
          failures: [],
          uplinks: [],
          unreachable: [],
          heard: {},
          renewingSince: null,
          leaving: false,
          addresses: [address()],
        },
      },
    },
  });
  assert.deepEqual(labelPatches(decide(relabelled)), {});
  assert.deepEqual(labelPatches(decide(obey(relabelled))), { b: { [MEMBER_LABEL]: null } });
});

Deno.test("labels of gateways that are gone are taken off, labels of others are not", () => {
  const plan = decide(cluster({
    nodes: {
      a: {
        node: { labels: { [MEMBER_LABEL]: "", [`${ACTIVE_FOR_LABEL}gone`]: "", team: "theirs" } },
      },
    },
  }));
  assert.deepEqual(labelPatches(plan), {
    a: { [MEMBER_LABEL]: null, [`${ACTIVE_FOR_LABEL}gone`]: null },
  });
});

Deno.test("a node that holds several gateways gets all marks in one patch", () => {
  const plan = decide(cluster({ nodes: { a: {} }, gateways: [gateway("two"), gateway("one")] }));
  assert.deepEqual(labelPatches(plan), {
    a: { [MEMBER_LABEL]: "", [`${ACTIVE_FOR_LABEL}one`]: "", [`${ACTIVE_FOR_LABEL}two`]: "" },
  });
});

Deno.test("a mark with a wrong value is put right", () => {
  const before = running(cluster({ nodes: { a: egress }, gateways: [selected] }));
  const labels = { role: "egress", [MEMBER_LABEL]: "no", [`${ACTIVE_FOR_LABEL}gw`]: "" };
  assert.deepEqual(labelPatches(decide(edit(before, { nodes: { a: { labels } } }))), {
    a: { [MEMBER_LABEL]: "" },
  });
});

Deno.test("a gateway whose name is too long for a label gets no mark, and everything else", () => {
  const long = gateway("g".repeat(63));
  const plan = decide(cluster({ nodes: { a: {} }, gateways: [long] }));
  assert.deepEqual(labelPatches(plan), { a: { [MEMBER_LABEL]: "" } });
  assert.equal(plan.gateways[0]?.activeNodeName, "a");
});

Deno.test("marks of a gateway that cannot be read stay", () => {
  const before = running(cluster({ nodes: { a: {}, b: {} }, gateways: [gateway("gw")] }));
  const plan = decide({
    ...edit(before, { gateways: { gw: null } }),
    invalid: [invalid("EgressGateway", "gw")],
  });
  assert.deepEqual(labelPatches(plan), {});
});

Deno.test("a dead holder loses its mark with the takeover", () => {
  const before = running(
    cluster({ nodes: { a: {}, b: {}, c: {} }, gateways: [gateway("gw", { vip: VIP })] }),
  );
  assert.deepEqual(labelPatches(decide(lastRenewed(before, { a: 4 }))), {
    a: { [`${ACTIVE_FOR_LABEL}gw`]: null },
    b: { [`${ACTIVE_FOR_LABEL}gw`]: "" },
  });
});
