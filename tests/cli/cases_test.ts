/** Files that people had, read as the first line of each says is right. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { sallyport } from "../support/cli.ts";

// deno-lint-ignore no-explicit-any -- JSON that is looked at member by member
type Any = any;

const CASES = fileURLToPath(new URL("./cases", import.meta.url));

interface Outcome {
  readonly code: number;
  readonly stderr: string;
  readonly plan: Any;
}

async function plan(file: string): Promise<Outcome> {
  const { code, stdout, stderr } = await sallyport(
    ["plan", "--from", file, "-o", "json", "--now", "2026-11-23T12:00:00Z"],
    { cwd: CASES },
  );
  return { code, stderr, plan: JSON.parse(stdout) };
}

function holders({ plan }: Outcome): Readonly<Record<string, string>> {
  return Object.fromEntries(plan.gateways.map((each: Any) => [each.name, each.activeNodeName]));
}

function eligible({ plan }: Outcome): readonly string[] {
  return plan.gateways[0].candidates.filter((each: Any) => each.eligible)
    .map(({ node }: Any) => node).sort();
}

/** Names of the policies that Cilium is given. */
function written({ plan }: Outcome): readonly string[] {
  return plan.changes.filter(({ kind }: Any) => kind === "CiliumEgressGatewayPolicy")
    .map(({ name }: Any) => name).sort();
}

function reasonAgainst({ plan }: Outcome, name: string): string {
  const { reasons } = plan.gateways[0].candidates.find(({ node }: Any) => node === name);
  return `${reasons[0].type}: ${reasons[0].message}`;
}

function condition(
  { plan }: Outcome,
  { policy, type: wanted }: { readonly policy: string; readonly type: string },
): Any {
  const { conditions } = plan.policies.find(({ name }: Any) => name === policy);
  return conditions.find(({ type }: Any) => type === wanted);
}

function change({ plan }: Outcome, wanted: string): Any {
  return plan.changes.find(({ kind }: Any) => kind === wanted);
}

const RIGHT: Readonly<Record<string, (outcome: Outcome) => void>> = {
  "dump_without_managed_fields.yaml": (outcome) => {
    assert.deepEqual([outcome.code, holders(outcome)], [0, { g: "a" }]);
    assert.deepEqual(eligible(outcome), ["a", "b"]);
    assert.match(outcome.stderr, /^Note: Leases lack managedFields, .*--show-managed-fields/);
  },
  "other_egressgateway_kind.yaml": (outcome) => {
    assert.deepEqual([outcome.code, outcome.stderr, holders(outcome)], [0, "", { g: "a" }]);
    assert.deepEqual(outcome.plan.warnings, []);
  },
  "merge_keys.yaml": (outcome) => {
    assert.deepEqual([outcome.code, outcome.stderr, holders(outcome)], [0, "", { g: "b" }]);
    assert.deepEqual(eligible(outcome), ["a", "b"]);
  },
  "aliases_of_120_nodes.yaml": (outcome) => {
    assert.deepEqual([outcome.code, outcome.stderr, holders(outcome)], [0, "", { g: "n001" }]);
    const labelled = outcome.plan.changes.filter(({ kind }: Any) => kind === "Node");
    assert.equal(labelled.length, 120);
  },
  "powershell_utf16le.yaml": (outcome) => {
    assert.deepEqual([outcome.code, outcome.stderr, holders(outcome)], [0, "", { g: "a" }]);
  },
  "unquoted_true.yaml": (outcome) => {
    assert.deepEqual([outcome.code, holders(outcome)], [1, { g: "b" }]);
    const [node, gateway] = outcome.stderr.split("\n");
    assert.match(
      node ?? "",
      /^Cannot read Node 'a': .*, line 111: metadata\.labels\.spot: .*quote it: "true"$/,
    );
    assert.match(
      gateway ?? "",
      /^Cannot read EgressGateway 'g2': .*, line 118: spec\.nodeSelector\.egress-node: .*quote it: "true"$/,
    );
  },
  "json_after_json.yaml": (outcome) => {
    assert.deepEqual([outcome.code, outcome.stderr, holders(outcome)], [0, "", { g: "a" }]);
  },
  "node_selector_in_a_rule.yaml": (outcome) => {
    assert.deepEqual([outcome.code, outcome.stderr, holders(outcome)], [0, "", { g: "a" }]);
    assert.deepEqual(written(outcome), ["ok", "p"]);
    const { body } = outcome.plan.changes.find(({ kind, name }: Any) =>
      kind === "CiliumEgressGatewayPolicy" && name === "p"
    );
    assert.deepEqual(body.spec.selectors, [{
      podSelector: { matchLabels: { app: "backend" } },
      nodeSelector: { matchLabels: { "kubernetes.io/hostname": "a" } },
    }]);
  },
  "exists_with_values.yaml": (outcome) => {
    assert.deepEqual([outcome.code, written(outcome)], [1, ["ok"]]);
    const [p1, p2, p3] = outcome.stderr.split("\n");
    const at = /spec\.selectors\[0\]\.podSelector\.matchExpressions\[0\]: /;
    assert.match(p1 ?? "", at);
    assert.match(p1 ?? "", /'p1'.*Operator Exists takes no values: remove them/);
    assert.match(p2 ?? "", at);
    assert.match(p2 ?? "", /'p2'.*Operator In lacks values: write at least one/);
    assert.match(
      p3 ?? "",
      /'p3'.*spec\.selectors\[0\]\.podSelector\.matchLabels: .*'my app' cannot/,
    );
  },
  "vip_as_internal_ip.yaml": (outcome) => {
    assert.deepEqual([outcome.code, holders(outcome)], [0, { g: "a" }]);
    const [gateway] = outcome.plan.gateways;
    assert.deepEqual([gateway.phase, gateway.term, gateway.decision], ["Active", 3, "Keep"]);
  },
  "evicted_cilium_pod_ready.yaml": (outcome) => {
    assert.deepEqual([outcome.code, holders(outcome)], [0, { g: "b" }]);
    assert.match(reasonAgainst(outcome, "a"), /^CiliumAgentNotReady: Pod .* has phase Failed$/);
  },
  "exclusion_covers_all.yaml": (outcome) => {
    const ready = condition(outcome, { policy: "p", type: "Ready" });
    assert.deepEqual([ready.status, ready.reason], ["False", "EverythingExcluded"]);
  },
  "pin_misspelt.yaml": (outcome) => {
    assert.deepEqual([outcome.code, holders(outcome)], [0, { g: "a" }]);
    const said = /The pin names worker-2, which is no candidate/;
    assert.match(outcome.plan.gateways[0].message, said);
    const { status: { conditions } } = change(outcome, "EgressGateway").body;
    const pinned = conditions.find(({ type }: Any) => type === "Pinned");
    assert.deepEqual([pinned.status, pinned.reason], ["False", "NoCandidate"]);
    assert.match(pinned.message, said);
  },
  "foreign_condition.yaml": (outcome) => {
    assert.deepEqual([outcome.code, outcome.stderr, holders(outcome)], [0, "", { g: "a" }]);
  },
  "vip_is_an_external_ip.yaml": (outcome) => {
    assert.deepEqual(holders(outcome), { g: null });
    assert.match(outcome.plan.gateways[0].message, /is node w1's own address/);
  },
  "mixed_interface_names.yaml": (outcome) => {
    assert.deepEqual(eligible(outcome), ["a", "b"]);
    assert.match(reasonAgainst(outcome, "c"), /^InterfaceMissing: /);
  },
  "same_pods_twice.yaml": (outcome) => {
    assert.deepEqual(written(outcome), ["p1", "p2"]);
    for (const [policy, other] of [["p1", "p2"], ["p2", "p1"]] as const) {
      const { status, reason, message } = condition(outcome, { policy, type: "Conflicted" });
      assert.deepEqual([status, reason], ["True", "SameTraffic"]);
      assert.match(message, new RegExp(`EgressGatewayPolicy '${other}'`));
    }
  },
  "node_clock_ahead.yaml": (outcome) => {
    assert.deepEqual([outcome.code, holders(outcome)], [0, { g: "a" }]);
    assert.equal(outcome.plan.gateways[0].decision, "FailBack");
  },
};

for (const [file, right] of Object.entries(RIGHT)) {
  Deno.test(`${file} is read as its first line says`, async () => right(await plan(file)));
}
