/**
 * Starts a function with no more permissions than it needs: `deno task tick`, `serve`, `agent`, `knative`.
 *
 * The settings are read here first, since they name the addresses and files that Deno is to allow; arguments go to the function.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { messageOf } from "../core/message.ts";
import { kubeconfigFiles, loadCluster } from "../kube/auth/load_cluster.ts";
import { ConfigError } from "../kube/errors.ts";
import { filesOfKubeconfig, permissionFlags } from "../program/permissions.ts";
import { type ProgramName, PROGRAMS } from "../program/programs.ts";
import { readFlags } from "../program/run_program.ts";
import { LOG_SETTINGS, readSettings } from "../program/settings.ts";
import { collectorOf, filesOfTraces } from "../program/trace_variables.ts";
import type { Settings } from "../program/settings.ts";
import { complain } from "./shared/terminal.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** @throws ConfigError for a function that there is not, and for settings and clusters that cannot be used */
async function commandOf([name = "", ...args]: readonly string[]): Promise<readonly string[]> {
  if (!isProgram(name)) {
    const known = Object.keys(PROGRAMS).join(", ");
    throw new ConfigError(`Cannot start '${name}': write one of ${known}`);
  }
  const names = [...PROGRAMS[name].settings, ...LOG_SETTINGS];
  const flags = readFlags(names, args);
  const settings: Partial<Settings> = readSettings(names, { flags, variables: process.env });
  const files = kubeconfigFiles(settings);
  const reach = {
    cluster: await loadCluster(settings),
    clusterFiles: files && (await Promise.all(files.map(withReferences))).flat(),
    collector: collectorOf(process.env),
    collectorFiles: filesOfTraces(process.env),
  };
  return [
    ...["run", "--quiet", "--no-check", "--no-prompt", `--config=${ROOT}deno.json`],
    ...[`--permission-set=${name}`, ...permissionFlags(settings, reach)],
    `${ROOT}functions/${name}.ts`,
    ...args,
  ];
}

function isProgram(name: string): name is ProgramName {
  return Object.hasOwn(PROGRAMS, name);
}

async function withReferences(path: string): Promise<readonly string[]> {
  return filesOfKubeconfig(path, parse(await readFile(path, "utf8")));
}

try {
  const child = spawn(process.execPath, await commandOf(process.argv.slice(2)), {
    stdio: "inherit",
  });
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => child.kill(name));
  const [code] = await once(child, "exit");
  process.exit(typeof code === "number" ? code : 1);
} catch (error) {
  complain(messageOf(error));
  process.exit(error instanceof ConfigError ? 2 : 1);
}
