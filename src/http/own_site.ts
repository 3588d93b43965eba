/** Who may talk to a server on the loopback address: this machine's programs, and no page that a browser has from elsewhere. */
import type { MiddlewareHandler } from "hono";
import { isIP } from "../core/ip_family.ts";
import { isLoopback } from "./listen_address.ts";

/**
 * Refuses a request whose Host header names another machine. A page may have its own name resolve to the loopback address
 * (DNS rebinding); what it asks for then is of its own origin, and only this header tells.
 */
export function loopbackHost(): MiddlewareHandler {
  return async function requireLoopbackHost(c, next) {
    const { hostname } = new URL(c.req.url);
    if (isLoopback(hostname)) return await next();
    return c.json({
      error: `This server answers for the loopback address only, not for '${hostname}'`,
    }, 403);
  };
}

/**
 * Refuses a request whose Host header is a name. Prometheus scrapes an address; a page whose name was made to resolve to one (DNS
 * rebinding) says its name.
 */
export function addressHost(): MiddlewareHandler {
  return async function requireAddressHost(c, next) {
    const { hostname } = new URL(c.req.url);
    if (isIP(hostname.replace(/^\[(.*)\]$/, "$1")) !== 0) return await next();
    return c.json(
      { error: `This server answers for its address only, not for '${hostname}'` },
      403,
    );
  };
}

/** Refuses what a browser sends for a page of another site. Programs send neither of these headers. */
export function sameSite(): MiddlewareHandler {
  return async function requireSameSite(c, next) {
    const site = c.req.header("Sec-Fetch-Site") ?? "none";
    const origin = c.req.header("Origin");
    const own = origin === undefined || origin === new URL(c.req.url).origin;
    if (own && ["same-origin", "none"].includes(site)) return await next();
    return c.json({ error: "Nothing here is for pages of other sites" }, 403);
  };
}
