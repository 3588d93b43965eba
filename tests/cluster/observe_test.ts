import assert from "node:assert/strict";
import type { KubeClient, KubeRequest } from "../../src/kube/client.ts";
import { type Known, observe } from "../../src/cluster/observe.ts";
import { PartialListError } from "../../src/kube/errors.ts";
import { parseLabelSelector } from "../../src/kube/label_selector.ts";

/** A client of an empty cluster that notes when each listing begins and ends. */
function recordingClient(): { readonly client: KubeClient; readonly events: string[] } {
  const events: string[] = [];
  const request = async ({ path }: KubeRequest) => {
    events.push(`begin ${path}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
    events.push(`end ${path}`);
    const items = path.endsWith("kube-system/pods") ? [{ metadata: { name: "cilium-a" } }] : [];
    const body = { metadata: { resourceVersion: "1" }, items };
    return {
      status: 200,
      headers: {},
      body,
      serverTime: Date.parse("2026-11-23T10:00:00Z"),
      bytes: 0,
    };
  };
  const unused = () => Promise.reject(new Error("not used here"));
  const cluster = { name: "stub", server: "http://stub", credentials: unused };
  return { client: { cluster, request, stream: unused, close: () => Promise.resolve() }, events };
}

Deno.test("gateways and policies are listed only when everything that is made from them has been", async () => {
  const { client, events } = recordingClient();
  await observe(client);
  const causes = ["egressgateways", "egressgatewaypolicies"].map((kind) =>
    events.findIndex((event) => event.startsWith("begin") && event.endsWith(`v1alpha1/${kind}`))
  );
  const effects = events.flatMap((event, index) =>
    event.startsWith("end") && !event.includes("v1alpha1/egress") ? [index] : []
  );
  assert.equal(effects.length, 6, "nodes, twice; two kinds of pods, Leases, Cilium's policies");
  assert.ok(Math.max(...effects) < Math.min(...causes));
});

const NODES = 1_000;
const API_VERSION = "network.deckhouse.io/v1alpha1";

interface Stored {
  readonly metadata: { readonly name: string; readonly labels?: Record<string, string> };
  readonly spec?: Record<string, unknown>;
}

/** A gateway that is served by `holder`, with the nodes of a role as its candidates. */
function served(role: string, holder: string, version = 1): Stored {
  return {
    metadata: { name: "gw", ...{ uid: "u", generation: 1, resourceVersion: String(version) } },
    spec: {
      nodeSelector: { role },
      sourceIP: {
        mode: "PrimaryIPFromEgressGatewayNodeInterface",
        primaryIPFromEgressGatewayNodeInterface: { interfaceName: "eth1" },
      },
    },
    ...{ status: { phase: "Active", activeNodeName: holder, term: 1 } },
  };
}

/** A client of a cluster of a thousand nodes, each tenth of which has role `egress`, and of one gateway. */
function largeCluster(gatewayAt: (listing: number) => Stored) {
  const paths: string[] = [];
  const metadata: string[] = [];
  let listings = 0;
  const nodes = Array.from({ length: NODES }, (_, index): Stored => ({
    metadata: { name: `n${index}`, labels: { role: index % 100 === 0 ? "egress" : "worker" } },
    ...{ status: { conditions: [{ type: "Ready", status: "True" }] } },
  }));
  const pods = nodes.map(({ metadata: { name } }): Stored => ({
    metadata: { name: `cilium-${name}`, labels: { "k8s-app": "cilium" } },
    spec: { nodeName: name },
  }));
  const collection = (path: string): readonly Stored[] => {
    if (path === "/api/v1/nodes") return nodes;
    if (path.endsWith("kube-system/pods")) return pods;
    return path.endsWith(`${API_VERSION}/egressgateways`) ? [gatewayAt(++listings)] : [];
  };
  const request = ({ path, query = {}, headers = {} }: KubeRequest) => {
    paths.push(`${path} ${query.labelSelector ?? ""} ${query.fieldSelector ?? ""}`.trim());
    if (headers["accept"]?.includes("as=PartialObjectMetadataList")) metadata.push(path);
    const { labelSelector, fieldSelector } = query;
    const [field, value] = String(fieldSelector ?? "").split("=");
    const items = collection(path).filter(({ metadata, spec }) =>
      (labelSelector === undefined ||
        parseLabelSelector(String(labelSelector))(metadata.labels ?? {})) &&
      (field !== "metadata.name" || metadata.name === value) &&
      (field !== "spec.nodeName" || spec?.["nodeName"] === value)
    );
    const counting = query.limit === 1;
    return Promise.resolve({
      status: 200,
      headers: {},
      body: {
        metadata: {
          resourceVersion: "1",
          ...(counting ? { remainingItemCount: items.length - 1, continue: "more" } : {}),
        },
        items: counting ? items.slice(0, 1) : items,
      },
      serverTime: Date.parse("2026-11-23T10:00:00Z"),
      bytes: 0,
    });
  };
  const unused = () => Promise.reject(new Error("not used here"));
  const cluster = { name: "stub", server: "http://stub", credentials: unused };
  const client: KubeClient = { cluster, request, stream: unused, close: () => Promise.resolve() };
  return { client, paths, metadata };
}

const GATEWAYS = `/apis/${API_VERSION}/egressgateways`;

Deno.test("gateways that nobody writes meanwhile are read once, and at the end their versions alone", async () => {
  const { client, paths, metadata } = largeCluster(() => served("egress", "n100"));
  const { gateways } = await observe(client);
  assert.equal(gateways[0]?.status.activeNodeName, "n100");
  assert.equal(paths.filter((path) => path === GATEWAYS).length, 2);
  assert.deepEqual(metadata, [GATEWAYS]);
  assert.equal(paths.indexOf(GATEWAYS, paths.indexOf(GATEWAYS) + 1), paths.length - 1, "the last");
});

Deno.test("a gateway that is written while the cluster is read is known as it is at the end", async () => {
  const { client } = largeCluster((listing) =>
    listing < 2 ? served("egress", "n100") : served("egress", "n200", 2)
  );
  const { gateways } = await observe(client);
  assert.equal(gateways[0]?.status.activeNodeName, "n200");
});

Deno.test("in a large cluster only candidates are read, and Cilium's pods on these", async () => {
  const { client, paths } = largeCluster(() => served("egress", "n100"));
  const snapshot = await observe(client);
  assert.equal(snapshot.nodes.length, 10);
  assert.deepEqual(
    snapshot.ciliumPods.map(({ nodeName }) => nodeName).sort(),
    snapshot.nodes.map(({ name }) => name).sort(),
  );
  assert.equal(paths.filter((path) => path.startsWith("/api/v1/nodes")).length, 3);
  assert.equal(paths.filter((path) => path.includes("spec.nodeName=")).length, 10);
});

Deno.test("a holder that lost the labels by which it was selected is read too", async () => {
  const { client } = largeCluster(() => served("egress", "n7"));
  const { nodes } = await observe(client);
  assert.ok(nodes.some(({ name }) => name === "n7"));
});

Deno.test("a resident process asks neither for the number of nodes nor for gateways first", async () => {
  const { client, paths } = largeCluster(() => served("egress", "n100"));
  const known: Known = {};
  await observe(client, { known });
  const before = paths.length;
  await observe(client, { known });
  assert.equal(paths.length - before, before - 2);
});

Deno.test("a gateway that begins to select other nodes while they are read is observed again", async () => {
  const { client } = largeCluster((listing) =>
    listing < 2 ? served("egress", "n1") : served("worker", "n1", 2)
  );
  const { nodes } = await observe(client);
  assert.equal(nodes.length, 990);
});

Deno.test("gateways that never cease to select other nodes are an error, and nothing is decided", async () => {
  const { client } = largeCluster((listing) => served(`role-${listing}`, "n1", listing));
  await assert.rejects(observe(client), PartialListError);
});
