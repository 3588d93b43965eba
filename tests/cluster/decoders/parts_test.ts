/** One part that cannot be read loses nothing else. */
import assert from "node:assert/strict";
import {
  decodeCiliumPolicy,
  decodeGateway,
  decodeLease,
  decodeNode,
  decodePod,
} from "../../../src/cluster/decoders/kinds.ts";
import { virtualGateway } from "../../support/crd_manifests.ts";

// deno-lint-ignore no-explicit-any -- objects as an API server has them, with anything in them
type Any = any;

const TIME = "2026-11-23T10:00:00Z";
const READY = { type: "Ready", status: "True", lastTransitionTime: TIME, message: "fine" };

function node(changes: Any = {}): Any {
  return {
    metadata: { name: "a", labels: { role: "egress" } },
    spec: { unschedulable: true },
    status: {
      conditions: [READY],
      addresses: [{ type: "InternalIP", address: "10.0.0.1" }],
    },
    ...changes,
  };
}

function read<T>(decoded: { readonly object: T } | { readonly invalid: Any }): T {
  if ("object" in decoded) return decoded.object;
  throw new Error(`Cannot read it: ${decoded.invalid.message}`);
}

const ODD_LISTS: readonly (readonly [what: string, odd: unknown])[] = [
  ["null", null],
  ["a text", "none"],
  ["an object", {}],
  ["empty", []],
  ["of nonsense", [1, null, "x", {}, [], { type: 5 }]],
];

for (const [what, odd] of ODD_LISTS) {
  Deno.test(`a Node whose conditions are ${what} keeps its labels, cordon and addresses`, () => {
    const { status } = node();
    const { ready, ...rest } = read(decodeNode(node({ status: { ...status, conditions: odd } })));
    assert.equal(ready, "Missing");
    assert.deepEqual([rest.labels, rest.cordoned, rest.internalIPs], [
      { role: "egress" },
      true,
      ["10.0.0.1"],
    ]);
  });

  Deno.test(`a Node whose addresses are ${what} is Ready all the same`, () => {
    const { status } = node();
    const { ready, internalIPs } = read(
      decodeNode(node({ status: { ...status, addresses: odd } })),
    );
    assert.deepEqual([ready, internalIPs], ["True", []]);
  });

  Deno.test(`an object whose managedFields and owners are ${what} is read`, () => {
    const metadata = { name: "a", managedFields: odd, ownerReferences: odd };
    assert.equal(read(decodeLease({ metadata })).renewedAt, undefined);
    assert.equal(read(decodeCiliumPolicy({ metadata, spec: {} })).name, "a");
  });
}

Deno.test("other controllers' conditions say nothing of Ready, whatever they hold", () => {
  const foreign = [
    { type: "Drain", status: "true", lastTransitionTime: "yesterday" },
    { type: "Ready/custom", status: 1 },
    { status: "False" },
  ];
  const { status } = node();
  const { ready, readySince } = read(
    decodeNode(node({ status: { ...status, conditions: [...foreign, READY] } })),
  );
  assert.deepEqual([ready, readySince], ["True", Date.parse(TIME)]);
});

Deno.test("a Ready condition keeps its state where its time or message cannot be read", () => {
  const condition = { ...READY, status: "False", lastTransitionTime: "soon", message: 7 };
  const read_ = read(decodeNode(node({ status: { conditions: [condition] } })));
  assert.deepEqual([read_.ready, read_.readySince, read_.readyMessage], [
    "False",
    undefined,
    undefined,
  ]);
});

Deno.test("a Ready condition with another word than True, False and Unknown is unreadable", () => {
  const conditions = [{ ...READY, status: "true" }];
  const { unread } = read(decodeNode(node({ status: { conditions } })));
  assert.match(unread ?? "", /^status\.conditions\[0\]: .*write True, False or Unknown/);
});

Deno.test("a Node without status, spec, annotations and creation time is a Node", () => {
  for (const nothing of [undefined, null]) {
    const metadata = { name: "a", annotations: nothing, labels: nothing, creationTimestamp: "x" };
    const { ready, cordoned } = read(
      decodeNode({ metadata, spec: nothing, status: nothing }),
    );
    assert.deepEqual([ready, cordoned], ["Missing", false]);
  }
});

const POD_STATUS = { phase: "Running", conditions: [READY] };
const POD_ROWS: readonly (readonly [what: string, changes: Any, ready: boolean])[] = [
  ["that runs and is Ready is ready", {}, true],
  ["in phase Failed is not ready, whatever its condition", {
    status: { ...POD_STATUS, phase: "Failed" },
  }, false],
  ["in phase Succeeded is not ready, whatever its condition", {
    status: { ...POD_STATUS, phase: "Succeeded" },
  }, false],
  ["of a phase that is not known is judged by its condition", {
    status: { ...POD_STATUS, phase: "Strange" },
  }, true],
  ["without a phase is judged by its condition", { status: { conditions: [READY] } }, true],
  ["with an odd condition beside Ready is ready", {
    status: { ...POD_STATUS, conditions: [{ type: 3 }, READY] },
  }, true],
  ["without status is not ready", { status: null }, false],
];
for (const [what, changes, ready] of POD_ROWS) {
  Deno.test(`a pod ${what}`, () => {
    const pod = { metadata: { name: "c" }, spec: { nodeName: "a" }, status: POD_STATUS };
    const decoded = read(decodePod({ ...pod, ...changes }));
    assert.deepEqual([decoded.ready, decoded.nodeName], [ready, "a"]);
  });
}

Deno.test("a status keeps each part that can be read beside those that cannot", () => {
  const good = { activeNodeName: "a", phase: "Active", term: 7, egressIP: "172.18.18.242" };
  const candidate = { node: "a", eligible: true, rank: 0, reasons: [] };
  const odd: Any = {
    ...good,
    observedGeneration: "two",
    readyNodes: {},
    standbyNodeNames: ["b", 5],
    candidates: [candidate, { node: 3 }],
    lastFailover: { to: 1 },
    conditions: [
      { type: "Ready", status: "True", reason: "Active" },
      { type: "Theirs", status: "yes" },
    ],
  };
  const { status } = read(decodeGateway({ ...virtualGateway({}), status: odd }));
  const { activeNodeName, phase, term, egressIP, standbyNodeNames } = status;
  assert.deepEqual({ activeNodeName, phase, term, egressIP }, good);
  assert.deepEqual(standbyNodeNames, ["b"]);
  assert.deepEqual(status.candidates, [candidate]);
  assert.deepEqual(status.conditions?.map(({ type }) => type), ["Ready"]);
});
