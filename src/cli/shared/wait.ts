/** Waiting for a controller to do what was asked, and telling of it. */
import type { Controllers } from "../../core/controllers.ts";
import type { Gateway } from "../../core/types.ts";
import { readControllers } from "../../cluster/read_controllers.ts";
import { readStatuses } from "../../cluster/read_statuses.ts";
import type { KubeClient } from "../../kube/client.ts";
import { sleep } from "../../kube/deadline.ts";
import { complain, say } from "./terminal.ts";

const LOOK_MILLISECONDS = 200;

export interface Waiting {
  readonly timeoutMilliseconds: number;
  readonly signal: AbortSignal;
}

/**
 * Looks at the gateways until a question is answered; each answer that differs from the one before is said.
 *
 * @param look what there is to say, and whether that is the end
 * @returns false when the time was over
 */
export async function waitFor(
  client: KubeClient,
  { timeoutMilliseconds, signal }: Waiting,
  look: (
    gateways: readonly Gateway[],
  ) => { readonly done: boolean; readonly says: readonly string[] },
): Promise<boolean> {
  const deadline = performance.now() + timeoutMilliseconds;
  let said: readonly string[] = [];
  while (true) {
    const { gateways } = await readStatuses(client, { signal });
    const { done, says } = look(gateways);
    says.filter((sentence) => !said.includes(sentence)).forEach(say);
    said = says;
    if (done) return true;
    if (performance.now() > deadline) return false;
    await sleep(LOOK_MILLISECONDS, signal);
  }
}

/** Says on standard error whether there is a controller that will act, and when one last did. */
export async function tellControllers(client: KubeClient): Promise<Controllers> {
  const controllers = await readControllers(client, await readStatuses(client));
  const { state, message } = controllers;
  complain(
    state === "Working"
      ? `Controllers: ${message}.`
      : `Warning: ${message}. Nothing is done unless one runs${
        state === "Unknown" ? " elsewhere" : ""
      }.`,
  );
  return controllers;
}

/** How a gateway is on its way. */
export function progressOf({ name, status }: Gateway): string {
  const { activeNodeName, phase = "Idle", term = 0, conditions } = status;
  const ready = conditions?.find(({ type }) => type === "Ready");
  const why = ready === undefined || ready.status === "True" ? "" : `: ${ready.message}`;
  return `${name}: ${activeNodeName ?? "nobody"}, ${phase}, term ${term}${why}`;
}
