/**
 * A node that runs pods: containerd and a kubelet in namespaces of their own, on a host of the lab. Killing its first
 * process ends all of it.
 */
import type { Host } from "../lab/network.ts";
import { until } from "../lab/wait.ts";
import { type GuardedProcess, spawnGuarded } from "../support/guarded_process.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { Cgroup } from "./cgroups.ts";
import { type Unpacked, unpackedPackages } from "./debian_packages.ts";
import { fileURLToPath } from "node:url";
import { STANDIN } from "./images.ts";

export const NODE_PACKAGES = ["containerd", "containernetworking-plugins", "runc"];

/** Pods' addresses, unless they use the node's. */
export const POD_CIDR = "10.88.0.0/24";

const SCRIPT = fileURLToPath(new URL("programs/node.sh", import.meta.url));

export interface NodeOptions {
  readonly name: string;
  readonly host: Host;
  /** Address of the node that the API server knows. */
  readonly ip: string;
  /** Folder of this node's own. */
  readonly dir: string;
  /** Archive of all images that its pods use. */
  readonly images: string;
  /** With which the kubelet reaches the API server from the host. */
  readonly kubeconfig: string;
  /** Start of the kubelet's command line. */
  readonly kubelet: readonly string[];
}

export interface Memory {
  /** What the processes hold now, without files that the kernel could drop. */
  readonly anonymousBytes: number;
  /** The most that was ever charged, with files. */
  readonly peakBytes: number;
}

export interface Confinement {
  readonly uid: number;
  /** Bits of those that are in force. */
  readonly capabilities: number;
  readonly noNewPrivileges: boolean;
  readonly seccomp: boolean;
  readonly readOnlyRoot: boolean;
}

export class KubeletNode implements AsyncDisposable {
  readonly name: string;
  readonly #options: NodeOptions;
  readonly #cgroup: Cgroup;
  readonly #process: GuardedProcess;

  private constructor(options: NodeOptions, cgroup: Cgroup, process: GuardedProcess) {
    this.name = options.name;
    this.#options = options;
    this.#cgroup = cgroup;
    this.#process = process;
  }

  /** Resolves when the kubelet was started; whether the node is Ready, the API server knows. */
  static async start(options: NodeOptions): Promise<KubeletNode> {
    const { host, dir, name, kubelet } = options;
    const unpacked = await unpackedPackages(NODE_PACKAGES);
    await writeSettings(options, unpacked);
    const cgroup = await Cgroup.make(host.namespace);
    // Only who is inside a cgroup when its namespace is made has it for its root.
    const join =
      'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"';
    const namespaces = ["--mount", "--pid", "--uts", "--cgroup", "--fork", "--mount-proc"];
    const argv = [
      ...host.prefix,
      ...["sh", "-c", join, "join", ...cgroup.folders, "--"],
      ...["unshare", ...namespaces, "--kill-child"],
      ...[SCRIPT, dir, ...cgroup.mounts],
    ];
    // The folder is large, so it goes even when this process is killed.
    await Deno.writeTextFile(`${dir}/node.log`, "");
    const process = spawnGuarded({
      name: `node '${name}'`,
      argv,
      log: `${dir}/node.log`,
      scratch: dir,
      env: {
        PATH: `${unpacked.path}:${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`,
        LD_LIBRARY_PATH: unpacked.libraryPath,
        KUBELET: [
          ...kubelet,
          `--config=${dir}/kubelet.yaml`,
          `--kubeconfig=${dir}/kubelet.conf`,
          `--root-dir=${dir}/kubelet`,
          `--cert-dir=${dir}/kubelet/pki`,
          `--hostname-override=${name}`,
          `--node-ip=${options.ip}`,
        ].join(" "),
      },
    });
    const node = new KubeletNode(options, cgroup, process);
    try {
      await until(`node '${name}' to start`, async () => {
        if (process.exitStatus() !== undefined) throw new Error(await node.troubles());
        return (await Deno.readTextFile(process.log)).includes("imported\n");
      }, { timeoutMilliseconds: 120_000, everyMilliseconds: 100 });
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
    return node;
  }

  /** The last lines of its logs. */
  async troubles(): Promise<string> {
    const logs = await Promise.all(
      ["node.log", "containerd.log", "import.log", "kubelet.log"].map(async (name) => {
        const text = await Deno.readTextFile(`${this.#options.dir}/${name}`).catch(() => "");
        return `${name}:\n${text.trimEnd().split("\n").slice(-10).join("\n")}`;
      }),
    );
    return `Node '${this.name}' has trouble:\n${logs.join("\n")}`;
  }

  /** What a pod's containers printed, a line each. */
  async logOf(pod: KubeObject): Promise<readonly string[]> {
    const { namespace, name, uid } = pod.metadata;
    const folder = `${this.#options.dir}/pods/${namespace}_${name}_${uid}`;
    const lines: string[] = [];
    for (const container of directory(folder)) {
      for (const file of directory(`${folder}/${container}`)) {
        const text = await Deno.readTextFile(`${folder}/${container}/${file}`);
        // Each line begins with a time, the stream, and whether it is whole.
        lines.push(...text.trimEnd().split("\n").map((line) => line.split(" ").slice(3).join(" ")));
      }
    }
    return lines;
  }

  /** Memory of a pod that runs, by its cgroup. */
  async memoryOf(pod: KubeObject): Promise<Memory> {
    const folder = this.#cgroupOf(pod);
    const read = (...names: readonly string[]): Promise<string> => {
      const [name, ...others] = names;
      return Deno.readTextFile(`${folder}/${name}`)
        .catch((error) => others.length === 0 ? Promise.reject(error) : read(...others));
    };
    const stat = await read("memory.stat");
    const [, anonymous = ""] = /^(?:total_rss|anon) (\d+)$/m.exec(stat) ?? [];
    return {
      anonymousBytes: Number(anonymous),
      peakBytes: Number(await read("memory.max_usage_in_bytes", "memory.peak")),
    };
  }

  /** How the kernel confines the program of a pod with one container. */
  async confinementOf(pod: KubeObject): Promise<Confinement> {
    const folder = this.#cgroupOf(pod);
    const { containerStatuses } = pod["status"] as {
      readonly containerStatuses: readonly [{ readonly containerID: string }];
    };
    const id = containerStatuses[0].containerID.replace("containerd://", "");
    const [pid] = (await Deno.readTextFile(`${folder}/${id}/cgroup.procs`)).split("\n");
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    const field = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "";
    const mounts = await Deno.readTextFile(`/proc/${pid}/mounts`);
    return {
      uid: Number(field("Uid")),
      capabilities: Number.parseInt(field("CapEff"), 16),
      noNewPrivileges: field("NoNewPrivs") === "1",
      // 2: a filter.
      seccomp: field("Seccomp") === "2",
      readOnlyRoot: /^\S+ \/ \S+ ro,/m.test(mounts),
    };
  }

  #cgroupOf({ metadata: { uid } }: KubeObject): string {
    return `${this.#cgroup.memory}/kubepods/burstable/pod${uid}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop({ graceMilliseconds: 0 });
    await this.#cgroup.remove();
  }
}

async function writeSettings(options: NodeOptions, { folder }: Unpacked): Promise<void> {
  const { dir, images, kubeconfig } = options;
  for (const name of ["cni", "kubelet", "pods"]) await Deno.mkdir(`${dir}/${name}`);
  await Deno.rename(images, `${dir}/images.tar`);
  await Deno.copyFile(kubeconfig, `${dir}/kubelet.conf`);
  await Deno.writeTextFile(`${dir}/cni/10-test.conflist`, JSON.stringify(NETWORK));
  await Deno.writeTextFile(
    `${dir}/containerd.toml`,
    containerdConfig(dir, `${folder}/usr/lib/cni`),
  );
  // JSON is YAML.
  await Deno.writeTextFile(`${dir}/kubelet.yaml`, JSON.stringify(kubeletConfig(dir)));
}

/** A cable from each pod to its node, which forwards. */
const NETWORK = {
  cniVersion: "1.0.0",
  name: "test",
  plugins: [{
    type: "ptp",
    ipMasq: false,
    ipam: {
      type: "host-local",
      subnet: POD_CIDR,
      dataDir: "/run/cni-ipam",
      routes: [{ dst: "0.0.0.0/0" }],
    },
  }],
};

/** In version 2 of its syntax, which containerd 2 still reads. */
function containerdConfig(dir: string, plugins: string): string {
  return `version = 2
root = "${dir}/containerd"
state = "/run/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${STANDIN}"
  # A machine in a container may not lower the score, which each pod asks for.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${plugins}"
    conf_dir = "${dir}/cni"
`;
}

function kubeletConfig(dir: string): object {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    cgroupDriver: "cgroupfs",
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: ["pods"],
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    makeIPTablesUtilChains: false,
    // Pods get no name server: nothing here has a name.
    resolvConf: "",
    podLogsDir: `${dir}/pods`,
    volumePluginDir: `${dir}/kubelet/plugins`,
    nodeStatusUpdateFrequency: "2s",
    // The disk is the developer's, and may well be full by a kubelet's standards.
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      "memory.available": "50Mi",
      "nodefs.available": "1%",
      "imagefs.available": "1%",
    },
  };
}

function directory(path: string): readonly string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
