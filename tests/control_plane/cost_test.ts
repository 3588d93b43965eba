/**
 * What the controller asks of a real API server, counted: requests, bytes, writes. A change that makes a tick cost what the
 * cluster costs, or writes at rest, fails here; how long things take is measured by `npm run bench:scale`.
 */
import assert from "node:assert/strict";
import { oneShot, workOf, writesOf } from "../support/one_shot.ts";
import { Controller } from "../../src/controller/controller.ts";
import { NAMESPACE } from "../../src/core/names.ts";
import type { KubeClient, Traffic } from "../../src/kube/client.ts";
import { ScaleCluster } from "../bench/scale_cluster.ts";
import {
  GATEWAY_NODES,
  gatewayName,
  gatewaysAndPolicies,
  POOL_LIST,
} from "../bench/scale_objects.ts";
import { clientOf } from "../support/cluster.ts";
import { controlPlaneTests } from "../support/control_plane.ts";
import type { ControlPlane } from "../support/control_plane.ts";
import { eventually } from "../support/raw_api.ts";

const test = controlPlaneTests();

/** More than are simply all listed. */
const NODES = 150;
const GATEWAYS = 3;
const POLICIES = gatewaysAndPolicies(GATEWAYS, { virtual: false, spread: false }).policies;
/** The first gateway has a pool of its own, the others share one. */
const CANDIDATES = POOL_LIST.slice(0, 2).flatMap(({ nodes }) => nodes).length;

/**
 * Of a tick as a process: the number of nodes, gateways, nodes by two selectors, agents' pods, Leases, Cilium's policies,
 * policies, the gateways' versions, CiliumNodes; and Cilium's pod of each candidate.
 */
const READS = 10 + CANDIDATES;
/** A candidate's node and Cilium pod, and our agents' pods, are 480 kB; those of the whole cluster would be 4 MB. */
const MOST_BYTES = CANDIDATES * 28_000 + GATEWAY_NODES.length * 2_800;

interface World extends AsyncDisposable {
  readonly cluster: ScaleCluster;
  readonly client: KubeClient;
  readonly seen: Traffic[];
}

let filled: ScaleCluster | undefined;

/** Gateways that are all served, and a client whose requests are counted. */
async function world(plane: ControlPlane): Promise<World> {
  if (filled === undefined) {
    await plane.createNamespace(NAMESPACE);
    filled = new ScaleCluster(plane, await clientOf(plane));
    await filled.grow(NODES);
  }
  await filled.reset(GATEWAYS);
  await filled.settle();
  const seen: Traffic[] = [];
  const client = await clientOf(plane, { onRequest: (one) => seen.push(one) });
  return { cluster: filled, client, seen, [Symbol.asyncDispose]: () => client.close() };
}

/** What a move writes: of the gateway, of each of its policies and to Cilium, of both nodes' labels, and its Event. */
function writesOfMove(seen: readonly Traffic[]): Readonly<Record<string, number>> {
  const kinds = writesOf(seen).map(({ path }) =>
    /\/(?:v\w+)\/(?:namespaces\/\w+\/)?(\w+)/.exec(path)?.[1] ?? path
  );
  return Object.fromEntries(
    [...Map.groupBy(kinds.sort(), (kind) => kind)].map(([kind, each]) => [kind, each.length]),
  );
}

const ofFirst = POLICIES.filter(({ metadata }) => metadata.name.startsWith(gatewayName(0))).length;
const MOVE = {
  ciliumegressgatewaypolicies: ofFirst,
  egressgatewaypolicies: ofFirst,
  egressgateways: 1,
  events: 1,
  nodes: 2,
};

test("an idle tick as a process reads its candidates once and writes nothing", async (plane) => {
  await using it = await world(plane);
  assert.ok(await oneShot(it.client));
  assert.equal(writesOf(it.seen).length, 0);
  assert.equal(it.seen.length, READS);
  assert.ok(
    workOf(it.seen).bytes < MOST_BYTES,
    `${workOf(it.seen).bytes} bytes, at most ${MOST_BYTES}`,
  );
});

test("a failover by a tick as a process costs the reads of an idle one, and its writes", async (plane) => {
  await using it = await world(plane);
  await it.cluster.cordonHolder("one");
  assert.ok(await oneShot(it.client));
  assert.deepEqual(writesOfMove(it.seen), MOVE);
  assert.equal(it.seen.length - writesOf(it.seen).length, READS);
  assert.ok(workOf(it.seen).bytes < MOST_BYTES * 1.2, `${workOf(it.seen).bytes} bytes`);
  await it.cluster.uncordon("one");
});

test("a resident controller at rest sends its sign of life alone, and a failover costs its writes", async (plane) => {
  await using it = await world(plane);
  const stop = new AbortController();
  let looks = 0;
  const controller = new Controller(it.client, {
    everyMilliseconds: 20,
    onTick: () => void looks++,
    signal: stop.signal,
  });
  const running = controller.run();
  try {
    const rest = async (count: number) => {
      const until = looks + count;
      await eventually("it has looked", () => looks >= until);
    };
    await rest(20);
    it.seen.length = 0;
    const begun = performance.now();
    await rest(40);
    const signs = Math.ceil((performance.now() - begun) / 2_000) + 1;
    assert.equal(writesOf(it.seen).length, 0);
    assert.ok(it.seen.length <= signs, `${it.seen.length} requests, at most ${signs}`);
    assert.ok(workOf(it.seen).bytes <= signs * 1_000, `${workOf(it.seen).bytes} bytes`);

    const before = (await it.cluster.holders()).get(gatewayName(0));
    it.seen.length = 0;
    await it.cluster.cordonHolder("one");
    await eventually("it has moved", async () => {
      const holder = (await it.cluster.holders()).get(gatewayName(0));
      return holder !== undefined && holder !== before;
    });
    await eventually("it is told", () => writesOf(it.seen).length >= 5 + 2 * ofFirst - 1);
    await rest(20);
    assert.deepEqual(writesOfMove(it.seen), MOVE);
  } finally {
    stop.abort();
    await running;
  }
});
