/** The Dockerfile, held against what runs in its images; tests/kubelet makes images of it. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { collectedBy, packagesOf, planImage, stageNamed } from "../kubelet/dockerfile.ts";
import { parseDockerfile } from "../kubelet/dockerfile.ts";
import { readDockerfile, TARGETS } from "../kubelet/images.ts";
import { render } from "../../src/build/kustomize.ts";
import { kustomize } from "../../src/build/kustomize.ts";
import { run } from "../kubelet/run.ts";
import { programs, testWith } from "../support/needs.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Values of a flag of Deno's, as `ip` and `nft` of `--allow-run=ip,nft`. */
function permitted(entrypoint: readonly string[], flag: string): readonly string[] {
  const found = entrypoint.find((each) => each.startsWith(`${flag}=`));
  return found?.slice(flag.length + 1).split(",") ?? [];
}

Deno.test("the agent's image has, and its sandbox allows, the programs that the agent starts", async () => {
  const started = new Set<string>();
  const files = await readdir(`${ROOT}src/agent`, { recursive: true });
  for (const file of files.filter((name) => name.endsWith(".ts"))) {
    const text = await Deno.readTextFile(`${ROOT}src/agent/${file}`);
    const calls =
      /(?:run|follow)\(\s*\[\s*"(\w+)"|argv: \[\s*"(\w+)"|Argv = \[\s*"(\w+)"|return \[+"(\w+)"|= \[\s*"(\w+)".*as const;/g;
    for (const [, ...names] of text.matchAll(calls)) {
      for (const program of names) if (program !== undefined) started.add(program);
    }
  }
  const stages = await readDockerfile();
  const programs = [...started].sort();
  assert.deepEqual(programs, ["arping", "fping", "grep", "ip", "ndisc6", "ndptool", "nft"]);
  assert.deepEqual([...collectedBy(stageNamed(stages, "tools"))].sort(), programs);
  const { entrypoint } = planImage(stages, "agent");
  assert.deepEqual(permitted(entrypoint, "--allow-run"), programs);
});

Deno.test("the controller may write nothing and start nothing, the agent what it must", async () => {
  const stages = await readDockerfile();
  const [controller, agent] = TARGETS.map((target) => planImage(stages, target).entrypoint);
  const start = ["deno", "run", "--no-prompt", "--no-config", "--no-remote", "--no-npm"];
  // Which variables: tests/program/permissions_test.ts.
  const named = (entrypoint: readonly string[] = []) =>
    entrypoint.filter((flag) => !flag.startsWith("--allow-env="));
  assert.deepEqual(named(controller), [
    ...start,
    "--ignore-env",
    "--allow-net",
    "--allow-read",
    // Where a kubeconfig would be, and who an Event is from.
    "--allow-sys=homedir,hostname",
  ]);
  assert.deepEqual(named(agent), [
    ...start,
    "--ignore-env",
    "--allow-net",
    "--allow-read",
    "--allow-sys=homedir",
    "--allow-run=arping,fping,grep,ip,ndisc6,ndptool,nft",
    "--allow-write=/run/sallyport",
    "--no-code-cache",
  ]);
});

Deno.test("the images run V8 by flags that this Deno knows, the agent's without its compilers", async () => {
  const stages = await readDockerfile();
  const [controller, agent] = TARGETS.map((target) => planImage(stages, target).env);
  for (const [env, gc] of [[controller, "undefined"], [agent, "function"]] as const) {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", "console.log(typeof globalThis.gc)"],
      env: { DENO_V8_FLAGS: env?.DENO_V8_FLAGS ?? "" },
    }).output();
    assert.deepEqual([stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)), [
      `${gc}\n`,
      "",
    ]);
  }
});

Deno.test("everything that the images are made of is pinned", async () => {
  const stages = await readDockerfile();
  const bases = stages.map(({ from }) => from).filter((from) =>
    from !== "scratch" && stages.every(({ name }) => name !== from)
  );
  for (const base of bases) {
    assert.match(base, /^node:\d+\.\d+\.\d+-bookworm-slim@sha256:[0-9a-f]{64}$/);
  }
  assert.deepEqual(Object.keys(packagesOf(stageNamed(stages, "tools"))), [
    "fping",
    "grep",
    "iproute2",
    "iputils-arping",
    "libndp-tools",
    "ndisc6",
    "nftables",
  ]);
  const install = stages.flatMap(({ instructions }) => instructions)
    .filter(({ value }) => /\b(?:npm|apt-get) /.test(value)).map(({ value }) => value);
  assert.equal(install.length, 2);
  assert.match(install[0] ?? "", /^npm ci /);
});

Deno.test("what the Dockerfile copies from a checkout exists, and is let through by its ignore file", async () => {
  const ignore = await Deno.readTextFile(`${ROOT}k8s/image/Dockerfile.dockerignore`);
  const [first, ...allowed] = ignore.trim().split("\n");
  assert.equal(first, "*");
  const stages = await readDockerfile();
  const copied = new Set(
    stages.flatMap(({ instructions }) => instructions).flatMap(({ keyword, value }) =>
      keyword !== "COPY" || value.startsWith("--from") ? [] : value.split(" ").slice(0, -1)
    ),
  );
  for (const path of copied) await Deno.stat(`${ROOT}${path}`);
  assert.deepEqual(allowed.sort(), [...copied].map((path) => `!${path}`).sort());
});

testWith([kustomize], "the images run as the users that the manifests name", async () => {
  const stages = await readDockerfile();
  for (const folder of ["cronjob", "server", "agent"]) {
    for (const { spec } of await render(`overlays/${folder}`)) {
      const { template, jobTemplate } = (spec ?? {}) as {
        readonly template?: Template;
        readonly jobTemplate?: { readonly spec: { readonly template: Template } };
      };
      const pod = jobTemplate?.spec.template.spec ?? template?.spec;
      if (pod === undefined) continue;
      const [container] = pod.containers;
      const { runAsUser, runAsGroup } = { ...pod.securityContext, ...container.securityContext };
      const target = folder === "agent" ? "agent" : "controller";
      assert.equal(`${runAsUser}:${runAsGroup}`, planImage(stages, target).user);
    }
  }
});

testWith(
  [programs("dpkg-query", "ldd")],
  "an image names the Debian packages of its files, and has their licences",
  async () => {
    const root = await Deno.makeTempDir({ prefix: "sallyport-collect-" });
    try {
      await run([`${ROOT}k8s/image/collect.sh`, root, "grep"]);
      const entries = await Array.fromAsync(Deno.readDir(`${root}/var/lib/dpkg/status.d`));
      const names = entries.map(({ name }) => name);
      for (const name of ["grep", "libc6"]) {
        assert.ok(names.includes(name), name);
        const entry = await Deno.readTextFile(`${root}/var/lib/dpkg/status.d/${name}`);
        assert.match(entry, new RegExp(`^Package: ${name}$`, "m"));
        assert.match(entry, /^Version: \S+$/m);
        assert.match(
          await Deno.readTextFile(`${root}/usr/share/doc/${name}/copyright`),
          /General Public License/,
        );
      }
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
);

interface User {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
}

interface Template {
  readonly spec: {
    readonly securityContext: User;
    readonly containers: readonly [{ readonly securityContext: User }];
  };
}

Deno.test("a Dockerfile's stage has what the stages below it have", () => {
  const stages = parseDockerfile(`
# A comment.
ARG BASE=debian:12
FROM \${BASE} AS tools
RUN apt-get install \\
    # Why this one.
    one=1.0 \\
    two=2:3+b
FROM scratch AS lower
COPY --from=tools /image/ /
ENV A=1 B="two words"
USER 5:5
ENTRYPOINT ["run", "--all"]
FROM lower AS upper
ENV A=2
USER 0:0
`);
  assert.equal(stages[0]?.from, "debian:12");
  assert.deepEqual(packagesOf(stageNamed(stages, "tools")), { one: "1.0", two: "2:3+b" });
  assert.deepEqual(planImage(stages, "upper"), {
    copies: [{ from: "tools", source: "/image/", target: "/" }],
    env: { A: "2", B: "two words" },
    labels: {},
    user: "0:0",
    workingDirectory: "/",
    entrypoint: ["run", "--all"],
  });
  assert.throws(() => planImage(stages, "tools"), /debian:12/);
  assert.throws(() => parseDockerfile("FROM scratch"), /Cannot understand .*FROM scratch/);
});
