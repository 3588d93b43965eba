/** Notices of moves, where a URL is set. */
import type { Logger } from "./log.ts";
import type { Notifier } from "./notifier.ts";
import type { Settings } from "./settings.ts";

export async function startNotices(
  { noticeURL: url }: Pick<Settings, "noticeURL">,
  logger: Logger,
): Promise<Notifier> {
  if (url === undefined) return { tick: () => {}, close: () => Promise.resolve() };
  const { createNotifier } = await import("./notifier.ts");
  return createNotifier({
    url,
    onFailure: ({ message }) => logger.warn("{message}", { message }),
  });
}
