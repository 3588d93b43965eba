/** `sallyport explain --pod`, from files: by which gateway of several a pod's traffic leaves, and why. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { stringify } from "yaml";
import {
  ciliumManifest,
  gatewayManifest,
  nodeManifest,
  policyManifest,
} from "../../support/manifests.ts";
import { sallyport } from "../../support/cli.ts";

const SHARD = "egress-gateway.network.deckhouse.io/shard";

/** Two gateways, a policy over both, and a pod of `app` on node a, which is of a shard. */
function world(app: string, shard?: string): readonly object[] {
  const labels = {
    role: "egress",
    "kubernetes.io/hostname": "a",
    ...(shard && { [SHARD]: shard }),
  };
  return [
    { ...nodeManifest("a"), metadata: { name: "a", labels } },
    ciliumManifest("a"),
    gatewayManifest("one"),
    gatewayManifest("two"),
    policyManifest("web", "", {
      egressGatewayName: undefined,
      egressGatewayNames: ["one", "two"],
      excludedCIDRs: ["10.0.0.0/8"],
    }),
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "shop", name: "web-0", labels: { app } },
      spec: { nodeName: "a" },
      status: { podIPs: [{ ip: "10.244.1.7" }] },
    },
  ];
}

async function explained(objects: readonly object[], ...args: readonly string[]) {
  const asked = args.includes("--node") ? [] : ["--pod", "shop/web-0"];
  const cwd = await Deno.makeTempDir({ prefix: "sallyport-explain-" });
  try {
    const text = objects.map((object) => stringify(object)).join("---\n");
    await Deno.writeTextFile(join(cwd, "cluster.yaml"), text);
    return await sallyport(["explain", ...asked, ...args, "--from", "cluster.yaml"], {
      cwd,
    });
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

Deno.test("a pod's gateway of several is told with its node's shard", async () => {
  const gateways = await Promise.all(["0", "1", "2", "3"].map(async (shard) => {
    const { stdout } = await explained(world("web", shard));
    const [, gateway] =
      /^shop\/web-0 on node a:\n {2}To 0\.0\.0\.0\/0 but 10\.0\.0\.0\/8: leaves by gateway (\w+), node a/
        .exec(stdout) ?? [];
    assert.ok(
      stdout.includes(`The pod's node a is of shard ${shard}, which is in this gateway's share`),
      stdout,
    );
    return gateway;
  }));
  assert.deepEqual([...new Set(gateways)].sort(), ["one", "two"]);
});

Deno.test("a pod on a node without a shard has the first gateway, and one that no policy selects none", async () => {
  const { stdout } = await explained(world("web"));
  assert.match(stdout, /leaves by gateway one, node a/);
  assert.match(stdout, /has no shard yet, so that the first gateway of the list has its pods/);
  const other = await explained(world("other"));
  assert.match(other.stdout, /No policy selects it: its traffic leaves by its own node/);
  assert.deepEqual(JSON.parse((await explained(world("other"), "-o", "json")).stdout), []);
});

Deno.test("a node is told which gateway its pods have, by each policy", async () => {
  const { stdout } = await explained(world("web", "7"), "--node", "a");
  assert.match(
    stdout,
    /^a: shard 7\.\n {2}web: gateway (one|two) \(shard 7 is among its \d+ of 256\), by node a\.\n$/,
  );
  const without = await explained(world("web"), "--node", "a");
  assert.match(
    without.stdout,
    /^a: no shard yet\.\n {2}web: gateway one \(the first of the list, as the node has no shard yet\)/,
  );
  const { code, stderr } = await explained(world("web"), "--node", "z");
  assert.equal(code, 2);
  assert.match(stderr, /^Cannot find Node 'z': there are a\n$/);
});
