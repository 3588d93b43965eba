/**
 * One simulated world: an API server, nodes with kernels and agents, controllers, and people who do things.
 *
 * Controllers and agents are the real ones. `check` watches over every event.
 */
import { NAMESPACE, PIN_ANNOTATION } from "../../src/core/names.ts";
import type { Gateway, Lease } from "../../src/core/types.ts";
import { decodeGateway, decodeLease } from "../../src/cluster/decoders/kinds.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import { AgentProcess } from "./agent_process.ts";
import { virtualIPOf } from "../../src/core/reports.ts";
import { ApiServer, object_ } from "./api_server.ts";
import type { Stream } from "./client.ts";
import { ControllerProcess } from "./controller_process.ts";
import type { ControllerOptions } from "./controller_process.ts";
import { Invariants } from "./invariants.ts";
import { Machine } from "./machine.ts";
import {
  AGENT_PODS,
  CILIUM_PODS,
  gatewayObject,
  nodeObject,
  podObject,
  policyObject,
  POOL_LABEL,
} from "./objects.ts";
import type { GatewaySettings } from "./objects.ts";
import { VirtualTime } from "./virtual_time.ts";

export const VIP = "172.18.18.242";
export const OTHER_VIP = "172.18.18.243";

export interface WorldOptions {
  readonly seed?: number;
  readonly nodes?: readonly string[];
  readonly gateways?: Readonly<Record<string, GatewaySettings>>;
  /** Names of policies of each gateway. */
  readonly policies?: readonly string[];
  readonly controllers?: readonly ControllerOptions[];
}

export class World {
  readonly time: VirtualTime;
  readonly server: ApiServer;
  readonly machines: readonly Machine[];
  readonly agents = new Map<string, AgentProcess>();
  readonly controllers: ControllerProcess[] = [];
  readonly streams = new Set<Stream>();
  readonly invariants: Invariants;
  readonly lines: string[] = [];
  #gatewaysMade = 0;

  constructor(options: WorldOptions = {}) {
    const { seed = 1, nodes = ["a", "b", "c"], gateways = { gw: { vip: VIP } } } = options;
    const { policies = ["mail", "web"], controllers = [] } = options;
    this.time = new VirtualTime(seed);
    this.server = new ApiServer(this.time);
    this.machines = nodes.map((name, index) =>
      new Machine({ time: this.time, server: this.server, name, index })
    );
    this.invariants = new Invariants(this);
    this.server.onStored = (event) => {
      for (const stream of this.streams) {
        if (stream.collection === event.collection) stream.send(event);
      }
    };
    this.server.onCommit = (commit) => this.invariants.onCommit(commit);
    this.time.onEvent = () => this.invariants.check();
    const { timestamp: time } = this.server;
    for (const machine of this.machines) {
      const { name, ip } = machine;
      machine.onSpeech = (vip) => this.invariants.onSpeech(machine, vip);
      machine.onPermission = (vip, until) => this.invariants.onPermission(machine, vip, until);
      this.server.put(PATHS.Node, name, nodeObject(name, { ip, time }));
      const cilium = { node: name, namespace: "kube-system", ready: true, time };
      this.server.put(CILIUM_PODS, `cilium-${name}`, podObject(`cilium-${name}`, cilium));
      this.startAgent(name);
    }
    for (const [name, settings] of Object.entries(gateways)) this.makeGateway(name, settings);
    for (const gateway of Object.keys(gateways)) {
      for (const policy of policies) {
        const name = gateway === "gw" ? policy : `${gateway}-${policy}`;
        this.server.put(PATHS.EgressGatewayPolicy, name, policyObject(name, { gateway, time }));
      }
    }
    for (const controller of controllers) this.startController(controller);
  }

  log(line: string): void {
    this.lines.push(`${(this.time.now / 1_000).toFixed(3).padStart(7)} ${line}`);
  }

  machine(name: string): Machine {
    const machine = this.machines.find((other) => other.name === name);
    if (machine === undefined) throw new Error(`There is no node ${name}`);
    return machine;
  }

  // ------------------------------------------------------------ what is

  gateway(name = "gw"): Gateway | undefined {
    return this.gateways().find((gateway) => gateway.name === name);
  }

  lease(node: string): Lease | undefined {
    const decoded = decodeLease(this.server.get(PATHS.Lease, node));
    return "object" in decoded ? decoded.object : undefined;
  }

  gateways(): readonly Gateway[] {
    return this.server.list(PATHS.EgressGateway).flatMap((object) => {
      const decoded = decodeGateway(object);
      return "object" in decoded ? [decoded.object] : [];
    });
  }

  speakers(vip = VIP): readonly string[] {
    return this.machines.filter((machine) => machine.maySpeak(vip)).map(({ name }) => name);
  }

  bound(vip = VIP): readonly string[] {
    return this.machines.filter(({ bound }) => bound.includes(vip)).map(({ name }) => name);
  }

  // ------------------------------------------------------------ what passes

  async pass(seconds: number): Promise<void> {
    await this.time.pass(seconds * 1_000);
  }

  /** Lets time pass until something is so. Throws after `seconds` (default 30). */
  async until(condition: () => boolean, seconds = 30): Promise<number> {
    const begin = this.time.now;
    while (!condition()) {
      if (this.time.now - begin > seconds * 1_000) {
        throw new Error(`It is not so after ${seconds} s\n${this.lines.join("\n")}`);
      }
      await this.time.pass(1);
    }
    return this.time.now - begin;
  }

  // ------------------------------------------------------------ what people and fate do

  startController(options: ControllerOptions): ControllerProcess {
    const controller = new ControllerProcess(options, {
      time: this.time,
      server: this.server,
      streams: this.streams,
      log: (line) => this.log(line),
    });
    this.controllers.push(controller);
    return controller;
  }

  startAgent(node: string): void {
    const machine = this.machine(node);
    if (!machine.powered) return;
    this.agents.get(node)?.process.kill();
    this.agents.set(
      node,
      new AgentProcess(machine, {
        time: this.time,
        server: this.server,
        machines: this.machines,
        streams: this.streams,
        complain: (message) => this.invariants.complain(message),
        log: (line) => this.log(line),
      }),
    );
    this.setAgentPod(node, true);
  }

  /** The agent dies; its pod is seen as not ready a moment later. */
  killAgent(node: string): void {
    this.agents.get(node)?.process.kill();
    this.setAgentPod(node, false);
  }

  stopAgent(node: string): void {
    this.agents.get(node)?.leave();
  }

  setAgentPod(node: string, ready: boolean): void {
    const { timestamp: time } = this.server;
    const pod = { node, namespace: NAMESPACE, ready, time };
    const name = `sallyport-agent-${node}`;
    this.server.put(AGENT_PODS, name, podObject(name, pod));
  }

  /** False: connections to the API server are refused. */
  setServer(up: boolean): void {
    if (this.server.up !== up) { for (const { link } of this.machines) link.noteFailure(); }
    this.server.up = up;
    if (!up) { for (const stream of this.streams) stream.break(); }
  }

  setPower(node: string, on: boolean): void {
    this.machine(node).setPower(on);
    if (!on) this.agents.get(node)?.process.kill();
    else {
      this.startAgent(node);
      this.setReady(node, "True");
    }
    for (const agent of this.agents.values()) agent.noteReachability();
  }

  /** The cable of a node, with all that it is connected to. */
  setCable(node: string, plugged: boolean): void {
    const machine = this.machine(node);
    machine.plugged = plugged;
    if (plugged) machine.link.heal();
    else machine.link.cut({ requests: true, answers: true });
    for (const agent of this.agents.values()) agent.noteReachability();
  }

  /** A node is switched off and on again within moments: its kernel knows nothing, its agent starts at once. */
  reboot(node: string, seconds: number): void {
    this.setPower(node, false);
    this.time.after(seconds * 1_000, () => this.setPower(node, true));
  }

  /** The node's condition Ready. */
  setReady(node: string, status: "True" | "Unknown"): void {
    const conditions = [{ type: "Ready", status, lastTransitionTime: this.server.timestamp }];
    this.server.edit(PATHS.Node, node, { status: { conditions } });
  }

  /** The node's watches hang, though its connections stand; new ones work. */
  deafen(node: string): void {
    const { link } = this.machine(node);
    for (const stream of this.streams) if (stream.uses(link)) stream.deaf = true;
  }

  /** The connections of a node's watches break, and it lists anew. */
  breakWatches(node: string): void {
    const { link } = this.machine(node);
    for (const stream of this.streams) if (stream.uses(link)) stream.break();
  }

  cordon(node: string, cordoned: boolean): void {
    this.server.edit(PATHS.Node, node, { spec: { unschedulable: cordoned } });
  }

  /** Takes a node into the pool, or out of it. */
  setMember(node: string, member: boolean): void {
    this.server.edit(PATHS.Node, node, {
      metadata: { labels: { [POOL_LABEL]: member ? "egress" : null } },
    });
  }

  /** The Node object is deleted, with its pods, and comes again under another uid. */
  removeNode(node: string): void {
    this.server.put(PATHS.Node, node, undefined);
  }

  restoreNode(node: string): void {
    const { ip } = this.machine(node);
    const uid = `uid-${node}-${this.time.events}`;
    const object = nodeObject(node, { ip, time: this.server.timestamp });
    this.server.put(PATHS.Node, node, {
      ...object,
      metadata: { ...object_(object["metadata"]), uid },
    });
  }

  /** A person, or a job that cleans up, deletes an agent's Lease. */
  deleteLease(node: string): void {
    if (this.lease(node) !== undefined) this.server.put(PATHS.Lease, node, undefined);
  }

  pin(node: string | null, gateway = "gw"): void {
    this.server.edit(PATHS.EgressGateway, gateway, {
      metadata: { annotations: { [PIN_ANNOTATION]: node } },
    });
  }

  setVIP(vip: string, gateway = "gw"): void {
    this.server.edit(PATHS.EgressGateway, gateway, {
      spec: {
        sourceIP: {
          mode: "VirtualIPAddress",
          virtualIPAddress: { ip: vip, interfaces: ["eth0"] },
          primaryIPFromEgressGatewayNodeInterface: null,
        },
      },
    });
  }

  /** The VIPs of two gateways change places, one write after the other. */
  swapVIPs(one = "gw", two = "other"): void {
    const [first, second] = [one, two].map((name) => {
      const gateway = this.gateway(name);
      return gateway && virtualIPOf(gateway);
    });
    if (second !== undefined) this.setVIP(second, one);
    if (first !== undefined) this.setVIP(first, two);
  }

  /** Traffic leaves by each node's own address from now on; `setVIP` goes back. */
  setPrimaryIP(gateway = "gw"): void {
    const mode = "PrimaryIPFromEgressGatewayNodeInterface";
    this.server.edit(PATHS.EgressGateway, gateway, {
      spec: {
        sourceIP: {
          mode,
          virtualIPAddress: null,
          primaryIPFromEgressGatewayNodeInterface: { interfaceName: "eth0" },
        },
      },
    });
  }

  setStandby(standby: "Bound" | "Unbound", gateway = "gw"): void {
    this.server.edit(PATHS.EgressGateway, gateway, {
      spec: { sourceIP: { virtualIPAddress: { standby } } },
    });
  }

  /** Somebody writes something to a gateway that nobody decides from: its version is another now. */
  touch(gateway = "gw"): void {
    this.server.edit(PATHS.EgressGateway, gateway, {
      metadata: { annotations: { touched: String(this.time.events) } },
    });
  }

  makeGateway(name: string, settings: GatewaySettings): void {
    const uid = `uid-${name}-${++this.#gatewaysMade}`;
    const { timestamp: time } = this.server;
    this.server.put(PATHS.EgressGateway, name, gatewayObject(name, { ...settings, uid, time }));
  }

  deleteGateway(name = "gw"): void {
    this.server.put(PATHS.EgressGateway, name, undefined);
  }

  /** Everything that can be mended is mended; nodes that are off stay off. */
  mend(): void {
    this.setServer(true);
    for (const machine of this.machines) {
      if (!machine.powered) this.setReady(machine.name, "Unknown");
      machine.cannotBind = false;
      machine.setInterface(true);
      machine.plugged = true;
      if (this.server.get(PATHS.Node, machine.name) === undefined) this.restoreNode(machine.name);
      machine.link.late = 0;
      machine.link.watchLag = 0;
      machine.link.heal();
      const agent = this.agents.get(machine.name);
      agent?.process.thaw();
      if (agent?.process.state !== "runs") this.startAgent(machine.name);
    }
    for (const stream of this.streams) stream.break();
    for (const { process, link } of this.controllers) {
      link.late = 0;
      link.heal();
      process.thaw();
    }
  }
}
