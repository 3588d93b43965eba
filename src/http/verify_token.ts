/** Triggers that need a token, wherever that comes from. */
import type { MiddlewareHandler } from "hono";
import { bearerAuth } from "hono/bearer-auth";

/**
 * Says whether this is the token.
 *
 * @throws TokenUnreadableError when there is none to compare with
 */
export type VerifyToken = (token: string) => Promise<boolean>;

/** There is no telling who is admitted, so nobody is. The message may be told to anybody; the path is nobody's business. */
export class TokenUnreadableError extends Error {
  override readonly name = "TokenUnreadableError";

  constructor(cause: unknown) {
    super("Cannot tell who may trigger ticks, so nobody may: the controller's log says why", {
      cause,
    });
  }
}

/** Lets through what carries the token; nothing where there is none. */
export function withToken(verifyToken: VerifyToken | undefined): MiddlewareHandler {
  if (verifyToken === undefined) {
    return function refuse(c) {
      const error = "Ticks can be triggered only with a token, and none is configured";
      return Promise.resolve(c.json({ error }, 403));
    };
  }
  const refusal = { message: { error: "Needs the bearer token" } };
  return bearerAuth({
    realm: "sallyport",
    verifyToken,
    noAuthenticationHeader: refusal,
    invalidAuthenticationHeader: refusal,
    invalidToken: refusal,
  });
}
