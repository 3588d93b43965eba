import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { StatusRenderer } from "../../src/http/rendered_status.ts";
import { statusView } from "../../src/http/status_view.ts";
import { app, gateway, gatewayPlan, plan, policyPlan, snapshot } from "../support/http.ts";

Deno.test("a status view joins the plan with what it was decided from, sorted by name", () => {
  const lastFailover = {
    from: "node-c",
    to: "node-a",
    reason: "NodeNotReady",
    startTime: "2026-11-23T11:00:00Z",
    durationMilliseconds: 1000,
  };
  const primary = {
    mode: "PrimaryIPFromEgressGatewayNodeInterface",
    interfaceName: "eth0",
  } as const;
  const view = statusView(
    plan({
      gateways: [gatewayPlan("web"), gatewayPlan("mail", { activeNodeName: null, phase: "Idle" })],
      policies: [
        policyPlan("shop", "web", { egressIP: "172.18.18.242" }),
        policyPlan("blog", "web"),
        policyPlan("smtp", "mail"),
      ],
      warnings: ["Names clash"],
    }),
    snapshot({
      gateways: [
        gateway("web", { status: { lastFailover } }),
        gateway("mail", { spec: { ...gateway("mail").spec, sourceIP: primary } }),
      ],
    }),
  );
  assert.equal(view.now, "2026-11-23T12:00:00.000Z");
  assert.deepEqual(
    view.gateways.map(({ name, source, policyNames }) => ({ name, source, policyNames })),
    [
      { name: "mail", source: "primary address of eth0", policyNames: ["smtp"] },
      { name: "web", source: "172.18.18.242", policyNames: ["blog", "shop"] },
    ],
  );
  assert.equal("lastFailover" in (view.gateways[0] ?? {}), false);
  assert.deepEqual(view.gateways[1]?.lastFailover, lastFailover);
  assert.deepEqual(
    view.policies.map(({ name, gateways }) => [name, gateways[0]?.egressIP]),
    [["blog", undefined], ["shop", "172.18.18.242"], ["smtp", undefined]],
  );
  assert.deepEqual(view.warnings, ["Names clash"]);
});

Deno.test("a status view changes neither argument and survives empty ones", () => {
  const planned = plan({ gateways: [gatewayPlan("b"), gatewayPlan("a")] });
  const observed = snapshot();
  const before = structuredClone({ planned, observed });
  statusView(planned, observed);
  assert.deepEqual({ planned, observed }, before);
  const empty = statusView(plan({ gateways: [], policies: [] }), snapshot({ gateways: [] }));
  assert.deepEqual([empty.gateways, empty.policies, empty.warnings], [[], [], []]);
});

Deno.test("GET /status.json is the view", async () => {
  const response = await app().request("/status.json");
  assert.equal(response.status, 200);
  assert.deepEqual(
    await response.json(),
    JSON.parse(JSON.stringify(statusView(plan(), snapshot()))),
  );
});

for (const path of ["/", "/status.json"]) {
  Deno.test(`GET ${path} answers 503 with the reason while there is no status`, async () => {
    const response = await app({ status: () => undefined }).request(path);
    assert.equal(response.status, 503);
    assert.deepEqual(await response.json(), {
      error: "Cannot tell the status: no tick has ended yet",
    });
  });
}

Deno.test("a browser is told by a page that there is no status yet, and finds it there later", async () => {
  const headers = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
  const response = await app({ status: () => undefined }).request("/", { headers });
  assert.equal(response.status, 503);
  const page = await response.text();
  assert.match(page, /<main>[\s\S]*No tick has ended yet[\s\S]*<script>[\s\S]*refresh\(\)/);
});

Deno.test("the page and its data are rendered once for each tick, whoever asks", async () => {
  const renderer = new StatusRenderer();
  let reads = 0;
  const counting = (warnings: readonly string[]) => {
    const planned = plan({ warnings });
    return {
      plan: {
        ...planned,
        get gateways() {
          reads++;
          return planned.gateways;
        },
      },
      snapshot: snapshot(),
    };
  };
  let ticked = counting(["one"]);
  const served = app({ status: () => renderer.render(ticked) });
  const get = async (path: string) => await (await served.request(path)).text();
  const first = await Promise.all(Array.from({ length: 20 }, () => get("/")));
  assert.equal(new Set(first).size, 1);
  await Promise.all(Array.from({ length: 20 }, () => get("/status.json")));
  assert.equal(reads, 1);
  ticked = counting(["two"]);
  assert.match(await get("/"), /two/);
  assert.match(await get("/status.json"), /two/);
  assert.equal(reads, 2);
});

Deno.test("who has the page already is told that it is the same, until the next tick", async () => {
  const renderer = new StatusRenderer();
  let ticked = { plan: plan(), snapshot: snapshot() };
  const served = app({ status: () => renderer.render(ticked) });
  const tag = (await served.request("/")).headers.get("ETag") ?? "";
  const again = () => served.request("/", { headers: { "If-None-Match": tag } });
  const same = await again();
  assert.deepEqual([same.status, await same.text()], [304, ""]);
  ticked = { plan: plan(), snapshot: snapshot() };
  assert.equal((await again()).status, 200);
});

Deno.test("of a thousand candidates the page shows the roles and as many as one reads", async () => {
  const candidates = Array.from({ length: 1_000 }, (_, index) => ({
    node: `node-${index}`,
    eligible: true,
    rank: 0,
    reasons: [],
  }));
  const planned = gatewayPlan("web", {
    candidates,
    activeNodeName: "node-998",
    standbyNodeNames: ["node-999"],
  });
  const ticked = { plan: plan({ gateways: [planned] }), snapshot: snapshot() };
  const served = app({ status: () => new StatusRenderer().render(ticked) });
  const page = await (await served.request("/")).text();
  assert.equal(page.match(/<tr>\s*<td>node-/g)?.length, 20);
  for (const text of ["node-998", "node-999", "980 more are in status.json"]) {
    assert.ok(page.includes(text), text);
  }
  const { gateways } = await (await served.request("/status.json")).json();
  assert.equal(gateways[0].candidates.length, 1_000);
});

Deno.test("the status page tells who holds a gateway, who stands by and why others do not", async () => {
  const response = await app().request("/");
  assert.match(response.headers.get("Content-Type") ?? "", /^text\/html/);
  const page = await response.text();
  for (
    const text of [
      "web",
      "172.18.18.242, term 3, 2 ready",
      `<p class="active">node-a</p>`,
      "Keep: node-a is eligible",
      "Standbys: node-b. Policies: shop.",
      "<strong>NodeNotReady</strong> Kubelet stopped posting node status",
    ]
  ) assert.ok(page.includes(text), text);
});

Deno.test("the status page shows an empty gateway, the last failover and warnings", async () => {
  const lastFailover = {
    to: "node-a",
    reason: "NodeNotReady",
    startTime: "2026-11-23T11:00:00Z",
  };
  const status = new StatusRenderer().render({
    plan: plan({
      gateways: [gatewayPlan("web", { activeNodeName: null, standbyNodeNames: [], phase: "Idle" })],
      warnings: ["Names clash"],
      heartbeatsIgnored: true,
    }),
    snapshot: snapshot({ gateways: [gateway("web", { status: { lastFailover } })] }),
  });
  const page = await (await app({ status: () => status }).request("/")).text();
  for (
    const text of [
      `<span class="bad">nobody</span>`,
      "Standbys: none",
      "First taken by node-a, ",
      "2026-11-23 11:00:00 UTC",
      "under way (NodeNotReady)",
      "Names clash",
      "Heartbeats are ignored",
    ]
  ) assert.ok(page.includes(text), text);
});

Deno.test("nothing from the cluster becomes markup on the status page", async () => {
  const evil = `<script>alert("x")</script>&'`;
  const reasons = [{ type: "NodeNotReady", message: evil }] as const;
  const status = new StatusRenderer().render({
    plan: plan({
      gateways: [
        gatewayPlan(evil, {
          activeNodeName: evil,
          standbyNodeNames: [evil],
          message: evil,
          candidates: [
            { node: evil, eligible: false, rank: 0, reasons },
            { node: evil, eligible: true, eligibleSince: evil, rank: 0, reasons: [] },
          ],
        }),
      ],
      policies: [{
        name: evil,
        gateways: [{ name: evil, shards: 256, egressIP: evil, activeNodeName: evil }],
        conditions: [{
          type: evil,
          status: "True",
          reason: evil,
          message: evil,
          lastTransitionTime: evil,
          observedGeneration: 1,
        }],
      }],
      warnings: [evil],
    }),
    snapshot: snapshot({
      gateways: [
        gateway(evil, {
          status: { lastFailover: { from: evil, to: evil, reason: evil, startTime: evil } },
        }),
      ],
    }),
  });
  const page = await (await app({ status: () => status }).request("/")).text();
  assert.equal(page.includes(`<script>alert`), false);
  assert.equal(page.match(/<script>/g)?.length, 1);
  assert.ok(page.split("&lt;script&gt;alert(&quot;x&quot;)").length > 12);
});

Deno.test("the status page's policy allows its own script and style by hash, and nothing else", async () => {
  const response = await app().request("/");
  const policy = response.headers.get("Content-Security-Policy") ?? "";
  const page = await response.text();
  assert.match(policy, /default-src 'none'/);
  for (const tag of ["script", "style"]) {
    const body = new RegExp(`<${tag}>(.*?)</${tag}>`, "s").exec(page)?.[1] ?? "";
    const hash = createHash("sha256").update(body).digest("base64");
    assert.ok(policy.includes(`${tag}-src 'sha256-${hash}'`), `${tag}: ${policy}`);
  }
  assert.doesNotMatch(page, /(src|href)=/);
});
