/** `k8s/extras/gateway-users.yaml` on a real API server: who may name which gateway. */
import assert from "node:assert/strict";
import { pathOf } from "../../src/build/kustomize.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { controlPlaneTests } from "../support/control_plane.ts";
import { policy } from "../support/crd_manifests.ts";
import { eventually, type RawApi } from "../support/raw_api.ts";

/** Both may write policies; the gateway `shop` is the first one's to use, all gateways are the other's. */
const [TENANT, OWNER] = ["tina", "oskar"];
const test = controlPlaneTests({ users: { [TENANT]: [], [OWNER]: ["platform"] } });
const POLICIES = "/apis/network.deckhouse.io/v1alpha1/egressgatewaypolicies";

const role = (name: string, rule: object): KubeObject => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name },
  rules: [rule],
});

const binding = (roleName: string, subject: object): KubeObject => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: roleName },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: roleName },
  subjects: [{ apiGroup: "rbac.authorization.k8s.io", ...subject }],
});

const gateways = { apiGroups: ["network.deckhouse.io"], resources: ["egressgateways"] };
const RIGHTS: readonly KubeObject[] = [
  role("policy-writers", {
    apiGroups: ["network.deckhouse.io"],
    resources: ["egressgatewaypolicies", "egressgatewaypolicies/status"],
    verbs: ["get", "create", "update", "patch", "delete"],
  }),
  binding("policy-writers", { kind: "Group", name: "system:authenticated" }),
  role("use-shop", { ...gateways, resourceNames: ["shop"], verbs: ["use"] }),
  binding("use-shop", { kind: "User", name: TENANT }),
  role("use-all", { ...gateways, verbs: ["use"] }),
  binding("use-all", { kind: "Group", name: "platform" }),
];

const through = (name: string, egressGatewayName: string) => policy({ egressGatewayName }, name);

async function answer(
  api: RawApi,
  method: "POST" | "PATCH" | "DELETE",
  [path, body]: readonly [path: string, body?: object],
): Promise<readonly [status: number, message: string]> {
  const { status, body: said } = await api.request({
    method,
    path,
    ...(body === undefined ? {} : { body }),
    ...(method === "PATCH" ? { contentType: "application/merge-patch+json" } : {}),
  });
  return [status, (said as { readonly message?: string }).message ?? ""];
}

test("a tenant names the gateways that it may use, and no other", async (plane) => {
  const { api } = plane;
  await api.apply([...RIGHTS]);
  const [tenant, owner] = [TENANT, OWNER].map((user) => api.as(plane.tokenFor(user)));
  assert.ok(tenant && owner);
  // Before, whoever may write policies uses every gateway.
  await eventually("the tenant may write policies", async () => {
    const [status] = await answer(tenant, "POST", [`${POLICIES}?dryRun=All`, through("t", "bank")]);
    return status === 201;
  });
  await api.apply(await Deno.readTextFile(pathOf("extras/gateway-users.yaml")));
  await eventually("the admission policy is in force", async () => {
    const [status] = await answer(tenant, "POST", [`${POLICIES}?dryRun=All`, through("t", "bank")]);
    return status === 403;
  });
  const refused =
    /'tina' may not use EgressGateway 'bank': name another in spec\.egressGatewayName, or ask for the verb 'use' on egressgateways\.network\.deckhouse\.io 'bank'$/;

  const created = await answer(tenant, "POST", [POLICIES, through("mine", "bank")]);
  assert.equal(created[0], 403);
  assert.match(created[1], refused);
  assert.equal((await answer(tenant, "POST", [POLICIES, through("mine", "shop")]))[0], 201);
  assert.equal((await answer(owner, "POST", [POLICIES, through("theirs", "bank")]))[0], 201);

  // Every field that names a gateway counts.
  const several = (...names: readonly string[]) =>
    policy({ egressGatewayName: undefined, egressGatewayNames: names }, "several");
  const posted = (body: object) => answer(tenant, "POST", [`${POLICIES}?dryRun=All`, body]);
  const list = await posted(several("shop", "bank"));
  assert.equal(list[0], 403);
  assert.match(
    list[1],
    /'tina' may not use all of the EgressGateways 'shop', 'bank': name others in spec\.egressGatewayNames, or ask for the verb 'use'/,
  );
  const fallback = await posted(
    policy({ egressGatewayName: "shop", fallbackGatewayName: "bank" }, "fallback"),
  );
  assert.equal(fallback[0], 403);
  assert.match(
    fallback[1],
    /EgressGateway 'bank': name another in spec\.fallbackGatewayName, or ask/,
  );

  const patched = (name: string, body: object) =>
    answer(tenant, "PATCH", [`${POLICIES}/${name}`, body]);
  assert.match((await patched("mine", { spec: { egressGatewayName: "bank" } }))[1], refused);
  // What another's policy selects is as much a use of its gateway.
  const everywhere = { spec: { selectors: [{ podSelector: {} }] } };
  assert.match((await patched("theirs", everywhere))[1], refused);
  assert.equal((await patched("mine", { spec: { fallbackGatewayName: "bank" } }))[0], 403);
  assert.equal((await patched("mine", everywhere))[0], 200);
  assert.equal((await patched("theirs", { metadata: { labels: { a: "b" } } }))[0], 200);
  const status = { status: { activeNodeName: "a" } };
  assert.equal((await patched("theirs/status", status))[0], 200);
  assert.equal((await answer(tenant, "DELETE", [`${POLICIES}/theirs`]))[0], 200);
  assert.equal((await answer(owner, "DELETE", [`${POLICIES}/mine`]))[0], 200);
});
