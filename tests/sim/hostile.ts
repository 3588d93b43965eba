/** Troubles from outside the protocol: clocks, paused machines, lies, foreign hosts, restores. Schedules mix them with the others. */
import fc from "fast-check";
import type { Target } from "./schedule.ts";
import { lies } from "./liar.ts";
import type { Lies } from "./liar.ts";
import { VIP } from "./world.ts";
import type { World } from "./world.ts";

export type HostileAction =
  /** The clock of one API server is set, or of all. */
  | { readonly do: "stepServer"; readonly which: number | null; readonly by: number }
  | { readonly do: "stepNode"; readonly node: Target; readonly by: number }
  | { readonly do: "pauseMachine"; readonly node: Target; readonly for: number }
  | {
    /** A virtual machine is paused, or a controller's watches stand still. */
    readonly do: "pauseController" | "staleController";
    readonly which: number;
    readonly for: number;
  }
  /** Watches stand still, and all that they missed comes late. */
  | { readonly do: "stallWatches"; readonly node: Target; readonly for: number }
  | {
    readonly do: "foreigner";
    readonly gateway: "gw" | "other";
    readonly mac: string;
    readonly for: number;
  }
  | {
    readonly do: "lie";
    readonly node: Target;
    /** The node's own agent is gone. */
    readonly alone: boolean;
    readonly lies: Omit<Lies, "node">;
    readonly for: number;
  }
  /** A kubelet says at length that its node is not ready. */
  | { readonly do: "longMessage"; readonly node: Target; readonly for: number }
  | {
    readonly do: "oddAddresses";
    readonly node: Target;
    readonly which: keyof typeof ODD_ADDRESSES;
    readonly for: number;
  }
  /** etcd goes back to what it is now, after so long; the API servers are away meanwhile, or not (null). */
  | { readonly do: "restore"; readonly for: number; readonly outage: number | null };

/** What a kubelet or a cloud provider may say beside the node's address. */
export const ODD_ADDRESSES = {
  "the VIP inside": [{ type: "InternalIP", address: VIP }],
  "the VIP outside": [{ type: "ExternalIP", address: VIP }],
  nonsense: [{ type: "InternalIP", address: "not an address" }],
  option: [{ type: "InternalIP", address: "-i0" }],
  long: [{ type: "InternalIP", address: "1".repeat(65) }],
  many: Array.from({ length: 40 }, (_, index) => ({
    type: "InternalIP",
    address: `172.18.19.${index}`,
  })),
} as const;

const shortly = fc.integer({ min: 50, max: 3_000 });
const long = fc.integer({ min: 500, max: 12_000 });
const perhapsServer: fc.Arbitrary<number | null> = fc.option(fc.nat(2));
const perhapsOutage: fc.Arbitrary<number | null> = fc.option(shortly);
const seconds = fc.oneof(
  fc.integer({ min: -15_000, max: 15_000 }),
  fc.constantFrom(-3_600_000, 3_600_000),
);

/** A trouble by its name, how often it comes, and how it is made up. */
const TROUBLES = {
  stepServer: {
    weight: 3,
    make: () =>
      fc.record({
        do: fc.constant("stepServer" as const),
        which: perhapsServer,
        by: seconds,
      }),
  },
  stepNode: {
    weight: 1,
    make: (target) =>
      fc.record({ do: fc.constant("stepNode" as const), node: target, by: seconds }),
  },
  pauseMachine: {
    weight: 4,
    make: (target) =>
      fc.record({ do: fc.constant("pauseMachine" as const), node: target, for: long }),
  },
  pauseController: {
    weight: 1,
    make: () =>
      fc.record({ do: fc.constant("pauseController" as const), which: fc.nat(2), for: long }),
  },
  staleController: {
    weight: 2,
    make: () =>
      fc.record({ do: fc.constant("staleController" as const), which: fc.nat(2), for: long }),
  },
  stallWatches: {
    weight: 3,
    make: (target) =>
      fc.record({ do: fc.constant("stallWatches" as const), node: target, for: long }),
  },
  foreigner: {
    weight: 2,
    make: () =>
      fc.record({
        do: fc.constant("foreigner" as const),
        gateway: fc.constantFrom("gw", "other"),
        mac: fc.constantFrom("02:66:66:66:66:66", "02:77:77:77:77:77"),
        for: fc.integer({ min: 1_000, max: 25_000 }),
      }),
  },
  lie: {
    weight: 4,
    make: (target) =>
      fc.record({
        do: fc.constant("lie" as const),
        node: target,
        alone: fc.boolean(),
        lies,
        for: long,
      }),
  },
  oddAddresses: {
    weight: 2,
    make: (target) =>
      fc.record({
        do: fc.constant("oddAddresses" as const),
        node: target,
        which: fc.constantFrom(
          "the VIP inside",
          "the VIP outside",
          "nonsense",
          "option",
          "long",
          "many",
        ),
        for: long,
      }),
  },
  longMessage: {
    weight: 1,
    make: (target) =>
      fc.record({ do: fc.constant("longMessage" as const), node: target, for: long }),
  },
  restore: {
    weight: 1,
    make: () =>
      fc.record({
        do: fc.constant("restore" as const),
        for: long,
        outage: perhapsOutage,
      }),
  },
} as const satisfies Record<
  HostileAction["do"],
  {
    readonly weight: number;
    readonly make: (target: fc.Arbitrary<Target>) => fc.Arbitrary<HostileAction>;
  }
>;

/** Troubles that the program does not stand yet: none. SIM_TROUBLES=all, or names with commas, tries one all the same. */
const PENDING: readonly (HostileAction["do"] | "wordings")[] = [];

/** Tells whether schedules may have a trouble. */
export function isTried(trouble: (typeof PENDING)[number]): boolean {
  const asked = Deno.env.get("SIM_TROUBLES")?.split(",") ?? [];
  return asked.includes("all") || asked.includes(trouble) || !PENDING.includes(trouble);
}

/** The troubles that are tried, with their weights. */
export function hostileActions(
  target: fc.Arbitrary<Target>,
): readonly { readonly weight: number; readonly arbitrary: fc.Arbitrary<HostileAction> }[] {
  return Object.entries(TROUBLES).flatMap(([name, { weight, make }]) =>
    isTried(name as HostileAction["do"]) ? [{ weight, arbitrary: make(target) }] : []
  );
}

/** Lets a trouble befall a world, and its end `later`. */
export function performHostile(
  world: World,
  { action, node, later }: {
    readonly action: HostileAction;
    /** The node that is meant, where one is. */
    readonly node: string | undefined;
    readonly later: (run: () => void) => void;
  },
): void {
  switch (action.do) {
    case "stepServer":
      return world.server.stepClock(action.by, action.which ?? undefined);
    case "restore": {
      const backup = world.server.backup();
      return later(() => {
        if (!world.isMended) world.restore(backup, action.outage);
      });
    }
    case "foreigner": {
      const vip = world.gateway(action.gateway)?.status.egressIP;
      if (vip === undefined) return;
      world.setForeigner(vip, action.mac);
      return later(() => world.setForeigner(vip, null));
    }
    case "staleController": {
      const link = world.controllers[action.which % world.controllers.length]?.link;
      link?.stall(true);
      return later(() => link?.stall(false));
    }
    case "pauseController": {
      const process = world.controllers[action.which % world.controllers.length]?.process;
      process?.pause();
      return later(() => process?.resume());
    }
  }
  if (node === undefined) return;
  const machine = world.machine(node);
  switch (action.do) {
    case "stepNode": {
      const process = world.agents.get(node)?.process;
      if (process !== undefined) process.clockError += action.by;
      return;
    }
    case "pauseMachine":
      world.pauseMachine(node);
      return later(() => world.resumeMachine(node));
    case "stallWatches":
      machine.link.stall(true);
      return later(() => machine.link.stall(false));
    case "longMessage":
      world.setReady(node, "False", "x".repeat(4_200));
      return later(() => world.setReady(node, "True"));
    case "oddAddresses":
      world.setAddresses(node, ODD_ADDRESSES[action.which]);
      return later(() => world.setAddresses(node, []));
    case "lie": {
      if (action.alone) world.killAgent(node);
      const liar = world.lie({ ...action.lies, node });
      return later(() => {
        liar.stop();
        if (action.alone) world.startAgent(node);
      });
    }
  }
}
