/** `sallyport`: what goes in and comes out, and its exit codes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";
import type { DemoCluster } from "../../src/demo/demo_cluster.ts";
import { kindNamed } from "../../src/demo/memory_kinds.ts";
import { startController } from "../../src/program/serve_controller.ts";
import { createMetrics } from "../../src/controller/metrics.ts";
import { sallyport } from "../support/cli.ts";
import {
  ciliumManifest as ciliumPod,
  gatewayManifest as gateway,
  nodeManifest as node,
  policyManifest as policy,
  readyStatus as ready,
  SINCE,
} from "../support/manifests.ts";

// deno-lint-ignore no-explicit-any -- JSON that is looked at member by member
type Any = any;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Node a is dead, and gateway web was last seen there. */
const WORLD = [
  node("a", { status: ready("False", "2026-11-23T09:59:30Z") }),
  node("b"),
  ciliumPod("a"),
  ciliumPod("b"),
  gateway("web", { status: { activeNodeName: "a", term: 4, phase: "Active" } }),
  policy("shop", "web"),
];

function documents(objects: readonly object[]): string {
  return objects.map((object) => stringify(object)).join("---\n");
}

/** A folder with files. */
async function folder(files: Readonly<Record<string, string>>) {
  const path = await Deno.makeTempDir({ prefix: "sallyport-cli-test-" });
  for (const [name, content] of Object.entries(files)) {
    await Deno.writeTextFile(join(path, name), content);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function planned(objects: readonly object[] | string, args: readonly string[] = []) {
  const text = typeof objects === "string" ? objects : documents(objects);
  await using files = await folder({ "cluster.yaml": text });
  const cwd = files.path;
  const { code, stdout, stderr } = await sallyport(
    ["plan", "--from", "cluster.yaml", "-o", "json", ...args],
    { cwd },
  );
  return { code, stderr, plan: stdout === "" ? undefined : JSON.parse(stdout) as Any };
}

Deno.test("plan -o json has the shape that is documented", async () => {
  const { code, plan, stderr } = await planned(WORLD);
  assert.deepEqual([code, stderr], [0, ""]);
  const [web] = plan.gateways;
  const { name, activeNodeName, previousNodeName, readyNodes, term, phase, decision } = web;
  assert.deepEqual(
    { name, activeNodeName, previousNodeName, readyNodes, term, phase, decision },
    {
      name: "web",
      activeNodeName: "b",
      previousNodeName: "a",
      readyNodes: 1,
      term: 5,
      phase: "Active",
      decision: "FailOver",
    },
  );
  assert.deepEqual(
    Object.fromEntries(web.candidates.map(({ node, eligible, rank, reasons }: Any) => [
      node,
      { eligible, rank, reasons: reasons.map(({ type }: Any) => type) },
    ])),
    {
      a: { eligible: false, rank: 0, reasons: ["NodeNotReady"] },
      b: { eligible: true, rank: 0, reasons: [] },
    },
  );
  const [shop] = plan.policies;
  assert.deepEqual([shop.name, shop.gateways], [
    "shop",
    [{ name: "web", shards: 256, activeNodeName: "b" }],
  ]);
  assert.deepEqual(shop.conditions.map(({ type }: Any) => type), [
    "Accepted",
    "Ready",
    "Conflicted",
  ]);
  const created = plan.changes.find(({ action }: Any) => action === "create");
  assert.deepEqual([created.kind, created.name], ["CiliumEgressGatewayPolicy", "shop"]);
  assert.equal(
    created.body.spec.egressGateway.nodeSelector.matchLabels["kubernetes.io/hostname"],
    "b",
  );
  const status = plan.changes.find(({ kind }: Any) => kind === "EgressGateway");
  assert.deepEqual([status.action, status.subresource], ["patch", "status"]);
});

Deno.test("objects are read however kubectl printed them", async () => {
  const wanted = (await planned(WORLD)).plan;
  const nodes = WORLD.filter(({ kind }) => kind === "Node");
  const others = WORLD.filter(({ kind }) => kind !== "Node");
  const bare = nodes.map(({ metadata, status }: Any) => ({ metadata, status }));
  const shapes = {
    "one List": stringify({ apiVersion: "v1", kind: "List", items: WORLD }),
    "several Lists": documents([
      { apiVersion: "v1", kind: "List", items: nodes },
      { apiVersion: "v1", kind: "List", items: others },
    ]),
    "a NodeList whose items have no kind": documents([
      { apiVersion: "v1", kind: "NodeList", items: bare },
      ...others,
    ]),
    "items alone": stringify({ items: WORLD }),
    "JSON": JSON.stringify({ kind: "List", items: WORLD }),
    "empty documents and other kinds between": `---\n${
      documents([
        { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "x" } },
        ...WORLD,
      ])
    }---\n`,
  };
  for (const [shape, text] of Object.entries(shapes)) {
    const { code, plan, stderr } = await planned(text);
    assert.deepEqual([code, stderr], [0, ""], shape);
    assert.deepEqual(plan, wanted, shape);
  }
});

Deno.test("several files make one cluster, standard input may be one, and the last version counts", async () => {
  await using files = await folder({
    "nodes.yaml": documents(WORLD.slice(0, 4)),
    "gateway.yaml": documents(WORLD.slice(4)),
  });
  const { code, stdout, stderr } = await sallyport(
    ["plan", "--from", "nodes.yaml", "gateway.yaml", "-", "-o", "json"],
    { cwd: files.path, stdin: documents([node("a")]) },
  );
  assert.deepEqual([code, stderr], [0, ""]);
  const { gateways: [web], changes } = JSON.parse(stdout);
  assert.deepEqual([web.activeNodeName, web.readyNodes, web.decision], ["a", 2, "Keep"]);
  const nodes = changes.filter(({ kind }: Any) => kind === "Node").map(({ name }: Any) => name);
  assert.deepEqual(nodes, ["a", "b"]);
});

Deno.test("now is the newest server time in the files, or what --now says", async () => {
  const time = ({ plan }: Any) =>
    plan.changes.find(({ kind }: Any) => kind === "EgressGateway").body.status.lastFailover
      .startTime;
  assert.equal(time(await planned(WORLD)), "2026-11-23T09:59:30Z");
  assert.equal(
    time(await planned(WORLD, ["--now", "2026-11-23T12:00:00+01:00"])),
    "2026-11-23T11:00:00Z",
  );
  const timeless = await planned([gateway("web"), { ...ciliumPod("a"), status: {} }]);
  assert.match(
    timeless.stderr,
    /^Note: No object in the files carries a time, so this machine's clock is taken: --now 20/,
  );
  assert.equal(timeless.code, 0);
});

Deno.test("an object that cannot be read is named, and the others are planned", async () => {
  const broken = [
    gateway("wrong", { sourceIP: { mode: "Guess" } }),
    { kind: "Node", metadata: { name: "c", labels: { role: true } } },
  ];
  const { code, plan, stderr } = await planned([...WORLD, ...broken]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /Cannot read EgressGateway 'wrong': cluster.yaml, line \d+: spec\.sourceIP\.mode: /,
  );
  assert.match(
    stderr,
    /Cannot read Node 'c': cluster.yaml, line \d+: apiVersion: Required value: write v1; line \d+: metadata\.labels\.role: .*: quote it: "true"/,
  );
  assert.deepEqual(plan.gateways.map(({ name }: Any) => name), ["web"]);
});

Deno.test("a file that is no cluster is named with the line", async () => {
  for (
    const [content, message] of [
      [
        "kind: Node\nmetadata:\n  name: a\n bad: [\n",
        /^Cannot read cluster\.yaml, line 4: .*: indent /,
      ],
      [
        "kind: Node\nmetadata: {name: a}\n---\njust text\n",
        /^Cannot use cluster\.yaml, line 4: it is no Kubernetes object/,
      ],
      ["a: 1\n", /^Cannot use cluster\.yaml, line 1: it is no Kubernetes object/],
      [
        "kind: List\nitems:\n- text\n",
        /^Cannot use cluster\.yaml, line 3: it is no Kubernetes object/,
      ],
    ] as const
  ) {
    const { code, stderr, plan } = await planned(content);
    assert.match(stderr, message);
    assert.deepEqual([code, plan], [2, undefined]);
  }
});

/** As WORLD, with Cilium's pods elsewhere and labelled otherwise. */
const ELSEWHERE = WORLD.map((object: Any) =>
  object.kind === "Pod"
    ? {
      ...object,
      metadata: { ...object.metadata, namespace: "cilium", labels: { app: "agent", of: "cni" } },
    }
    : object
);

Deno.test("files are searched for Cilium's pods where flags or environment say", async () => {
  const wanted = (await planned(WORLD)).plan;
  const selector = "app in (agent,other),of!=x";
  const flags = ["--cilium-namespace", "cilium", "--cilium-selector", selector];
  assert.deepEqual((await planned(ELSEWHERE, flags)).plan, wanted);
  await using files = await folder({ "cluster.yaml": documents(ELSEWHERE) });
  const env = { SALLYPORT_CILIUM_NAMESPACE: "cilium", SALLYPORT_CILIUM_SELECTOR: selector };
  const explained = await sallyport(["explain", "--from", "cluster.yaml"], {
    cwd: files.path,
    env,
  });
  assert.match(explained.stdout, /^ {4}b holds it/m);
});

Deno.test("files without a pod of Cilium are no ground to decide from", async () => {
  const wrong = gateway("wrong", { sourceIP: { mode: "Guess" } });
  const without = [...WORLD.filter(({ kind }) => kind !== "Pod"), wrong];
  for (
    const [objects, args, where] of [
      [ELSEWHERE, [], /in cluster\.yaml: looked for .* 'kube-system' with labels 'k8s-app=cilium'/],
      [WORLD, ["--cilium-namespace", "cilium"], /in namespace 'cilium' with labels 'k8s-app=cil/],
      [WORLD, ["--cilium-selector", "app=c"], /in namespace 'kube-system' with labels 'app=c'/],
      [without, [], /in cluster\.yaml, nor any other: /],
    ] as const
  ) {
    await using files = await folder({ "cluster.yaml": documents(objects) });
    const on = (...command: string[]) =>
      sallyport([...command, "--from", "cluster.yaml", ...args], { cwd: files.path });
    for (const command of ["plan", "explain"]) {
      const { code, stdout, stderr } = await on(command);
      assert.match(stderr, where);
      assert.deepEqual([code, stdout], [2, ""]);
    }
    assert.match((await on("plan")).stderr, objects === without ? /'wrong': .*mode/ : /./);
    // What objects say of themselves can be shown all the same.
    assert.match((await on("status")).stdout, /^web /m);
  }
});

/** A window title, cleared screen and colour, also in single characters, a forged line, and a turn of direction. */
const HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31mroot#\u202e\nweb   None\r";

Deno.test("nothing that an object says reaches the terminal as a command to it", async () => {
  const hostile = node("a", {
    status: {
      conditions: [{ type: "Ready", status: "False", message: HOSTILE, lastTransitionTime: SINCE }],
    },
  });
  const objects = [hostile, ...WORLD.slice(1)];
  await using files = await folder({
    "cluster.json": JSON.stringify({ kind: "List", items: objects }),
  });
  for (
    const args of [["plan"], ["explain"], ["status"], ["plan", "-o", "json"], [
      "plan",
      "-o",
      "yaml",
    ]]
  ) {
    const { stdout, stderr } = await sallyport([...args, "--from", "cluster.json"], {
      cwd: files.path,
    });
    assert.doesNotMatch(
      stdout + stderr,
      /[^\P{Cc}\n\t]|\p{Cf}/u,
      args.join(" "),
    );
    assert.ok(stdout.length > 0);
    if (args.includes("-o")) {
      const [{ candidates }] =
        (args.includes("json") ? JSON.parse(stdout) : parse(stdout)).gateways;
      const [{ reasons }] = candidates.filter((each: Any) => each.node === "a");
      assert.ok(reasons[0].message.includes("root#"), "and JSON and YAML still mean the same");
    }
  }
  // Names of gateways that are not there are the caller's own.
  const unknown = await sallyport(["explain", "\x1b[2J", "--from", "cluster.json"], {
    cwd: files.path,
  });
  assert.match(unknown.stderr, /^Cannot explain EgressGateway '\\u001b\[2J'/);
});

Deno.test("explain says why in sentences, or in JSON", async () => {
  await using files = await folder({ "cluster.yaml": documents(WORLD) });
  const explain = (...args: string[]) =>
    sallyport(["explain", "--from", "cluster.yaml", ...args], { cwd: files.path });
  const { code, stdout } = await sallyport(["explain", "web", "--from", "cluster.yaml"], {
    cwd: files.path,
  });
  assert.equal(code, 0);
  assert.match(stdout, /^web: moves from a to b \(term 5\)\.$/m);
  assert.match(stdout, /^ {4}a may not hold it: NodeNotReady: .*as reported\.$/m);
  assert.match(stdout, /^ {4}b holds it, eligible since 2026-11-23T09:00:00Z\.$/m);
  const [web] = JSON.parse((await explain("-o", "json")).stdout);
  assert.equal(web.activeNodeName, "b");
});

Deno.test("explain of a gateway that is not there names those that are, and one that is broken says how", async () => {
  const broken = gateway("wrong", { sourceIP: { mode: "Guess" } });
  await using files = await folder({ "cluster.yaml": documents([...WORLD, broken]) });
  const explain = (name: string) =>
    sallyport(["explain", name, "--from", "cluster.yaml"], { cwd: files.path });
  const unknown = await explain("wbe");
  assert.equal(
    unknown.stderr,
    "Cannot explain EgressGateway 'wbe' as there is none of that name: there are web\n",
  );
  assert.deepEqual([unknown.code, unknown.stdout], [2, ""]);
  const wrong = await explain("wrong");
  assert.match(
    wrong.stderr,
    /^Cannot explain EgressGateway 'wrong' as it cannot be read: cluster\.yaml, line \d+: spec\.so/,
  );
  assert.equal(wrong.code, 1);
});

Deno.test("status prints what the objects say, as a table, YAML or JSON", async () => {
  await using files = await folder({ "cluster.yaml": documents(WORLD) });
  const status = async (...args: string[]) => {
    const result = await sallyport(["status", "--from", "cluster.yaml", ...args], {
      cwd: files.path,
    });
    assert.deepEqual([result.code, result.stderr], [0, ""]);
    return result.stdout;
  };
  const wanted = {
    gateways: [{ name: "web", activeNodeName: "a", term: 4, phase: "Active" }],
    // No controller has seen it yet, as the CRD's default says.
    policies: [{ name: "shop", gateways: [{ name: "web" }], observedGeneration: -1 }],
  };
  assert.deepEqual(JSON.parse(await status("-o", "json")), wanted);
  assert.deepEqual(parse(await status("-o", "yaml")), wanted);
  const lines = (await status()).split("\n");
  assert.match(lines[0] ?? "", /^GATEWAY +READY +ACTIVE +STANDBY +PHASE +TERM /);
  assert.match(lines[1] ?? "", /^web +Unknown +a +<none> +Active +4 +/);
});

Deno.test("flags and words that are wrong end with 2 and a hint", async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["plann"], /unknown command 'plann'\n\(Did you mean plan\?\)/],
    [["plan", "--frm", "x"], /unknown option '--frm'\n\(Did you mean --from\?\)/],
    [["plan", "--from"], /'--from <files\.\.\.>' argument missing/],
    [["plan", "-o", "xml"], /Allowed choices are json, yaml, table/],
    [["plan", "--from", "nothing.yaml"], /^Cannot read nothing\.yaml: there is no such file/],
    [["plan", "--from", "x", "--kubeconfig", "y"], /give --from or --kubeconfig, not both/],
    [["plan", "--now", SINCE], /give --now only with --from/],
    [["plan"], /name one with --kubeconfig FILE/],
    [["plan", "--kubeconfig", "/nonexistent"], /^Cannot use kubeconfig \/nonexistent/],
    [["move", "web"], /missing required argument 'node'/],
    [["tick", "--for", "soon"], /Cannot read duration 'soon': write a number with ms, s or m/],
    [["serve", "--port", "http"], /^Cannot use --port 'http': write a port from 0 to 65535/],
    [["serve", "--every", "0s"], /Cannot use interval '0s': write more than nothing, or off/],
    [[], /^Usage: sallyport /],
  ];
  await Promise.all(cases.map(async ([args, message]) => {
    const { code, stdout, stderr } = await sallyport(args);
    assert.match(stderr, message);
    assert.deepEqual([code, stdout], [2, ""], args.join(" "));
  }));
  const { code, stdout } = await sallyport(["--help"]);
  assert.deepEqual([code, stdout.startsWith("Usage: sallyport ")], [0, true]);
});

/** A cluster with a controller on it. */
async function withController(body: (cluster: DemoCluster) => Promise<void>): Promise<void> {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const stop = new AbortController();
  const { ended } = await startController(cluster.client, {
    hostname: "127.0.0.1",
    port: 0,
    metrics: createMetrics(),
    signal: stop.signal,
  });
  try {
    await eventually(
      cluster,
      ({ activeNodeName, phase }) => activeNodeName === "egress-1" && phase === "Active",
    );
    await body(cluster);
  } finally {
    stop.abort();
    await ended;
  }
}

function payments({ store }: DemoCluster): Any {
  return store.get(kindNamed("EgressGateway"), { namespace: "", name: "payments" }).object;
}

async function eventually(
  cluster: DemoCluster,
  holds: (status: Any) => boolean,
): Promise<void> {
  const end = performance.now() + 20_000;
  while (!holds(payments(cluster).status ?? {})) {
    assert.ok(performance.now() < end, JSON.stringify(payments(cluster).status));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("move, release, drain and undrain do what they say on a running cluster", async () => {
  await withController(async (cluster) => {
    const on = (...args: string[]) => sallyport([...args, "--kubeconfig", cluster.kubeconfig]);
    const moved = await on("move", "payments", "egress-3", "--wait");
    assert.match(moved.stdout, /^Pinned payments to egress-3; .*\n/);
    assert.match(
      moved.stdout,
      /\npayments: egress-3, Active, term 2\n.* is served by egress-3\.\n$/,
    );
    const named = /^On cluster http:\/\/\S+ \(context \S+\):\n/;
    assert.equal(moved.code, 0);
    assert.match(moved.stderr, named);
    // Whoever sets the variable names a cluster, too.
    const byVariable = await sallyport(["move", "payments", "egress-3"], {
      env: { KUBECONFIG: cluster.kubeconfig },
    });
    assert.match(byVariable.stderr, named);
    assert.match(byVariable.stdout, /it is there already/);
    assert.equal(byVariable.code, 0);
    const released = await on("release", "payments");
    assert.match(released.stdout, /^Released payments, which was pinned to egress-3/);
    assert.equal(pinOf(cluster), undefined);
    assert.match((await on("release", "payments")).stdout, /^payments was not pinned/);
    await on("move", "payments", "egress-4", "--wait");
    const drained = await on("drain", "egress-4", "--timeout", "20s");
    assert.equal(drained.code, 0);
    assert.match(
      drained.stdout,
      /^Cordoned egress-4\.\nReleased payments, which was pinned to egress-4/,
    );
    assert.match(drained.stdout, /\nNo gateway is active on egress-4\.\n$/);
    assert.equal(pinOf(cluster), undefined, "else it went back as soon as the node is uncordoned");
    assert.notEqual(payments(cluster).status.activeNodeName, "egress-4");
    const undrained = await on("undrain", "egress-4");
    assert.match(undrained.stdout, /^Uncordoned egress-4; /);
    assert.equal(nodeSpec(cluster, "egress-4").unschedulable, undefined);
    for (
      const [args, message] of [
        [
          ["move", "payment", "egress-1"],
          /\nCannot find EgressGateway 'payment' .*: there are payments, reports\n/,
        ],
        [
          ["release", "payment"],
          /\nCannot find EgressGateway 'payment' .*: there are payments, reports\n/,
        ],
        [["drain", "egress-9"], /\nCannot find Node 'egress-9' .*: there are egress-1, /],
        [["undrain", "egress-9"], /\nCannot find Node 'egress-9' .*: there are egress-1, /],
        [
          ["move", "payments", "egress-9"],
          /\nCannot find Node 'egress-9' .*: there are egress-1, /,
        ],
        [
          ["move", "payments", "worker-1"],
          /nodeSelector does not match that node: it matches egress-1, egress-2, egress-3, egress-4\n/,
        ],
      ] as const
    ) {
      const { code, stderr } = await on(...args);
      assert.match(stderr, message);
      assert.equal(code, 2);
    }
  });
});

function pinOf(cluster: DemoCluster): unknown {
  return payments(cluster).metadata.annotations?.["egress-gateway.network.deckhouse.io/pin"];
}

function nodeSpec({ store }: DemoCluster, name: string): Any {
  return (store.get(kindNamed("Node"), { namespace: "", name }).object as Any).spec;
}

Deno.test("a dry run stores nothing, tells what would be, and says so on every line", async () => {
  await withController(async (cluster) => {
    const on = (...args: string[]) =>
      sallyport([...args, "--dry-run", "--kubeconfig", cluster.kubeconfig]);
    const before = JSON.stringify([payments(cluster), nodeSpec(cluster, "egress-1")]);
    const told = {
      "move payments egress-3":
        /^payments would move from egress-1 to egress-3: egress-3 is pinned/m,
      "release payments": /^payments was not pinned/m,
      "drain egress-1": /^payments would move from egress-1 to egress-2: egress-1: NodeCordoned/m,
      "undrain egress-1": /^egress-1 was not cordoned/m,
      "tick": /^payments +Keep +egress-1/m,
    };
    for (const [line, words] of Object.entries(told)) {
      const { code, stdout, stderr } = await on(...line.split(" "));
      assert.equal(code, 0, stderr);
      assert.match(stdout, words);
      for (const each of (stdout + stderr).split("\n").filter((text) => text !== "")) {
        assert.match(each, / \(dry run\)$/, line);
      }
    }
    assert.equal(JSON.stringify([payments(cluster), nodeSpec(cluster, "egress-1")]), before);
  });
});

Deno.test("whoever relies on a controller is told that none is seen, and when one last worked", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const on = (...args: string[]) => sallyport([...args, "--kubeconfig", cluster.kubeconfig]);
  const never = /^Warning: No controller's pod is found; none has written a status yet\./m;
  assert.match((await on("status")).stderr, never);
  await on("tick");
  const last = /^Warning: No controller's pod is found; one last worked at 20\S+Z, \d+ s ago\./m;
  for (
    const command of [
      ["status"],
      ["move", "payments", "egress-2"],
      ["release", "payments"],
      ["drain", "egress-4", "--no-wait"],
      ["undrain", "egress-4"],
    ]
  ) {
    const { code, stderr } = await on(...command);
    assert.match(stderr, last, command.join(" "));
    assert.equal(code, 0);
  }
  const late = await on("move", "payments", "egress-2", "--wait", "--timeout", "300ms");
  assert.match(
    late.stderr,
    /^payments is not served by egress-2 yet; sallyport explain payments says why\./m,
  );
  assert.equal(late.code, 1);
});

Deno.test("tick --dry-run writes nothing, tick does, drain gives up in time", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const on = (...args: string[]) => sallyport([...args, "--kubeconfig", cluster.kubeconfig]);
  const dry = await on("tick", "--dry-run", "-o", "json");
  assert.equal(dry.code, 0, dry.stderr);
  assert.ok(JSON.parse(dry.stdout).changes.length > 0);
  assert.equal(payments(cluster).status, undefined);
  assert.deepEqual(cluster.store.list(kindNamed("CiliumEgressGatewayPolicy")), []);
  const real = await on("tick");
  assert.equal(real.code, 0, real.stderr);
  assert.equal(payments(cluster).status.phase, "Active");
  // A policy over several gateways is as many of Cilium's.
  assert.equal(cluster.store.list(kindNamed("CiliumEgressGatewayPolicy")).length, 6);
  const drained = await on("drain", "egress-1", "--timeout", "300ms");
  assert.match(drained.stdout, /^Still active on egress-1: payments\. /m);
  assert.equal(drained.code, 1);
});

Deno.test("commands that only read take the cluster that kubectl would", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  for (const command of ["plan", "explain", "status"]) {
    const env = { KUBECONFIG: `/nonexistent:${cluster.kubeconfig}` };
    const { code, stdout, stderr } = await sallyport([command], { env });
    assert.equal(code, 0, stderr);
    // No pod of a controller is in this cluster.
    assert.match(stderr, command === "status" ? /^Warning: No controller's pod is found/ : /^$/);
    assert.match(stdout, /payments/);
  }
  const { code, stderr } = await sallyport(["tick"], { env: { KUBECONFIG: cluster.kubeconfig } });
  assert.equal(code, 2);
  assert.match(stderr, /^Cannot tell which cluster to use as none is named/);
});

Deno.test("no command decides anything in a cluster where it finds no pod of Cilium", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const named = ["--kubeconfig", cluster.kubeconfig];
  const elsewhere = ["--cilium-namespace", "cilium", "--cilium-selector", "app=c"];
  const env = { SALLYPORT_CILIUM_NAMESPACE: "cilium", SALLYPORT_CILIUM_SELECTOR: "app=c" };
  const where = /pods in namespace 'cilium' with labels 'app=c'/;
  for (const command of ["plan", "explain", "tick"]) {
    for (
      const { code, stdout, stderr } of [
        await sallyport([command, ...named, ...elsewhere]),
        await sallyport([command, ...named], { env }),
      ]
    ) {
      assert.match(stderr, where);
      assert.deepEqual([code > 0, stdout], [true, ""], command);
    }
  }
  assert.equal(payments(cluster).status, undefined);
  const found = await sallyport(["tick", ...named, "--cilium-selector", "k8s-app in (cilium)"], {
    env: { SALLYPORT_DRY_RUN: "true" },
  });
  assert.equal(found.code, 0, found.stderr);
  assert.equal(payments(cluster).status, undefined, "a dry run by the environment");
});

Deno.test("help tells each setting's default as it is written, and its variable", async () => {
  for (
    const command of ["tick", "serve", "knative", "agent", "plan", "explain", "status", "drain"]
  ) {
    const { code, stdout } = await sallyport([command, "--help"]);
    assert.equal(code, 0);
    for (const [, text = ""] of stdout.matchAll(/\(default: ([^;)]*)[;)]/g)) {
      assert.ok(!/^\d{5,}$/.test(text), `${command} has the default ${text}`);
    }
    if (command === "drain") assert.match(stdout, /default: 60s/);
    else assert.match(stdout, /SALLYPORT_/);
  }
});

Deno.test("a reader of the result that has seen enough does not break the command", async () => {
  await using files = await folder({ "cluster.yaml": documents(WORLD) });
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      `{ ${Deno.execPath()} run -A --no-check --quiet --config=${ROOT}/deno.json ` +
      `${ROOT}/src/cli/main.ts plan -o json --from cluster.yaml; echo "code $?" >&2; } | true`,
    ],
    cwd: files.path,
    stderr: "piped",
  });
  const { stderr } = await child.output();
  assert.equal(new TextDecoder().decode(stderr), "code 0\n");
});

Deno.test("a cluster that does not answer is said, and ends with 1", async () => {
  await using files = await folder({
    "kubeconfig": stringify({
      "current-context": "c",
      clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:1" } }],
      users: [{ name: "c", user: {} }],
      contexts: [{ name: "c", context: { cluster: "c", user: "c" } }],
    }),
  });
  const { code, stderr } = await sallyport(["plan", "--kubeconfig", `${files.path}/kubeconfig`]);
  assert.match(
    stderr,
    /^Cannot GET .* at http:\/\/127\.0\.0\.1:1 .*check that the API server runs/,
  );
  assert.equal(code, 1);
});
