import type { Dispatcher, ProxyAgent } from "undici";

export { Agent } from "undici";

/** `Dispatcher.request`, which undici's index mixes into all dispatchers. */
export function request(
  this: Dispatcher,
  options: Dispatcher.RequestOptions,
): Promise<Dispatcher.ResponseData>;

export function loadProxyAgent(): Promise<typeof ProxyAgent>;
