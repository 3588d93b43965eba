/**
 * The API server's clock to a few milliseconds, from Date headers of whole seconds.
 *
 * An answer with Date `d` that was asked for at local time `sent` and came at `received` was made while the server's
 * clock stood in [d, d + 1000). So its offset from the local monotonic clock is above `d - received` and below
 * `d + 1000 - sent`; the bounds of many answers leave little between them. Shown in durations, never decided from.
 */
export class ServerClock {
  #least = -Infinity;
  #most = Infinity;

  /** Takes in one answer; times in milliseconds, `serverTime` since the epoch, the others of one monotonic clock. */
  observe(serverTime: number, { sent, received }: { sent: number; received: number }): void {
    const [least, most] = [serverTime - received, serverTime + 1_000 - sent];
    if (least > this.#most || most < this.#least) {
      // The server's clock was set, or another server answers.
      [this.#least, this.#most] = [least, most];
      return;
    }
    this.#least = Math.max(this.#least, least);
    this.#most = Math.min(this.#most, most);
  }

  /** The server's time at a local time, milliseconds since the epoch; at the least what the bounds allow. */
  at(local: number): number {
    return Math.round(local + this.#least);
  }
}
