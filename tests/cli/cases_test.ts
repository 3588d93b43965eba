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
    assert.deepEqual([outcome.code, holders(outcome), written(outcome)], [1, { g: "a" }, ["ok"]]);
    assert.match(
      outcome.stderr,
      /^Cannot read EgressGatewayPolicy 'p': .*, line 124: .*unknown field "spec\.selectors\[0\]\.nodeSelector"/,
    );
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
};

for (const [file, right] of Object.entries(RIGHT)) {
  Deno.test(`${file} is read as its first line says`, async () => right(await plan(file)));
}
