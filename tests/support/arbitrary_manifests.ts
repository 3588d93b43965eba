/**
 * Objects of our kinds, right and wrong in every field: for each field that the CRDs know, values that it may and may not
 * have, by its type, its limits and what texts people put there. A field that is added to a CRD is covered at once.
 */
import fc from "fast-check";
import type { StructuralSchema } from "../../src/cluster/schema/structural_schema.ts";
import { readDefinitions } from "../../src/cluster/schema/crds.ts";
import { isMap, pathOf } from "../../src/cluster/schema/json.ts";
import type { Json, Segments } from "../../src/cluster/schema/json.ts";
import type { OwnKind } from "../../src/cluster/schema/validate.ts";
import { policy, primaryGateway, virtualGateway, virtualWith } from "./crd_manifests.ts";

export interface Manifest {
  readonly kind: OwnKind;
  readonly object: Json;
  /** What was changed, for messages. */
  readonly what: string;
}

/** One change of a valid object. */
interface Mutation {
  readonly at: Segments;
  /** Undefined: the field is taken out. */
  readonly value: unknown;
}

const TEXTS: readonly string[] = [
  ...[
    "",
    " ",
    "a",
    "web",
    "my app",
    "-a",
    "a-",
    "--help",
    "a_b.c",
    "UPPER",
    "é",
    "☃",
    "a\nb",
    "a\tb",
  ],
  ...["true", "x".repeat(15), "x".repeat(16), "x".repeat(52), "x".repeat(53), "x".repeat(63)],
  ...["x".repeat(64), "x".repeat(65), "x".repeat(200), "x".repeat(253), "x".repeat(254)],
  ...[
    "é".repeat(15),
    "é".repeat(63),
    "a.b",
    "a..b",
    ".",
    "..",
    "a/b",
    "a/b/c",
    "/a",
    "a/",
    "A.b/c",
  ],
  ...[
    "eth0",
    "eth 1",
    "eth/1",
    "eth1:0",
    "bond0.100",
    "veth@1",
    "a\u00a0b",
    "a\u2028b",
    "a\u0001b",
  ],
  ...[
    "172.18.18.242",
    "172.18.18.242/24",
    "172.18.018.242",
    "172.18.18",
    "172.18.18.256",
    "1.2.3.4 ",
  ],
  ...[
    "0.0.0.0",
    "127.0.0.1",
    "169.254.7.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "8.8.8.8",
  ],
  ...[
    "::",
    "::1",
    "fe80::1",
    "ff02::1",
    "2001:db8::1",
    "2001:DB8::1",
    "::ffff:1.2.3.4",
    "fe80::1%eth0",
    "2001:db8::1%eth0",
    "2001:0db8:0:0:0:0:0:1",
    "2001:db8::1.2.3.4",
    "::FFFF:1.2.3.4",
    "::ffff:102:304",
    "::1.2.3.4",
    "64:ff9b::1.2.3.4",
    "fec0::1",
    "fd00::7",
    "[2001:db8::1]",
    "2001:db8::1/128",
    "2001:db8::12345",
    "1::2::3",
  ],
  ...["10.0.0.0/8", "10.0.0.5/8", "10.0.0.0/08", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "/8"],
  ...["0.0.0.0/0", "0.0.0.1/0", "192.0.2.7/32", "192.0.2.7", "10/8", "10.0.0.0/255.0.0.0"],
  ...["2001:db8::/32", "2001:db8::1/32", "::/0", "::/129", "::ffff:10.0.0.0/104"],
  ...["::FFFF:a00:0/104", "fe80::%eth0/64", "2001:db8::/032", "2001:0DB8::/32", "::1/0", "::/"],
  ...[
    "icmp:192.0.2.1",
    "tcp:192.0.2.1:443",
    "tcp:192.0.2.1",
    "arp:10.0.0.1",
    "icmp:",
    "tcp:[::1]:80",
  ],
  ...["In", "Exists", "Bound", "bound", "Hash", "2026-11-23T10:00:00Z", "2026-11-23", "yesterday"],
];

const OTHERS: readonly unknown[] = [
  ...[null, true, false, 0, 1, 2, -1, 1.5, 3, 63, 100, 101, 3600, 3601],
  ...[[], ["a"], [1], [null], {}, { a: "b" }, { a: 1 }, { "a b": "c d" }],
];

const LABEL_MAPS: readonly Json[] = [
  ...TEXTS.map((text) => ({ [text]: "" })),
  ...TEXTS.map((text) => ({ role: text })),
  ...[true, 1, 1.5, null, [], {}].map((value) => ({ role: value })),
];

/** Valid objects that together have every field. */
function bases(): readonly Manifest[] {
  const rule = {
    matchLabels: { app: "web" },
    matchExpressions: [
      { key: "tier", operator: "In", values: ["db", "cache"] },
      { key: "tier", operator: "Exists" },
      { key: "tier", operator: "DoesNotExist", values: [] },
    ],
  };
  const preferredNodes = [{ weight: 7, nodeSelector: { zone: "a" } }];
  const metadata = {
    name: "one",
    labels: { app: "web" },
    annotations: { "example.com/note": "anything goes here" },
    finalizers: ["example.com/hold"],
    ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: "1" }],
  };
  const gateways = [
    virtualGateway({ preferredNodes, strategy: "Hash", whenNoneEligible: "Drop" }),
    virtualWith({ interfaces: ["eth0"], standby: "Bound", standbys: 2 }),
    virtualWith({ ips: ["172.18.18.242", "2001:db8::242"] }),
    JSON.parse(JSON.stringify(virtualWith({ ip: undefined, ips: ["2001:db8::242"] }))),
    virtualWith({ ip: "2001:DB8::242" }),
    primaryGateway({
      failback: { mode: "Auto", minReadySeconds: 10 },
      failureDetection: {
        heartbeat: "Required",
        timeoutSeconds: 4,
        peers: true,
        ciliumAgentGraceSeconds: 0,
        uplink: {
          targets: ["icmp:10.0.0.1", "tcp:[2001:db8::1]:443", "arp:10.0.0.1"],
          interface: "eth1",
          intervalMilliseconds: 1_000,
          failures: 3,
          require: "Any",
        },
      },
    }),
  ];
  const policies = [
    policy({ excludedCIDRs: ["10.0.0.0/8"] }),
    policy({
      destinationCIDRs: ["0.0.0.0/0", "::/0"],
      excludedCIDRs: ["10.0.0.0/8", "2001:db8::/32"],
    }),
    policy({ selectors: [{ podSelector: rule }, { namespaceSelector: rule }] }),
  ];
  return [
    ...gateways.map((object) => ({ kind: "EgressGateway" as const, object, what: "" })),
    ...policies.map((object) => ({ kind: "EgressGatewayPolicy" as const, object, what: "" })),
  ].map((base) => ({ ...base, object: { ...base.object, metadata } }));
}

/** One change each: every field with every value that is tried on it, without repetitions. */
export function enumeratedManifests(): readonly Manifest[] {
  const all = bases().flatMap((base) =>
    mutationsOf(base).map((mutation) => mutated(base, [mutation]))
  );
  return [...new Map(all.map((each) => [JSON.stringify(each.object), each])).values()];
}

/** Objects with two or three changes, which may hide or heal each other. */
export function arbitraryManifest(): fc.Arbitrary<Manifest> {
  // What changes the object as a whole hides the other changes, or is hidden by them.
  const pools = bases().map((base) => ({
    base,
    mutations: mutationsOf(base).filter(({ at: [first, second] }) =>
      first === "spec" || second !== undefined
    ),
  }));
  return fc.constantFrom(...pools).chain(({ base, mutations }) =>
    fc.array(fc.constantFrom(...mutations), { minLength: 2, maxLength: 3 })
      .map((changes) => mutated(base, changes))
  );
}

function mutationsOf({ kind, object }: Manifest): readonly Mutation[] {
  const schema = readDefinitions().find((each) => each.kind === kind)?.schema ?? {};
  const spec = schema.properties?.["spec"] ?? {};
  return [
    ...fieldMutations(object["spec"], spec, ["spec"]),
    ...metaMutations(),
    { at: ["spec"], value: undefined },
    ...[null, "x", 1, [], {}].map((value) => ({ at: ["spec"], value })),
    ...["kind", "apiVersion"].flatMap((field) =>
      [undefined, null, 1, "Other"].map((value) => ({ at: [field], value }))
    ),
    { at: ["speck"], value: {} },
    { at: ["status"], value: { phase: "Sideways" } },
    { at: ["status"], value: { mood: "good" } },
  ];
}

/** Changes of a value and of all that is in it. */
function fieldMutations(
  value: unknown,
  schema: StructuralSchema,
  at: Segments,
): readonly Mutation[] {
  const own = valuesFor(schema, value).map((each) => ({ at, value: each }));
  const taken = { at, value: undefined };
  const { properties, items, additionalProperties } = schema;
  if (properties !== undefined) {
    const present = isMap(value) ? value : {};
    return [
      ...own,
      taken,
      { at: [...at, "unheard"], value: "of" },
      ...Object.entries(properties).flatMap(([name, property]) => [
        { at: [...at, misspelt(name)], value: present[name] ?? "x" },
        ...fieldMutations(present[name], property, [...at, name]),
      ]),
    ];
  }
  if (items !== undefined) {
    const present: readonly unknown[] = Array.isArray(value) ? value : [];
    const one = present[0] ?? sampleOf(items);
    return [
      ...own,
      taken,
      ...[schema.maxItems ?? 1, (schema.maxItems ?? 1) + 1].map((length) => ({
        at,
        value: Array.from({ length }, () => one),
      })),
      ...fieldMutations(one, items, [...at, 0]),
      ...present.slice(1).flatMap((item, index) => fieldMutations(item, items, [...at, index + 1])),
    ];
  }
  if (additionalProperties !== undefined) {
    const many = Array.from(
      { length: (schema.maxProperties ?? 64) + 1 },
      (_, index) => [`k${index}`, ""] as const,
    );
    return [
      ...own,
      taken,
      ...LABEL_MAPS.map((each) => ({ at, value: each })),
      { at, value: Object.fromEntries(many) },
      { at, value: Object.fromEntries(many.slice(1)) },
    ];
  }
  return [...own, taken];
}

function valuesFor(schema: StructuralSchema, present: unknown): readonly unknown[] {
  const { type, minimum, maximum, maxLength, enum: allowed = [] } = schema;
  const limits = [minimum, maximum].flatMap((limit) =>
    limit === undefined ? [] : [limit - 1, limit, limit + 1]
  );
  const long = maxLength === undefined ? [] : ["y".repeat(maxLength), "y".repeat(maxLength + 1)];
  const texts = type === "string" && allowed.length === 0 ? TEXTS : ["x", "True", "1"];
  return [present, ...OTHERS, ...allowed, ...limits, ...long, ...texts];
}

function sampleOf({ type, properties }: StructuralSchema): unknown {
  if (properties !== undefined) return {};
  return type === "string" ? "a" : type === "boolean" ? true : type === "array" ? [] : 1;
}

function metaMutations(): readonly Mutation[] {
  const labels = ["labels", "annotations"].flatMap((field) =>
    [...LABEL_MAPS, ...OTHERS].map((value) => ({ at: ["metadata", field], value }))
  );
  const names = ["name", "generateName"].flatMap((field) =>
    [...TEXTS, undefined, null, 1, true].map((value) => ({ at: ["metadata", field], value }))
  );
  const finalizers = [...TEXTS.map((text) => [text]), null, "a", [1], [
    "orphan",
    "foregroundDeletion",
  ]];
  const owner = { apiVersion: "v1", kind: "Node", name: "n", uid: "u" };
  const owners = [
    ...Object.keys(owner).flatMap((field) => [{ ...owner, [field]: "" }, { ...owner, [field]: 1 }]),
    { ...owner, controller: true },
    { ...owner, colour: "red" },
  ];
  return [
    ...labels,
    ...names,
    ...finalizers.map((value) => ({ at: ["metadata", "finalizers"], value })),
    ...owners.map((value) => ({ at: ["metadata", "ownerReferences"], value: [value] })),
    { at: ["metadata", "annotations"], value: { big: "x".repeat(256 * 1024) } },
    { at: ["metadata", "nmae"], value: "x" },
    { at: ["metadata", "namespace"], value: "default" },
    ...[null, "x", [], undefined, { generateName: "g-" }, { generateName: "g".repeat(48) }]
      .map((value) => ({ at: ["metadata"], value })),
    ...["2026-11-23T10:00:00Z", "yesterday", 1, null].map((value) => ({
      at: ["metadata", "creationTimestamp"],
      value,
    })),
    ...["1", 1, 1.5, null].map((value) => ({ at: ["metadata", "generation"], value })),
  ];
}

function misspelt(name: string): string {
  return `${name.slice(0, -2)}${name.slice(-1)}${name.slice(-2, -1)}s`;
}

function mutated({ kind, object }: Manifest, mutations: readonly Mutation[]): Manifest {
  return {
    kind,
    object: mutations.reduce<Json>((each, mutation) => changed(each, mutation), object),
    what: mutations.map(({ at, value }) => `${pathOf(at)} = ${short(value)}`).join(" and "),
  };
}

function changed(object: Json, { at, value }: Mutation): Json {
  const next: unknown = replaced(object, at, value);
  return isMap(next) ? next : object;
}

function replaced(target: unknown, [first, ...rest]: Segments, value: unknown): unknown {
  if (first === undefined) return value;
  if (typeof first === "number") {
    const list: readonly unknown[] = Array.isArray(target) ? target : [];
    const next = [...list];
    next[first] = replaced(list[first], rest, value);
    return next.filter((item) => item !== undefined);
  }
  const { [first]: before, ...others } = isMap(target) ? target : {};
  const after = replaced(before, rest, value);
  return after === undefined ? others : { ...others, [first]: after };
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 60 ? text : `${text.slice(0, 57)}… (${text.length})`;
}
