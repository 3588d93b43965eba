/** A CiliumEgressGatewayPolicy that somebody else made is kept for a while, and given back as it was. */
import assert from "node:assert/strict";
import { adoption, givenBack, isAdopted } from "../../src/core/adoption.ts";
import { decide } from "../../src/core/decide.ts";
import { applyMergePatch } from "../../src/core/merge_patch.ts";
import {
  FORMER_ANNOTATION,
  GATEWAY_LABEL,
  MANAGED_BY_LABEL,
  POLICY_LABEL,
} from "../../src/core/names.ts";
import type { CiliumPolicy, JsonObject, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, edit, foreignCiliumPolicy, gateway, policy } from "../support/builders.ts";
import { running } from "../support/obedient_agents.ts";
import { writes } from "../support/read_plan.ts";

const theirs = (options: Partial<CiliumPolicy> = {}) =>
  foreignCiliumPolicy("web", {
    labels: { team: "theirs", [MANAGED_BY_LABEL]: "Helm" },
    annotations: { note: "keep" },
    ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "app", uid: "u1" }],
    ...options,
  });

/** A cluster at rest in which `web` clashes with somebody's policy. */
const clashing = (existing = theirs()): Snapshot =>
  running(cluster({
    nodes: { a: {}, b: {} },
    gateways: [gateway("gw")],
    policies: [policy("web")],
    ciliumPolicies: [existing],
  }));

/** As the API server has it after a merge patch. */
function patched(existing: CiliumPolicy, patch: JsonObject): CiliumPolicy {
  const { labels, annotations, ownerReferences, spec } = existing;
  const whole = { metadata: { labels, annotations, ownerReferences }, spec } as JsonObject;
  const { metadata, spec: after } = applyMergePatch(whole, patch) as {
    readonly metadata: Pick<CiliumPolicy, "labels" | "annotations" | "ownerReferences">;
    readonly spec: JsonObject;
  };
  return { ...existing, ...metadata, spec: after };
}

function adopted(existing = theirs()): Snapshot {
  const state = clashing(existing);
  const taken = edit(state, { ciliumPolicies: { web: patched(existing, adoption(existing)) } });
  return applyPlan(taken, decide(taken));
}

const webOf = (state: Snapshot) => {
  const [found] = state.ciliumPolicies;
  assert.ok(found !== undefined, "the object is there");
  return found;
};

const bare = ({ labels, annotations, ownerReferences, spec }: CiliumPolicy) => ({
  labels,
  annotations,
  ownerReferences,
  spec,
});

const WAYS: readonly (readonly [string, () => CiliumPolicy])[] = [
  ["by command", () => webOf(adopted())],
  ["by a label that a person wrote", () => {
    const labelled = theirs({ labels: { ...theirs().labels, [POLICY_LABEL]: "web" } });
    const state = clashing(labelled);
    return webOf(applyPlan(state, decide(state)));
  }],
  ["with several egress gateways", () =>
    webOf(adopted(theirs({
      spec: { ...theirs().spec, egressGateways: [{ nodeSelector: {} }, { nodeSelector: {} }] },
    })))],
];

for (const [how, make] of WAYS) {
  Deno.test(`an object that is adopted ${how} goes to the gateway's node, and has no owner that its deletion follows`, () => {
    const web = make();
    const selector = (web.spec["egressGateway"] as JsonObject)["nodeSelector"];
    assert.deepEqual(selector, { matchLabels: { "kubernetes.io/hostname": "a" } });
    assert.deepEqual(web.ownerReferences, theirs().ownerReferences);
    assert.equal(web.labels[MANAGED_BY_LABEL], "Helm");
    assert.equal(web.labels[GATEWAY_LABEL], "gw");
    assert.ok(isAdopted(web));
    const state = edit(adopted(), { ciliumPolicies: { web } });
    assert.deepEqual(writes(decide(applyPlan(state, decide(state)))), [], "at rest");
  });

  Deno.test(`an object that was adopted ${how} is given back as it was when its policy is deleted`, () => {
    const web = make();
    const state = edit(adopted(), { policies: { web: null }, ciliumPolicies: { web } });
    const plan = decide(state);
    assert.deepEqual(writes(plan), ["patch CiliumEgressGatewayPolicy/web"]);
    const after = applyPlan(state, plan);
    const spec = how.includes("several")
      ? { ...theirs().spec, egressGateways: [{ nodeSelector: {} }, { nodeSelector: {} }] }
      : theirs().spec;
    assert.deepEqual(bare(webOf(after)), { ...bare(theirs()), spec });
    assert.deepEqual(writes(decide(after)), [], "and left alone");
  });
}

Deno.test("given back while its policy is still there, an object stays as it was and clashes again", () => {
  const state = adopted();
  const back = givenBack(webOf(state));
  assert.ok("patch" in back);
  const after = edit(state, { ciliumPolicies: { web: patched(webOf(state), back.patch) } });
  assert.deepEqual(bare(webOf(after)), bare(theirs()));
  assert.deepEqual(writes(decide(after)), ["patch EgressGatewayPolicy/web"]);
});

Deno.test("a label that is taken away by hand stays away, and what the object was is still known", () => {
  const state = adopted();
  const { [POLICY_LABEL]: _, ...labels } = webOf(state).labels;
  const freed = edit(state, { ciliumPolicies: { web: { labels } } });
  assert.deepEqual(writes(decide(freed)), ["patch EgressGatewayPolicy/web"]);
  const gone = edit(freed, { policies: { web: null } });
  assert.deepEqual(writes(decide(gone)), []);
  // Adopted anew, what counts is what it was before the first time, and not what we made of it.
  const again = patched(webOf(freed), adoption(webOf(freed)));
  assert.equal(again.annotations[FORMER_ANNOTATION], webOf(state).annotations[FORMER_ANNOTATION]);
  // Somebody has pointed it elsewhere since: that is what counts.
  const moved = { ...webOf(freed), spec: { ...theirs().spec, excludedCIDRs: ["10.0.0.0/8"] } };
  const renewed = patched(moved, adoption(moved));
  assert.deepEqual(JSON.parse(renewed.annotations[FORMER_ANNOTATION] ?? ""), { spec: moved.spec });
});

for (const broken of ["{", "7", "null", "{}", '{"spec":[]}', '{"spec":{}}', ""]) {
  Deno.test(`an adopted object whose former spec is ${broken || "empty"} is neither deleted nor changed, and named`, () => {
    const web = webOf(adopted());
    const state = edit(adopted(), {
      policies: { web: null },
      ciliumPolicies: {
        web: { annotations: { ...web.annotations, [FORMER_ANNOTATION]: broken } },
      },
    });
    const plan = decide(state);
    assert.deepEqual(writes(plan), []);
    assert.match(
      plan.warnings.join(),
      /'web' was adopted and is not given back, since its annotation/,
    );
    const kept = givenBack(webOf(state), { keepSpec: true });
    assert.ok("patch" in kept);
    const after = patched(webOf(state), kept.patch);
    assert.deepEqual(bare(after), { ...bare(theirs()), spec: web.spec });
  });
}

Deno.test("an owner that an older controller gave to an adopted object is taken off, so that nothing deletes it", () => {
  const web = webOf(adopted());
  const owner = {
    apiVersion: "network.deckhouse.io/v1alpha1",
    kind: "EgressGatewayPolicy",
    name: "web",
    uid: "uid-web",
  };
  const state = edit(adopted(), {
    ciliumPolicies: {
      web: {
        ownerReferences: [...web.ownerReferences, owner],
        labels: { ...web.labels, [MANAGED_BY_LABEL]: "sallyport" },
      },
    },
  });
  const after = webOf(applyPlan(state, decide(state)));
  assert.deepEqual(after.ownerReferences, theirs().ownerReferences);
  assert.equal(after.labels[MANAGED_BY_LABEL], undefined);
});

Deno.test("what Sallyport made itself goes with its policy, also without its owner", () => {
  const state = running(cluster({
    nodes: { a: {} },
    gateways: [gateway("gw")],
    policies: [policy("web")],
  }));
  assert.equal(isAdopted(webOf(state)), false);
  const gone = edit(state, {
    policies: { web: null },
    ciliumPolicies: { web: { ownerReferences: [] } },
  });
  assert.deepEqual(writes(decide(gone)), ["delete CiliumEgressGatewayPolicy/web"]);
});
