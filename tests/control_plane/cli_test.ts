/** The command line as one file, run by Node and by Deno against a real API server. */
import assert from "node:assert/strict";
import { bundleCli } from "../../src/build/cli_bundle.ts";
import { clientOf, putNode } from "../support/cluster.ts";
import { controlPlaneTest } from "../support/control_plane.ts";
import { tick } from "../../src/controller/tick.ts";

const GATEWAY = `
apiVersion: network.deckhouse.io/v1alpha1
kind: EgressGateway
metadata: {name: web}
spec:
  nodeSelector: {role: egress}
  sourceIP:
    mode: PrimaryIPFromEgressGatewayNodeInterface
    primaryIPFromEgressGatewayNodeInterface: {interfaceName: eth1}
---
apiVersion: network.deckhouse.io/v1alpha1
kind: EgressGatewayPolicy
metadata: {name: shop}
spec:
  egressGatewayName: web
  destinationCIDRs: [0.0.0.0/0]
  selectors: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: default, labels: {app: web}}
spec: {nodeName: a, containers: [{name: web, image: web:1}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cilium-config, namespace: kube-system}
data: {enable-egress-gateway: "true", enable-bpf-masquerade: "true", kube-proxy-replacement: "false"}
`;

controlPlaneTest("Node and Deno run the one file on a real cluster", async (plane) => {
  await plane.api.apply(GATEWAY);
  for (const name of ["a", "b"]) {
    await putNode(plane, name, { labels: { role: "egress" } });
  }
  await using client = await clientOf(plane);
  await tick(client);
  const file = `${plane.dir}/sallyport.mjs`;
  await bundleCli({ outfile: file });
  for (
    const [program, ...args] of [[Deno.execPath(), "run", "--quiet", "-A", "--no-config", file], [
      "node",
      file,
    ]] as const
  ) {
    const on = async (...words: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(program, {
        args: [...args, ...words, "--kubeconfig", plane.kubeconfigPath],
        env: { NO_COLOR: "1" },
      }).output();
      const decoder = new TextDecoder();
      return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    };
    const status = await on("status", "web", "-o", "jsonpath={.gateways[0].activeNodeName}");
    assert.equal(status.stdout, "a", status.stderr);
    assert.match(status.stderr, /^Warning: No controller's pod is found; one last worked at 20/);
    const way = await on("which", "default/web-0", "203.0.113.7");
    assert.match(
      way.stdout,
      /^default\/web-0 to 203\.0\.113\.7: leaves by gateway web, node a\b/,
      way.stderr,
    );
    const checked = await on("check");
    assert.match(
      checked.stdout,
      /^ok +CRD egressgateways\.network\.deckhouse\.io: Installed$/m,
      checked.stderr,
    );
    assert.match(
      checked.stdout,
      /^error +Cilium settings: kube-proxy-replacement is false: Helm value /m,
    );
    assert.equal(checked.code, 1);
    const rehearsed = await on("drain", "a", "--dry-run");
    assert.match(
      rehearsed.stdout,
      /^web would move from a to b: a: NodeCordoned.*\(dry run\)$/m,
      rehearsed.stderr,
    );
    const nodes = await plane.api.get<{ metadata: object; spec: { unschedulable?: boolean } }>(
      "/api/v1/nodes/a",
    );
    assert.equal(nodes.spec.unschedulable, undefined, "nothing was stored");
  }
});
