import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { changeOf, StatusRenderer } from "../../src/http/rendered_status.ts";
import { statusView } from "../../src/http/status_view.ts";
import { lease, node } from "../support/builders.ts";
import { app, gateway, gatewayPlan, NOON, plan, policyPlan, snapshot } from "../support/http.ts";

/** A ticker whose last tick was well. */
const GOOD = {
  last: { finishedAt: NOON },
  trigger: () => Promise.reject(new Error("not expected")),
};

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

Deno.test("GET /status.json answers 503 with the reason while there is no status", async () => {
  const response = await app({ status: () => undefined }).request("/status.json");
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), {
    error: "Cannot tell the status: no tick has ended yet",
  });
});

Deno.test("whoever opens the page before the first tick is told so by a page", async () => {
  const response = await app({ status: () => undefined }).request("/");
  assert.equal(response.status, 503);
  assert.match(response.headers.get("Content-Type") ?? "", /^text\/html/);
  assert.match(await response.text(), /id="strip" class="busy"[\s\S]*No tick has ended yet/);
});

const LATE_MILLISECONDS = 5_000;

const STRIPS = [
  ["after a good tick", { finishedAt: NOON - 1_000 }, "busy", "Node node-c may not hold gateways"],
  ["at the limit", { finishedAt: NOON - LATE_MILLISECONDS }, "busy", "Node node-c"],
  [
    "when ticks stop",
    { finishedAt: NOON - 25_000 },
    "bad",
    "Ticks are late: the last good one ended 25 s ago",
  ],
  ["after a tick that failed", { finishedAt: NOON, error: "403", succeededAt: NOON - 900 }, "bad", [
    "The last tick failed: 403",
  ]],
  [
    "while ticks fail on and on",
    { finishedAt: NOON, error: "no answer", succeededAt: NOON - 90_000 },
    "bad",
    "the last good one ended 1 min ago, and what is below is of then",
  ],
  ["when none has succeeded", { finishedAt: NOON, error: "403" }, "bad", "No tick has succeeded"],
] as const;

for (const [when, last, level, text] of STRIPS) {
  Deno.test(`the strip is ${level} ${when}, without JavaScript and though nothing is rendered anew`, async () => {
    const ticker = { last, trigger: () => Promise.reject(new Error("not expected")) };
    const page = await (await app({ ticker, lateMilliseconds: LATE_MILLISECONDS }).request("/"))
      .text();
    assert.ok(page.includes(`id="strip" class="${level}"`), page.slice(0, 9_000));
    for (const each of [text].flat()) assert.ok(page.includes(each), each);
  });
}

const WELL = {
  node: "node-a",
  eligible: true,
  eligibleSince: "2026-11-23T11:00:00Z",
  rank: 0,
  reasons: [],
};
const BOTH = [WELL, { ...WELL, node: "node-b" }];

Deno.test("the strip says in words that all is well, and what is not", async () => {
  const stripOf = async (planned: ReturnType<typeof plan>) => {
    const status = new StatusRenderer().render({ plan: planned, snapshot: snapshot() });
    const page = await (await app({ status: () => status, ticker: GOOD }).request("/")).text();
    return /<ul id="verdict"[\s\S]*?<\/ul>/.exec(page)?.[0].replace(/<[^>]*>/g, "") ?? "";
  };
  const web = gatewayPlan("web", { candidates: BOTH });
  const [idle, moving, alone] = [
    gatewayPlan("idle", { candidates: BOTH, activeNodeName: null, phase: "Idle" }),
    gatewayPlan("moving", { candidates: BOTH, phase: "Preparing" }),
    gatewayPlan("alone", { candidates: [WELL] }),
  ];
  assert.equal(
    await stripOf(plan({ gateways: [web] })),
    "Well The gateway is served, its policy is in force",
  );
  assert.equal(
    await stripOf(plan({ gateways: [], policies: [] })),
    "Well There are no gateways, and nothing is amiss",
  );
  const told = await stripOf(plan({ gateways: [alone, moving, web, idle] }));
  assert.match(
    told,
    /^Not well idle: No node holds it.*alone: No other node could take over.*moving: Moving to node-a$/,
  );
});

Deno.test("problems come first and open, healthy gateways are one folded line each", async () => {
  const gateways = [
    gatewayPlan("a", { candidates: BOTH }),
    gatewayPlan("b", { candidates: [WELL] }),
    gatewayPlan("c", { candidates: BOTH, activeNodeName: null }),
  ];
  const status = new StatusRenderer().render({ plan: plan({ gateways }), snapshot: snapshot() });
  const page = await (await app({ status: () => status }).request("/")).text();
  const cards = [...page.matchAll(/<details id="gateway-(.)" class="card (\w+)"[^>]*?( open)?>/g)]
    .map(([, name, level, open]) => [name, level, open !== undefined]);
  assert.deepEqual(cards, [["c", "bad", true], ["b", "busy", true], ["a", "good", false]]);
});

Deno.test("the moves of all gateways are one list, the latest first, with what clients went without", async () => {
  const move = (term: number, fields = {}) => ({
    term,
    time: `2026-11-23T11:${String(term).padStart(2, "0")}:00Z`,
    from: "node-b",
    to: "node-a",
    reason: "FailedOver",
    message: "node-b lost power",
    planned: false,
    ...fields,
  });
  const history = Array.from({ length: 25 }, (_, index) => move(25 - index)).slice(1);
  const now = move(25, { outageMilliseconds: 812 });
  const view = statusView(
    plan({ gateways: [gatewayPlan("web", { term: 25, move: now })] }),
    snapshot({ gateways: [gateway("web", { status: { history } })] }),
  );
  assert.deepEqual(
    view.moves.map(({ term }) => term),
    Array.from({ length: 20 }, (_, i) => 25 - i),
  );
  const status = new StatusRenderer().render({
    plan: plan({ gateways: [gatewayPlan("web", { term: 25, move: now })] }),
    snapshot: snapshot(),
  });
  const page = await (await app({ status: () => status }).request("/")).text();
  assert.match(page, /node-b → node-a[\s\S]*FailedOver, unplanned[\s\S]*went without for 812 ms/);
});

Deno.test("the page's body and its data are rendered once for each tick, whoever asks", async () => {
  const renderer = new StatusRenderer();
  let reads = 0;
  const counting = (text: string) => ({
    plan: {
      ...plan(),
      get warnings() {
        reads++;
        return [text];
      },
    },
    snapshot: snapshot(),
  });
  let ticked = counting("one");
  const served = app({ status: () => renderer.render(ticked) });
  const get = async (path: string) => await (await served.request(path)).text();
  await Promise.all(Array.from({ length: 20 }, () => get("/")));
  await Promise.all(Array.from({ length: 20 }, () => get("/status.json")));
  assert.equal(reads, 1);
  ticked = counting("two");
  assert.match(await get("/"), /two/);
  assert.match(await get("/status.json"), /two/);
  assert.equal(reads, 2);
});

Deno.test("a tick that shows the same is the same content, and of another only what changed is sent", () => {
  const renderer = new StatusRenderer();
  const of = (message: string, names = ["web", "mail"]) =>
    renderer.render({
      plan: plan({
        gateways: names.map((name) => gatewayPlan(name, name === "web" ? { message } : {})),
      }),
      snapshot: snapshot(),
    }).content();
  const [first, again, other] = [of("one"), of("one"), of("two")];
  assert.equal(again, first);
  assert.notEqual(other.version, first.version);
  assert.deepEqual(changeOf(first, other)?.blocks.map(({ id }) => id), ["gateway-web"]);
  assert.equal(changeOf(first, other)?.order, undefined);
  const fewer = changeOf(other, of("two", ["web"]));
  assert.deepEqual([fewer?.blocks, fewer?.order?.gateways], [[], ["gateway-web"]]);
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
  assert.equal(page.match(/<li class="chip /g)?.length, 20);
  for (const text of ["node-998", "node-999", "980 more are in"]) {
    assert.ok(page.includes(text), text);
  }
  const { gateways } = await (await served.request("/status.json")).json();
  assert.equal(gateways[0].candidates.length, 1_000);
});

Deno.test("the page tells who holds a gateway, who is next, why others do not, and what one could do", async () => {
  const status = new StatusRenderer().render({
    plan: plan({
      gateways: [gatewayPlan("web", {
        candidates: [...BOTH, ...gatewayPlan("web").candidates.slice(1)],
        pin: { node: "node-a", state: "Obeyed", message: "node-a is pinned" },
      })],
      warnings: ["Names clash"],
      heartbeatsIgnored: true,
    }),
    snapshot: snapshot({
      nodes: [node("node-b", { cordoned: true })],
      leases: [lease("node-a", { now: NOON }), lease("node-b", { now: NOON, ago: 9 })],
    }),
  });
  const page = await (await app({ status: () => status, ticker: GOOD }).request("/")).text();
  const text = page.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");
  for (
    const told of [
      "172.18.18.242, 2 of 3 nodes eligible",
      "node-a active pinned heartbeat fresh eligible since 1 h ago",
      "node-b next cordoned heartbeat 9 s ago",
      "node-c not eligible NodeNotReady Kubelet stopped posting node status",
      "Keep: node-a is eligible",
      "kubectl sallyport move web node-b",
      "kubectl sallyport release web",
      "Names clash",
      "Heartbeats are ignored",
    ]
  ) assert.ok(text.includes(told), `${told}: ${text}`);
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
  assert.equal(page.match(/<script/g)?.length, 1);
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
  assert.doesNotMatch(page, /\s(src|on\w+|style)=/);
  assert.doesNotMatch(page, /href="(?!#|\.\/"|status\.json"|readyz"|metrics")/);
});

Deno.test("a policy over several gateways is told with each one's share, and who stands in", async () => {
  const shop = {
    ...policyPlan("shop", "web"),
    gateways: [
      { name: "web", shards: 192, activeNodeName: "node-a", egressIP: "172.18.18.242" },
      {
        name: "mail",
        shards: 64,
        activeNodeName: "node-b",
        servedBy: "web",
        egressIP: "172.18.18.242",
        egressIPs: ["172.18.18.242", "2001:db8::242"],
      },
    ],
  };
  const ticked = {
    plan: plan({ policies: [shop, policyPlan("blog", "web")] }),
    snapshot: snapshot(),
  };
  const page = await (await app({ status: () => new StatusRenderer().render(ticked) }).request("/"))
    .text();
  const text = page.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");
  assert.match(
    text,
    /shop web → node-a 172\.18\.18\.242 75 % of the nodes mail served by web → node-b 172\.18\.18\.242, 2001:db8::242 25 % of the nodes/,
  );
  // One gateway has all of them, which goes without saying.
  assert.match(text, /blog web → nobody shop web/);
});
