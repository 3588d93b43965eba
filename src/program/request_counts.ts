/** Counts requests to the API server by their outcome, for a program that does not load a metrics library for that. */
export class RequestCounts {
  readonly #counts = new Map<string, Count>();

  add({ method, status }: Pick<Count, "method" | "status">): void {
    const key = `${method} ${status}`;
    const count = (this.#counts.get(key)?.count ?? 0) + 1;
    this.#counts.set(key, { method, status, count });
  }

  get all(): readonly Count[] {
    return [...this.#counts.values()];
  }
}

interface Count {
  readonly method: string;
  /** 0: no answer. */
  readonly status: number;
  readonly count: number;
}
