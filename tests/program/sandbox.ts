/** Functions as `deno task` starts them, with one permission less where a test says so. */
import { fileURLToPath } from "node:url";
import { permissionFlags } from "../../src/program/permissions.ts";
import { type ProgramName, PROGRAMS } from "../../src/program/programs.ts";
import { readSettings } from "../../src/program/settings.ts";
import type { Settings } from "../../src/program/settings.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A permission set of deno.json; this test knows what these hold. */
interface PermissionSet {
  readonly env: { readonly allow: readonly string[]; readonly ignore: boolean };
  readonly read: readonly string[];
  readonly sys: readonly string[];
  readonly run?: readonly string[];
  readonly write?: readonly string[];
}

export async function permissionSets(): Promise<Readonly<Record<string, PermissionSet>>> {
  return JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)).permissions;
}

export interface Start {
  readonly name: ProgramName;
  /** The whole environment. */
  readonly variables: Readonly<Record<string, string>>;
  /** URL of the API server. */
  readonly server: string;
}

/** One value of a flag: `--allow-net` with `127.0.0.1:8080`. */
export interface Permission {
  readonly flag: string;
  readonly value: string;
}

/** Everything that a function gets: the permission set, with what the settings name in its place. */
export async function permissionsOf(
  { name, variables, server }: Start,
): Promise<readonly Permission[]> {
  const set = (await permissionSets())[name];
  if (set === undefined) throw new Error(`No permission set '${name}' in deno.json`);
  const settings: Partial<Settings> = readSettings(PROGRAMS[name].settings, { variables });
  const files = settings.kubeconfig === undefined ? undefined : [settings.kubeconfig];
  const computed = permissionFlags(settings, { cluster: { server }, clusterFiles: files });
  const flags = new Map<string, readonly string[]>([
    ["--allow-env", set.env.allow],
    ["--allow-sys", set.sys],
    ["--allow-run", set.run ?? []],
    ...computed.map((flag): [string, readonly string[]] => {
      const [kind = "", values = ""] = flag.split("=");
      return [kind, values.split(",")];
    }),
  ]);
  return [...flags].flatMap(([flag, values]) => values.map((value) => ({ flag, value })));
}

/** Starts a function with these permissions and an environment of its own. */
export function startFunction(
  { name, variables }: Start,
  permissions: readonly Permission[],
): Deno.ChildProcess {
  const kinds = new Map<string, string[]>();
  for (const { flag, value } of permissions) {
    kinds.set(flag, [...kinds.get(flag) ?? [], value]);
  }
  // A flag without a value allows all of its kind.
  const flags = [...kinds].map(([flag, values]) =>
    values.join() === "" ? flag : `${flag}=${values.join(",")}`
  );
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "--no-prompt", `--config=${ROOT}deno.json`],
      ...["--ignore-env", ...flags],
      `${ROOT}functions/${name}.ts`,
    ],
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      HOME: Deno.env.get("HOME") ?? "",
      NO_COLOR: "1",
      ...variables,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}
