/** `fallbackGatewayName`: what takes over when none of a gateway's candidates is left, and gives back. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { GATEWAY_LABEL } from "../../src/core/names.ts";
import type { JsonObject, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, edit, gateway, policy } from "../support/builders.ts";
import type { GatewayOptions, PolicyOptions } from "../support/builders.ts";
import { later, obey, running } from "../support/obedient_agents.ts";
import { found, policyCondition } from "../support/read_plan.ts";

const VIPS = { a: "172.18.18.10", b: "172.18.18.11" };

function world(
  options: PolicyOptions = {},
  gateways: { readonly a?: GatewayOptions; readonly b?: GatewayOptions } = {},
): Snapshot {
  return cluster({
    nodes: Object.fromEntries(
      ["a1", "a2", "b1", "b2"].map((name) => [name, {
        node: { labels: { zone: name.slice(0, 1) } },
      }]),
    ),
    gateways: (["a", "b"] as const).map((name) =>
      gateway(name, { vip: VIPS[name], nodeSelector: { zone: name }, ...gateways[name] })
    ),
    policies: [policy("web", { gateway: "a", fallback: "b", ...options })],
  });
}

const cordon = (state: Snapshot, cordoned: boolean, ...nodes: readonly string[]) =>
  edit(state, { nodes: Object.fromEntries(nodes.map((name) => [name, { cordoned }])) });

/** Address and gateway that Cilium is told, of the Cilium policy of this name. */
function wayOf({ ciliumPolicies }: Snapshot, name = "web"): string {
  const { spec, labels } = found(ciliumPolicies.find((each) => each.name === name), name);
  return `${labels[GATEWAY_LABEL]} ${(spec["egressGateway"] as JsonObject)["egressIP"]}`;
}

const seconds = (state: Snapshot, count: number): Snapshot =>
  Array.from({ length: count }).reduce<Snapshot>(
    (world) => later(obey(applyPlan(world, decide(world))), 1),
    state,
  );

Deno.test("while one candidate is eligible the gateway serves itself", () => {
  const state = running(cordon(running(world()), true, "a1"));
  assert.equal(wayOf(state), "a 172.18.18.10");
});

Deno.test("the fallback takes over when no candidate is left, and gives back after minReadySeconds", () => {
  const lost = running(cordon(running(world()), true, "a1", "a2"));
  assert.equal(wayOf(lost), "b 172.18.18.11");
  assert.deepEqual(found(lost.policies[0], "policy").status.gateways, [
    { name: "a", shards: 256, activeNodeName: "b1", egressIP: "172.18.18.11", servedBy: "b" },
  ]);
  const ready = policyCondition(decide(lost), "web", "Ready");
  assert.deepEqual([ready.status, ready.reason, ready.message], [
    "True",
    "Fallback",
    "b on b1 stands in for a, none of whose candidates is eligible",
  ]);
  // The default is 10 s.
  const back = cordon(lost, false, "a2");
  assert.equal(wayOf(seconds(back, 8)), "b 172.18.18.11");
  const after = seconds(back, 14);
  assert.equal(wayOf(after), "a 172.18.18.10");
  assert.equal(
    "servedBy" in (found(after.policies[0], "policy").status.gateways?.[0] ?? {}),
    false,
  );
  assert.deepEqual(decide(after).changes, []);
});

Deno.test("a node that comes and goes does not take the traffic to and fro", () => {
  let state = running(cordon(running(world()), true, "a1", "a2"));
  for (let round = 0; round < 5; round++) {
    for (const cordoned of [false, true]) {
      state = seconds(cordon(state, cordoned, "a1"), 5);
      assert.equal(wayOf(state), "b 172.18.18.11");
    }
  }
});

Deno.test("a fallback that moves is followed", () => {
  const lost = running(cordon(running(world()), true, "a1", "a2"));
  const moved = running(cordon(lost, true, "b1"));
  assert.equal(wayOf(moved), "b 172.18.18.11");
  assert.equal(found(moved.policies[0], "policy").status.gateways?.[0]?.activeNodeName, "b2");
});

Deno.test("with neither well the traffic stays where it was, and goes back at once when the gateway is well first", () => {
  const both = running(cordon(running(world()), true, "a1", "a2", "b1", "b2"));
  assert.equal(wayOf(both), "a 172.18.18.10");
  const onlyA = running(cordon(running(world()), true, "a1", "a2"));
  const neither = running(cordon(onlyA, true, "b1", "b2"));
  assert.equal(wayOf(neither), "b 172.18.18.11");
  assert.equal(wayOf(seconds(cordon(neither, false, "a1"), 3)), "a 172.18.18.10");
});

Deno.test("where the gateway drops when nobody is eligible, the fallback serves all the same", () => {
  const state = running(
    cordon(running(world({}, { a: { whenNoneEligible: "Drop" } })), true, "a1", "a2"),
  );
  assert.equal(wayOf(state), "b 172.18.18.11");
});

Deno.test("the fallback of several gateways takes over the share of the lost one alone", () => {
  const before = running(world({ gateways: ["a", "b"], fallback: "b" }));
  const state = running(cordon(before, true, "a1", "a2"));
  assert.deepEqual([wayOf(state, "web.a"), wayOf(state, "web.b")], [
    "b 172.18.18.11",
    "b 172.18.18.11",
  ]);
  const own = ({ ciliumPolicies }: Snapshot) =>
    ciliumPolicies.map(({ spec }) => JSON.stringify(spec["selectors"])).sort();
  assert.deepEqual(own(state), own(before));
});

Deno.test("a fallback that does not serve all of the pods is not used, since the others would leave by their own nodes", () => {
  const shop = { names: ["shop"] };
  const lost = (policyOf: PolicyOptions, ...[a, b]: readonly (GatewayOptions | undefined)[]) =>
    wayOf(
      running(
        cordon(running(world(policyOf, { ...(a && { a }), ...(b && { b }) })), true, "a1", "a2"),
      ),
    );
  assert.equal(lost({}, {}, { allowedNamespaces: shop }), "a 172.18.18.10");
  assert.equal(
    lost({}, { allowedNamespaces: shop }, { allowedNamespaces: shop }),
    "b 172.18.18.11",
  );
});

Deno.test("a fallback that is not there is told, and changes nothing else", () => {
  const state = running(world({ fallback: "missing" }));
  assert.equal(wayOf(state), "a 172.18.18.10");
  const { status, reason } = policyCondition(decide(state), "web", "Accepted");
  assert.deepEqual([status, reason], ["True", "FallbackNotFound"]);
});

Deno.test("a gateway that cannot be read is not taken for a lost one", () => {
  const before = running(world());
  const state = {
    ...before,
    gateways: before.gateways.filter(({ name }) => name !== "a"),
    invalid: [{ kind: "EgressGateway", name: "a", message: "unreadable" } as const],
  };
  assert.equal(wayOf(applyPlan(state, decide(state))), "a 172.18.18.10");
  const lost = running(cordon(before, true, "a1", "a2"));
  const unread = {
    ...lost,
    gateways: lost.gateways.filter(({ name }) => name !== "b"),
    invalid: [{ kind: "EgressGateway", name: "b", message: "unreadable" } as const],
  };
  assert.equal(wayOf(applyPlan(unread, decide(unread))), "b 172.18.18.11");
});
