/** A request in the words of HTTP. */
import type { Dispatcher } from "undici";
import type { KubeRequest } from "./client.ts";

/** What stays the same when a request is sent again. */
export interface Message {
  readonly server: URL;
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  /** With its `?`, or empty. */
  readonly search: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What a request is in HTTP. */
export function httpMessage(
  { method, path, query = {}, body, contentType = "application/json", headers }: KubeRequest,
  { server, userAgent }: { readonly server: URL; readonly userAgent: string },
): Message {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]]
  );
  return {
    server,
    method,
    path,
    search: given.length === 0 ? "" : `?${new URLSearchParams(given)}`,
    headers: {
      accept: "application/json",
      "user-agent": userAgent,
      ...(body === undefined ? {} : { "content-type": contentType }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}
