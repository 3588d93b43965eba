/**
 * Whatever nodes, kubelets and agents write into their objects: what we write from it is accepted. A status that the CRD
 * refuses would end all failover of its gateway.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeLease, decodeNode } from "../../src/cluster/decoders/kinds.ts";
import { admitMetadata } from "../../src/cluster/schema/object_meta.ts";
import { validate } from "../../src/cluster/schema/validate.ts";
import type { OwnKind } from "../../src/cluster/schema/validate.ts";
import { decide } from "../../src/core/decide.ts";
import { applyMergePatch } from "../../src/core/merge_patch.ts";
import { FENCE_ANNOTATION, REPORT_ANNOTATION } from "../../src/core/names.ts";
import type { Change, JsonObject, Lease, Node, Snapshot } from "../../src/core/types.ts";
import { anySnapshot, vipOf } from "../support/arbitrary_snapshot.ts";
import { at } from "../support/builders.ts";
import { property } from "../support/property.ts";

/** Longer than any field, of characters of one to four bytes, and of halves of characters. */
const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom("", "-i0", "--help", "not an address", "\u001b[2J", "\u202e", "null", "1e999"),
  fc.tuple(
    fc.constantFrom("x", "é", "\u{1f6a8}", "\ud83d", "\n"),
    fc.constantFrom(65, 317, 5_000, 40_000),
  )
    .map(([character, length]) => character.repeat(length)),
);

const address = fc.oneof(
  text,
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom("1".repeat(65), "fe80::1%eth0", vipOf("g0"), "010.0.0.1"),
);

const number = fc.oneof(
  fc.integer({ min: -2, max: 9 }),
  fc.constantFrom(2 ** 53 - 1, 2 ** 53, 1e300),
);
const gateway = fc.oneof(fc.constantFrom("g0", "g1", "g2"), text);
const uid = fc.oneof(fc.constantFrom("uid-g0", "uid-g1", "uid-g2"), text);
const time = fc.oneof(text, fc.constantFrom("9999-12-31T23:59:59Z", at(0), "0000-01-01T00:00:00Z"));
const many = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<readonly T[]> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.array(item, { maxLength: 4 }) },
    { weight: 1, arbitrary: item.map((one) => Array.from({ length: 90 }, () => one)) },
  );

const link = (addresses: fc.Arbitrary<readonly string[]>) =>
  fc.record({ name: text, up: fc.boolean(), mac: text, addresses });

const report = fc.record({
  // Many of them or much in one: both at once is no text that a process can hold.
  interfaces: fc.oneof(
    many(link(fc.array(address, { maxLength: 4 }))),
    link(many(address)).map((one) => [one]),
  ),
  cilium: fc.record({ ready: fc.boolean(), message: text }),
  addresses: many(fc.record({
    gateway,
    uid,
    term: number,
    ip: fc.oneof(address, fc.constantFrom(vipOf("g0"), vipOf("g1"))),
    interface: text,
    boundAt: time,
    speaking: fc.boolean(),
    conflict: fc.oneof(text, fc.constant("02:00:00:00:00:07")),
  })),
  failures: many(fc.record({
    gateway,
    reason: fc.constantFrom("BindFailed", "InterfaceMissing", "AddressConflict"),
    message: text,
  })),
  unreachable: many(text),
  heard: fc.dictionary(uid, number, { maxKeys: 4, noNullPrototype: true }),
  leaving: fc.boolean(),
  renewingSince: fc.oneof(fc.constant(null), time),
}, { requiredKeys: [] });

const annotations = fc.record({
  [REPORT_ANNOTATION]: fc.oneof(report.map((said) => JSON.stringify(said)), text),
  [FENCE_ANNOTATION]: fc.oneof(
    fc.dictionary(uid, number, { maxKeys: 4 }).map((fence) => JSON.stringify(fence)),
    text,
  ),
}, { requiredKeys: [] });

const nodeStatus = fc.record({
  conditions: fc.tuple(fc.constantFrom("True", "False", "Unknown"), text).map((
    [status, message],
  ) => [
    { type: "Ready", status, message, lastTransitionTime: "9999-12-31T23:59:59Z" },
  ]),
  addresses: many(fc.record({ type: fc.constantFrom("InternalIP", "ExternalIP", "x"), address })),
});

/** A cluster in which some nodes and Leases say anything whatsoever. */
const anyHostile = fc.tuple(
  anySnapshot,
  fc.array(fc.tuple(annotations, nodeStatus), { minLength: 5, maxLength: 5 }),
).map(([snapshot, said]): Snapshot => ({
  ...snapshot,
  nodes: snapshot.nodes.map((node, index) => hostileNode(node, said[index]?.[1])),
  leases: snapshot.leases.map((lease, index) => hostileLease(lease, said[index]?.[0])),
}));

function hostileNode(node: Node, status: unknown): Node {
  const { name, labels } = node;
  const decoded = decodeNode({ metadata: { name, labels, resourceVersion: "1" }, status });
  return "object" in decoded ? decoded.object : node;
}

function hostileLease(lease: Lease, annotations: unknown): Lease {
  const decoded = decodeLease({
    metadata: { name: lease.name, resourceVersion: "1", annotations },
  });
  if (!("object" in decoded)) return lease;
  const { renewedAt } = lease;
  return { ...decoded.object, ...(renewedAt === undefined ? {} : { renewedAt }) };
}

/** What is wrong with the status of an object once a plan's changes are written. */
function wrongStatuses(changes: readonly Change[], snapshot: Snapshot): readonly string[] {
  const stored = new Map<string, JsonObject>([
    ...snapshot.gateways.map((one) => [`EgressGateway/${one.name}`, json(one.status)] as const),
    ...snapshot.policies.map((one) =>
      [`EgressGatewayPolicy/${one.name}`, json(one.status)] as const
    ),
    ...snapshot.invalid.map((one) =>
      [`${one.kind}/${one.name}`, json({ conditions: one.conditions ?? [] })] as const
    ),
  ]);
  return changes.filter(({ subresource }) => subresource === "status").flatMap((change) => {
    const key = `${change.kind}/${change.name}`;
    const status = applyMergePatch(stored.get(key), change.body["status"] ?? {}) as JsonObject;
    stored.set(key, status);
    const object = { metadata: { name: change.name }, status };
    const issues = validate(change.kind as OwnKind, object, { subresource: "status" });
    return issues.map((issue) => `${key}: ${JSON.stringify(issue).slice(0, 300)}`);
  });
}

/** What is wrong with the labels, annotations and owners of the other objects that are written. */
function wrongMetadata(changes: readonly Change[]): readonly string[] {
  return changes.filter(({ action, subresource }) =>
    action !== "delete" && subresource === undefined
  )
    .flatMap(({ kind, name, body }) => {
      const metadata = { ...body["metadata"] as JsonObject, name };
      return admitMetadata(metadata).issues.map((issue) =>
        `${kind}/${name}: ${JSON.stringify(issue).slice(0, 300)}`
      );
    });
}

function json(value: unknown): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject;
}

property(
  "whatever nodes and agents say, all that is written is accepted",
  anyHostile,
  (snapshot) => {
    const plan = decide(snapshot);
    const wrong = [...wrongStatuses(plan.changes, snapshot), ...wrongMetadata(plan.changes)];
    assert.deepEqual(wrong, []);
    for (const { body, kind } of plan.changes) {
      const length = JSON.stringify(body).length;
      assert.ok(length < 400_000, `${kind} is written with ${length} characters`);
    }
    return plan.changes.length;
  },
  { runs: 400, floor: 400 },
);
