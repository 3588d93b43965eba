/** The ways in which a holder goes, as done to Sallyport and, where it knows them, to keepalived. */
import { CANDIDATE } from "../lab/sallyport.ts";
import type { Sallyport } from "../lab/sallyport.ts";
import type { Keepalived } from "./keepalived.ts";

export interface Way {
  readonly what: string;
  /** The most milliseconds without answers that are wanted, with prepared standbys. */
  readonly target?: number;
  /** The node is cut off from the API server alone, so for about a second two may answer. */
  readonly overlaps?: true;
  readonly sallyport: (world: Sallyport, holder: string) => Promise<unknown>;
  /** The name of keepalived's row for the same mishap. */
  readonly peer?: string;
}

export interface PeerWay {
  readonly what: string;
  readonly keepalived: (world: Keepalived) => Promise<unknown>;
}

const PLANNED_MILLISECONDS = 100;
export const POWER_OFF_MILLISECONDS = { peers: 2_000, noPeers: 5_000 } as const;

/** Milliseconds without answers are told of each; a planned move's old node serves until the new one does. */
export const WAYS: readonly Way[] = [
  {
    what: "cordon",
    target: PLANNED_MILLISECONDS,
    sallyport: (world, holder) =>
      world.plane.api.patch(`/api/v1/nodes/${holder}`, { spec: { unschedulable: true } }),
    peer: "priority lowered",
  },
  {
    what: "pin to another node",
    target: PLANNED_MILLISECONDS,
    sallyport: (world, holder) =>
      world.pin(world.lab.nodes.find(({ name }) => name !== holder)?.name ?? ""),
    peer: "priority lowered",
  },
  {
    what: "label removed",
    target: PLANNED_MILLISECONDS,
    sallyport: (world, holder) => {
      const labels = Object.fromEntries(Object.keys(CANDIDATE).map((key) => [key, null]));
      return world.plane.api.patch(`/api/v1/nodes/${holder}`, { metadata: { labels } });
    },
    peer: "priority lowered",
  },
  {
    what: "SIGTERM of the agent",
    target: PLANNED_MILLISECONDS,
    sallyport: (world, holder) => world.agent(holder).stop(),
    peer: "SIGTERM",
  },
  {
    what: "node object deleted",
    sallyport: (world, holder) => world.plane.api.delete(`/api/v1/nodes/${holder}`),
  },
  {
    what: "SIGKILL of the agent",
    sallyport: (world, holder) => world.agent(holder).stop({ graceMilliseconds: 0 }),
    peer: "SIGKILL",
  },
  {
    what: "SIGSTOP of the agent",
    sallyport: (world, holder) => Promise.resolve(Deno.kill(world.agent(holder).pid, "SIGSTOP")),
    peer: "programs frozen",
  },
  {
    what: "programs frozen, links up",
    sallyport: (world, holder) => world.lab.node(holder).freeze(),
    peer: "programs frozen",
  },
  {
    what: "cut off from the API server",
    overlaps: true,
    sallyport: (world, holder) => world.lab.node(holder).partitionFromApi(),
  },
  {
    what: "public interface down",
    sallyport: (world, holder) => world.lab.node(holder).publicDown(),
    peer: "interface down",
  },
  {
    what: "public interface unplugged",
    sallyport: (world, holder) => world.lab.node(holder).publicDown({ how: "unplugged" }),
    peer: "interface unplugged",
  },
  {
    what: "power-off",
    target: POWER_OFF_MILLISECONDS.peers,
    sallyport: (world, holder) => world.lab.node(holder).cutLinks(),
    peer: "power-off",
  },
];

export const PEER_WAYS: readonly PeerWay[] = [
  { what: "priority lowered", keepalived: (world) => world.lower(world.master) },
  { what: "SIGTERM", keepalived: (world) => world.stop(world.master) },
  { what: "SIGKILL", keepalived: (world) => world.master.killPrograms() },
  { what: "programs frozen", keepalived: (world) => world.master.freeze() },
  { what: "interface down", keepalived: (world) => world.master.publicDown() },
  {
    what: "interface unplugged",
    keepalived: (world) => world.master.publicDown({ how: "unplugged" }),
  },
  { what: "power-off", keepalived: (world) => world.master.cutLinks() },
];
