/**
 * The permissions that functions are started with, on the demo's API over HTTP: they suffice, and none of them can be spared.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { startDemoCluster } from "../../src/demo/demo_cluster.ts";
import { filesOfKubeconfig, permissionFlags, variablesOf } from "../../src/program/permissions.ts";
import { type ProgramName, PROGRAMS } from "../../src/program/programs.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import { programs, root, testWith } from "../support/needs.ts";
import type { Outcome } from "./programs/sandboxed_agent.ts";
import { parseDockerfile, planImage } from "../kubelet/dockerfile.ts";
import { type Permission, permissionSets, permissionsOf } from "./sandbox.ts";
import { type Start, startFunction } from "./sandbox.ts";
import { freePort } from "../support/free_port.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TOKEN = "a-token-of-nobody";
const LIMIT_MILLISECONDS = 20_000;

Deno.test("each function's permission set names the variables of its settings and no other", async () => {
  const sets = await permissionSets();
  assert.deepEqual(Object.keys(sets).sort(), Object.keys(PROGRAMS).sort());
  for (const [name, { settings }] of Object.entries(PROGRAMS)) {
    assert.deepEqual(sets[name]?.env, { allow: variablesOf(settings), ignore: true }, name);
  }
});

Deno.test("an image's programs see the variables of their permission sets, start what these let them, and no more", async () => {
  const sets = await permissionSets();
  const stages = parseDockerfile(await Deno.readTextFile(`${ROOT}k8s/image/Dockerfile`));
  const functions = { controller: ["tick", "server", "knative"], agent: ["agent"] } as const;
  for (const [image, names] of Object.entries(functions)) {
    const { entrypoint } = planImage(stages, image);
    const flag = (name: string) =>
      entrypoint.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1).split(",") ??
        [];
    const allowed = (kind: "sys" | "run" | "write") =>
      [...new Set(names.flatMap((name) => sets[name]?.[kind] ?? []))].sort();
    const variables = [...new Set(names.flatMap((name) => sets[name]?.env.allow ?? []))].sort();
    assert.deepEqual(flag("--allow-env"), variables, image);
    assert.ok(entrypoint.includes("--ignore-env"), image);
    for (const kind of ["sys", "run", "write"] as const) {
      assert.deepEqual(flag(`--allow-${kind}`), allowed(kind), `${image}: ${kind}`);
    }
  }
});

Deno.test("addresses of both families, of proxies and of ports that go without saying are allowed as Deno writes them", () => {
  const flags = (server: string, proxyUrl?: string) =>
    permissionFlags({ hostname: "::", port: 8080 }, {
      cluster: { server, ...(proxyUrl === undefined ? {} : { proxyUrl }) },
      clusterFiles: undefined,
    })[0];
  assert.equal(flags("https://api.example.com"), "--allow-net=api.example.com:443,[::]:8080");
  assert.equal(flags("https://[fd00::1]:6443"), "--allow-net=[fd00::1]:6443,[::]:8080");
  assert.equal(
    flags("https://api.example.com", "http://proxy:3128"),
    "--allow-net=proxy:3128,[::]:8080",
  );
});

Deno.test("a kubeconfig's certificates and tokens may be read, and nothing beside them", () => {
  const kubeconfig = {
    clusters: [{ cluster: { "certificate-authority": "ca.crt", server: "https://a" } }],
    users: [{ user: { "client-key": "/keys/key", "tokenFile": "../token" } }],
  };
  assert.deepEqual(filesOfKubeconfig("/home/me/.kube/config", kubeconfig), [
    "/home/me/.kube/config",
    "/home/me/.kube/ca.crt",
    "/keys/key",
    "/home/me/token",
  ]);
});

interface Scene {
  readonly name: ProgramName;
  readonly variables: Readonly<Record<string, string>>;
  /** Which of the variables a function cannot do its work without. */
  readonly needed: readonly string[];
  /** Whether it does its work. */
  readonly works: (running: Running) => Promise<boolean>;
}

interface Running {
  readonly exited: Promise<number>;
  /** URL of its port once it listens; undefined when it ends before that. */
  readonly origin: () => Promise<string | undefined>;
}

const SCENES: readonly Scene[] = [
  {
    name: "tick",
    variables: {},
    needed: ["SALLYPORT_KUBECONFIG"],
    works: async ({ exited }) => await exited === 0,
  },
  {
    name: "server",
    variables: { SALLYPORT_EVERY: "off" },
    needed: ["SALLYPORT_KUBECONFIG", "SALLYPORT_TOKEN_FILE", "SALLYPORT_PORT"],
    works: async ({ origin }) => {
      const url = await origin();
      const authorization = `Bearer ${TOKEN}`;
      return await isGood(url, "/tick", { authorization }) && !await isGood(url, "/tick", {});
    },
  },
  {
    name: "knative",
    variables: {},
    needed: ["SALLYPORT_KUBECONFIG", "PORT"],
    works: async ({ origin }) =>
      await isGood(await origin(), "/", {
        "ce-id": "1",
        "ce-source": "/tests",
        "ce-specversion": "1.0",
        "ce-type": "dev.knative.sources.ping",
      }),
  },
];

for (const scene of SCENES) {
  Deno.test(`${scene.name} starts with its permissions, and does not do its work with one less`, async (t) => {
    for (const lacking of lesserOf(scene)) {
      await t.step(`without ${lacking}`, async () => {
        const { works, log } = await tryOut(scene, lacking);
        assert.equal(works, false, log);
      });
    }
    await t.step("with all of them", async () => {
      const { works, log } = await tryOut(scene, undefined);
      assert.equal(works, true, log);
    });
  });
}

/** What one of them is for, in place of its value, which differs from run to run. */
function lesserOf({ needed, name }: Scene): readonly string[] {
  return [
    "the API server",
    "the kubeconfig",
    "hostname",
    ...(name === "tick" ? [] : ["its address"]),
    ...(name === "server" ? ["the token"] : []),
    ...needed,
  ];
}

/** In a new cluster, whose gateways nobody holds yet. */
async function tryOut(scene: Scene, lacking: string | undefined) {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const folder = await Deno.makeTempDir({ prefix: "sallyport-permissions-" });
  try {
    const token = `${folder}/token`;
    await Deno.writeTextFile(token, TOKEN);
    const port = freePort();
    const own: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      server: { SALLYPORT_TOKEN_FILE: token, SALLYPORT_PORT: String(port) },
      knative: { PORT: String(port) },
    };
    const start: Start = {
      name: scene.name,
      server: cluster.client.cluster.server,
      variables: {
        SALLYPORT_KUBECONFIG: cluster.kubeconfig,
        ...own[scene.name],
        ...scene.variables,
      },
    };
    const all = await permissionsOf(start);
    const values: Readonly<Record<string, string>> = {
      "the API server": new URL(start.server).host,
      "its address": `127.0.0.1:${port}`,
      "the kubeconfig": cluster.kubeconfig,
      "the token": token,
    };
    const spared = all.filter(({ value }) =>
      lacking !== undefined && value === (values[lacking] ?? lacking)
    );
    assert.equal(spared.length, lacking === undefined ? 0 : 1);
    const given = all.filter((each) => !spared.includes(each));
    const { works, log } = await outcome(scene, { start, port, given });
    const events = await cluster.client.request({ method: "GET", path: PATHS.Event });
    const { items } = events.body as { readonly items: readonly unknown[] };
    return { works: works && items.length > 0, log };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a context without a file is looked up at home, and not without leave to ask where that is", async () => {
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  const home = await Deno.makeTempDir({ prefix: "sallyport-home-" });
  try {
    await Deno.mkdir(`${home}/.kube`);
    await Deno.copyFile(cluster.kubeconfig, `${home}/.kube/config`);
    const start: Start = {
      name: "tick",
      server: cluster.client.cluster.server,
      variables: { SALLYPORT_CONTEXT: "sallyport-demo", HOME: home },
    };
    const all = [
      ...(await permissionsOf(start)).filter(({ flag }) => flag !== "--allow-read"),
      { flag: "--allow-read", value: `${home}/.kube/config` },
    ];
    const isHome = ({ value }: Permission) => value === "homedir";
    const [scene] = SCENES;
    assert.ok(scene);
    const lesser = await outcome(scene, {
      start,
      port: 0,
      given: all.filter((each) => !isHome(each)),
    });
    assert.equal(lesser.works, false, lesser.log);
    const whole = await outcome(scene, { start, port: 0, given: all });
    assert.equal(whole.works, true, whole.log);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

testWith(
  [root, programs("arping", "fping", "grep", "ip", "ndisc6", "ndptool", "nft", "unshare")],
  "the agent takes a virtual IP with its permissions, and not with one less",
  async () => {
    const spared = [
      ...(await permissionSets()).agent?.run ?? [],
      // It may reach any host, since gateways name what their uplinks must reach.
      ...["the kubeconfig", "the state", "SALLYPORT_NODE_NAME"],
    ];
    assert.equal(spared.length, 10);
    const cases: readonly (string | null)[] = [null, ...spared];
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: [
        ...["--net", Deno.execPath(), "run", "--no-check", "-A"],
        `${ROOT}tests/program/programs/sandboxed_agent.ts`,
        JSON.stringify(cases),
      ],
      env: { NO_COLOR: "1" },
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const outcomes = JSON.parse(new TextDecoder().decode(stdout)) as readonly Outcome[];
    for (const { lacking, works, log } of outcomes) {
      assert.equal(works, lacking === null, `${lacking ?? "all of them"}: ${log}`);
    }
    assert.equal(outcomes.length, cases.length);
  },
);

async function outcome(
  scene: Scene,
  { start, port, given }: {
    readonly start: Start;
    readonly port: number;
    readonly given: readonly Permission[];
  },
): Promise<{ readonly works: boolean; readonly log: string }> {
  const child = startFunction(start, given);
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  };
  const timer = setTimeout(kill, LIMIT_MILLISECONDS);
  const reading = new Response(child.stderr).text();
  const drained = child.stdout.cancel();
  const exited = child.status.then(({ code }) => code);
  let ended = false;
  void exited.then(() => ended = true);
  const origin = async () => {
    while (!ended) {
      const url = `http://127.0.0.1:${port}`;
      if (await isThere(url)) return url;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return undefined;
  };
  const works = await scene.works({ exited, origin });
  clearTimeout(timer);
  kill();
  await Promise.all([drained, exited]);
  return { works, log: await reading };
}

async function isThere(url: string): Promise<boolean> {
  try {
    await (await fetch(`${url}/healthz`)).body?.cancel();
    return true;
  } catch {
    return false;
  }
}

async function isGood(
  origin: string | undefined,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<boolean> {
  if (origin === undefined) return false;
  const response = await fetch(`${origin}${path}`, { method: "POST", headers });
  await response.body?.cancel();
  return response.ok;
}
