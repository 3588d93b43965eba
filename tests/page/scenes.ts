/** Clusters that the status page is looked at with. Each has been through real decisions: nothing is made up but the nodes. */
import { decide } from "../../src/core/decide.ts";
import { PIN_ANNOTATION } from "../../src/core/names.ts";
import type { Gateway, Snapshot } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { cluster, edit, gateway, type Machine, policy, report } from "../support/builders.ts";
import { later, obey, running } from "../support/obedient_agents.ts";

export const EVIL = "<script>alert(1)</script>";

/** Nothing is installed but the controller. */
export function nothing(): Snapshot {
  return cluster({ nodes: machines(3) });
}

/** One gateway over three nodes, one policy. */
export function one(): Snapshot {
  return running(cluster({
    nodes: machines(3),
    gateways: [vipGateway("payments", { index: 0 })],
    policies: [policy("checkout", { gateway: "payments" })],
  }));
}

/**
 * Thirteen gateways over six nodes, with what happens to them in a year: a node was drained and came back, another lost
 * power, one is cordoned now; a pin is obeyed and another cannot be; a policy is spread over three gateways; another's
 * gateway has no node, so that its fallback stands in.
 */
export function thirteen(): Snapshot {
  const gateways = Array.from({ length: 11 }, (_, index) => vipGateway(`team-${index}`, { index }));
  const start = running(cluster({
    nodes: { ...machines(6), "spare-1": { node: { labels: { pool: "spare" } } } },
    gateways: [
      ...gateways,
      gateway("reports", { nodeSelector: EGRESS, strategy: "Hash" }),
      gateway("archive", { nodeSelector: { pool: "spare" }, whenNoneEligible: "Drop" }),
    ],
    policies: [
      ...gateways.slice(3).map(({ name }) => policy(`${name}-apps`, { gateway: name })),
      policy("crawler", {
        gateways: ["team-0", "team-1", "team-2"],
        weights: { "team-0": 2 },
      }),
      policy("nightly-archive", { gateway: "archive", fallback: "reports" }),
      policy("nightly-reports", { gateway: "reports" }),
    ],
  }));
  const drained = passed(withCordon(start, { node: "egress-2", cordoned: true }), { seconds: 60 });
  const back = passed(withCordon(drained, { node: "egress-2", cordoned: false }), { seconds: 60 });
  const powerless = passed(back, { seconds: 30, dead: ["egress-4"] });
  const repaired = passed(awake(powerless, "egress-4"), { seconds: 60 });
  return passed(
    edit(repaired, {
      nodes: { "egress-1": { cordoned: true }, "spare-1": { ready: "False" } },
      gateways: {
        "team-1": { annotations: { [PIN_ANNOTATION]: "egress-6" } },
        "team-2": { annotations: { [PIN_ANNOTATION]: "egress-1" } },
      },
    }),
    { seconds: 10 },
  );
}

/** A node that holds gateways has lost power, and one of them is about to be served elsewhere. */
export function failover(): Snapshot {
  let state = thirteen();
  for (let second = 0; second < 10; second++) {
    const seen = standbysUnbound(state, "team-4");
    if (decide(seen).gateways.some(({ phase }) => phase === "Preparing")) return seen;
    state = passed(state, { seconds: 1, dead: ["egress-3"] });
  }
  throw new Error("Nothing fails over within 10 s of a node's silence");
}

/** Five hundred gateways over a hundred nodes, four for each pool. */
export function fiveHundred(): Snapshot {
  const names = Array.from({ length: 100 }, (_, index) => `egress-${number(index, 3)}`);
  const nodes = Object.fromEntries(
    names.map((name, index) => [name, { node: { labels: { pool: `p${index >> 2}` } } }]),
  );
  const gateways = Array.from({ length: 500 }, (_, index) =>
    gateway(`team-${number(index, 3)}`, {
      vip: `172.18.${index >> 8}.${index & 255}`,
      interfaces: ["eth1"],
      nodeSelector: { pool: `p${index % 25}` },
      strategy: "Hash",
    }));
  return running(cluster({
    nodes,
    gateways,
    policies: gateways.map(({ name }) => policy(`${name}-apps`, { gateway: name })),
  }));
}

/** Where names come from somebody who means harm: no API server takes them, and an etcd may hold them. */
export function evil(): Snapshot {
  const nodes = { [EVIL]: { node: { cordoned: true } }, "egress-1": {}, "egress-2": {} };
  const web = gateway("web", { vip: "172.18.18.242", interfaces: ["eth1"], pin: EVIL });
  const state = running(
    cluster({ nodes, gateways: [web], policies: [policy("shop", { gateway: "web" })] }),
  );
  return {
    ...state,
    invalid: [{ kind: "EgressGateway", name: "other", message: `spec.nodeSelector: ${EVIL}` }],
  };
}

const EGRESS = { "dedicated/egress": "" };

function machines(count: number): Record<string, Machine> {
  const names = Array.from({ length: count }, (_, index) => `egress-${index + 1}`);
  return Object.fromEntries(names.map((name) => [name, { node: { labels: EGRESS } }]));
}

function vipGateway(name: string, { index }: { readonly index: number }): Gateway {
  return gateway(name, {
    vip: `172.18.18.${242 - index}`,
    interfaces: ["eth1"],
    nodeSelector: EGRESS,
    strategy: "Hash",
  });
}

/** What agents and a controller that ticks each second make of it. */
function passed(
  before: Snapshot,
  { seconds, dead = [] }: { readonly seconds: number; readonly dead?: readonly string[] },
): Snapshot {
  let state = before;
  for (let second = 0; second < seconds; second++) {
    state = later(obey(applyPlan(state, decide(state)), dead), 1, dead);
  }
  return state;
}

/** Nobody but its holder has the address bound, so that a successor has to do that first, which takes a moment. */
function standbysUnbound(before: Snapshot, gateway: string): Snapshot {
  const leases = before.leases.map((lease) => {
    const addresses = lease.report?.addresses ?? [];
    const kept = addresses.filter((each) => each.gateway !== gateway || each.speaking);
    return { ...lease, report: report({ ...lease.report, addresses: kept }) };
  });
  return { ...before, leases };
}

function withCordon(
  before: Snapshot,
  { node, cordoned }: { readonly node: string; readonly cordoned: boolean },
): Snapshot {
  return edit(before, { nodes: { [node]: { cordoned } } });
}

/** A node whose agent renews again. */
function awake(before: Snapshot, node: string): Snapshot {
  return edit(before, { leases: { [node]: { renewedAt: before.now } } });
}

function number(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}
