/** Schedules: what befalls a world, as data that fast-check makes and shrinks. */
import fc from "fast-check";
import type { ControllerOptions } from "./controller_process.ts";
import { hostileActions, isTried, performHostile } from "./hostile.ts";
import type { HostileAction } from "./hostile.ts";
import { OTHER_VIP, VIP, VIP6, World } from "./world.ts";

/** A node by its place in the cluster, or by what it is to gateway `gw` at that moment. */
export type Target = number | "holder" | "standby";

type Action =
  | HostileAction
  | { readonly do: "pin"; readonly node: Target | null }
  | { readonly do: "cordon" | "leavePool"; readonly node: Target; readonly for: number }
  | { readonly do: "terminate" | "kill"; readonly node: Target; readonly for: number }
  | { readonly do: "freeze" | "powerOff"; readonly node: Target; readonly for: number }
  | { readonly do: "deafen"; readonly node: Target }
  | { readonly do: "lag"; readonly node: Target; readonly by: number; readonly for: number }
  | { readonly do: "cannotBind"; readonly node: Target; readonly for: number }
  | { readonly do: "late"; readonly node: Target; readonly often: number; readonly for: number }
  | {
    readonly do: "cut";
    readonly node: Target;
    readonly which: "both" | "requests" | "answers";
    readonly for: number;
  }
  | {
    readonly do: "loseInterface" | "reboot" | "forget";
    readonly node: Target;
    readonly for: number;
  }
  | { readonly do: "deleteLease"; readonly node: Target }
  | { readonly do: "loseUplink"; readonly node: Target; readonly for: number }
  | { readonly do: "loseRouter"; readonly for: number }
  | { readonly do: "removeNode"; readonly node: Target; readonly for: number }
  | { readonly do: "swapVIPs" | "touch" | "touchOther" }
  | { readonly do: "primaryIP" | "unbound"; readonly for: number }
  | { readonly do: "apiDown"; readonly for: number }
  | {
    readonly do: "recreate";
    readonly pin: number | null;
    readonly sameVIP: boolean;
    readonly for: number;
  }
  | { readonly do: "changeVIP" }
  | {
    readonly do: "freezeController" | "killController" | "lateController";
    readonly which: number;
    readonly for: number;
  };

export interface Step {
  /** Milliseconds after the step before. */
  readonly after: number;
  readonly action: Action;
}

export interface Schedule {
  readonly seed: number;
  readonly nodes: number;
  readonly twoGateways: boolean;
  readonly standbys: number;
  readonly drop: boolean;
  /** Gateways say what their uplinks must reach. */
  readonly uplink: boolean;
  readonly servers: number;
  readonly controllers: readonly ControllerOptions[];
  readonly steps: readonly Step[];
}

const target: fc.Arbitrary<Target> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Target>("holder") },
  { weight: 2, arbitrary: fc.constant<Target>("standby") },
  { weight: 2, arbitrary: fc.nat(3) },
);

const shortly = fc.integer({ min: 50, max: 3_000 });
const long = fc.integer({ min: 500, max: 12_000 });
const which = fc.nat(2);

function named<const T extends string>(...names: T[]): fc.Arbitrary<T> {
  return fc.constantFrom(...names);
}

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: named("pin"), node: fc.option(target) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: named("cordon", "leavePool"), node: target, for: long }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: named("terminate", "kill"), node: target, for: shortly }),
  },
  { weight: 5, arbitrary: fc.record({ do: named("freeze"), node: target, for: long }) },
  { weight: 2, arbitrary: fc.record({ do: named("deafen"), node: target }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: named("lag"),
      node: target,
      by: fc.integer({ min: 100, max: 4_000 }),
      for: long,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: named("powerOff"),
      node: target,
      for: fc.integer({ min: 5_000, max: 12_000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: named("cannotBind"), node: target, for: long }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: named("late"),
      node: target,
      often: fc.integer({ min: 1, max: 5 }),
      for: long,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: named("cut"),
      node: target,
      which: named("both", "requests", "answers"),
      for: fc.oneof(shortly, long),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: named("loseInterface", "reboot", "forget"),
      node: target,
      for: fc.oneof(shortly, long),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: named("deleteLease"), node: target }) },
  { weight: 1, arbitrary: fc.record({ do: named("removeNode"), node: target, for: long }) },
  { weight: 4, arbitrary: fc.record({ do: named("loseUplink"), node: target, for: long }) },
  { weight: 2, arbitrary: fc.record({ do: named("loseRouter"), for: fc.oneof(shortly, long) }) },
  { weight: 3, arbitrary: fc.record({ do: named("swapVIPs", "touch", "touchOther") }) },
  { weight: 2, arbitrary: fc.record({ do: named("primaryIP", "unbound"), for: long }) },
  { weight: 1, arbitrary: fc.record({ do: named("apiDown"), for: fc.oneof(shortly, long) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: named("recreate"),
      pin: fc.option(fc.nat(3)),
      sameVIP: fc.boolean(),
      for: fc.integer({ min: 1, max: 2_000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: named("changeVIP") }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: named("freezeController", "killController", "lateController"),
      which,
      for: long,
    }),
  },
  ...hostileActions(target),
);

const controller: fc.Arbitrary<Omit<ControllerOptions, "name">> = fc.record({
  everyMilliseconds: fc.integer({ min: 200, max: 1_500 }),
  hurryMilliseconds: fc.integer({ min: 50, max: 300 }),
  resident: fc.boolean(),
  watches: fc.boolean(),
  wording: isTried("wordings") ? fc.constantFrom("", "", " (v2)") : fc.constant(""),
});

export const schedules: fc.Arbitrary<Schedule> = fc.record({
  seed: fc.integer(),
  nodes: fc.integer({ min: 2, max: 4 }),
  twoGateways: fc.boolean(),
  standbys: fc.constantFrom(2, 2, 1, 0),
  drop: fc.constantFrom(false, false, true),
  uplink: fc.boolean(),
  servers: fc.integer({ min: 1, max: 3 }),
  controllers: fc.array(controller, { minLength: 1, maxLength: 3 }).map((all) =>
    all.map((options, index) => ({ ...options, name: `controller ${index}` }))
  ),
  steps: fc.array(
    fc.record({ after: fc.oneof(fc.integer({ min: 1, max: 400 }), shortly), action }),
    { minLength: 1, maxLength: 14 },
  ),
});

/** The world of a schedule, before anything befell it. */
export function worldOf(
  { seed, nodes, twoGateways, standbys, drop, uplink, servers, controllers }: Schedule,
): World {
  const whenNoneEligible = drop ? "Drop" : "Keep";
  const settings = { standbys, whenNoneEligible, uplink, minReadySeconds: 3 } as const;
  return new World({
    seed,
    servers,
    nodes: ["a", "b", "c", "d"].slice(0, nodes),
    gateways: {
      gw: {
        vip: VIP,
        ...(seed % 3 === 0 ? { vip6: VIP6 } : {}),
        ...settings,
        ...(seed % 2 === 0 ? { strategy: "Balanced" } : {}),
      },
      ...(twoGateways ? { other: { vip: OTHER_VIP, ...settings, pin: "b" } } : {}),
    },
    controllers,
  });
}

/** Lets a step befall a world, and its end later. */
export function perform(world: World, action: Action): void {
  world.log(`# ${JSON.stringify(action)}`);
  const later = (run: () => void) => {
    if ("for" in action) world.time.after(action.for, run);
  };
  switch (action.do) {
    case "apiDown":
      world.setServer(false);
      return later(() => world.setServer(true));
    case "loseRouter":
      for (const machine of world.machines) machine.uplinkWorks = false;
      return later(() => {
        for (const machine of world.machines) machine.uplinkWorks = true;
      });
    case "changeVIP":
      return world.setVIP(anyVIP(world));
    case "swapVIPs":
      return world.gateway("other") === undefined ? undefined : world.swapVIPs();
    case "touch":
      return world.touch();
    case "touchOther":
      return world.touch("other");
    case "primaryIP":
      world.setPrimaryIP();
      return later(() => world.setVIP(world.time.random() < 0.5 ? VIP : anyVIP(world)));
    case "unbound":
      world.setStandby("Unbound");
      return later(() => world.setStandby("Bound"));
    case "recreate":
      world.deleteGateway();
      return later(() => {
        if (world.gateway() !== undefined) return;
        const pin = action.pin === null ? undefined : nameOf(world, action.pin);
        const vip = action.sameVIP ? VIP : anyVIP(world);
        world.makeGateway("gw", { vip, ...(pin === undefined ? {} : { pin }) });
      });
    case "freezeController":
    case "killController":
    case "lateController":
      return troubleController(world, action);
    case "stepServer":
    case "restore":
    case "foreigner":
    case "pauseController":
    case "staleController":
      return performHostile(world, { action, node: undefined, later });
    case "stepNode":
    case "pauseMachine":
    case "stallWatches":
    case "oddAddresses":
    case "longMessage":
    case "lie":
      return performHostile(world, { action, node: nameOf(world, action.node), later });
    case "pin":
      return world.pin(action.node === null ? null : nameOf(world, action.node) ?? null);
    default: {
      const node = nameOf(world, action.node);
      if (node !== undefined) troubleNode(world, { node, action, later });
    }
  }
}

function anyVIP({ time }: World): string {
  return `172.18.18.${100 + Math.floor(time.random() * 100)}`;
}

function troubleController(
  world: World,
  action: { readonly do: string; readonly which: number; readonly for: number },
): void {
  const index = action.which % world.controllers.length;
  const controller = world.controllers[index];
  if (controller === undefined) return;
  const { process, link } = controller;
  if (action.do === "freezeController") {
    process.freeze();
    world.time.after(action.for, () => process.thaw());
  } else if (action.do === "lateController") {
    link.late = 4;
    world.time.after(action.for, () => link.late = 0);
  } else {
    process.kill();
    world.time.after(action.for, () => {
      world.startController({ name: `${process.name}'`, everyMilliseconds: 500 });
    });
  }
}

function troubleNode(
  world: World,
  { node, action, later }: {
    readonly node: string;
    readonly action: Extract<Action, { node: Target }> | Action;
    readonly later: (run: () => void) => void;
  },
): void {
  const machine = world.machine(node);
  const process = world.agents.get(node)?.process;
  switch (action.do) {
    case "cordon":
      world.cordon(node, true);
      return later(() => world.cordon(node, false));
    case "leavePool":
      world.setMember(node, false);
      return later(() => world.setMember(node, true));
    case "terminate":
      world.stopAgent(node);
      return later(() => world.startAgent(node));
    case "kill":
      world.killAgent(node);
      return later(() => world.startAgent(node));
    case "freeze":
      process?.freeze();
      return later(() => process?.thaw());
    case "powerOff":
      world.setPower(node, false);
      return later(() => world.setPower(node, true));
    case "reboot":
      return world.reboot(node, action.for / 1_000);
    case "forget":
      world.killAgent(node);
      machine.memory = [];
      return later(() => world.startAgent(node));
    case "loseInterface":
      machine.setInterface(false);
      return later(() => machine.setInterface(true));
    case "loseUplink":
      machine.uplinkWorks = false;
      return later(() => machine.uplinkWorks = true);
    case "deleteLease":
      return world.deleteLease(node);
    case "removeNode":
      world.removeNode(node);
      return later(() => world.restoreNode(node));
    case "deafen":
      return world.deafen(node);
    case "lag":
      machine.link.watchLag = action.by;
      return later(() => machine.link.watchLag = 0);
    case "cannotBind":
      machine.cannotBind = true;
      return later(() => machine.cannotBind = false);
    case "late":
      machine.link.late = action.often;
      return later(() => machine.link.late = 0);
    case "cut": {
      const { which } = action;
      machine.link.cut({ requests: which !== "answers", answers: which !== "requests" });
      return later(() => machine.link.heal());
    }
  }
}

function nameOf(world: World, node: Target): string | undefined {
  if (typeof node === "number") return world.machines[node % world.machines.length]?.name;
  const { activeNodeName, standbyNodeNames } = world.gateway()?.status ?? {};
  return node === "holder" ? activeNodeName : standbyNodeNames?.[0];
}
