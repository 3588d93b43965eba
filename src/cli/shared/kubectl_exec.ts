/** Programs in pods, by kubectl: it has the person's credentials, and the protocol of `exec`. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Exec } from "../../cluster/read_path.ts";

const run = promisify(execFile);

const PATIENCE_MILLISECONDS = 20_000;
const MOST_BYTES = 64 * 1024 * 1024;

/** @throws Error with what kubectl says */
export function kubectlExec(
  { kubeconfig, context }: {
    readonly kubeconfig?: string | undefined;
    readonly context?: string | undefined;
  },
): Exec {
  const cluster = [
    ...kubeconfig === undefined ? [] : ["--kubeconfig", kubeconfig],
    ...context === undefined ? [] : ["--context", context],
  ];
  return async ({ namespace, name }, command) => {
    const args = [...cluster, "--namespace", namespace, "exec", name, "--", ...command];
    try {
      const options = { timeout: PATIENCE_MILLISECONDS, maxBuffer: MOST_BYTES };
      return (await run("kubectl", args, options)).stdout;
    } catch (error) {
      throw new Error(`kubectl exec in ${namespace}/${name}: ${said(error)}`);
    }
  };
}

function said(error: unknown): string {
  const { code, stderr = "", message = String(error) } = error as {
    readonly code?: unknown;
    readonly stderr?: string;
    readonly message?: string;
  };
  if (code === "ENOENT") return "there is no kubectl on PATH";
  return stderr.trim().split("\n").at(-1) || message;
}
