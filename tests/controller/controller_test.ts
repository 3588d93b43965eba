/** The resident controller between two moves, on the demo's cluster with its simulated agents. */
import assert from "node:assert/strict";
import { PATHS } from "../../src/cluster/resources.ts";
import { Controller } from "../../src/controller/controller.ts";
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
}

function test(name: string, body: (world: World) => Promise<void>): void {
  Deno.test(name, async () => {
    await using cluster = await startDemoCluster({ onEvent: () => {} });
    const stop = new AbortController();
    const requests: KubeRequest[] = [];
    const streams = new Set<AbortController>();
    let broken = false;
    const client: KubeClient = {
      ...cluster.client,
      request: (request) => {
        requests.push(request);
        return cluster.client.request(request);
      },
      stream: (request) => {
        if (broken) return Promise.reject(new Error("Cannot watch"));
        const life = new AbortController();
        streams.add(life);
        const signal = AbortSignal.any([life.signal, ...request.signal ? [request.signal] : []]);
        return cluster.client.stream({ ...request, signal });
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
      });
    } finally {
      stop.abort();
      await running;
    }
  });
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

function isListOfNodes({ method, path, query }: KubeRequest): boolean {
  return method === "GET" && path === PATHS.Node && query?.limit !== 1;
}
