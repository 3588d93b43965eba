/** The kustomizations of `docs/install.md` change what they say, and nothing else. */
import assert from "node:assert/strict";
import { idOf } from "../scripts/chart/template.ts";
import { readEnvironment } from "../src/environment.ts";
import { settingOf } from "./support/install_guide.ts";
import { kustomize, render, renderWith } from "./support/kustomize.ts";
import { testWith } from "./support/needs.ts";
import type { KubeObject } from "./support/raw_api.ts";

/** What a setting changes: objects that are not there without it. */
async function changedBy(title: string, folder: string): Promise<readonly KubeObject[]> {
  const before = new Set((await render(folder)).map((object) => JSON.stringify(object)));
  const after = await renderWith(folder, await settingOf(title));
  assert.equal(after.length, before.size);
  return after.filter((object) => !before.has(JSON.stringify(object)));
}

interface Pod {
  readonly spec: {
    readonly containers: readonly {
      readonly env: readonly { readonly name: string; readonly value: string }[];
    }[];
  };
}

/** As the program in the object's pod reads it. */
function environmentOf(object: KubeObject | undefined) {
  const { template, jobTemplate } = object?.["spec"] as {
    readonly template?: Pod;
    readonly jobTemplate?: { readonly spec: { readonly template: Pod } };
  };
  const [container] = (template ?? jobTemplate?.spec.template)?.spec.containers ?? [];
  return readEnvironment(
    Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value])),
  );
}

testWith([kustomize], "Cilium may be in another namespace", async () => {
  const changed = await changedBy("Cilium elsewhere than in `kube-system`", "overlays/server");
  assert.deepEqual(changed.map(idOf).sort(), [
    "Deployment/sallyport-system/sallyport-controller",
    "Role/cilium/sallyport-controller",
    "RoleBinding/cilium/sallyport-controller",
  ]);
  const deployment = changed.find(({ kind }) => kind === "Deployment");
  assert.equal(environmentOf(deployment).SALLYPORT_CILIUM_NAMESPACE, "cilium");
});

testWith([kustomize], "the server may tick on HTTP triggers alone", async () => {
  const changed = await changedBy("Ticks on HTTP triggers alone", "default");
  assert.deepEqual(changed.map(idOf), ["Deployment/sallyport-system/sallyport-controller"]);
  const { SALLYPORT_EVERY, SALLYPORT_TOKEN_FILE } = environmentOf(changed[0]);
  assert.equal(SALLYPORT_EVERY, Infinity);
  assert.ok(SALLYPORT_TOKEN_FILE);
});

testWith([kustomize], "the CronJob may reach a Pushgateway", async () => {
  const changed = await changedBy("Metrics of the CronJob", "overlays/cronjob");
  const [cronJob, networkPolicy] = changed.toSorted((a, b) => a.kind < b.kind ? -1 : 1);
  assert.equal(changed.length, 2);
  const { port } = new URL(environmentOf(cronJob).SALLYPORT_PUSHGATEWAY ?? "");
  const { egress } = networkPolicy?.["spec"] as {
    readonly egress: readonly { readonly ports: readonly { readonly port: number }[] }[];
  };
  const ports = egress.flatMap((rule) => rule.ports.map((each) => each.port));
  assert.deepEqual(ports, [443, 6443, Number(port), 53, 53]);
});
