/**
 * Late answers: what still arrives for connections that the former holder translates.
 *
 * Each of Cilium's agents goes on to send by the former holder until it has taken the new policy: a second later, one family after the
 * other, or when the API server can be reached from there again. The answers come here from the moment of the announcement, where nobody
 * knows these connections; so they are passed on to the former holder, unless that is dead. This has no part in who may speak: passing
 * on ends with the permission, and where it cannot be done those answers are lost, as they were.
 */
import { messageOf } from "../core/message.ts";
import { egressIPsOf, isUnreachable } from "../core/reports.ts";
import { TIMINGS } from "../core/timings.ts";
import type { Gateway } from "../core/types.ts";
import type { AgentView } from "./core/view.ts";
import type { Hands, Passing } from "./hands.ts";

export interface LateAnswersOptions {
  readonly hands: Pick<Hands, "passOn" | "probe">;
  /** It cannot be done, and is not tried again before the next takeover. */
  readonly onRefusal: (message: string) => void;
}

/** Another node that speaks for a VIP of ours. */
interface Holder {
  readonly uid: string;
  readonly node: string;
  readonly term: number;
  /** When it was first heard of. */
  readonly since: number;
  isLookedAt: boolean;
  mac?: string | undefined;
}

type View = Pick<
  AgentView,
  "nodeName" | "now" | "gateways" | "bindings" | "speaking" | "interfaces" | "probes"
>;

export class LateAnswers {
  readonly #options: LateAnswersOptions;
  /** By VIP: the last other node that spoke for it. */
  readonly #holders = new Map<string, Holder>();
  /** VIP -> since when it has been spoken for here. */
  readonly #since = new Map<string, number>();
  /** VIP -> until when the kernel passes its answers on. */
  #until = new Map<string, number>();

  constructor(options: LateAnswersOptions) {
    this.#options = options;
  }

  /** Looks at who holds the VIPs that are bound here, and passes on what belongs to who held those that are spoken for. */
  async follow(view: View): Promise<void> {
    const { passOn } = this.#options.hands;
    if (passOn === undefined) return;
    this.#lookAtHolders(view);
    for (const ip of this.#since.keys()) if (!view.speaking.has(ip)) this.#since.delete(ip);
    for (const ip of view.speaking.keys()) {
      if (!this.#since.has(ip)) this.#since.set(ip, view.now);
    }
    const entries = (view.gateways ?? []).flatMap((gateway) =>
      egressIPsOf(gateway.status).flatMap((ip) => this.#passingOf(ip, { gateway, view }))
    );
    const isNews = entries.length !== this.#until.size ||
      entries.some(({ ip }) => this.#until.get(ip) !== view.speaking.get(ip));
    if (!isNews) return;
    try {
      await passOn(entries);
      this.#until = new Map(entries.map(({ ip }) => [ip, view.speaking.get(ip) ?? 0]));
    } catch (error) {
      for (const { ip } of entries) this.#since.set(ip, -Infinity);
      this.#options.onRefusal(
        `Answers that come late are lost, they cannot be passed on to the former holder: ${
          messageOf(error)
        }`,
      );
    }
  }

  #lookAtHolders({ nodeName, now, gateways = [], bindings, probes }: View): void {
    for (const { uid, status } of gateways) {
      const { activeNodeName: node, phase, term = 0 } = status;
      if (phase !== "Active" || node === undefined || node === nodeName) continue;
      for (const ip of egressIPsOf(status)) {
        const binding = bindings.find((other) => other.uid === uid && other.ip === ip);
        if (binding === undefined) continue;
        const known = this.#holders.get(ip);
        const isKnown = known?.uid === uid && known.term === term && known.node === node;
        const holder = isKnown ? known : { uid, node, term, since: now, isLookedAt: false };
        this.#holders.set(ip, holder);
        // Looks for other owners tell it as well.
        const look = probes.get(ip);
        if (look !== undefined && look.startedAt > holder.since) holder.mac = look.mac;
        if (holder.isLookedAt || now - holder.since < TIMINGS.holderLookMilliseconds) continue;
        holder.isLookedAt = true;
        this.#options.hands.probe(ip, binding.speakOn).then(
          (mac) => holder.mac = mac,
          () => {},
        );
      }
    }
  }

  #passingOf(
    ip: string,
    { gateway, view }: { readonly gateway: Gateway; readonly view: View },
  ): readonly Passing[] {
    const { now, nodeName, bindings, interfaces, speaking } = view;
    const { activeNodeName, candidates = [], lastFailover } = gateway.status;
    const holder = this.#holders.get(ip);
    const binding = bindings.find((other) => other.uid === gateway.uid && other.ip === ip);
    const mac = holder?.mac;
    const milliseconds = Math.floor((speaking.get(ip) ?? now) - now);
    const isOver = now - (this.#since.get(ip) ?? now) >= TIMINGS.lateAnswersMilliseconds;
    const isDead = isUnreachable(lastFailover?.from, candidates);
    const isFormer = activeNodeName === nodeName && holder?.uid === gateway.uid &&
      holder.node === lastFailover?.from;
    if (!isFormer || isDead || isOver || milliseconds < 1) return [];
    if (binding === undefined || mac === undefined) return [];
    const links = interfaces.flatMap(({ name, mac }) =>
      binding.speakOn.includes(name) && mac !== undefined ? [{ name, mac }] : []
    );
    return [{ ip, mac, milliseconds, links }];
  }
}
