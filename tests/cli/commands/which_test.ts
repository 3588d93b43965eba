/** `sallyport which`, from files: what is asked, what is printed. */
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

const POD = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { namespace: "shop", name: "web-0", labels: { app: "web" } },
  spec: { nodeName: "b" },
  status: { podIPs: [{ ip: "10.244.1.7" }] },
};
const DB = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { namespace: "shop", name: "db-0", labels: { app: "db" } },
  spec: { nodeName: "b" },
  status: { podIPs: [{ ip: "10.244.1.8" }] },
};
const NAMESPACE = {
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: "shop", labels: { team: "store" } },
};
const WORLD = [
  nodeManifest("a"),
  nodeManifest("b"),
  ciliumManifest("a"),
  ciliumManifest("b"),
  gatewayManifest("web"),
  policyManifest("store", "web", {
    selectors: [{ namespaceSelector: { matchLabels: { team: "store" } } }],
  }),
  POD,
  DB,
];

async function which(objects: readonly object[], args: readonly string[]) {
  const cwd = await Deno.makeTempDir({ prefix: "sallyport-which-" });
  try {
    const text = objects.map((object) => stringify(object)).join("---\n");
    await Deno.writeTextFile(join(cwd, "cluster.yaml"), text);
    return await sallyport(["which", ...args, "--from", "cluster.yaml"], { cwd });
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

Deno.test("which tells gateway, node and why, and that nothing was written yet", async () => {
  const { code, stdout, stderr } = await which([...WORLD, NAMESPACE], [
    "shop/web-0",
    "203.0.113.7",
  ]);
  assert.equal(
    stdout,
    "shop/web-0 to 203.0.113.7: leaves by gateway web, node a.\n" +
      "  Why: EgressGatewayPolicy 'store' selects the pod (selectors[0]) and 0.0.0.0/0.\n" +
      "  Why: a holds EgressGateway 'web'.\n",
  );
  assert.match(
    stderr,
    /^Note: .*no CiliumEgressGatewayPolicy, so what a tick would write is taken/,
  );
  assert.equal(code, 0);
});

Deno.test("which knows the pods of the cluster, and says what it takes for granted", async () => {
  const named = await which([...WORLD, NAMESPACE], ["web-0", "-n", "shop", "10.244.1.8"]);
  assert.match(named.stdout, /leaves by the pod's own node b, by no gateway\.\n.*pod shop\/db-0/);
  const bare = await which(WORLD, ["shop/web-0", "203.0.113.7", "-o", "json"]);
  assert.match(bare.stderr, /no Namespace 'shop', so it is taken to have no labels but its name/);
  assert.equal(JSON.parse(bare.stdout).verdict, "OwnNode");
});

Deno.test("which says what is wrong with what was asked", async () => {
  for (
    const [args, message] of [
      [
        ["shop/web-1", "203.0.113.7"],
        /^Cannot find Pod 'web-1' of namespace 'shop' in cluster\.y/m,
      ],
      [["shop/web-0", "example.org"], /^Cannot read destination 'example\.org': write an IP addr/m],
      [
        ["shop/web-0", "10.0.0.0/8"],
        /^Cannot read destination '10\.0\.0\.0\/8': write an IP addr/m,
      ],
      [["a/b/c", "203.0.113.7"], /^Cannot read pod 'a\/b\/c': write NAMESPACE\/POD/m],
      [["shop/web-0", "-n", "x", "1.1.1.1"], /^Cannot tell which namespace is meant/m],
      [["shop/web-0"], /missing required argument 'destination'/],
    ] as const
  ) {
    const { code, stdout, stderr } = await which(WORLD, args);
    assert.match(stderr, message);
    assert.deepEqual([code, stdout], [2, ""]);
  }
});
