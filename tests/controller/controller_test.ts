/** The resident controller between two moves, on the demo's cluster with its simulated agents. */
import assert from "node:assert/strict";
import { PATHS } from "../../src/cluster/resources.ts";
import { Controller } from "../../src/controller/controller.ts";
import { PIN_ANNOTATION } from "../../src/core/names.ts";
import type { GatewayStatus } from "../../src/core/types.ts";
import { type DemoCluster, startDemoCluster } from "../../src/demo/demo_cluster.ts";
import type { KubeClient, KubeRequest } from "../../src/kube/client.ts";
import { eventually } from "../support/raw_api.ts";

interface World {
  readonly cluster: DemoCluster;
  readonly controller: Controller;
  /** What was asked of the API server by `request`, without the streams of watches. */
  readonly requests: KubeRequest[];
  /** How many looks or ticks have ended. */
  readonly looks: () => number;
  /** Makes watches fail from now on, those that stand as well, or ends that. */
  breakWatches(broken: boolean): void;
  /** From now on the watches of this path tell nothing. */
  holdBack(path: string): void;
}

function test(name: string, body: (world: World) => Promise<void>): void {
  Deno.test(name, async () => {
    await using cluster = await startDemoCluster({ onEvent: () => {} });
    const stop = new AbortController();
    const requests: KubeRequest[] = [];
    const streams = new Set<AbortController>();
    const heldBack = new Set<string>();
    let broken = false;
    const client: KubeClient = {
      ...cluster.client,
      request: (request) => {
        requests.push(request);
        return cluster.client.request(request);
      },
      stream: async (request) => {
        if (broken) throw new Error("Cannot watch");
        const life = new AbortController();
        streams.add(life);
        const signal = AbortSignal.any([life.signal, ...request.signal ? [request.signal] : []]);
        const stream = await cluster.client.stream({ ...request, signal });
        return whileTold(stream, () => !heldBack.has(request.path));
      },
    };
    let looks = 0;
    const controller = new Controller(client, {
      everyMilliseconds: 20,
      hurryMilliseconds: 20,
      onTick: () => void looks++,
      signal: stop.signal,
    });
    const running = controller.run();
    try {
      await eventually("the gateway is served, and nothing is left to write", async () => {
        const { phase, readyNodes } = await statusOf(cluster);
        return phase === "Active" && readyNodes === cluster.nodes.length - 1;
      });
      await body({
        cluster,
        controller,
        requests,
        looks: () => looks,
        breakWatches: (value) => {
          broken = value;
          if (broken) { for (const life of streams) life.abort(new Error("The watch broke")); }
        },
        holdBack: (path) => void heldBack.add(path),
      });
    } finally {
      stop.abort();
      await running;
    }
  });
}

async function* whileTold(
  chunks: AsyncIterable<Uint8Array>,
  isTold: () => boolean,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) if (isTold()) yield chunk;
}

async function statusOf({ client }: DemoCluster): Promise<GatewayStatus> {
  const path = `${PATHS.EgressGateway}/payments`;
  const { body } = await client.request({ method: "GET", path });
  return (body as { readonly status?: GatewayStatus }).status ?? {};
}

async function cordonHolder({ cluster }: World): Promise<string> {
  const { activeNodeName = "" } = await statusOf(cluster);
  await cluster.client.request({
    method: "PATCH",
    path: `${PATHS.Node}/${activeNodeName}`,
    contentType: "application/merge-patch+json",
    body: { spec: { unschedulable: true } },
  });
  return activeNodeName;
}

/** Waits until so many looks have passed in which nothing but signs of life was asked for. */
async function quietLooks({ requests, looks }: World, count: number): Promise<void> {
  await eventually(`${count} looks pass without a listing`, async () => {
    requests.length = 0;
    const until = looks() + count;
    while (looks() < until) await new Promise((resolve) => setTimeout(resolve, 10));
    return requests.every(({ method, query }) => method === "GET" && query?.limit === 1);
  });
}

test("a controller at rest lists nothing and writes nothing", async (world) => {
  await quietLooks(world, 25);
});

test("a cordon that a watch tells of moves the gateway, and then it is quiet again", async (world) => {
  await quietLooks(world, 5);
  const former = await cordonHolder(world);
  await eventually("another node serves", async () => {
    const { activeNodeName, phase } = await statusOf(world.cluster);
    return activeNodeName !== former && phase === "Active";
  });
  await quietLooks(world, 5);
});

test("what traffic waits for is written before the cluster is listed", async (world) => {
  await quietLooks(world, 5);
  world.requests.length = 0;
  const former = await cordonHolder(world);
  await eventually("another node serves", async () => {
    const { activeNodeName, phase } = await statusOf(world.cluster);
    return activeNodeName !== former && phase === "Active";
  });
  const asked = [...world.requests];
  const written = asked.findLastIndex(isWriteToCilium);
  assert.ok(written >= 0);
  assert.ok(!asked.slice(0, written).some(isWholeListing), told(asked));
  // The nodes' labels come after, decided from listings.
  await eventually(
    "the cluster is listed",
    () => Promise.resolve(world.requests.some(isWholeListing)),
  );
  await quietLooks(world, 5);
});

test("a gateway that a watch has not told of yet is not decided from an older one", async (world) => {
  await quietLooks(world, 5);
  const { client } = world.cluster;
  world.holdBack(PATHS.EgressGateway);
  const { candidates = [], activeNodeName: former } = await statusOf(world.cluster);
  // The election would take the first of them.
  const other = candidates.filter(({ node, eligible }) => eligible && node !== former).at(-1)
    ?.node;
  await client.request({
    method: "PATCH",
    path: `${PATHS.EgressGateway}/payments`,
    contentType: "application/merge-patch+json",
    body: { metadata: { annotations: { [PIN_ANNOTATION]: other } } },
  });
  world.requests.length = 0;
  await cordonHolder(world);
  await eventually("the pinned node serves", async () => {
    const { activeNodeName, phase } = await statusOf(world.cluster);
    return activeNodeName === other && phase === "Active";
  });
  const first = world.requests.findIndex(({ method }) => method === "PATCH");
  assert.ok(world.requests.slice(0, first).some(isWholeListing), told(world.requests));
});

test("a controller whose watches break lists at each tick, and misses nothing", async (world) => {
  world.breakWatches(true);
  await eventually("it lists", () => Promise.resolve(world.requests.some(isListOfNodes)));
  const former = await cordonHolder(world);
  await eventually("another node serves", async () => {
    const { activeNodeName, phase } = await statusOf(world.cluster);
    return activeNodeName !== former && phase === "Active";
  });
  world.breakWatches(false);
  await quietLooks(world, 5);
});

test("a trigger is answered from listings, whatever the watches have told", async (world) => {
  await quietLooks(world, 5);
  world.requests.length = 0;
  await world.controller.ticker.trigger();
  assert.ok(world.requests.some(isListOfNodes));
});

function isWholeListing({ method, path, query }: KubeRequest): boolean {
  return method === "GET" && path === PATHS.CiliumEgressGatewayPolicy && query?.limit !== 1;
}

function isWriteToCilium({ method, path }: KubeRequest): boolean {
  return method !== "GET" && path.startsWith(PATHS.CiliumEgressGatewayPolicy);
}

function told(requests: readonly KubeRequest[]): string {
  return requests.map(({ method, path, query }) => `${method} ${path} ${JSON.stringify(query)}`)
    .join("\n");
}

function isListOfNodes({ method, path, query }: KubeRequest): boolean {
  return method === "GET" && path === PATHS.Node && query?.limit !== 1 &&
    query?.fieldSelector === undefined;
}
