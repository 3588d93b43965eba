/** One nft that stays: a transaction then costs half a millisecond, not the ten of a process of its own. */

import { type Argv, CommandError, type Commands, type Followed, hostCommands } from "./command.ts";

export interface Nft extends Disposable {
  /**
   * Commits statements as one transaction; resolves when the kernel has them. Transactions are committed in the order in
   * which they are given.
   *
   * @throws CommandError when the kernel refuses them, or nft cannot be run or is stuck
   */
  apply(statements: readonly string[]): Promise<void>;
}

export interface NftOptions {
  readonly commands?: Commands;
  /** Ends nft, and what it was asked for. */
  readonly signal?: AbortSignal;
}

const ARGV: Argv = ["nft", "--interactive", "--echo"];

/** An nft that takes longer is stuck. It is killed, so that it does not do late what it was asked. */
const APPLY_MILLISECONDS = 5_000;

/** What nft echoes once a transaction is committed, and what it complains with; it says nothing else of its own. */
const COMMITTED = /# new generation \d+/;
const REFUSED = /Error: (.*)/;

interface Transaction {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Starts nft with the first transaction, and again with the next one after it has died. */
export function openNft({ commands = hostCommands, signal }: NftOptions = {}): Nft {
  let nft: Followed | undefined;
  let current: Transaction | undefined;
  let last: Promise<void> = Promise.resolve();

  function start(): Followed {
    const started = commands.follow(ARGV, {
      writable: true,
      signal,
      onLine: (line) => COMMITTED.test(line) && current?.resolve(),
      onErrorLine: (line) => {
        const problem = REFUSED.exec(line)?.[1];
        if (problem !== undefined) current?.reject(new CommandError(ARGV, problem));
      },
    });
    const lost = (cause?: unknown) => {
      if (nft !== started) return;
      nft = undefined;
      current?.reject(
        cause instanceof CommandError ? cause : new CommandError(ARGV, "ended by itself"),
      );
    };
    started.ended.then(() => lost(), lost);
    return started;
  }

  function stop(): void {
    nft?.stop();
    nft = undefined;
  }

  async function commit(line: string): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    current = { resolve, reject };
    const timer = setTimeout(() => {
      reject(new CommandError(ARGV, `still running after ${APPLY_MILLISECONDS} ms`));
      stop();
    }, APPLY_MILLISECONDS);
    try {
      nft ??= start();
      nft.write(line);
      await promise;
    } finally {
      clearTimeout(timer);
      current = undefined;
    }
  }

  return {
    apply(statements) {
      if (statements.length === 0) return Promise.resolve();
      const done = last.then(() => commit(`${statements.join("; ")}\n`));
      last = done.catch(() => {});
      return done;
    },
    [Symbol.dispose]: stop,
  };
}
