/** Sallyport as `k8s/` installs it: its objects are applied, its programs run under the identities that these name. */
import { fileURLToPath } from "node:url";
import { AGENT_APP, NAMESPACE } from "../../src/core/names.ts";
import { denoProgram } from "../lab/deno_program.ts";
import type { Place } from "../lab/network.ts";
import { until } from "../lab/wait.ts";
import { putPod } from "../support/cluster.ts";
import type { ControlPlane } from "../support/control_plane.ts";
import type { GuardedProcess } from "../support/guarded_process.ts";
import { objectsOf } from "../../src/build/kube_object.ts";
import type { CiliumNode } from "./cilium_node.ts";

const K8S = fileURLToPath(new URL("../../k8s", import.meta.url));
const AGENT = "sallyport-agent";
const CONTROLLER = "sallyport-controller";

export interface SallyportParts {
  readonly plane: ControlPlane;
  /** Where the controller runs. */
  readonly place: Place;
  readonly dir: string;
  /** Makes a copy of a kubeconfig that works on the nodes. */
  readonly forNodes: (kubeconfig: string) => Promise<string>;
}

export class Sallyport {
  readonly #parts: SallyportParts;
  readonly #kubeconfigs = new Map<string, string>();
  #controller: GuardedProcess | undefined;
  #starts = 0;

  private constructor(parts: SallyportParts) {
    this.#parts = parts;
  }

  /** Applies namespace, roles, service accounts and admission policies. */
  static async install(parts: SallyportParts): Promise<Sallyport> {
    const { plane } = parts;
    const objects = await baseObjects();
    const order = ["Namespace", "ServiceAccount"];
    const rank = (kind: string) => (order.indexOf(kind) + order.length + 1) % (order.length + 1);
    await plane.api.apply(objects.toSorted((a, b) => rank(a.kind) - rank(b.kind)));
    return new Sallyport(parts);
  }

  /** Starts the controller. */
  async startController(): Promise<void> {
    const { plane, place, dir } = this.#parts;
    const token = await plane.serviceAccountToken(NAMESPACE, CONTROLLER);
    const log = `${dir}/sallyport-controller-${++this.#starts}.log`;
    this.#controller = place.spawn(denoProgram("../../../functions/server.ts", []), {
      log,
      env: {
        SALLYPORT_KUBECONFIG: await plane.writeKubeconfig(CONTROLLER, token),
        SALLYPORT_PORT: "0",
        SALLYPORT_LOG_FORMAT: "text",
      },
    });
    const isListening = async () => (await Deno.readTextFile(log)).includes("Listening on");
    await until("the controller", isListening, { timeoutMilliseconds: 30_000 });
  }

  /** Ends it as a crash would. */
  async killController(): Promise<void> {
    await this.#controller?.stop({ graceMilliseconds: 0 });
  }

  /** Starts the agent of a node: its pod, and the process under a token that is bound to that pod. */
  async startAgent(node: CiliumNode): Promise<void> {
    const { plane, forNodes } = this.#parts;
    const pod = `${AGENT}-${node.name}`;
    if (!this.#kubeconfigs.has(node.name)) {
      await putPod(plane, {
        name: pod,
        namespace: NAMESPACE,
        node: node.name,
        labels: { "app.kubernetes.io/name": AGENT_APP },
        serviceAccountName: AGENT,
      });
      const token = await plane.serviceAccountToken(NAMESPACE, AGENT, { boundPod: pod });
      this.#kubeconfigs.set(node.name, await forNodes(await plane.writeKubeconfig(pod, token)));
    }
    node.startSallyport(this.#kubeconfigs.get(node.name) ?? "");
  }
}

async function baseObjects() {
  const texts: string[] = [];
  for await (const { name } of Deno.readDir(`${K8S}/base`)) {
    if (name === "kustomization.yaml" || !name.endsWith(".yaml")) continue;
    texts.push(await Deno.readTextFile(`${K8S}/base/${name}`));
  }
  return objectsOf(texts.join("\n---\n"));
}
