/** Controllers of several versions side by side on a real API server, as in an upgrade and a rollback. */
import assert from "node:assert/strict";
import process from "node:process";
import type { GatewayStatus } from "../../src/core/types.ts";
import { sleep } from "../../src/kube/deadline.ts";
import { putNode } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTests } from "../support/control_plane.ts";
import { policy, primaryGateway } from "../support/crd_manifests.ts";
import { type GuardedProcess, spawnGuarded } from "../support/guarded_process.ts";
import { missing, testWith } from "../support/needs.ts";
import { eventually } from "../support/raw_api.ts";
import { statusWrites } from "../support/status_writes.ts";
import { commandLine, currentBundles, formerBundles, formerVersion } from "../support/versions.ts";

const EGRESS = { "dedicated/egress": "" };
const GATEWAY = "/apis/network.deckhouse.io/v1alpha1/egressgateways/g";
const onControlPlane = controlPlaneTests();

/** How long writes are counted: two controllers tick ten times in it. */
const AT_REST_MILLISECONDS = 5_000;

function test(name: string, fn: (plane: ControlPlane) => Promise<void>): void {
  const absent = missing([formerVersion]);
  if (absent !== null) testWith([formerVersion], name, () => {});
  else onControlPlane(name, fn);
}

test("controllers of two versions move gateways together, and are quiet at rest", async (plane) => {
  const scratch = await Deno.makeTempDir({ prefix: "sallyport-versions-" });
  const running = new Map<string, GuardedProcess>();
  const start = (what: string, folder: string) =>
    running.set(
      what,
      spawnGuarded({
        name: what,
        argv: commandLine(folder, "server"),
        log: `${scratch}/${what}.log`,
        env: { SALLYPORT_KUBECONFIG: plane.kubeconfigPath, SALLYPORT_PORT: "0" },
      }),
    );
  const stop = async (what: string) => await running.get(what)?.stop();
  const status = async () => (await plane.api.get<{ status?: GatewayStatus }>(GATEWAY)).status;
  const holds = (node: string) =>
    eventually(`${node} holds the gateway`, async () => {
      const { activeNodeName, phase } = await status() ?? {};
      return activeNodeName === node && phase === "Active";
    }, { timeoutMilliseconds: 20_000 });
  const cordon = (node: string, unschedulable: boolean | null) =>
    plane.api.patch(`/api/v1/nodes/${node}`, { spec: { unschedulable } });
  /** Two objects have a status; each version may reword each of them once in this time. */
  const quiet = async (what: string) => {
    await sleep(2_000);
    const before = await statusWrites(plane.api);
    await sleep(AT_REST_MILLISECONDS);
    const count = await statusWrites(plane.api) - before;
    process.stdout.write(`${what}: ${before} status writes before, ${count} in 5 s at rest\n`);
    assert.ok(before > 0, "the API server counts");
    assert.ok(count <= 4, `${what}: ${count} writes at rest`);
  };
  try {
    const former = await formerBundles();
    const current = await currentBundles(`${scratch}/current`);
    const other = await currentBundles(`${scratch}/other`, {
      " is active": " serves",
      "All candidates are eligible": "Every candidate could hold it",
      " leaves by ": " goes out by ",
    });
    for (const name of ["a", "b", "c"]) await putNode(plane, name, { labels: EGRESS });
    await plane.api.apply([primaryGateway(), policy()]);

    start("former", former);
    await holds("a");
    start("current", current);
    await quiet("former beside current");
    await cordon("a", true);
    await holds("b");
    await stop("former");
    await cordon("a", null);
    await sleep(1_000);
    await cordon("b", true);
    await eventually("b is left", async () => (await status())?.activeNodeName !== "b");

    start("other", other);
    await quiet("current beside one in other words");
    await cordon("b", null);
    await stop("other");

    // Back again.
    start("former", former);
    await quiet("current beside former");
    await stop("current");
    const holder = (await status())?.activeNodeName ?? "";
    await cordon(holder, true);
    await eventually(
      "the former version moves what the current one left",
      async () => ![holder, undefined].includes((await status())?.activeNodeName),
    );
    const { term } = await status() ?? {};
    assert.equal(term, 4, "three moves after the first election, and no other");
  } finally {
    for (const what of running.keys()) await stop(what);
    await Deno.remove(scratch, { recursive: true });
  }
});
