/** Label selectors, read as an API server reads them (apimachinery's pkg/labels). */
import assert from "node:assert/strict";
import { parseLabelSelector } from "../../src/kube/label_selector.ts";

const LABELS = { "k8s-app": "cilium", "app.kubernetes.io/part-of": "cni", tier: "", size: "12" };

for (
  const [selector, matches] of [
    ["", true],
    ["k8s-app=cilium", true],
    ["k8s-app==cilium", true],
    [" k8s-app = cilium ", true],
    ["k8s-app=calico", false],
    ["k8s-app", true],
    ["absent", false],
    ["!absent", true],
    ["! absent", true],
    ["!k8s-app", false],
    ["k8s-app!=calico", true],
    ["absent!=calico", true],
    ["k8s-app!=cilium", false],
    ["k8s-app in (calico,cilium)", true],
    ["k8s-app in ( calico , cilium )", true],
    ["k8s-app in(cilium)", true],
    ["k8s-app in (calico)", false],
    ["absent in (calico)", false],
    ["k8s-app notin (calico)", true],
    ["k8s-app notin (calico,cilium)", false],
    ["absent notin (calico)", true],
    ["tier=", true],
    ["tier in (,gold)", true],
    ["size>11", true],
    ["size>12", false],
    ["size<13", true],
    ["k8s-app>1", false],
    ["toString", false],
    ["toString!=x", true],
    ["k8s-app=cilium,app.kubernetes.io/part-of in (cni,net),!absent", true],
    ["app.kubernetes.io/part-of in (cni,net),k8s-app=other", false],
  ] as const
) {
  Deno.test(`${JSON.stringify(selector)} ${matches ? "matches" : "does not match"}`, () => {
    assert.equal(parseLabelSelector(selector)(LABELS), matches);
  });
}

for (
  const selector of [
    "a=b=c",
    "a,,b",
    ",",
    "a in b",
    "a in (b",
    "a in (b))",
    "-a=b",
    "a=b c",
    "a/b/c=d",
    "UPPER.example/a=b",
    "a>x",
    "a=-b",
    "!",
    `${"a".repeat(64)}=b`,
    "a in (b) c",
  ]
) {
  Deno.test(`${JSON.stringify(selector)} is refused and named`, () => {
    assert.throws(() => parseLabelSelector(selector), /^TypeError: Cannot read '.*' as a label/);
  });
}
