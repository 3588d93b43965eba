/** The way between a machine and the API server, with all that can happen on it. */
import type { KubeRequest } from "../../src/kube/client.ts";
import type { Answer, ApiServer, Caller } from "./api_server.ts";
import type { VirtualTime } from "./virtual_time.ts";

/**
 * How long after the end of a fault an agent may not have noticed: an attempt that was sent into the fault hangs for
 * 600 ms, or after a refusal the next one is 1 s away; then one more exchange, and the kernel is told.
 */
const GRACE_MILLISECONDS = 1_600;

export class Link {
  /** Requests get to the server. */
  requests = true;
  /** Answers and watch events come back. */
  answers = true;
  /** Of ten messages so many are late, by up to `lateMilliseconds`. */
  late = 0;
  lateMilliseconds = 3_000;
  /** Watch events come late, by so many milliseconds, as from an API server whose watch cache lags. */
  watchLag = 0;
  /** One way, milliseconds: from, to. */
  delay: readonly [number, number] = [1, 20];
  onHeal: (() => void)[] = [];
  /** Which of the API servers answers. */
  replica = 0;
  /** When a write arrived that a later one had overtaken. */
  overtakenAt = -Infinity;
  #writesSent = 0;
  #lastWrite = 0;
  /** Watches stand still: what is sent meanwhile comes when they go on. */
  #stalled = false;
  readonly #time: VirtualTime;
  readonly #server: ApiServer;
  readonly #identity: "agent" | "controller";
  readonly #held: (() => void)[] = [];
  #holding = false;
  #impairedAt = -Infinity;

  constructor(
    { time, server, identity = "controller" }: {
      readonly time: VirtualTime;
      readonly server: ApiServer;
      readonly identity?: "agent" | "controller";
    },
  ) {
    this.#time = time;
    this.#server = server;
    this.#identity = identity;
  }

  get isUp(): boolean {
    return this.requests && this.answers && this.#server.up;
  }

  /** Tells whether a request now, or until a moment ago, might have got no answer in time. */
  get isImpaired(): boolean {
    return !this.isUp || this.#time.now - this.#impairedAt < GRACE_MILLISECONDS;
  }

  /** A request got no answer in time. */
  noteFailure(): void {
    this.#impairedAt = this.#time.now;
  }

  cut(which: { readonly requests: boolean; readonly answers: boolean }): void {
    this.#impairedAt = this.#time.now;
    if (which.requests) this.requests = false;
    if (which.answers) this.answers = false;
  }

  heal(): void {
    if (!this.isUp) this.#impairedAt = this.#time.now;
    this.requests = true;
    this.answers = true;
    this.#goOn();
  }

  /** Watches are stopped, though their connections stand, or go on with all that they missed. */
  stall(stalled: boolean): void {
    this.#stalled = stalled;
    if (!stalled) this.#goOn();
  }

  #goOn(): void {
    if (this.answers && !this.#stalled) { for (const tell of this.onHeal.splice(0)) tell(); }
  }

  /** Keeps a node excused that could not yet notice the end of a fault: its agent is frozen, or has just started. */
  prolong(): void {
    if (this.isImpaired) this.#impairedAt = this.#time.now;
  }

  /** Holds the next write up on its way; whoever sent it gives up on it and sends it again. */
  holdWrite(): void {
    this.#holding = true;
  }

  /** What was held up arrives after all. */
  release(): void {
    for (const arrive of this.#held.splice(0)) this.#time.after(0, arrive);
  }

  /** Carries one request and its answer; a lost one is never heard of again. */
  exchange(request: KubeRequest, receive: (answer: Answer | "refused") => void): void {
    const back = (answer: Answer | "refused") => {
      this.#time.after(this.#travel(), () => {
        if (this.answers) receive(answer);
        else this.noteFailure();
      });
    };
    const order = request.method === "GET" ? Infinity : ++this.#writesSent;
    const arrive = () => {
      if (!this.requests) return this.noteFailure();
      if (order < this.#lastWrite) this.overtakenAt = this.#time.now;
      else if (order < Infinity) this.#lastWrite = order;
      back(this.#server.up ? this.#server.handle(request, this.#caller) : "refused");
    };
    if (this.#holding && request.method === "PATCH") {
      this.#holding = false;
      this.#held.push(arrive);
    } else this.#time.after(this.#travel(), arrive);
  }

  /** When a watch event arrives that is sent now; later ones never overtake it. */
  deliver(event: () => void): void {
    this.#time.after(this.watchLag + this.#travel(), () => {
      if (this.answers && !this.#stalled) event();
      else this.onHeal.push(event);
    });
  }

  get #caller(): Caller {
    return { identity: this.#identity, replica: this.replica };
  }

  #travel(): number {
    const [least, most] = this.delay;
    const delay = this.#time.between(least, most);
    const isLate = this.late > 0 && this.#time.random() * 10 < this.late;
    return isLate ? delay + this.#time.between(0, this.lateMilliseconds) : delay;
  }
}
