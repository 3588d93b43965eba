/**
 * The agent's decisions: what to bind, for what to speak, what to report.
 *
 * Pure, as the controller's: no clock, no I/O. The loop looks, decides, acts, and looks again.
 */
import { byText } from "../../core/order.ts";
import { egressIPsOf, virtualIPsOf } from "../../core/reports.ts";
import { isInvolved } from "../../core/takeover.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { Gateway, Report, ReportedAddress, ReportedFailure } from "../../core/types.ts";
import {
  claimableTerm,
  hasDuty,
  isDisconnected,
  isWhole,
  knownStranger,
  speechUntil,
  undisputedUntil,
} from "./entitlement.ts";
import { isFirstLookDue, isHarmful, mayBind, strangerAt } from "./first_look.ts";
import { DEFAULT_PACE } from "./pace.ts";
import type { Pace } from "./pace.ts";
import { placementOf } from "./placement.ts";
import type { Placed } from "./placement.ts";
import { nextUplinkNews, reportedUplinks, uplinkProbes } from "./uplinks.ts";
import type { AgentPlan, AgentView, Binding, Grant, Look, Placement } from "./view.ts";

/** Decides what this agent does next. */
export function decide(view: AgentView, pace: Pace = DEFAULT_PACE): AgentPlan {
  const wanted = wantedGateways(view);
  const failures = (view.gateways ?? []).flatMap((gateway) =>
    failuresOf(gateway, { wanted, view })
  );
  const bind = wanted.flatMap((gateway) =>
    virtualIPsOf(gateway).flatMap((ip) => bindingToMake(gateway, { ip, view }))
  );
  const leave = view.leavingAt !== undefined && mayLeave(view, pace);
  const takeBack = view.bindings.filter((binding) => isHarmful(binding, view));
  const unbind = view.bindings.filter((binding) =>
    !takeBack.includes(binding) && isToGo(binding, { wanted, view, leave })
  );
  const stay = view.bindings.filter((binding) =>
    !unbind.includes(binding) && !takeBack.includes(binding)
  );
  const there = stay.filter((binding) => isInKernel(binding, view) && isHeard(binding, view));
  const whole = there.filter((binding) => isWhole(binding, { among: there, view }));
  const speak = whole.flatMap((binding) => {
    const until = speechUntil(binding, view);
    return until === undefined ? [] : [{ binding, until }];
  });
  const due = speak.filter(({ binding }) => isAnnouncementDue(binding.ip, { view, pace }));
  const claims = claimsOf(stay, view);
  return {
    mute: [...view.speaking.keys()].filter((ip) =>
      !whole.some((binding) => binding.ip === ip && hasDuty(binding, view))
    ).sort(byText),
    giveUp: view.bindings.filter((binding) =>
      binding.claimedTerm !== undefined && !hasDuty(binding, view)
    ),
    own: ownedIPs(view, bind),
    bind,
    unbind,
    takeBack,
    speak: speak.map(({ binding, until }) => grantFor(binding, { until, view })),
    announce: due.map(({ binding }) => ({ ip: binding.ip, interfaces: binding.speakOn })),
    probe: [
      ...there.filter((binding) => isProbeDue(binding, { view, pace }))
        .map((binding) => lookFor(binding, view)),
      ...firstLooks(view.gateways ?? [], { wanted, view }),
    ],
    report: view.gateways === undefined ? undefined : reportOf(view, { stay, claims, failures }),
    claims,
    ping: pingTargets(view),
    uplinkProbes: uplinkProbes(view),
    uplinkNewsAt: nextUplinkNews(view),
    mayExit: leave && unbind.length === 0,
    failures: failures.filter((failure) => wanted.some(({ name }) => name === failure.gateway)),
  };
}

/** Gateways whose VIP is to be bound here: this node holds it, hands it over, or stands by. */
function wantedGateways(view: AgentView): readonly Gateway[] {
  return (view.gateways ?? []).filter((gateway) => {
    const { sourceIP } = gateway.spec;
    const { activeNodeName, standbyNodeNames, phase, lastFailover } = gateway.status;
    if (sourceIP.mode !== "VirtualIPAddress") return false;
    if (activeNodeName === view.nodeName) return true;
    const isBound = view.bindings.some(({ uid }) => uid === gateway.uid);
    if (phase === "Preparing" && lastFailover?.from === view.nodeName && isBound) return true;
    return sourceIP.standby === "Bound" && view.leavingAt === undefined &&
      standbyNodeNames?.includes(view.nodeName) === true;
  });
}

/**
 * What the gate must cover: also an address with our mark that is remembered nowhere, since the process that bound it
 * died before it could note that.
 */
function ownedIPs(view: AgentView, bind: AgentPlan["bind"]): readonly string[] {
  const marked = view.interfaces.flatMap(({ addresses }) => addresses.filter(({ ours }) => ours));
  return [...new Set([...view.bindings, ...bind, ...marked].map(({ ip }) => ip))].sort(byText);
}

function placeFor(
  { spec: { sourceIP } }: Gateway,
  { ip, view }: { readonly ip: string; readonly view: AgentView },
): Placed {
  const listed = sourceIP.mode === "VirtualIPAddress" ? sourceIP.interfaces : [];
  return placementOf(ip, { ...view, listed });
}

/**
 * Why a gateway's VIPs cannot be bound here. Told of all gateways, not only of those that want them here: a node that is
 * passed over for a reason must go on giving it, else it would be elected again at once.
 */
function failuresOf(
  gateway: Gateway,
  { wanted, view }: { wanted: readonly Gateway[]; view: AgentView },
): readonly ReportedFailure[] {
  const ips = virtualIPsOf(gateway);
  return ips.flatMap((ip) => {
    const failure = failureOf(gateway, { ip, isWanted: wanted.includes(gateway), view });
    const which = ips.length > 1 ? { ip } : {};
    return failure === undefined ? [] : [{ gateway: gateway.name, ...which, ...failure }];
  });
}

function failureOf(
  gateway: Gateway,
  { ip, isWanted, view }: {
    readonly ip: string;
    readonly isWanted: boolean;
    readonly view: AgentView;
  },
): Pick<ReportedFailure, "reason" | "message"> | undefined {
  const place = placeFor(gateway, { ip, view });
  if ("reason" in place) return { reason: place.reason, message: place.message };
  const stranger = isBoundHere(gateway, { ip, view }) ? undefined : strangerAt(ip, view);
  if (stranger !== undefined) {
    return {
      reason: "AddressConflict",
      message: `Another host (${stranger}) answers for ${ip}; take the address from that host`,
    };
  }
  const failure = view.bindFailures.get(ip);
  if (failure === undefined) return undefined;
  const forgotten = failure.retryAt === undefined
    ? !isWanted && view.now - failure.at >= TIMINGS.bindRetryMilliseconds
    : view.now >= failure.retryAt;
  return forgotten ? undefined : { reason: "BindFailed", message: failure.message };
}

/** A VIP that is not bound yet, or whose address somebody removed, or that is to be spoken for on other interfaces. */
function bindingToMake(
  gateway: Gateway,
  { ip, view }: { readonly ip: string; readonly view: AgentView },
): AgentPlan["bind"] {
  const place = placeFor(gateway, { ip, view });
  if ("reason" in place) return [];
  const binding = view.bindings.find((other) => other.uid === gateway.uid && other.ip === ip);
  if (binding === undefined) {
    // Without the API server nothing new is begun: another node may have taken over.
    if (isDisconnected(view) || view.now < (view.bindFailures.get(ip)?.retryAt ?? -Infinity)) {
      return [];
    }
    if (!mayBind(gateway, { ip, view })) return [];
  }
  const settled = binding !== undefined && isInKernel(binding, view) && samePlace(binding, place);
  return settled ? [] : [{ ...place, gateway: gateway.name, uid: gateway.uid, ip }];
}

/** Looks on the wire for VIPs that are not bound here yet, or could not be. */
function firstLooks(
  gateways: readonly Gateway[],
  { wanted, view }: { readonly wanted: readonly Gateway[]; readonly view: AgentView },
): AgentPlan["probe"] {
  if (isDisconnected(view)) return [];
  const all = gateways.flatMap((gateway) => virtualIPsOf(gateway).map((ip) => ({ gateway, ip })));
  return all.flatMap(({ gateway, ip }) => {
    if (isBoundHere(gateway, { ip, view })) return [];
    const place = placeFor(gateway, { ip, view });
    if ("reason" in place) return [];
    // What was seen is told until it is seen no more, wanted or not.
    const concerns = wanted.includes(gateway)
      ? !mayBind(gateway, { ip, view })
      : strangerAt(ip, view) !== undefined;
    return concerns && isFirstLookDue(ip, view) ? [{ ip, interfaces: place.speakOn }] : [];
  });
}

function isBoundHere(
  { uid }: Gateway,
  { ip, view: { bindings } }: { readonly ip: string; readonly view: AgentView },
): boolean {
  return bindings.some((binding) => binding.uid === uid && binding.ip === ip);
}

function isInKernel({ ip, interface: name }: Binding, { interfaces }: AgentView): boolean {
  return interfaces.some((link) =>
    link.name === name && link.addresses.some((address) => address.ip === ip)
  );
}

/** Without a carrier nobody hears what is said, and who answers for the VIP by the time that it is back is not known. */
function isHeard({ speakOn }: Binding, { interfaces }: AgentView): boolean {
  return speakOn.some((name) => interfaces.some((link) => link.name === name && link.up));
}

/** An address that is bound stays where it is; only where it is spoken for may change without a flap. */
function samePlace(binding: Binding, { speakOn }: Placement): boolean {
  return binding.speakOn.join() === speakOn.join();
}

/** What nobody wants here any more goes; while a gateway is being handed over, everything of it stays. */
function isToGo(
  binding: Binding,
  { wanted, view, leave }: { wanted: readonly Gateway[]; view: AgentView; leave: boolean },
): boolean {
  if (view.gateways === undefined) return false;
  const gateway = view.gateways.find(({ uid }) => uid === binding.uid);
  if (gateway === undefined) return true;
  const { status } = gateway;
  if (leave) return !isInvolved(gateway, view.nodeName);
  if (!wanted.includes(gateway)) return true;
  return ![...virtualIPsOf(gateway), ...egressIPsOf(status)].includes(binding.ip) &&
    status.phase === "Active";
}

/** A leaving agent may go when its gateways have been moved, or when it has waited long enough. */
function mayLeave(view: AgentView, pace: Pace): boolean {
  const waited = view.now - (view.leavingAt ?? view.now);
  const held = (view.gateways ?? []).some((gateway) => isInvolved(gateway, view.nodeName));
  return waited >= pace.leaveMilliseconds || (view.gateways !== undefined && !held);
}

/**
 * The claims that must be acknowledged before the first packet, and stand in the Lease until after the last. One stands for all
 * VIPs of its gateway, so all of them must be there.
 */
function claimsOf(stay: readonly Binding[], view: AgentView): AgentPlan["claims"] {
  const reportable = stay.filter((binding) => isReportable(binding, view));
  return Object.fromEntries(reportable.flatMap((binding) => {
    const term = isWhole(binding, { among: reportable, view })
      ? claimableTerm(binding, view)
      : undefined;
    return term === undefined ? [] : [[binding.uid, term]];
  }));
}

function isAnnouncementDue(ip: string, { view, pace }: { view: AgentView; pace: Pace }): boolean {
  const sent = view.announcements.get(ip);
  if (sent === undefined) return true;
  // Neighbours may have learned the other host's address. Once for each look, so that two hosts make no storm.
  const look = view.probes.get(ip);
  if (look?.mac !== undefined && look.startedAt > sent.lastAt) return true;
  const interval = sent.count < pace.announcements
    ? pace.announceMilliseconds
    : pace.refreshMilliseconds;
  return view.now - sent.lastAt >= interval;
}

function grantFor(
  { ip }: Binding,
  { until, view }: { readonly until: number; readonly view: AgentView },
): Grant {
  const [undisputed, stranger] = [undisputedUntil(view), knownStranger(ip, view)];
  return {
    ip,
    until,
    ...(undisputed === undefined ? {} : { undisputedUntil: undisputed }),
    ...(stranger === undefined ? {} : { stranger }),
  };
}

function lookFor({ ip, speakOn }: Binding, view: AgentView): Look {
  const besides = isDisconnected(view) ? knownStranger(ip, view) : undefined;
  return { ip, interfaces: speakOn, ...(besides === undefined ? {} : { besides }) };
}

function isProbeDue(binding: Binding, { view, pace }: { view: AgentView; pace: Pace }): boolean {
  const probe = view.probes.get(binding.ip);
  if (probe === undefined) return true;
  const cutOff = isDisconnected(view) && binding.claimedTerm !== undefined;
  // The first look after the API server was lost is due at once.
  if (cutOff && probe.startedAt < (view.failedAt ?? 0)) return true;
  return view.now - probe.startedAt >=
    (cutOff ? TIMINGS.disconnectedProbeMilliseconds : pace.probeMilliseconds);
}

function reportOf(
  view: AgentView,
  context: {
    stay: readonly Binding[];
    claims: AgentPlan["claims"];
    failures: readonly ReportedFailure[];
  },
): Report {
  const { stay, claims, failures } = context;
  const addresses = stay.flatMap((binding) => reportedBinding(binding, { claims, view }));
  const ours = new Set(view.bindings.map(({ ip }) => ip));
  return {
    interfaces: view.interfaces.filter(({ name }) => name !== "lo").map((
      { name, up, mac, addresses },
    ) => ({
      name,
      up,
      ...(mac === undefined ? {} : { mac }),
      addresses: addresses.filter((address) => !address.ours && !ours.has(address.ip))
        .map(({ ip, prefixLength }) => `${ip}/${prefixLength}`),
    })),
    ...(view.cilium === undefined ? {} : { cilium: view.cilium }),
    addresses,
    failures,
    uplinks: reportedUplinks(view),
    unreachable: Object.entries(pingTargets(view))
      .filter(([, addresses]) =>
        addresses.length > 0 && addresses.every((ip) => view.unreachable.has(ip))
      )
      .map(([node]) => node).sort(byText),
    heard: heardTerms(view, addresses),
    leaving: view.leavingAt !== undefined,
    ...renewingSince(view),
  };
}

/** Said in advance: a renewal that ends a pause must not pass for one of those before it. */
function renewingSince({ renewal, now }: AgentView): Pick<Report, "renewingSince"> {
  if (renewal === undefined || now - renewal.sentAt > TIMINGS.pauseMilliseconds) {
    return { renewingSince: null };
  }
  return { renewingSince: renewal.since ?? null };
}

/** The node of a gateway's VIPs says that it knows the term also when it has lost them, or never had them. */
function heardTerms(
  { gateways = [], nodeName }: AgentView,
  addresses: readonly ReportedAddress[],
): Readonly<Record<string, number>> {
  const told = gateways.filter((gateway) => {
    const { activeNodeName, lastFailover } = gateway.status;
    return virtualIPsOf(gateway).length > 0 &&
      [activeNodeName, lastFailover?.from].includes(nodeName) &&
      !addresses.some(({ uid }) => uid === gateway.uid);
  });
  return Object.fromEntries(
    told.map(({ uid, status }) => [uid, status.term ?? 0] as const)
      .sort(([a], [b]) => byText(a, b)),
  );
}

/**
 * A VIP is reported, and with it claimed, once it was read back from the kernel and the wire was looked at; at once, when
 * an earlier process left it speaking.
 */
function isReportable(binding: Binding, view: AgentView): boolean {
  return isInKernel(binding, view) &&
    (view.probes.has(binding.ip) || view.speaking.has(binding.ip));
}

function reportedBinding(
  binding: Binding,
  { claims, view }: { readonly claims: AgentPlan["claims"]; readonly view: AgentView },
): readonly ReportedAddress[] {
  const gateway = view.gateways?.find(({ uid }) => uid === binding.uid);
  if (!isReportable(binding, view) || gateway === undefined) return [];
  const mac = view.probes.get(binding.ip)?.mac;
  return [{
    gateway: binding.gateway,
    uid: binding.uid,
    term: gateway.status.term ?? 0,
    ip: binding.ip,
    interface: binding.interface,
    boundAt: binding.boundAt,
    speaking: (binding.uid in claims && claimableTerm(binding, view) !== undefined) ||
      view.speaking.has(binding.ip),
    ...(mac === undefined ? {} : { conflict: mac }),
  }];
}

/** Standbys ping the holder of their gateways. */
function pingTargets(view: AgentView): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    (view.gateways ?? []).filter(({ spec, status }) =>
      spec.failureDetection.peers && status.activeNodeName !== undefined &&
      status.standbyNodeNames?.includes(view.nodeName)
    ).map(({ status }) => [status.activeNodeName ?? "", status.activeNodeAddresses ?? []] as const)
      .sort(([a], [b]) => byText(a, b)),
  );
}
