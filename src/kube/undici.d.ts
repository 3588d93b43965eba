import type { Dispatcher } from "undici";

export { Agent } from "undici";

/** `Dispatcher.request`, which undici's index mixes into all dispatchers. */
export function request(
  this: Dispatcher,
  options: Dispatcher.RequestOptions,
): Promise<Dispatcher.ResponseData>;
