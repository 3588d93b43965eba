import { createHash, timingSafeEqual } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import type { Milliseconds } from "../core/types.ts";

/** Longest time that a token is used without reading its file again, whether or not the file says that it changed. */
const CACHE_MILLISECONDS = 10_000;

/** Says whether an `Authorization` header carries the token. Throws when the token's file cannot be read. */
export type VerifyAuthorization = (header: string | undefined) => Promise<boolean>;

export interface TokenOptions {
  /** Clock, milliseconds; default `Date.now`. */
  readonly now?: () => Milliseconds;
}

/**
 * Compares bearer tokens with the content of a file that may rotate, as a mounted Secret does.
 *
 * The file is read again when its modification time, size or inode changes, and after 10 s in any case. An empty file
 * admits nobody.
 */
export function bearerTokenFromFile(path: string, options: TokenOptions = {}): VerifyAuthorization {
  const now = options.now ?? Date.now;
  let cached:
    | { readonly digest: Uint8Array | null; readonly version: string; readAt: number }
    | undefined;

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

  return async function verifyAuthorization(header) {
    const digest = await expected();
    const given = /^Bearer +(\S+) *$/i.exec(header ?? "")?.[1];
    if (digest === null || given === undefined) return false;
    // Digests have one length, so neither the time taken nor an early return tells anything about the token.
    return timingSafeEqual(sha256(given), digest);
  };
}

function sha256(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
