/** A cgroup of its own for a node, in every hierarchy of the machine: version 1, or version 2 alone. */
import { isAlive } from "../lab/network.ts";
import { exists } from "../../src/build/cache.ts";
import type { Need } from "../support/needs.ts";

interface Hierarchy {
  /** Type of the mount. */
  readonly type: "cgroup" | "cgroup2";
  /** Controllers, as `cpu,cpuacct` or `name=systemd`; empty for version 2. */
  readonly controllers: string;
  readonly mountPoint: string;
}

/** What the kubelet demands. */
const REQUIRED = ["cpu", "cpuset", "memory", "pids"];

/** Those of version 1, which stand among the options of a mount. */
const CONTROLLERS = [
  "blkio",
  "cpu",
  "cpuacct",
  "cpuset",
  "devices",
  "freezer",
  "hugetlb",
  "memory",
  "net_cls",
  "net_prio",
  "perf_event",
  "pids",
  "rdma",
];

/** Containers can be given limits here. */
export const cgroups: Need = () => {
  const available = controllersOf(hierarchies());
  const absent = REQUIRED.filter((name) => !available.includes(name));
  return absent.length === 0 ? null : `needs cgroup controllers ${absent.join(", ")}`;
};

function hierarchies(): readonly Hierarchy[] {
  const all = Deno.readTextFileSync("/proc/mounts").split("\n").flatMap((line): Hierarchy[] => {
    const [, mountPoint = "", type = "", options = ""] = line.split(" ");
    if (type === "cgroup2") return [{ type, controllers: "", mountPoint }];
    if (type !== "cgroup") return [];
    const controllers = options.split(",").filter((option) =>
      option.startsWith("name=") || CONTROLLERS.includes(option)
    );
    return [{ type, controllers: controllers.join(","), mountPoint }];
  });
  // Beside version 1, version 2 has no controllers, and nothing here uses it.
  const first = all.filter(({ type }) => type === "cgroup");
  return first.length > 0 ? first : all.slice(0, 1);
}

function controllersOf(all: readonly Hierarchy[]): readonly string[] {
  return all.flatMap(({ type, controllers, mountPoint }) =>
    type === "cgroup"
      ? controllers.split(",")
      : readIfThere(`${mountPoint}/cgroup.subtree_control`).split(" ")
  );
}

export class Cgroup {
  /** Its folder in each hierarchy, as this process sees it. */
  readonly folders: readonly string[];
  /** What has to be mounted for those inside: `TYPE CONTROLLERS`, or `cgroup2`. */
  readonly mounts: readonly string[];
  readonly #hierarchies: readonly Hierarchy[];

  private constructor(name: string, all: readonly Hierarchy[]) {
    this.#hierarchies = all;
    this.folders = all.map((hierarchy) => `${parentOf(hierarchy)}/${name}`);
    this.mounts = all.map(({ type, controllers }) => type === "cgroup" ? controllers : type);
  }

  /** @param name as `sallyport-PID-…`; those whose process is gone are removed first */
  static async make(name: string): Promise<Cgroup> {
    await sweep();
    const cgroup = new Cgroup(name, hierarchies());
    for (const folder of cgroup.folders) {
      await Deno.mkdir(folder);
      // A cpuset of version 1 is empty until it is told otherwise, and then takes no process.
      for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        if (!exists(`${folder}/${file}`) || readIfThere(`${folder}/${file}`) !== "") continue;
        await Deno.writeTextFile(`${folder}/${file}`, readIfThere(`${folder}/../${file}`));
      }
      const clone = `${folder}/cgroup.clone_children`;
      if (exists(clone)) await Deno.writeTextFile(clone, "1");
    }
    return cgroup;
  }

  /** The folder of the hierarchy that accounts for memory. */
  get memory(): string {
    const index = this.#hierarchies.findIndex(({ type, controllers }) =>
      type === "cgroup2" || controllers.split(",").includes("memory")
    );
    return this.folders[index] ?? "";
  }

  /** Removes it and what is beneath; the processes have ended. */
  async remove(): Promise<void> {
    for (const folder of this.folders) await removeTree(folder);
  }
}

/** Version 1: where this process is. Version 2: the top, as only that gives its controllers to others for certain. */
function parentOf({ type, controllers, mountPoint }: Hierarchy): string {
  if (type === "cgroup2") return mountPoint;
  const line = Deno.readTextFileSync("/proc/self/cgroup").split("\n")
    .find((each) => each.split(":")[1] === controllers);
  const own = mountPoint + (line?.split(":")[2] ?? "").replace(/\/$/, "");
  // In a container, the mount shows its own part alone.
  return exists(own) ? own : mountPoint;
}

/** Removes what runs left behind that were killed. */
async function sweep(): Promise<void> {
  for (const hierarchy of hierarchies()) {
    const parent = parentOf(hierarchy);
    for (const { name } of Deno.readDirSync(parent)) {
      const [, pid] = /^sallyport-(\d+)-/.exec(name) ?? [];
      if (pid !== undefined && !isAlive(Number(pid))) await removeTree(`${parent}/${name}`);
    }
  }
}

async function removeTree(folder: string): Promise<void> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) await removeTree(`${folder}/${name}`);
  }
  // The kernel lets go of ended processes a little later.
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      return Deno.removeSync(folder);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return "";
  }
}
