/**
 * A real Kubernetes control plane for tests and benchmarks: etcd, kube-apiserver and, when asked for, the controller
 * manager, on free ports, with data that lasts until `stop`. There is no kubelet and no scheduler: nodes and pods are
 * objects whose status the test writes.
 */
import { generateKeyPairSync } from "node:crypto";
import { fileURLToPath } from "node:url";
import { type Need, testWith } from "./needs.ts";
import { ciliumCrds as ciliumCrdsNeed, readCiliumCrds } from "./cilium_crds.ts";
import {
  controllerManager as controllerManagerNeed,
  controlPlane,
  controlPlanePrograms,
  type Programs,
} from "./control_plane_binary.ts";
import { type GuardedProcess, spawnGuarded } from "./guarded_process.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { eventually, RawApi } from "./raw_api.ts";

export { controlPlane, controlPlaneBinary } from "./control_plane_binary.ts";

export interface ControlPlaneOptions {
  /**
   * Runs the controller manager as well, by default with the controllers that act on workloads, service accounts,
   * namespaces and owner references. Those that judge nodes are left out, as no kubelet reports here.
   */
  readonly controllerManager?: boolean | { readonly controllers: readonly string[] };
  /** Address of the API server, one that this process reaches; default 127.0.0.1. */
  readonly bindAddress?: string;
  /** More flags of kube-apiserver. */
  readonly extraApiArgs?: readonly string[];
  /** Changes each part's command line, for instance to run it in a network namespace. It must end in an exec. */
  readonly wrapCommand?: (argv: readonly string[]) => readonly string[];
  /** Applies our CRDs and Cilium's; default true. */
  readonly crds?: boolean;
  /** Which of Cilium's CRDs, by plural name; default those that Sallyport needs. */
  readonly ciliumCrds?: readonly string[] | "all";
  /** Users beside the admin: name -> groups, as `{ "system:node:a": ["system:nodes"] }`. */
  readonly users?: Readonly<Record<string, readonly string[]>>;
}

export interface ControlPlane extends AsyncDisposable {
  /** As `https://127.0.0.1:PORT`. */
  readonly server: string;
  /** Admin's kubeconfig file. */
  readonly kubeconfigPath: string;
  /** Bearer token of a user in `system:masters`. */
  readonly adminToken: string;
  /** PEM file with the certificate authority. */
  readonly caPath: string;
  /** Scratch directory, with the logs; removed by `stop`. */
  readonly dir: string;
  /** The admin's client. */
  readonly api: RawApi;
  /** Process ids, for measuring. */
  pids(): {
    readonly etcd: number;
    readonly apiServer: number;
    readonly controllerManager?: number;
  };
  /** Bearer token of one of `options.users`. */
  tokenFor(user: string): string;
  /** Writes a kubeconfig file for a bearer token and returns its path. */
  writeKubeconfig(name: string, token: string): Promise<string>;
  /** Makes a namespace with the service account `default`, which pods cannot do without. */
  createNamespace(name: string): Promise<void>;
  /** Token of an existing service account, for an hour, through TokenRequest; with a pod it is bound to that pod and its node. */
  serviceAccountToken(
    namespace: string,
    name: string,
    options?: { readonly boundPod?: string },
  ): Promise<string>;
  /** Resolves when it is gone. Default grace 5000 ms; 0 kills it at once. */
  stopApiServer(options?: { readonly graceMilliseconds?: number }): Promise<void>;
  /** Starts it again at the same address with the same data; resolves when it is ready. */
  startApiServer(): Promise<void>;
  restartApiServer(options?: { readonly graceMilliseconds?: number }): Promise<void>;
  /** Ends all processes and removes the data. */
  stop(): Promise<void>;
}

export type ControlPlaneTest = (plane: ControlPlane, t: Deno.TestContext) => void | Promise<void>;

/** Our own CustomResourceDefinitions. */
const CRDS = ["egressgateways.yaml", "egressgatewaypolicies.yaml"].map((file) =>
  fileURLToPath(new URL(`../../k8s/crds/${file}`, import.meta.url))
);

const CONTROLLERS = [
  "cronjob-controller",
  "daemonset-controller",
  "deployment-controller",
  "garbage-collector-controller",
  "job-controller",
  "namespace-controller",
  "replicaset-controller",
  "root-ca-certificate-publisher-controller",
  "serviceaccount-controller",
];

const ADMIN = "admin";
const READY_MILLISECONDS = 90_000;
const START_ATTEMPTS = 3;

/**
 * Starts a control plane; `stop` it or hold it by `await using`. It ends with this process in any case.
 *
 * @throws Error with the last lines of a part's log when that part does not start
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const programs = await controlPlanePrograms();
  for (let attempt = 1;; attempt++) {
    const plane = new RunningControlPlane(
      programs,
      options,
      await Deno.makeTempDir({ prefix: "sallyport-cp-" }),
    );
    try {
      await plane.start();
      return plane;
    } catch (error) {
      const portTaken = await plane.portWasTaken();
      await plane.stop();
      // A free port is known to be free only until somebody else takes it.
      if (!portTaken || attempt === START_ATTEMPTS) throw error;
    }
  }
}

/**
 * Returns a function that registers tests of this file; they share one control plane, which is started by the first that
 * runs and stopped after the last. On a machine that cannot have one they are skipped and say why.
 */
export function controlPlaneTests(
  options: ControlPlaneOptions = {},
): (name: string, fn: ControlPlaneTest) => void {
  const needs = needsOf(options);
  // Not in `beforeAll`, which runs also where a filter leaves none of these tests.
  let plane: Promise<ControlPlane> | undefined;
  Deno.test.afterAll(async () => {
    await plane?.then((started) => started.stop(), () => {});
  });
  return (name, fn) =>
    testWith(needs, name, async (t) => {
      plane ??= startControlPlane(options);
      await fn(await plane, t);
    });
}

/** Registers one test with a control plane of its own, skipped with the reason on a machine that cannot have one. */
export function controlPlaneTest(
  name: string,
  fn: ControlPlaneTest,
  options: ControlPlaneOptions = {},
): void {
  testWith(needsOf(options), name, async (t) => {
    await using plane = await startControlPlane(options);
    await fn(plane, t);
  });
}

function needsOf({ crds = true, controllerManager = false }: ControlPlaneOptions): readonly Need[] {
  return [
    controlPlane,
    ...(crds ? [ciliumCrdsNeed] : []),
    ...(controllerManager === false ? [] : [controllerManagerNeed]),
  ];
}

class RunningControlPlane implements ControlPlane {
  readonly dir: string;
  readonly server: string;
  readonly kubeconfigPath: string;
  readonly caPath: string;
  readonly #programs: Programs;
  readonly #options: ControlPlaneOptions;
  readonly #tokens: ReadonlyMap<string, string>;
  readonly #bindAddress: string;
  readonly #ports: { readonly api: number; readonly etcd: number; readonly etcdPeer: number };
  #api: RawApi | undefined;
  #etcd: GuardedProcess | undefined;
  #apiServer: GuardedProcess | undefined;
  #controllerManager: GuardedProcess | undefined;

  constructor(programs: Programs, options: ControlPlaneOptions, dir: string) {
    this.#programs = programs;
    this.#options = options;
    this.dir = dir;
    const [api = 0, etcd = 0, etcdPeer = 0] = freePorts(3);
    this.#ports = { api, etcd, etcdPeer };
    this.#bindAddress = options.bindAddress ?? "127.0.0.1";
    this.server = `https://${this.#bindAddress}:${api}`;
    this.kubeconfigPath = `${dir}/${ADMIN}.kubeconfig`;
    // The API server makes a certificate authority, signs its certificate and writes both to this file.
    this.caPath = `${dir}/certs/apiserver.crt`;
    const users = [ADMIN, ...Object.keys(options.users ?? {})];
    this.#tokens = new Map(users.map((user) => [user, crypto.randomUUID()]));
  }

  get api(): RawApi {
    if (this.#api === undefined) throw new Error("Cannot use the API server: it was never ready");
    return this.#api;
  }

  get adminToken(): string {
    return this.tokenFor(ADMIN);
  }

  async start(): Promise<void> {
    const { controllerManager = false, crds = true, ciliumCrds } = this.#options;
    const problem = controllerManager === false ? null : controllerManagerNeed();
    if (problem !== null) throw new Error(`Cannot start a controller manager: ${problem}`);
    await this.#writeCredentials();
    this.#etcd = this.#spawn("etcd", this.#etcdFlags());
    await this.startApiServer();
    await this.writeKubeconfig(ADMIN, this.adminToken);
    if (controllerManager !== false) {
      const { controllers } = controllerManager === true
        ? { controllers: CONTROLLERS }
        : controllerManager;
      this.#controllerManager = this.#spawn(
        "kube-controller-manager",
        this.#controllerManagerFlags(controllers),
      );
    }
    if (crds) {
      const ours = await Promise.all(CRDS.map((path) => Deno.readTextFile(path)));
      const all = [await readCiliumCrds(ciliumCrds), ...ours];
      await Promise.all(all.map((yaml) => this.api.apply(yaml)));
    }
    await Promise.all(
      ["default", "kube-system"].map((namespace) => this.createNamespace(namespace)),
    );
  }

  pids() {
    if (this.#etcd === undefined || this.#apiServer === undefined) {
      throw new Error("Cannot name the processes: the control plane does not run");
    }
    return {
      etcd: this.#etcd.pid,
      apiServer: this.#apiServer.pid,
      ...(this.#controllerManager === undefined
        ? {}
        : { controllerManager: this.#controllerManager.pid }),
    };
  }

  tokenFor(user: string): string {
    const token = this.#tokens.get(user);
    if (token === undefined) {
      throw new Error(`Cannot find token of '${user}': name the user in the option 'users'`);
    }
    return token;
  }

  async writeKubeconfig(name: string, token: string): Promise<string> {
    const path = `${this.dir}/${name}.kubeconfig`;
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": name,
      contexts: [{ name, context: { cluster: "test", user: name } }],
      clusters: [{
        name: "test",
        cluster: { server: this.server, "certificate-authority": this.caPath },
      }],
      users: [{ name, user: { token } }],
    };
    await Deno.writeTextFile(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  }

  async createNamespace(name: string): Promise<void> {
    const object = (kind: string, metadata: KubeObject["metadata"]) => ({
      apiVersion: "v1",
      kind,
      metadata,
    });
    await this.api.apply([
      object("Namespace", { name }),
      object("ServiceAccount", { name: "default", namespace: name }),
    ]);
  }

  async serviceAccountToken(
    namespace: string,
    name: string,
    { boundPod }: { readonly boundPod?: string } = {},
  ): Promise<string> {
    const spec = boundPod === undefined ? {} : {
      boundObjectRef: {
        apiVersion: "v1",
        kind: "Pod",
        name: boundPod,
        uid: await this.#podUid(namespace, boundPod),
      },
    };
    const { status } = await this.api.post<{ readonly status: { readonly token: string } }>(
      `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
      { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec },
    );
    return status.token;
  }

  async stopApiServer({ graceMilliseconds = 5000 } = {}): Promise<void> {
    await this.#apiServer?.stop({ graceMilliseconds });
    this.#apiServer = undefined;
  }

  async startApiServer(): Promise<void> {
    if (this.#apiServer !== undefined) {
      throw new Error("Cannot start the API server: it runs already");
    }
    this.#apiServer = this.#spawn("kube-apiserver", this.#apiServerFlags());
    await eventually("the API server is ready", () => this.#isReady(), {
      timeoutMilliseconds: READY_MILLISECONDS,
      everyMilliseconds: 25,
    });
  }

  async restartApiServer(options: { readonly graceMilliseconds?: number } = {}): Promise<void> {
    await this.stopApiServer(options);
    await this.startApiServer();
  }

  async stop(): Promise<void> {
    // In this order, since the API server takes seconds to end when etcd is gone.
    const graceMilliseconds = 500;
    await Promise.all([
      this.#controllerManager?.stop({ graceMilliseconds }),
      this.#apiServer?.stop({ graceMilliseconds }),
    ]);
    await this.#etcd?.stop({ graceMilliseconds });
    this.#api?.close();
    this.#api = undefined;
    await Deno.remove(this.dir, { recursive: true }).catch(ignoreNotFound);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async portWasTaken(): Promise<boolean> {
    const logs = await Promise.all(
      [this.#etcd, this.#apiServer].map(async (child) =>
        child === undefined ? "" : await readIfThere(child.log)
      ),
    );
    return logs.some((log) => log.includes("address already in use"));
  }

  /** @throws Error when a part that it takes has ended */
  async #isReady(): Promise<boolean> {
    for (const child of [this.#etcd, this.#apiServer]) {
      const status = child?.exitStatus();
      if (child === undefined || status === undefined) continue;
      const end = (await readIfThere(child.log)).trimEnd().split("\n").slice(-10).join("\n");
      throw new Error(`Cannot start ${child.name}: it exited with ${status.code}:\n${end}`);
    }
    try {
      this.#api ??= RawApi.connect(this.server, {
        ca: await Deno.readTextFile(this.caPath),
        token: this.adminToken,
      });
      if ((await this.#api.request({ path: "/readyz" })).status !== 200) return false;
      // Made shortly after the server is ready.
      return (await this.#api.request({ path: "/api/v1/namespaces/default" })).status === 200;
    } catch {
      return false;
    }
  }

  #spawn(part: keyof Programs, flags: Readonly<Record<string, string>>): GuardedProcess {
    const { wrapCommand = (argv) => argv, extraApiArgs = [] } = this.#options;
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    return spawnGuarded({
      name: part,
      argv: wrapCommand([
        ...this.#programs[part],
        ...args,
        ...(part === "kube-apiserver" ? extraApiArgs : []),
      ]),
      log: `${this.dir}/${part}.log`,
      scratch: this.dir,
    });
  }

  #etcdFlags(): Readonly<Record<string, string>> {
    const peer = `http://127.0.0.1:${this.#ports.etcdPeer}`;
    return {
      "data-dir": `${this.dir}/etcd`,
      "unsafe-no-fsync": "true",
      "listen-client-urls": this.#etcdUrl(),
      "advertise-client-urls": this.#etcdUrl(),
      "listen-peer-urls": peer,
      "initial-advertise-peer-urls": peer,
      "initial-cluster": `default=${peer}`,
      "log-level": "warn",
    };
  }

  #apiServerFlags(): Readonly<Record<string, string>> {
    return {
      "etcd-servers": this.#etcdUrl(),
      "bind-address": this.#bindAddress,
      "advertise-address": this.#bindAddress,
      "secure-port": String(this.#ports.api),
      "cert-dir": `${this.dir}/certs`,
      "authorization-mode": "RBAC,Node",
      "enable-admission-plugins": "NodeRestriction",
      "token-auth-file": `${this.dir}/tokens.csv`,
      "service-account-issuer": "https://kubernetes.default.svc",
      "service-account-key-file": `${this.dir}/service-accounts.pub`,
      "service-account-signing-key-file": `${this.dir}/service-accounts.key`,
      "service-cluster-ip-range": "10.0.0.0/24",
      // The agent's pods use the host's network.
      "allow-privileged": "true",
      // An address of loopback may not stand in an EndpointSlice.
      "endpoint-reconciler-type": "none",
    };
  }

  #controllerManagerFlags(controllers: readonly string[]): Readonly<Record<string, string>> {
    return {
      "kubeconfig": this.kubeconfigPath,
      "controllers": controllers.join(","),
      "leader-elect": "false",
      "secure-port": "0",
      "service-account-private-key-file": `${this.dir}/service-accounts.key`,
      "root-ca-file": this.caPath,
    };
  }

  #etcdUrl(): string {
    return `http://127.0.0.1:${this.#ports.etcd}`;
  }

  async #writeCredentials(): Promise<void> {
    const groups = { [ADMIN]: ["system:masters"], ...this.#options.users };
    const lines = Object.entries(groups)
      .map(([user, of]) => `${this.tokenFor(user)},${user},${user},"${of.join(",")}"\n`);
    const { privateKey, publicKey } = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    await Promise.all([
      Deno.writeTextFile(`${this.dir}/tokens.csv`, lines.join(""), { mode: 0o600 }),
      Deno.writeTextFile(`${this.dir}/service-accounts.key`, privateKey, { mode: 0o600 }),
      Deno.writeTextFile(`${this.dir}/service-accounts.pub`, publicKey),
    ]);
  }

  async #podUid(namespace: string, name: string): Promise<string> {
    const { metadata } = await this.api.get(`/api/v1/namespaces/${namespace}/pods/${name}`);
    if (metadata.uid === undefined) {
      throw new Error(`Cannot bind a token to pod '${name}': it has no uid`);
    }
    return metadata.uid;
  }
}

/** Ports that were free a moment ago; all held at once, so that they differ. */
function freePorts(count: number): readonly number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

async function readIfThere(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch((error) => {
    ignoreNotFound(error);
    return "";
  });
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
