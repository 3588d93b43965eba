/**
 * Posts a CloudEvent of each move to a URL. Loaded only where one is set.
 *
 * No tick waits for it: notices go into a queue that is emptied beside the work, one after the other, and one that cannot be
 * sent is given up after a few tries.
 */
import { CloudEvent, HTTP } from "cloudevents";
import { noticesOf } from "../controller/notices.ts";
import type { Notice } from "../controller/notices.ts";
import { messageOf } from "../core/message.ts";
import { API_VERSION } from "../core/names.ts";
import { sleep } from "../kube/deadline.ts";

export interface NotifierOptions {
  readonly url: string;
  /** A notice that was given up. */
  readonly onFailure: (error: Error) => void;
  /** Between the tries of one notice. */
  readonly pausesMilliseconds?: readonly number[];
  readonly timeoutMilliseconds?: number;
  /** How long the end of a program waits for what is left. */
  readonly closeMilliseconds?: number;
}

export interface Notifier {
  tick(result: Parameters<typeof noticesOf>[0]): void;
  close(): Promise<void>;
}

/** More wait for nobody: the last move counts, and the gateways' status has the others. */
const MOST_WAITING = 100;

const PAUSES_MILLISECONDS = [1_000, 5_000, 25_000];
const TIMEOUT_MILLISECONDS = 3_000;
const CLOSE_MILLISECONDS = 3_000;

const NOTICE_TYPES = {
  begun: "network.deckhouse.io.egressgateway.move.begun",
  finished: "network.deckhouse.io.egressgateway.move.finished",
} as const satisfies Record<Notice["stage"], string>;

export function createNotifier({
  url,
  onFailure,
  pausesMilliseconds = PAUSES_MILLISECONDS,
  timeoutMilliseconds = TIMEOUT_MILLISECONDS,
  closeMilliseconds = CLOSE_MILLISECONDS,
}: NotifierOptions): Notifier {
  const stop = new AbortController();
  // Its path or query may be what lets one post there.
  const { origin } = new URL(url);
  let waiting: readonly Notice[] = [];
  let working: Promise<void> | undefined;

  const fail = ({ gateway, stage }: Notice, why: string): void =>
    onFailure(
      new Error(`Cannot send notice to ${origin} that a move of ${gateway} has ${stage}: ${why}`),
    );

  async function work(): Promise<void> {
    for (let [notice] = waiting; notice !== undefined; [notice] = waiting) {
      waiting = waiting.slice(1);
      await deliver(notice);
    }
    working = undefined;
  }

  async function deliver(notice: Notice): Promise<void> {
    const { headers, body } = HTTP.structured(eventOf(notice));
    for (const pause of [...pausesMilliseconds, undefined]) {
      const outcome = await post({
        headers: Object.entries(headers).map(([name, value]) => [name, String(value)]),
        body: String(body),
      });
      if (outcome === undefined) return;
      if (outcome.final || pause === undefined || stop.signal.aborted) {
        return fail(notice, outcome.why);
      }
      await sleep(pause, stop.signal).catch(() => {});
    }
  }

  /** Undefined: it was taken. */
  async function post(
    request: { readonly headers: [string, string][]; readonly body: string },
  ): Promise<{ readonly why: string; readonly final: boolean } | undefined> {
    try {
      const response = await fetch(url, {
        method: "POST",
        ...request,
        signal: AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMilliseconds)]),
      });
      await response.body?.cancel();
      if (response.ok) return undefined;
      const { status } = response;
      return {
        why: `it answers ${status}`,
        final: status < 500 && status !== 408 && status !== 429,
      };
    } catch (error) {
      return { why: messageOf(error).replaceAll(url, origin), final: false };
    }
  }

  return {
    tick(result) {
      const all = [...waiting, ...noticesOf(result)];
      for (const lost of all.slice(0, -MOST_WAITING)) fail(lost, "too many wait");
      waiting = all.slice(-MOST_WAITING);
      if (waiting.length > 0) working ??= work();
    },
    async close() {
      const timer = setTimeout(() => stop.abort(), closeMilliseconds);
      await working;
      clearTimeout(timer);
    },
  };
}

/** The same notice has the same id, however often it is sent. */
function eventOf({ gateway, uid, stage, move, egressIPs }: Notice): CloudEvent<unknown> {
  return new CloudEvent({
    id: `${uid}/${move.term}/${stage}`,
    type: NOTICE_TYPES[stage],
    source: `/apis/${API_VERSION}/egressgateways/${encodeURIComponent(gateway)}`,
    subject: gateway,
    time: move.time,
    datacontenttype: "application/json",
    data: { gateway, egressIPs, ...move },
  });
}
