/** The roles for people suffice for the commands that the pages tell them to type, on a real API server. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { tick } from "../../src/controller/tick.ts";
import { kustomize, render } from "../../src/build/kustomize.ts";
import { ciliumNode, clientOf, putNode, putPod } from "../support/cluster.ts";
import { type ControlPlane, controlPlaneTest } from "../support/control_plane.ts";
import { policy, primaryGateway } from "../support/crd_manifests.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { eventually } from "../support/raw_api.ts";
import { missing, testWith } from "../support/needs.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const ROLES = ["sallyport-viewer", "sallyport-operator"] as const;

/** What is typed, and a part of what is answered. */
type Row = readonly [words: string, answer: RegExp];

/** There is no Cilium here that would have made a CiliumEndpoint. */
const CHECKED =
  /^ok +pods +1 running pods.*^wrong +identity .*^ok +policy .*^ok +node .*^unknown +datapath /ms;

const COMMANDS: Readonly<Record<typeof ROLES[number], readonly Row[]>> = {
  "sallyport-viewer": [
    ["status", /^g .*True/m],
    ["history g", /Elected/],
    ["explain g", /a is active/],
    ["which default/web-0 203.0.113.7", /leaves by gateway g, node a/],
    ["plan", /^/],
    ["check", /^ok +CRD egressgateways.*^ok +Cilium settings/ms],
    ["check g", CHECKED],
  ],
  "sallyport-operator": [
    ["status", /^g .*True/m],
    ["history g", /Elected/],
    ["explain g", /a is active/],
    ["which default/web-0 203.0.113.7", /leaves by gateway g, node a/],
    ["check", /^ok +CRD egressgateways.*^ok +Cilium settings/ms],
    ["check g", CHECKED],
    ["move g b --dry-run", /g.* b.*\(dry run\)/],
    ["drain a --dry-run", /g would move from a to b/],
  ],
};

/** A user who has the role; the viewer's is part of `view`, which Kubernetes puts together. */
async function kubeconfigOf(plane: ControlPlane, role: typeof ROLES[number]): Promise<string> {
  const name = role === "sallyport-viewer" ? "view" : role;
  await eventually("the role has its rules", async () => {
    const { rules } = await plane.api.get<{ readonly rules: readonly object[] | null }>(
      `/apis/rbac.authorization.k8s.io/v1/clusterroles/${name}`,
    );
    return JSON.stringify(rules).includes("egressgateways");
  });
  await plane.api.apply({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: role },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: `user-${role}` }],
  } as KubeObject);
  return await plane.writeKubeconfig(`user-${role}`, plane.tokenFor(`user-${role}`));
}

const NAME = "each role for people may do what the pages tell them to type";

if (missing([kustomize]) !== null) testWith([kustomize], NAME, () => {});
else {
  controlPlaneTest(NAME, async (plane) => {
    await plane.api.apply(await render("base"));
    for (const name of ["a", "b"]) {
      await putNode(plane, name, { labels: { "dedicated/egress": "" } });
      await plane.api.apply(ciliumNode(name));
    }
    await plane.api.apply([primaryGateway(), policy()]);
    await putPod(plane, {
      name: "web-0",
      node: "a",
      namespace: "default",
      labels: { app: "backend" },
    });
    await plane.api.patch("/api/v1/namespaces/default/pods/web-0/status", {
      status: { phase: "Running" },
    });
    await plane.api.apply(
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "cilium-config", namespace: "kube-system" },
        data: {
          "enable-egress-gateway": "true",
          "enable-bpf-masquerade": "true",
          "kube-proxy-replacement": "true",
        },
      } as Parameters<typeof plane.api.apply>[0],
    );
    await using client = await clientOf(plane);
    await tick(client);
    for (const role of ROLES) {
      const kubeconfig = await kubeconfigOf(plane, role);
      for (const [words, answer] of COMMANDS[role]) {
        const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--no-check", MAIN, ...words.split(" "), "--kubeconfig", kubeconfig],
          env: { NO_COLOR: "1" },
        }).output();
        const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
        assert.doesNotMatch(
          said,
          /forbidden|cannot (get|list|patch)|may not/i,
          `${role}: ${words}: ${said}`,
        );
        assert.match(said, answer, `${role}: ${words}: ${said}`);
      }
    }
  }, {
    controllerManager: { controllers: ["clusterrole-aggregation-controller"] },
    ciliumCrds: ["ciliumegressgatewaypolicies", "ciliumnodes", "ciliumendpoints"],
    users: Object.fromEntries(ROLES.map((role) => [`user-${role}`, []])),
  });
}
