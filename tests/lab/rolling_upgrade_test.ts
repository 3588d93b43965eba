/**
 * An upgrade and a rollback on real hosts: programs of two versions, controller and agents, take over from each other while
 * the virtual IP moves between them, and never do two hosts answer.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { testWith } from "../support/needs.ts";
import { statusWrites } from "../support/status_writes.ts";
import { commandLine, currentBundles, formerBundles, formerVersion } from "../support/versions.ts";
import { contested } from "./sampler.ts";
import { type Programs, sallyportNeeds, startSallyport } from "./sallyport.ts";
import type { Sallyport } from "./sallyport.ts";
import { pause } from "./wait.ts";

testWith(
  [...sallyportNeeds, formerVersion],
  "an upgrade and a rollback move the virtual IP as planned moves do",
  async (t) => {
    const scratch = await Deno.makeTempDir({ prefix: "sallyport-upgrade-" });
    try {
      const folders = {
        former: await formerBundles(),
        current: await currentBundles(`${scratch}/current`),
      };
      const versions = new Map<string, Programs>();
      await using world = await startSallyport({
        programs: (plane, agentKubeconfig) => {
          for (const [version, folder] of Object.entries(folders)) {
            versions.set(version, {
              agent: {
                argv: commandLine(folder, "agent"),
                env: { SALLYPORT_KUBECONFIG: agentKubeconfig },
              },
              controller: {
                argv: commandLine(folder, "server"),
                env: { SALLYPORT_KUBECONFIG: plane.kubeconfigPath },
              },
            });
          }
          return Promise.resolve(versionOf(versions, "former"));
        },
      });
      for (const version of ["current", "former"]) {
        await t.step(
          `to the ${version} version`,
          () => replaceAll(world, versionOf(versions, version)),
        );
      }
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
  },
);

function versionOf(versions: ReadonlyMap<string, Programs>, version: string): Programs {
  const programs = versions.get(version);
  if (programs === undefined) throw new Error(`There is no version '${version}'`);
  return programs;
}

/** The controller first, for a while beside the one before; then agent by agent, as a DaemonSet is rolled out. */
async function replaceAll(world: Sallyport, programs: Programs): Promise<void> {
  await using stream = await world.lab.client.stream({ ip: world.ip });
  await using sampler = await world.lab.sampler({ ip: world.ip });
  const former = world.controller;
  world.use(programs);
  world.startController();
  await pause(2_000);
  await quiet(world, "two controllers");
  await move(world);
  await former.stop();

  for (const { name } of world.lab.nodes) {
    const held = await world.holder() === name;
    await world.agent(name).stop();
    if (held) await world.settled({ other: name, standbys: 0 });
    world.startAgent(name);
    await world.settled({ timeoutMilliseconds: 60_000 });
    // Between nodes of either version, to and fro.
    await move(world);
  }
  await quiet(world, "all replaced");
  assert.deepEqual(contested(await sampler.stop()), [], "never do two hosts answer");
  const { lost, hosts } = await stream.stop();
  process.stdout.write(`${hosts.length - 1} moves, ${lost} requests every 5 ms lost\n`);
}

async function move(world: Sallyport): Promise<void> {
  const from = await world.holder();
  const { term = 0, standbyNodeNames: [to = ""] = [] } = await world.status();
  await world.pin(to);
  assert.equal(await world.settled({ other: from }), to);
  assert.equal((await world.status()).term, term + 1);
}

async function quiet(world: Sallyport, what: string): Promise<void> {
  const before = await statusWrites(world.plane.api);
  await pause(5_000);
  const count = await statusWrites(world.plane.api) - before;
  process.stdout.write(`${what}: ${count} status writes in 5 s at rest\n`);
  // A gateway and a policy, which either version may put in its own words once in a while.
  assert.ok(count <= 4, `${what}: ${count} status writes at rest`);
}
