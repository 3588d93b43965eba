/** Runs programs as in a pod: the API server by environment variables, the service account's files where a pod has them. */
import { missing, programs, root } from "../support/needs.ts";
import type { ControlPlane } from "../support/control_plane.ts";

export interface PodLike extends AsyncDisposable {
  /** `a pod's service account`, or what stands in for it. */
  readonly how: string;
  /** Put before a command line. */
  readonly prefix: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** A mount namespace with these files for as long as its standard input is open; `ready` is printed once they are there. */
const HOLD = `
mount -t tmpfs none /var/run && mkdir -p ${DIRECTORY} && cd ${DIRECTORY} &&
printf %s "$1" > token && cp "$2" ca.crt && printf default > namespace && echo ready && exec cat
`;

/** Without root, a kubeconfig file is used instead, which costs 40 ms and 8 MB more. */
export async function podLike(plane: ControlPlane): Promise<PodLike> {
  const absent = missing([root, programs("unshare", "nsenter")]);
  if (absent !== null) {
    return {
      how: `a kubeconfig, since a pod's files ${absent}`,
      prefix: [],
      env: { SALLYPORT_KUBECONFIG: plane.kubeconfigPath },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const holder = new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", HOLD, "hold", plane.adminToken, plane.caPath],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = holder.stdout.getReader();
  const { value } = await output.read();
  if (value === undefined) throw new Error("Cannot make a mount namespace: unshare failed");
  const { hostname, port } = new URL(plane.server);
  return {
    how: "a pod's service account",
    prefix: ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`, "--"],
    env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
    async [Symbol.asyncDispose]() {
      await output.cancel();
      await holder.stdin.close();
      await holder.status;
    },
  };
}
