/**
 * The way in from npm: `node scripts/run.mjs start|test|bench|sallyport|function ARGS`.
 *
 * Runs on Node 20 with nothing installed: it installs what package-lock.json names when that has changed, and hands
 * over to the Deno that is pinned there. Exit codes and signals pass through.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants as osConstants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "node_modules", ".sallyport-lock-sha256");

const [command, ...rest] = process.argv.slice(2);
const args = commandArguments(command, rest);
if (args === undefined) {
  say(
    "Usage: npm start | npm test [-- FILTER or FILES] | npm run bench [NAME] | npm run sallyport -- ARGS",
  );
  process.exit(2);
}
await install();
// Commands resolve paths that people give them against the directory they were called from.
const cwd = command === "sallyport" || command === "function"
  ? process.env.INIT_CWD ?? process.cwd()
  : root;
process.exit(await run(denoPath(), args, { cwd }));

/** @returns {string[] | undefined} arguments for Deno, undefined for an unknown command */
function commandArguments(/** @type {string | undefined} */ command, /** @type {string[]} */ rest) {
  const quiet = ["run", "-A", "--no-check", "--quiet", `--config=${join(root, "deno.json")}`];
  const file = (/** @type {string[]} */ ...parts) => join(root, ...parts);
  switch (command) {
    case "start":
      return [...quiet, file("src", "cli", "demo.ts"), ...rest];
    case "sallyport":
      return [...quiet, file("src", "cli", "main.ts"), ...rest];
    // The command line as one file, for npm pack.
    case "cli":
      return [...quiet, file("scripts", "cli.ts"), ...rest];
    // With the permissions that it needs and no more.
    case "function":
      return [...quiet, file("src", "cli", "start.ts"), ...rest];
    case "test":
      return [...quiet, file("scripts", "test.ts"), ...rest];
    case "bench": {
      const named = rest[0] !== undefined && /^[a-z][a-z0-9_]*$/.test(rest[0]);
      return [
        ...quiet,
        file("tests", "bench", `${named ? rest[0] : "cold"}.ts`),
        ...(named ? rest.slice(1) : rest),
      ];
    }
    default:
      return undefined;
  }
}

/** Installs dependencies unless node_modules was installed from this very package-lock.json. */
async function install() {
  const wanted = createHash("sha256").update(readFileSync(join(root, "package-lock.json"))).digest(
    "hex",
  );
  if (readOptional(stamp) === wanted) return;
  say("Installing dependencies (npm ci)");
  // Dependencies whose engines ask for Node 22 run on Deno here, so npm's warnings about that would only confuse.
  const npmArgs = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  // Set by npm when it runs us; its own entry, so no shell and no PATH is needed.
  const npm = process.env.npm_execpath;
  const [file, prefix] = npm?.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []];
  const code = await run(file, [...prefix, ...npmArgs], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32" && file === "npm",
  });
  if (code !== 0) process.exit(code);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

/**
 * Path of the Deno binary itself, which saves starting npx and a second Node.
 *
 * The package `deno` puts the binary in place in its install script. npm may be told, and newer npm does so by default,
 * to run no install scripts; then the same step is done here.
 */
function denoPath() {
  const linked = denoBinaryIn();
  if (isExecutable(linked)) return linked;
  // A leftover that does not run is in the way of the package's own step.
  rmSync(linked, { force: true });
  try {
    return createRequire(join(root, "package.json"))("deno/install_api.cjs").runInstall();
  } catch (error) {
    say(
      `Cannot find Deno for ${process.platform} ${process.arch}: ${
        /** @type {Error} */ (error).message
      }`,
    );
    process.exit(1);
  }
}

function denoBinaryIn() {
  return join(root, "node_modules", "deno", process.platform === "win32" ? "deno.exe" : "deno");
}

/**
 * @param {string} file
 * @param {string[]} args
 * @param {import("node:child_process").SpawnOptions} options
 * @returns {Promise<number>} exit code; 128 + number for a process ended by a signal, as shells have it
 */
function run(file, args, options) {
  const env = { ...process.env, SALLYPORT_NODE: process.execPath, DENO_NO_UPDATE_CHECK: "1" };
  const child = spawn(file, args, { stdio: "inherit", env, ...options });
  /** @type {NodeJS.Signals[]} */
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  // A terminal sends Ctrl-C to the whole group, so the child has it already: this process only has to outlive it.
  for (const signal of signals) {
    process.on(signal, () => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  const watching = endWithParent(child);
  return new Promise((resolve) => {
    child.on("error", (error) => {
      say(`Cannot run ${file}: ${error.message}`);
      resolve(127);
    });
    child.on("close", (code, signal) => {
      clearInterval(watching);
      for (const name of signals) process.removeAllListeners(name);
      resolve(code ?? 128 + (signal ? osConstants.signals[signal] : 0));
    });
  });
}

/**
 * Ends the child when npm, which started us, is gone: killed, it passes no signal on, and nobody would end this any more.
 *
 * @param {import("node:child_process").ChildProcess} child
 */
function endWithParent(child) {
  if (process.env.npm_execpath === undefined) return undefined;
  const parents = parentsNow();
  return setInterval(() => {
    if (parentsNow() !== parents) child.kill("SIGTERM");
  }, 500);
}

/** Our parent, and its own where the system tells: npm may have a shell between itself and us. */
function parentsNow() {
  const status = readOptional(`/proc/${process.ppid}/status`);
  return `${process.ppid} ${/^PPid:\s*(\d+)/m.exec(status ?? "")?.[1]}`;
}

/** To stderr: stdout belongs to the program. */
function say(/** @type {string} */ line) {
  process.stderr.write(line + "\n");
}

function isExecutable(/** @type {string} */ path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function readOptional(/** @type {string} */ path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
