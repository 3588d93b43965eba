/** EgressGatewayPolicies that the API server must refuse. */
import { policy, type Refusal } from "./crd_manifests.ts";

export const POLICY_REFUSALS: readonly Refusal[] = [
  ...cidrs("destinationCIDRs"),
  ...cidrs("excludedCIDRs"),
  ...rules(),
  ...expressions("podSelector"),
  ...expressions("namespaceSelector"),
  ...expressions("nodeSelector", { podSelector: {} }),
  ...labels(),
  ...references(),
  ...severalGateways(),
];

function cidrs(list: "destinationCIDRs" | "excludedCIDRs"): readonly Refusal[] {
  const notOne =
    "is not a CIDR: write an IPv4 address and a prefix length of 0 to 32, such as 192.0.2.0/24";
  const notOne6 =
    "is not a CIDR: write an IPv6 address and a prefix length of 0 to 128, such as 2001:db8::/32, or ::/0 for everywhere";
  const noZone = "is not a CIDR: write it without a zone, such as 2001:db8::/32";
  const mapped = "is not a CIDR: write the IPv4 network itself, such as 192.0.2.0/24";
  const rows: readonly [cidr: string, says: string][] = [
    ["", `'' ${notOne}`],
    ["everywhere", `'everywhere' ${notOne}`],
    ["10.0.0.0/33", `'10.0.0.0/33' ${notOne}`],
    ["10.0.0.0/-1", `'10.0.0.0/-1' ${notOne}`],
    ["10.0.0/8", `'10.0.0/8' ${notOne}`],
    ["10.0.0.0/255.0.0.0", `'10.0.0.0/255.0.0.0' ${notOne}`],
    ["10.0.0.0/08", `'10.0.0.0/08' ${notOne}`],
    ["192.0.2.7", "'192.0.2.7' lacks a prefix length: write '192.0.2.7/32' for this address alone"],
    [
      "10.1.2.3/8",
      "'10.1.2.3/8' has bits set behind its prefix length: write zeros there, as in 10.0.0.0/8, or '10.1.2.3/32'",
    ],
    ["192.0.2.1/0", "or '192.0.2.1/32' for this address alone"],
    ["2001:db8::/129", `'2001:db8::/129' ${notOne6}`],
    ["2001:db8/32", `'2001:db8/32' ${notOne6}`],
    ["2001:db8::/032", `'2001:db8::/032' ${notOne6}`],
    ["::/", `'::/' ${notOne6}`],
    ["fe80::%eth0/64", `'fe80::%eth0/64' ${noZone}`],
    ["fe80::1%eth0", `'fe80::1%eth0' ${noZone}`],
    ["::ffff:10.0.0.0/104", `'::ffff:10.0.0.0/104' ${mapped}`],
    ["::ffff:a00:0/104", `'::ffff:a00:0/104' ${mapped}`],
    ["::FFFF:10.0.0.1", `'::FFFF:10.0.0.1' ${mapped}`],
    [
      "2001:db8::1",
      "'2001:db8::1' lacks a prefix length: write '2001:db8::1/128' for this address alone",
    ],
    [
      "2001:DB8::1/32",
      "'2001:DB8::1/32' has bits set behind its prefix length: write zeros there, as in 2001:db8::/32, or '2001:DB8::1/128' for this address alone",
    ],
    ["::1/0", "write zeros there, as in 2001:db8::/32, or '::1/128' for this address alone"],
  ];
  return rows.map(([cidr, says]) => ({
    what: `'${cidr}' among ${list}`,
    object: policy({ [list]: ["192.0.2.0/24", cidr] }),
    field: `spec.${list}[1]`,
    says,
  }));
}

function rules(): readonly Refusal[] {
  return [
    {
      what: "no selectors",
      object: policy({ selectors: undefined }),
      field: "spec.selectors",
      says: "Required value",
    },
    {
      what: "an empty list of selectors",
      object: policy({ selectors: [] }),
      field: "spec.selectors",
      says: "write at least one rule, such as podSelector with matchLabels",
    },
    {
      what: "a rule without selectors",
      object: policy({ selectors: [{}] }),
      field: "spec.selectors[0]",
      says: "write a podSelector or a namespaceSelector, or an empty podSelector for every pod",
    },
    {
      what: "a rule with a nodeSelector alone",
      object: policy({ selectors: [{ nodeSelector: { matchLabels: { zone: "a" } } }] }),
      field: "spec.selectors[0]",
      says: "write a podSelector or a namespaceSelector, or an empty podSelector for every pod",
    },
    {
      what: "65 rules",
      object: policy({ selectors: Array.from({ length: 65 }, () => ({ podSelector: {} })) }),
      field: "spec.selectors",
      says: "must have at most 64 items",
    },
  ];
}

function expressions(
  selector: "podSelector" | "namespaceSelector" | "nodeSelector",
  beside: object = {},
): readonly Refusal[] {
  const rows: readonly [what: string, expression: unknown, field: string, says: string][] = [
    [
      "In without values",
      { key: "app", operator: "In" },
      "",
      "write at least one, or operator Exists",
    ],
    [
      "NotIn with an empty list of values",
      { key: "app", operator: "NotIn", values: [] },
      "",
      "write at least one, or operator DoesNotExist",
    ],
    [
      "Exists with values",
      { key: "app", operator: "Exists", values: ["a"] },
      "",
      "remove them, or write operator In",
    ],
    [
      "DoesNotExist with values",
      { key: "app", operator: "DoesNotExist", values: ["a"] },
      "",
      "remove them, or write operator NotIn",
    ],
    [
      "an unknown operator",
      { key: "app", operator: "Gt", values: ["1"] },
      ".operator",
      `supported values: "In", "NotIn", "Exists", "DoesNotExist"`,
    ],
    ["an expression without operator", { key: "app" }, ".operator", "Required value"],
    ["an expression without key", { operator: "Exists" }, ".key", "Required value"],
    [
      "an expression with a bad key",
      { key: "my app", operator: "Exists" },
      ".key",
      "'my app' cannot be a label key: write letters, digits, '-', '_' and '.', at most 63",
    ],
    [
      "an expression with a bad value",
      { key: "app", operator: "In", values: ["web", "a b"] },
      ".values[1]",
      "'a b' cannot be a label value: write at most 63 letters, digits, '-', '_' and '.'",
    ],
    [
      "an expression with a value that is too long",
      { key: "app", operator: "In", values: ["a".repeat(64)] },
      ".values[0]",
      "may not be more than 63 bytes",
    ],
  ];
  return rows.map(([what, expression, field, says]) => ({
    what: `${what} in ${selector}`,
    object: policy({ selectors: [{ ...beside, [selector]: { matchExpressions: [expression] } }] }),
    field: `spec.selectors[0].${selector}.matchExpressions[0]${field}`,
    says,
  }));
}

function labels(): readonly Refusal[] {
  const key = "cannot be a label key: write letters, digits, '-', '_' and '.', at most 63";
  const value = "cannot be a label value: write at most 63 letters, digits, '-', '_' and '.'";
  return ["podSelector", "namespaceSelector", "nodeSelector"].flatMap((selector) => [
    {
      what: `a bad label key in ${selector}`,
      object: policy({
        selectors: [{ podSelector: {}, [selector]: { matchLabels: { "k8s:app": "a" } } }],
      }),
      field: `spec.selectors[0].${selector}.matchLabels`,
      says: `'k8s:app' ${key}`,
    },
    {
      what: `a bad label value in ${selector}`,
      object: policy({
        selectors: [{ podSelector: {}, [selector]: { matchLabels: { app: "-a" } } }],
      }),
      field: `spec.selectors[0].${selector}.matchLabels`,
      says: `'-a' ${value}`,
    },
  ]);
}

function references(): readonly Refusal[] {
  const help =
    "cannot be the name of an EgressGateway: write at most 52 lower-case letters, digits, '-' and '.'";
  const names = ["", "My-Gateway", "my_gateway", "-g", "a".repeat(53)];
  return [
    ...names.map((egressGatewayName) => ({
      what: `the gateway name '${egressGatewayName}'`,
      object: policy({ egressGatewayName }),
      field: "spec.egressGatewayName",
      says: `'${egressGatewayName}' ${help}`,
    })),
    {
      what: "a policy without spec",
      object: { ...policy(), spec: undefined },
      field: "spec",
      says: "Required value",
    },
    {
      what: "1001 destinations",
      object: policy({ destinationCIDRs: Array.from({ length: 1001 }, () => "192.0.2.0/24") }),
      field: "spec.destinationCIDRs",
      says: "must have at most 1000 items",
    },
    {
      what: "no gateway name",
      object: policy({ egressGatewayName: undefined }),
      field: "spec",
      says: "write egressGatewayName, or egressGatewayNames to spread the traffic over several",
    },
    {
      what: "no destinations",
      object: policy({ destinationCIDRs: undefined }),
      field: "spec.destinationCIDRs",
      says: "Required value",
    },
    {
      what: "an empty list of destinations",
      object: policy({ destinationCIDRs: [] }),
      field: "spec.destinationCIDRs",
      says: "write at least one CIDR, 0.0.0.0/0 and ::/0 for everywhere",
    },
    {
      what: "a policy's name of 64 characters",
      object: policy({}, "p".repeat(64)),
      field: "<nil>",
      says: "metadata.name is too long: write at most 63 characters",
    },
  ];
}

function severalGateways(): readonly Refusal[] {
  const spread = (names: readonly string[], changes: object = {}) =>
    policy({ egressGatewayName: undefined, egressGatewayNames: names, ...changes });
  const pair = ["a", "b"];
  const field = "spec.egressGatewayNames";
  return [
    {
      what: "one gateway and several",
      object: policy({ egressGatewayNames: pair }),
      field: "spec",
      says: "exclude each other: write the one gateway, or the list of several",
    },
    {
      what: "a list of one gateway",
      object: spread(["a"]),
      field,
      says: "write at least two, or the only one as egressGatewayName",
    },
    {
      what: "17 gateways",
      object: spread(Array.from({ length: 17 }, (_, index) => `g${index}`)),
      field,
      says: "must have at most 16 items",
    },
    {
      what: "a gateway that is named twice",
      object: spread(["a", "b", "a"]),
      field,
      says: "write each EgressGateway once",
    },
    {
      what: "a bad name among several",
      object: spread(["a", "B"]),
      field: `${field}[1]`,
      says: "'B' cannot be the name of an EgressGateway: write at most 52 lower-case letters",
    },
    {
      what: "a weight of a gateway that is not of the list",
      object: spread(pair, { egressGatewayWeights: { c: 2 } }),
      field: "spec",
      says: "write names of that list",
    },
    {
      what: "a weight of the only gateway",
      object: policy({ egressGatewayWeights: { g: 2 } }),
      field: "spec",
      says: "write names of that list",
    },
    ...[[0, "greater than or equal to 1"], [17, "less than or equal to 16"]].map((
      [weight, says],
    ) => ({
      what: `a weight of ${weight}`,
      object: spread(pair, { egressGatewayWeights: { a: weight } }),
      field: "spec.egressGatewayWeights.a",
      says: `should be ${says}`,
    })),
    {
      what: "a fallback that is the gateway itself",
      object: policy({ fallbackGatewayName: "g" }),
      field: "spec",
      says: "write another EgressGateway, which is to take over",
    },
    {
      what: "a bad name of a fallback",
      object: policy({ fallbackGatewayName: "B" }),
      field: "spec.fallbackGatewayName",
      says: "'B' cannot be the name of an EgressGateway: write at most 52 lower-case letters",
    },
  ];
}
