import { createHash, timingSafeEqual } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { messageOf } from "../core/message.ts";
import type { Milliseconds } from "../core/types.ts";
import { TokenUnreadableError, type VerifyToken } from "./verify_token.ts";

/** Longest time that a token is used without reading its file again, whether or not the file says that it changed. */
const CACHE_MILLISECONDS = 10_000;

export interface TokenOptions {
  /** Clock, milliseconds; default `Date.now`. */
  readonly now?: () => Milliseconds;
  /** Told why the file cannot be read, once until that changes. */
  readonly onError?: ((error: Error) => void) | undefined;
}

/**
 * Compares tokens with the content of a file that may rotate, as a mounted Secret does.
 *
 * The file is read again when its modification time, size or inode changes, and after 10 s in any case. An empty file
 * admits nobody.
 */
export function tokenFromFile(path: string, options: TokenOptions = {}): VerifyToken {
  const { now = Date.now, onError = () => {} } = options;
  let cached:
    | { readonly digest: Uint8Array | null; readonly version: string; readAt: number }
    | undefined;
  let told: string | undefined;

  async function expected(): Promise<Uint8Array | null> {
    const { mtimeMs, size, ino } = await stat(path);
    const version = `${mtimeMs} ${size} ${ino}`;
    if (cached?.version === version && now() - cached.readAt < CACHE_MILLISECONDS) {
      return cached.digest;
    }
    const token = (await readFile(path, "utf8")).trim();
    cached = { digest: token === "" ? null : sha256(token), version, readAt: now() };
    return cached.digest;
  }

  async function expectedOrTold(): Promise<Uint8Array | null> {
    try {
      const digest = await expected();
      told = undefined;
      return digest;
    } catch (cause) {
      const message = `Cannot read the token of POST /tick from ${path}: ${messageOf(cause)}`;
      if (message !== told) onError(new Error(message, { cause }));
      told = message;
      throw new TokenUnreadableError(cause);
    }
  }

  return async function verifyToken(token) {
    const digest = await expectedOrTold();
    // Digests have one length, so neither the time taken nor an early return tells anything about the token.
    return digest !== null && timingSafeEqual(sha256(token), digest);
  };
}

function sha256(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
