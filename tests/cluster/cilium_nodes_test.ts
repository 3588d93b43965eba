/** What is asked of Cilium's own record of the nodes, how often, and that what is not known is not missing. */
import assert from "node:assert/strict";
import { CiliumNodeMemory } from "../../src/cluster/cilium_nodes.ts";
import type { KubeClient, KubeRequest } from "../../src/kube/client.ts";
import { ApiError } from "../../src/kube/errors.ts";
import { parseLabelSelector } from "../../src/kube/label_selector.ts";
import { gateway, node } from "../support/builders.ts";

type Stored = Readonly<Record<string, string | undefined>>;

/** A client of CiliumNodes by name, with their hostname labels; a number: the status of every answer. */
function clientOf(answer: () => Stored | number) {
  const requests: KubeRequest[] = [];
  const request = (asked: KubeRequest) => {
    requests.push(asked);
    const { path, query = {} } = asked;
    const now = answer();
    if (typeof now === "number") {
      return Promise.reject(new ApiError({ status: now, method: "GET", path }, "no"));
    }
    const matches = parseLabelSelector(String(query["labelSelector"] ?? ""));
    const items = Object.entries(now)
      .map(([name, hostname]) => ({
        metadata: {
          name,
          labels: hostname === undefined ? {} : { "kubernetes.io/hostname": hostname },
        },
      }))
      .filter(({ metadata: { labels } }) => matches(labels as Record<string, string>));
    const body = { metadata: { resourceVersion: "1" }, items };
    return Promise.resolve({ status: 200, headers: {}, body, serverTime: 0, bytes: 0 });
  };
  const unused = () => Promise.reject(new Error("not used here"));
  const cluster = { name: "stub", server: "http://stub", credentials: unused };
  const client: KubeClient = { cluster, request, stream: unused, close: () => Promise.resolve() };
  return { client, requests };
}

const CANDIDATES = {
  nodes: [
    node("a", { labels: { role: "egress" } }),
    node("b", { labels: { role: "egress" } }),
    node("worker"),
  ],
  gateways: [gateway("gw", { nodeSelector: { role: "egress" } })],
};

Deno.test("asked for are the metadata of candidates' CiliumNodes, by the label that Cilium goes by", async () => {
  const { client, requests } = clientOf(() => ({ a: "a", b: "b", worker: "worker" }));
  const known = await new CiliumNodeMemory().look(client, CANDIDATES);
  assert.deepEqual(known, {
    asked: ["a", "b"],
    found: [{ name: "a", hostname: "a" }, { name: "b", hostname: "b" }],
  });
  assert.equal(requests.length, 1);
  assert.equal(requests[0]?.query?.["labelSelector"], "kubernetes.io/hostname in (a,b)");
  assert.match(requests[0]?.headers?.["accept"] ?? "", /PartialObjectMetadataList/);
});

for (
  const [what, answer] of [
    ["there is no such kind", 404],
    ["it may not be listed", 403],
    ["the API server is in trouble", 500],
    ["there is not one of them", {}],
  ] as const
) {
  Deno.test(`nothing is known of CiliumNodes where ${what}`, async () => {
    const { client } = clientOf(() => answer);
    assert.equal(await new CiliumNodeMemory().look(client, CANDIDATES), undefined);
  });
}

Deno.test("where others have a CiliumNode, candidates without one lack it", async () => {
  const { client } = clientOf(() => ({ worker: "worker" }));
  const known = await new CiliumNodeMemory().look(client, CANDIDATES);
  assert.deepEqual(known, { asked: ["a", "b"], found: [] });
});

Deno.test("more hostnames than a selector lists are asked for in portions", async () => {
  const { client, requests } = clientOf(() => ({ n0: "n0" }));
  const nodes = Array.from({ length: 101 }, (_, index) => node(`n${index}`));
  await new CiliumNodeMemory().look(client, { nodes, gateways: [gateway("gw")] });
  assert.equal(requests.length, 2);
});

Deno.test("a resident process asks each minute, each 5 s while one is missing or a candidate is new, and never twice at once", async () => {
  let now = 0;
  let stored: Stored = { a: "a", b: "b" };
  const { client, requests } = clientOf(() => stored);
  const memory = new CiliumNodeMemory(() => now);
  const askedAt = async (milliseconds: number, snapshot = CANDIDATES) => {
    now = milliseconds;
    const before = requests.length;
    await memory.look(client, snapshot);
    return requests.length > before;
  };
  assert.equal(await askedAt(0), true);
  assert.equal(await askedAt(59_999), false);
  stored = { a: "a" };
  assert.equal(await askedAt(60_000), true);
  assert.equal(await askedAt(64_999), false);
  assert.equal(await askedAt(65_000), true);
  stored = { a: "a", b: "b", c: "c" };
  assert.equal(await askedAt(70_000), true);
  assert.equal(await askedAt(75_000), false);
  const more = {
    ...CANDIDATES,
    nodes: [...CANDIDATES.nodes, node("c", { labels: { role: "egress" } })],
  };
  assert.equal(await askedAt(76_000, more), true);
  assert.equal(await askedAt(81_000, more), false);
  now = 140_000;
  const count = requests.length;
  const first = memory.look(client, more);
  now = 240_000;
  await Promise.all([first, memory.look(client, more)]);
  assert.equal(requests.length, count + 1);
});
