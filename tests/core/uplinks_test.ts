/** What a gateway's candidates say of their ways out, and what follows from it. */
import assert from "node:assert/strict";
import { decide } from "../../src/core/decide.ts";
import { parseUplinkTarget } from "../../src/core/uplink_target.ts";
import type { ReportedUplink, Snapshot, Uplink } from "../../src/core/types.ts";
import { applyPlan } from "../support/apply_plan.ts";
import { at, cluster, edit, gateway, lease } from "../support/builders.ts";
import type { GatewayOptions } from "../support/builders.ts";
import { later } from "../support/obedient_agents.ts";
import { candidate, gatewayCondition, gatewayPlan, reasonTypes } from "../support/read_plan.ts";

const [ROUTER, SITE] = ["icmp:10.0.0.1", "tcp:192.0.2.7:443"];
const UPLINK: Uplink = {
  targets: [ROUTER, SITE],
  intervalMilliseconds: 1_000,
  failures: 3,
  require: "Any",
};

/** What an agent says: of each target in the order of the spec, `+` heard, `~` missing, `-` lost, `?` not known. */
function said(states: string, more: Partial<ReportedUplink> = {}): readonly ReportedUplink[] {
  const in_ = (state: string) => UPLINK.targets.filter((_, index) => states[index] === state);
  return [{
    gateway: "gw",
    uid: "uid-gw",
    reached: in_("+"),
    missing: in_("~"),
    lost: in_("-"),
    ...more,
  }];
}

/** Nodes a, b, c; `a` has held the gateway for long. Undefined: the agent does not look. */
function world(
  states: Readonly<Record<"a" | "b" | "c", string | undefined>>,
  { uplink = {}, ...options }: GatewayOptions & { readonly uplink?: Partial<Uplink> } = {},
): Snapshot {
  const report = (words: string | undefined) => ({
    lease: { report: { uplinks: words === undefined ? [] : said(words) } },
  });
  const { a, b, c } = states;
  return cluster({
    nodes: { a: report(a), b: report(b), c: report(c) },
    gateways: [
      gateway("gw", {
        ...options,
        failureDetection: { uplink: { ...UPLINK, ...uplink }, ...options.failureDetection },
        status: {
          activeNodeName: "a",
          term: 1,
          phase: "Active",
          candidates: ["a", "b", "c"].map((node) => ({
            node,
            eligible: true,
            eligibleSince: at(-600),
            rank: 0,
            reasons: [],
          })),
        },
      }),
    ],
  });
}

/** The same world, in which a node's agent now says this. */
function says(before: Snapshot, node: string, states: string): Snapshot {
  const held = before.leases.find(({ name }) => name === node);
  const report = { ...lease(node).report, uplinks: said(states) };
  return edit(before, { leases: { [node]: { ...held, report: report as never } } });
}

const VERDICTS: readonly {
  readonly what: string;
  readonly of: Parameters<typeof world>[0];
  readonly uplink?: Partial<Uplink>;
  readonly holder: string;
  readonly says?: RegExp;
}[] = [
  {
    what: "a holder that hears no target any more gives way",
    of: { a: "--", b: "++", c: "++" },
    holder: "b",
    says: /^Uplink targets icmp:10\.0\.0\.1, tcp:192\.0\.2\.7:443 do not answer this node$/,
  },
  {
    what: "a target that answers is enough where any is",
    of: { a: "-+", b: "++", c: "++" },
    holder: "a",
  },
  {
    what: "one that is only missing may answer yet",
    of: { a: "-~", b: "++", c: "++" },
    holder: "a",
  },
  {
    what: "one lost target is too many where all must answer",
    of: { a: "-+", b: "++", c: "++" },
    uplink: { require: "All" },
    holder: "b",
    says: /^Uplink target icmp:10\.0\.0\.1 does not answer this node$/,
  },
  {
    what: "a target that nobody hears does not count",
    of: { a: "--", b: "--", c: "--" },
    holder: "a",
  },
  {
    what: "a target that dies is lost by one sooner than by the others",
    of: { a: "--", b: "~~", c: "~-" },
    holder: "a",
  },
  {
    what: "nor does it where the others do not look",
    of: { a: "--", b: undefined, c: "??" },
    holder: "a",
  },
  {
    what: "of a dead target beside another the other counts",
    of: { a: "--", b: "-+", c: "-+" },
    holder: "b",
    says: /^Uplink target tcp:192\.0\.2\.7:443 does not answer this node$/,
  },
  {
    what: "where all must answer, a dead target does not count either",
    of: { a: "-+", b: "-+", c: "-+" },
    uplink: { require: "All" },
    holder: "a",
  },
  {
    what: "a standby whose uplink is down is passed over",
    of: { a: "--", b: "--", c: "++" },
    holder: "c",
  },
];

for (const { what, of, uplink = {}, holder, says: words } of VERDICTS) {
  for (const vip of [undefined, "172.18.18.242"]) {
    const mode = vip === undefined ? "primary IP" : "virtual IP";
    Deno.test(`uplink (${mode}): ${what}`, () => {
      const plan = decide(world(of, { uplink, ...(vip === undefined ? {} : { vip }) }));
      assert.equal(gatewayPlan(plan).activeNodeName, holder);
      const reasons = candidate(plan, "a").reasons;
      assert.deepEqual(reasons.map(({ type }) => type), holder === "a" ? [] : ["UplinkDown"]);
      if (words !== undefined) assert.match(reasons[0]?.message ?? "", words);
    });
  }
}

Deno.test("uplink: targets that nobody hears are told of, by name", () => {
  const before = world({ a: "--", b: "--", c: "-~" });
  const degraded = gatewayCondition(before, decide(before), "Degraded");
  assert.deepEqual([degraded.status, degraded.reason], ["True", "UplinkTargetsIgnored"]);
  assert.match(degraded.message, /^No candidate hears icmp:10\.0\.0\.1, tcp:192\.0\.2\.7:443: /);
});

Deno.test("uplink: candidates that do not look are told of, with why", () => {
  const before = edit(world({ a: "++", b: undefined, c: "+?" }), { leases: { b: null } });
  const other = edit(before, {
    leases: {
      c: {
        report: {
          ...lease("c").report,
          uplinks: said("+?", { problem: "the node has no IPv6 address" }),
        } as never,
      },
    },
  });
  const degraded = gatewayCondition(other, decide(other), "Degraded");
  assert.deepEqual([degraded.status, degraded.reason], ["True", "UplinkNotWatched"]);
  assert.match(degraded.message, /b \(no agent runs there\), c \(the node has no IPv6 address\)$/);
});

Deno.test("uplink: a gateway without targets has no opinion, and targets that it does not have count for nothing", () => {
  const before = world({ a: "--", b: "++", c: "++" });
  const [gw] = before.gateways;
  assert.ok(gw);
  const { uplink: _, ...rest } = gw.spec.failureDetection;
  const without = edit(before, {
    gateways: { gw: { spec: { ...gw.spec, failureDetection: rest } } },
  });
  assert.equal(gatewayPlan(decide(without)).activeNodeName, "a");
  const changed = edit(before, {
    gateways: {
      gw: {
        spec: {
          ...gw.spec,
          failureDetection: { ...rest, uplink: { ...UPLINK, targets: ["icmp:10.9.9.9"] } },
        },
      },
    },
  });
  assert.equal(gatewayPlan(decide(changed)).activeNodeName, "a");
});

Deno.test("uplink: of a gateway that was made anew, what was said of the old one counts for nothing", () => {
  const before = world({ a: "--", b: "++", c: "++" });
  const anew = edit(before, { gateways: { gw: { uid: "uid-other" } } });
  assert.equal(gatewayPlan(decide(anew)).activeNodeName, "a");
});

Deno.test("uplink: a node that is well again counts after minReadySeconds, or where there is no other", () => {
  const lost = world({ a: "--", b: "++", c: "++" }, { nodeSelector: {} });
  const moved = applyPlan(lost, decide(lost));
  const back = says(later(moved, 2), "a", "++");
  const first = decide(back);
  assert.deepEqual(
    candidate(first, "a").reasons.map(({ type, retryAfter }) => [type, retryAfter]),
    [
      ["UplinkDown", at(12)],
    ],
  );
  assert.equal(candidate(first, "a").eligible, true);
  assert.equal(gatewayPlan(first).activeNodeName, "b");

  const known = applyPlan(back, first);
  // b dies: c, which was well all the time, and not a, though a is first by name.
  const without = later(known, 5);
  const dead = edit(without, { nodes: { b: { ready: "False" } } });
  assert.equal(gatewayPlan(decide(dead)).activeNodeName, "c");
  // c cannot either: a is better than nobody.
  const both = edit(dead, { nodes: { c: { ready: "False" } } });
  assert.equal(gatewayPlan(decide(both)).activeNodeName, "a");
  // Nobody else dies: it takes its role back once it has been well for ten seconds.
  assert.equal(gatewayPlan(decide(later(known, 9))).activeNodeName, "b");
  const steady = decide(later(known, 10));
  assert.equal(gatewayPlan(steady).activeNodeName, "a");
  assert.deepEqual(reasonTypes(steady, "a"), []);
});

Deno.test("uplink: one that comes and goes begins anew each time", () => {
  const lost = world({ a: "--", b: "++", c: "++" });
  let state = applyPlan(lost, decide(lost));
  for (let round = 0; round < 5; round++) {
    state = says(later(state, 4), "a", "++");
    state = applyPlan(state, decide(state));
    state = says(later(state, 4), "a", "--");
    state = applyPlan(state, decide(state));
    assert.equal(state.gateways[0]?.status.activeNodeName, "b");
    assert.equal(state.gateways[0]?.status.term, 2);
  }
});

Deno.test("uplink: an agent that was started anew does not make its node well", () => {
  const lost = world({ a: "--", b: "++", c: "++" });
  const state = applyPlan(lost, decide(lost));
  const anew = says(later(state, 1), "a", "??");
  assert.equal(candidate(decide(anew), "a").eligible, false);
});

Deno.test("uplink: a pinned node whose uplink has only just come back waits", () => {
  const lost = world({ a: "--", b: "++", c: "++" }, { pin: "a" });
  const state = applyPlan(lost, decide(lost));
  assert.equal(state.gateways[0]?.status.activeNodeName, "b");
  const back = says(later(state, 2), "a", "++");
  const known = applyPlan(back, decide(back));
  assert.equal(known.gateways[0]?.status.activeNodeName, "b");
  assert.equal(gatewayPlan(decide(later(known, 9))).activeNodeName, "b");
  assert.equal(gatewayPlan(decide(later(known, 10))).activeNodeName, "a");
});

Deno.test("uplink: what one node says of its uplink changes nothing for another", () => {
  for (const states of ["--", "~~", "-~", "?-", "++"]) {
    const plan = decide(world({ a: "++", b: states, c: "++" }));
    assert.equal(gatewayPlan(plan).activeNodeName, "a");
    assert.deepEqual(reasonTypes(plan, "a"), []);
    assert.deepEqual(reasonTypes(plan, "c"), []);
  }
});

Deno.test("uplink targets are read as the CRD takes them", () => {
  assert.deepEqual(parseUplinkTarget("icmp:2001:db8::1"), {
    kind: "icmp",
    address: "2001:db8::1",
    family: 6,
  });
  assert.deepEqual(parseUplinkTarget("tcp:[2001:db8::1]:443"), {
    kind: "tcp",
    address: "2001:db8::1",
    port: 443,
    family: 6,
  });
  for (
    const text of [
      "tcp:2001:db8::1:443",
      "tcp:[10.0.0.1]:1",
      "tcp:10.0.0.1:0",
      "icmp:x",
      "10.0.0.1",
    ]
  ) {
    assert.equal(parseUplinkTarget(text), undefined, text);
  }
});

/** a has no way out; b says each second that all is well, or that nothing is, and is not ready then. */
function inTurns(nodes: "ab" | "abc", options: GatewayOptions, seconds: number): Snapshot {
  const all = world({ a: "--", b: "++", c: "++" }, options);
  const start = nodes === "abc" ? all : edit(all, { nodes: { c: null }, leases: { c: null } });
  let state = applyPlan(start, decide(start));
  for (let second = 1; second <= seconds; second++) {
    const isWell = second % 2 === 0;
    const said = says(later(state, 1), "b", isWell ? "++" : "--");
    state = edit(said, { nodes: { b: { ready: isWell ? "True" : "False" } } });
    state = applyPlan(state, decide(state));
  }
  return state;
}

for (const pin of [undefined, "b"]) {
  const options = pin === undefined ? {} : { pin };
  const which = pin === undefined ? "the only other node" : "the pinned node";
  Deno.test(`uplink: a holder without a way out goes ever less often to ${which} when that one comes and goes`, () => {
    const state = inTurns("ab", options, 41);
    const { term = 0, activeNodeName, conditions = [] } = state.gateways[0]?.status ?? {};
    assert.ok(term >= 4 && term <= 7, `term ${term}`);
    assert.equal(activeNodeName, "a");

    // It says so while the other one could hold the gateway, and waits no longer once that one is steady.
    const well = edit(says(later(state, 1), "b", "++"), { nodes: { b: { ready: "True" } } });
    const waiting = decide(well);
    assert.equal(gatewayPlan(waiting).activeNodeName, "a");
    const said = gatewayCondition(well, waiting, "Ready");
    assert.equal(said.status, "False", JSON.stringify(conditions));
    assert.match(
      said.message,
      /^a: UplinkDown: Uplink targets .* do not answer this node; the role went back \d+ times in a row shortly before, so b gets it back not before /,
    );
    const known = applyPlan(well, waiting);
    assert.equal(gatewayPlan(decide(later(known, 9))).activeNodeName, "a");
    assert.equal(gatewayPlan(decide(later(known, 10))).activeNodeName, "b");
  });
}

Deno.test("uplink: a node that was well all the time is not waited for", () => {
  const state = inTurns("abc", {}, 9);
  assert.equal(state.gateways[0]?.status.activeNodeName, "c");
  assert.equal(state.gateways[0]?.status.term, 3);
});
