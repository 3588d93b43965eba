/**
 * One simulated world: an API server, nodes with kernels and agents, controllers, and people who do things.
 *
 * Controllers and agents are the real ones. `check` watches over every event.
 */
import { NAMESPACE, PIN_ANNOTATION } from "../../src/core/names.ts";
import type { Gateway, JsonObject, Lease } from "../../src/core/types.ts";
import { decodeGateway, decodeLease } from "../../src/cluster/decoders/kinds.ts";
import { PATHS } from "../../src/cluster/resources.ts";
import { validate } from "../../src/cluster/schema/validate.ts";
import { AgentProcess } from "./agent_process.ts";
import { virtualIPOf } from "../../src/core/reports.ts";
import { ApiServer, object_ } from "./api_server.ts";
import type { Backup } from "./api_server.ts";
import type { Stream } from "./client.ts";
import { ControllerProcess } from "./controller_process.ts";
import type { ControllerOptions } from "./controller_process.ts";
import { Invariants } from "./invariants.ts";
import { Liar } from "./liar.ts";
import type { Lies } from "./liar.ts";
import { Machine } from "./machine.ts";
import {
  AGENT_PODS,
  CILIUM_PODS,
  gatewayObject,
  ipsOf,
  nodeObject,
  podObject,
  policyObject,
  POOL_LABEL,
  SPREAD,
} from "./objects.ts";
import type { GatewaySettings } from "./objects.ts";
import { VirtualTime } from "./virtual_time.ts";

export const VIP = "172.18.18.242";
/** A second address of the gateway that has `VIP`. */
export const VIP6 = "2001:db8::242";

export const OTHER_VIP = "172.18.18.243";

export interface WorldOptions {
  readonly seed?: number;
  readonly nodes?: readonly string[];
  readonly gateways?: Readonly<Record<string, GatewaySettings>>;
  /** Names of policies of each gateway. */
  readonly policies?: readonly string[];
  readonly controllers?: readonly ControllerOptions[];
  /** API servers before one etcd; agents and controllers use them in turn. */
  readonly servers?: number;
}

/** A foreign host sends a packet in the VIP's name this often. */
const FOREIGNER_MILLISECONDS = 1_700;

export class World {
  readonly time: VirtualTime;
  readonly server: ApiServer;
  readonly machines: readonly Machine[];
  readonly agents = new Map<string, AgentProcess>();
  readonly controllers: ControllerProcess[] = [];
  readonly streams = new Set<Stream>();
  /** VIP -> MAC address of a host that is none of the cluster's and answers for it. */
  readonly foreigners = new Map<string, string>();
  readonly liars = new Set<Liar>();
  readonly invariants: Invariants;
  readonly lines: string[] = [];
  /** Everything was mended, and nothing more is to befall it. */
  isMended = false;
  /** Gateway -> its second address, of IPv6, which it keeps whatever befalls the first. */
  readonly #second = new Map<string, string>();
  #gatewaysMade = 0;

  constructor(options: WorldOptions = {}) {
    const { seed = 1, nodes = ["a", "b", "c"], gateways = { gw: { vip: VIP } } } = options;
    const { policies = ["mail", "web"], controllers = [], servers = 1 } = options;
    this.time = new VirtualTime(seed);
    this.server = new ApiServer(this.time, { replicas: servers, validate: asTheCRDs });
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
    const time = this.server.timestamp();
    for (const machine of this.machines) {
      const { name, ip } = machine;
      machine.link.replica = this.machines.indexOf(machine);
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
        const both = this.#second.has(gateway);
        const object = policyObject(name, { gateways: [gateway], time, both });
        this.server.put(PATHS.EgressGatewayPolicy, name, object);
      }
    }
    const names = Object.keys(gateways);
    if (names.length > 1) {
      const object = policyObject(SPREAD, { gateways: names, time });
      this.server.put(PATHS.EgressGatewayPolicy, SPREAD, object);
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
    controller.link.replica = this.controllers.length;
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
        foreigners: this.foreigners,
        streams: this.streams,
        complain: (message) => this.invariants.complain(message),
        log: (line) => this.log(line),
      }),
    );
    if (!machine.runs) this.agents.get(node)?.process.pause();
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
    const time = this.server.timestamp();
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

  /** The node is a virtual machine, which is stopped with its clocks: a snapshot, a migration. */
  pauseMachine(node: string): void {
    this.machine(node).pause();
    this.agents.get(node)?.process.pause();
    for (const agent of this.agents.values()) agent.noteReachability();
  }

  resumeMachine(node: string): void {
    this.machine(node).resume();
    this.agents.get(node)?.process.resume();
    for (const agent of this.agents.values()) agent.noteReachability();
  }

  /** Some host in the network answers ARP requests for an address, and asks in its name; null: it does no more. */
  setForeigner(vip: string, mac: string | null): void {
    if (mac === null) this.foreigners.delete(vip);
    else if (this.foreigners.get(vip) !== mac) {
      this.foreigners.set(vip, mac);
      this.#askAsForeigner(vip, mac);
    }
  }

  #askAsForeigner(vip: string, mac: string): void {
    if (this.foreigners.get(vip) !== mac) return;
    for (const machine of this.machines) machine.hearClaim(vip, mac);
    this.time.after(FOREIGNER_MILLISECONDS, () => this.#askAsForeigner(vip, mac));
  }

  /** Somebody has the token of a node's agent and reports with it. */
  lie(lies: Lies): Liar {
    const liar = new Liar(lies, this);
    this.liars.add(liar);
    return liar;
  }

  /** What the kubelet says of its node's addresses. */
  setAddresses(node: string, odd: readonly { type: string; address: string }[]): void {
    const addresses = [{ type: "InternalIP", address: this.machine(node).ip }, ...odd];
    this.server.edit(PATHS.Node, node, { status: { addresses } });
  }

  /** etcd is restored while the API servers are away; null: under their feet, so that their watches tell nothing more. */
  restore(backup: Backup, outageMilliseconds: number | null): void {
    if (outageMilliseconds !== null) this.setServer(false);
    this.time.after(outageMilliseconds ?? 0, () => {
      if (this.isMended) return;
      this.log(`etcd goes back to ${backup.version}`);
      this.server.restore(backup);
      this.invariants.onRestore();
      if (outageMilliseconds !== null) this.setServer(true);
      else for (const stream of this.streams) stream.deaf = true;
    });
  }

  /** The node's condition Ready. */
  setReady(node: string, status: "True" | "False" | "Unknown", message = ""): void {
    const lastTransitionTime = this.server.timestamp();
    const conditions = [{ type: "Ready", status, message, lastTransitionTime }];
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

  /** Some time after its Node is gone, Kubernetes deletes what ran there. */
  removePods(node: string): void {
    this.server.put(AGENT_PODS, `sallyport-agent-${node}`, undefined);
  }

  restoreNode(node: string): void {
    const { ip } = this.machine(node);
    const uid = `uid-${node}-${this.time.events}`;
    const object = nodeObject(node, { ip, time: this.server.timestamp() });
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
          virtualIPAddress: { ips: ipsOf(vip, this.#second.get(gateway)), interfaces: ["eth0"] },
          primaryIPFromEgressGatewayNodeInterface: null,
        },
      },
    });
  }

  /** The gateway gets a second address. */
  addIPv6(vip6: string, gateway = "gw"): void {
    this.#second.set(gateway, vip6);
    const current = this.gateway(gateway);
    this.setVIP((current && virtualIPOf(current)) ?? VIP, gateway);
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
    const time = this.server.timestamp();
    const { vip6 = this.#second.get(name) } = settings;
    if (vip6 !== undefined) this.#second.set(name, vip6);
    const object = gatewayObject(name, { ...settings, vip6, uid, time });
    this.server.put(PATHS.EgressGateway, name, object);
  }

  deleteGateway(name = "gw"): void {
    this.server.put(PATHS.EgressGateway, name, undefined);
  }

  /** Everything that can be mended is mended; nodes that are off stay off. */
  mend(): void {
    this.isMended = true;
    this.setServer(true);
    this.server.alignClocks();
    this.foreigners.clear();
    for (const liar of this.liars) liar.stop();
    this.liars.clear();
    for (const machine of this.machines) {
      if (!machine.runs && machine.powered) this.resumeMachine(machine.name);
      if (!machine.powered) this.setReady(machine.name, "Unknown");
      machine.cannotBind = false;
      machine.setInterface(true);
      machine.plugged = true;
      machine.uplinkWorks = true;
      if (this.server.get(PATHS.Node, machine.name) === undefined) this.restoreNode(machine.name);
      machine.link.late = 0;
      machine.link.watchLag = 0;
      machine.link.heal();
      machine.link.stall(false);
      if (this.server.get(PATHS.Node, machine.name) !== undefined) {
        this.setAddresses(machine.name, []);
      }
      const agent = this.agents.get(machine.name);
      agent?.process.thaw();
      if (agent?.process.state !== "runs") this.startAgent(machine.name);
    }
    for (const stream of this.streams) stream.break();
    for (const { process, link } of this.controllers) {
      link.late = 0;
      link.heal();
      link.stall(false);
      process.thaw();
      process.resume();
    }
  }
}

/** As an API server that has our CustomResourceDefinitions. */
function asTheCRDs(
  collection: string,
  object: JsonObject,
  subresource: string | undefined,
): readonly string[] {
  const kind = (["EgressGateway", "EgressGatewayPolicy"] as const).find((each) =>
    PATHS[each] === collection
  );
  if (kind === undefined) return [];
  return validate(kind, object, subresource === "status" ? { subresource } : {})
    .map(({ path, message }) => `${path}: ${message}`);
}
