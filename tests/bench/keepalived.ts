/** keepalived on the lab's hosts: what Sallyport is compared with. */
import { type GatewayNode, type Lab, startLab } from "../lab/hosts.ts";
import { pause, until } from "../lab/wait.ts";
import type { GuardedProcess } from "../support/guarded_process.ts";

/**
 * Close together and near the top, in keepalived's favour: a standby waits three adverts and (256 - priority) / 256 s. It
 * would be 3.6 s with the default priority, 100.
 */
const PRIORITIES: Readonly<Record<string, number>> = { a: 250, b: 245, c: 240 };
const LOWERED = 200;

export async function startKeepalived(ip: string): Promise<Keepalived> {
  const lab = await startLab({ ipv6: ip.includes(":") });
  const world = new Keepalived(lab, ip);
  try {
    await world.repair();
    return world;
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

export class Keepalived implements AsyncDisposable {
  readonly lab: Lab;
  readonly ip: string;
  readonly #daemons = new Map<string, GuardedProcess>();

  constructor(lab: Lab, ip: string) {
    this.lab = lab;
    this.ip = ip;
  }

  /** The host that is master when nothing is wrong. */
  get master(): GatewayNode {
    return this.lab.node("a");
  }

  /** Ends a host's daemon as an administrator does. */
  async stop({ name }: GatewayNode): Promise<void> {
    await this.#daemons.get(name)?.stop();
  }

  /** Has a host's daemon read its configuration again, with a lower priority than all others. */
  async lower(node: GatewayNode): Promise<void> {
    await this.#configure(node, LOWERED);
    this.#signal(node, "SIGHUP");
  }

  /** Resolves when another host than the first has the address. */
  async takenOver(): Promise<void> {
    const others = this.lab.nodes.filter((node) => node !== this.master);
    await until(
      "another master",
      async () => (await Promise.all(others.map((node) => this.#isBound(node)))).includes(true),
      { timeoutMilliseconds: 15_000 },
    );
  }

  /** Undoes whatever was done, and waits until the first host is the only master. */
  async repair(): Promise<void> {
    for (const node of this.lab.nodes) {
      await node.thaw();
      await node.restoreLinks();
      await node.publicUp();
      await this.#configure(node, PRIORITIES[node.name] ?? 0);
      if (
        this.#daemons.get(node.name)?.exitStatus() === undefined && this.#daemons.has(node.name)
      ) {
        this.#signal(node, "SIGHUP");
      } else this.#start(node);
    }
    const mac = await this.master.publicMac();
    await until("one master", async () => {
      if ((await this.lab.whoAnswers(this.ip)).join() !== mac) return false;
      const bound = await Promise.all(this.lab.nodes.map((node) => this.#isBound(node)));
      return bound.filter(Boolean).length === 1;
    }, { timeoutMilliseconds: 30_000, everyMilliseconds: 200 });
    // The standbys have heard the master, and its second round of gratuitous ARP (after 5 s) is out.
    await pause(5_500);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lab[Symbol.asyncDispose]();
  }

  #start(node: GatewayNode): void {
    const file = (suffix: string) => `${this.lab.dir}/keepalived-${node.name}.${suffix}`;
    for (const suffix of ["pid", "vrrp"]) removeIfThere(file(suffix));
    const argv = ["keepalived", "--dont-fork", "--log-console", "--vrrp"];
    const files = ["--use-file", file("conf"), "--pid", file("pid"), "--vrrp_pid", file("vrrp")];
    this.#daemons.set(node.name, node.spawn([...argv, ...files]));
  }

  /** Everything that is not written is keepalived's default: adverts each second, preemption, multicast. */
  async #configure({ name }: GatewayNode, priority: number): Promise<void> {
    await Deno.writeTextFile(
      `${this.lab.dir}/keepalived-${name}.conf`,
      `vrrp_instance egress {
  interface eth1
  virtual_router_id 51
  priority ${priority}
  virtual_ipaddress {
    ${this.ip}/${this.ip.includes(":") ? 128 : 32}
  }
}
`,
    );
  }

  #signal({ name }: GatewayNode, signal: Deno.Signal): void {
    const pid = this.#daemons.get(name)?.pid;
    if (pid !== undefined) Deno.kill(pid, signal);
  }

  async #isBound({ host }: GatewayNode): Promise<boolean> {
    return (await host.ip("addr", "show", "dev", "eth1")).includes(` ${this.ip}/`);
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
