/**
 * Which uplink targets this node asks, and what it reports of them. Pure.
 *
 * A target is judged by the time since its last answer, not by packets: an answer that is late by less than the intervals that
 * remain is an answer, and a link with a constant delay is as good as one without.
 */
import { familyName, isIP } from "../../core/ip_family.ts";
import { byText } from "../../core/order.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { Gateway, ReportedUplink, Uplink } from "../../core/types.ts";
import { parseUplinkTarget } from "../../core/uplink_target.ts";
import type { UplinkTarget } from "../../core/uplink_target.ts";
import { placementOf } from "./placement.ts";
import type { AgentView, HostInterface, UplinkAnswers, UplinkProbe } from "./view.ts";

/** Of one target of one gateway. */
interface Asked {
  readonly target: string;
  /** How it is asked, or why it is not. */
  readonly how: UplinkProbe | { readonly problem: string };
}

/** What two gateways that ask alike have in common. */
export function uplinkKey(probe: UplinkProbe): string {
  const { kind, address, port = 0, interface: name, source = "", intervalMilliseconds } = probe;
  return [kind, address, port, name, source, intervalMilliseconds].join(" ");
}

/** Every target once, in a settled order. */
export function uplinkProbes(view: AgentView): readonly UplinkProbe[] {
  const probes = new Map<string, UplinkProbe>();
  for (const [gateway, uplink] of watched(view)) {
    for (const { how } of askedOf(gateway, { uplink, view })) {
      if (!("problem" in how)) probes.set(uplinkKey(how), how);
    }
  }
  return [...probes].sort(([a], [b]) => byText(a, b)).map(([, probe]) => probe);
}

/** What is known of the targets, by gateway. */
export function reportedUplinks(view: AgentView): readonly ReportedUplink[] {
  return watched(view).map(([gateway, uplink]): ReportedUplink => {
    const asked = askedOf(gateway, { uplink, view });
    const in_ = (state: State) =>
      asked.filter(({ how }) => stateOf(how, { uplink, view }) === state)
        .map(({ target }) => target);
    const problem = asked.map(({ how }) => problemOf(how, view)).find((each) => each);
    return {
      gateway: gateway.name,
      uid: gateway.uid,
      reached: in_("reached"),
      missing: in_("missing"),
      lost: in_("lost"),
      ...(problem === undefined ? {} : { problem }),
    };
  });
}

/** When the next target that is heard now is missing, or one that is missing is lost, unless it answers. */
export function nextUplinkNews(view: AgentView): number | undefined {
  const times = watched(view).flatMap(([gateway, uplink]) =>
    askedOf(gateway, { uplink, view }).flatMap(({ how }) => {
      const known = "problem" in how ? undefined : view.uplinks.get(uplinkKey(how));
      if (known === undefined) return [];
      const { missing, lost } = patience(uplink);
      return [known.heardAt + missing, known.heardAt + lost, settledAt(known, uplink)]
        .filter((at) => at > view.now);
    })
  );
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Gateways that this node is a candidate of, as far as their status says it. */
function watched({ gateways = [], nodeName }: AgentView): readonly (readonly [Gateway, Uplink])[] {
  return gateways.flatMap((gateway) => {
    const { spec: { failureDetection: { uplink } }, status: { activeNodeName, candidates } } =
      gateway;
    const concerned = activeNodeName === nodeName ||
      candidates?.some(({ node }) => node === nodeName) === true;
    return uplink === undefined || !concerned ? [] : [[gateway, uplink] as const];
  }).sort(([a], [b]) => byText(a.name, b.name));
}

type State = "unknown" | "reached" | "missing" | "lost";

function stateOf(
  how: Asked["how"],
  { uplink, view }: { readonly uplink: Uplink; readonly view: AgentView },
): State {
  const known = "problem" in how ? undefined : view.uplinks.get(uplinkKey(how));
  if (known === undefined || known.problem !== undefined) return "unknown";
  const silent = view.now - known.heardAt;
  const { missing, lost } = patience(uplink);
  if (silent >= lost) return "lost";
  if (!known.answered) return "unknown";
  return silent >= missing || view.now < settledAt(known, uplink) ? "missing" : "reached";
}

/** Milliseconds without an answer after which a target is missing, and lost. */
function patience({ intervalMilliseconds, failures }: Uplink) {
  const grace = TIMINGS.uplinkGraceMilliseconds;
  return {
    // By half an interval sooner than others can call it lost: those are the first to know of a target that dies.
    missing: Math.max(failures - 1.5, 1.2) * intervalMilliseconds + grace,
    lost: failures * intervalMilliseconds + grace,
  };
}

/**
 * A target that is back is heard by one node up to an interval sooner than by another; the first ones do not say so before the
 * last ones have heard it, or those would be the only ones who lost it.
 */
function settledAt(
  { backAt = -Infinity }: UplinkAnswers,
  { intervalMilliseconds }: Uplink,
): number {
  return backAt + 1.5 * intervalMilliseconds + TIMINGS.uplinkGraceMilliseconds;
}

function problemOf(how: Asked["how"], view: AgentView): string | undefined {
  return "problem" in how ? how.problem : view.uplinks.get(uplinkKey(how))?.problem;
}

function askedOf(
  gateway: Gateway,
  { uplink, view }: { readonly uplink: Uplink; readonly view: AgentView },
): readonly Asked[] {
  const link = interfaceFor(gateway, { uplink, view });
  return uplink.targets.flatMap((text): readonly Asked[] => {
    const target = parseUplinkTarget(text);
    if (target === undefined) return [];
    return [{
      target: text,
      how: typeof link === "string"
        ? { problem: link }
        : probeBy(link, { target, view, intervalMilliseconds: uplink.intervalMilliseconds }),
    }];
  });
}

function probeBy(
  link: HostInterface,
  { target, view, intervalMilliseconds }: {
    readonly target: UplinkTarget;
    readonly view: AgentView;
    readonly intervalMilliseconds: number;
  },
): Asked["how"] {
  const probe = { ...target, interface: link.name, intervalMilliseconds };
  if (isLinkLocal(target.address)) return probe;
  const own = new Set(view.bindings.map(({ ip }) => ip));
  const source = link.addresses.find(({ ip, ours }) =>
    !ours && !own.has(ip) && isIP(ip) === target.family && !isLinkLocal(ip)
  );
  // A node's own address: a standby is silent for the gateway's.
  return source === undefined
    ? {
      problem: `the node has no ${familyName(target.family)} address of its own on '${link.name}'`,
    }
    : { ...probe, source: source.ip };
}

/** The interface that the gateway's traffic leaves by; a text: why there is none. */
function interfaceFor(
  { spec: { sourceIP } }: Gateway,
  { uplink, view }: { readonly uplink: Uplink; readonly view: AgentView },
): HostInterface | string {
  const named = (name: string) =>
    view.interfaces.find((link) => link.name === name) ?? `interface '${name}' is not on the node`;
  if (uplink.interface !== undefined) return named(uplink.interface);
  if (sourceIP.mode !== "VirtualIPAddress") return named(sourceIP.interfaceName);
  const [ip = ""] = sourceIP.ips;
  const place = placementOf(ip, { ...view, listed: sourceIP.interfaces });
  if ("reason" in place) return place.message;
  return named(place.interface === "lo" ? place.speakOn[0] ?? "lo" : place.interface);
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(address);
}
