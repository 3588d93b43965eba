import type { RawApi } from "./raw_api.ts";

/** Writes of statuses of our kinds since the API server's start, as it counts them itself. */
export async function statusWrites(api: RawApi): Promise<number> {
  const { body } = await api.request({ path: "/metrics", accept: "text/plain" });
  const lines = String(body).split("\n").filter((line) =>
    line.startsWith("apiserver_request_total{") && line.includes('group="network.deckhouse.io"') &&
    line.includes('subresource="status"') && !line.includes('code="409"')
  );
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
