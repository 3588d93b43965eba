import { timingSafeEqual } from "hono/utils/buffer";
import type { VerifyAuthorization } from "./token.ts";

/** Compares bearer tokens with one that is given by value, as where there are no files. */
export function bearerTokenOfValue(token: string): VerifyAuthorization {
  return async function verifyAuthorization(header) {
    const given = /^Bearer +(\S+) *$/i.exec(header ?? "")?.[1];
    // Compares digests, so that the time taken tells nothing about the token.
    return given !== undefined && await timingSafeEqual(given, token);
  };
}
