/** What the agents of a hundred gateway nodes cost the API server: their renewals, and their watches of gateways. */
import { PATHS } from "../../src/cluster/resources.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createClient } from "../../src/kube/http.ts";
import { Reflector } from "../../src/kube/reflector.ts";
import { pause } from "../lab/wait.ts";
import { eventually } from "../support/raw_api.ts";
import { standInAgents } from "../support/stand_in_agents.ts";
import { nodeName } from "./cluster_objects.ts";
import { cpuMilliseconds } from "./idle_cost.ts";
import { bytes, say, type Table } from "./report.ts";
import type { ScaleCluster } from "./scale_cluster.ts";
import { GATEWAY_NODES } from "./scale_objects.ts";
import { residentRows } from "./scale_resident.ts";
import type { ResidentOptions, ResidentRows } from "./scale_resident.ts";

export const AGENT_HEAD = [
  "what",
  "agents",
  "gateways",
  "requests",
  "received",
  "API server's CPU",
];

/** How long renewals are watched. */
const SECONDS = 30;

export async function agentRows(
  cluster: ScaleCluster,
  options: Omit<ResidentOptions, "agents">,
): Promise<{ readonly rows: Table["rows"]; readonly resident: ResidentRows }> {
  const { gateways } = options;
  const names = GATEWAY_NODES.map(nodeName);
  const about = [String(names.length), String(gateways)];
  const rows: string[][] = [];
  const add = (what: string, ...cells: readonly string[]) => {
    rows.push([what, ...about, ...cells]);
    say(rows.at(-1)?.join(" | ") ?? "");
  };
  const seen = { requests: 0, bytes: 0 };
  const client = createClient(cluster.client.cluster, {
    connections: 24,
    onRequest: ({ path, responseBytes }) => {
      if (!path.startsWith(PATHS.Lease)) return;
      seen.requests++;
      seen.bytes += responseBytes;
    },
  });
  await cluster.reset(gateways, { virtual: true });
  await using agents = standInAgents(client, names);
  await agents.renewed;
  await cluster.settle();
  const { apiServer } = cluster.plane.pids();
  const percent = async (seconds: number) => {
    const [begun, before] = [performance.now(), cpuMilliseconds(apiServer)];
    await pause(seconds * 1_000);
    return (cpuMilliseconds(apiServer) - before) / (performance.now() - begun) * 100;
  };
  const before = { ...seen };
  const busy = await percent(SECONDS);
  const requests = (seen.requests - before.requests) / SECONDS;
  const received = (seen.bytes - before.bytes) / (seen.requests - before.requests);
  add(
    "renewals, each second",
    `${requests.toFixed(0)} a second`,
    `${bytes(Math.round(received))} each`,
    `${busy.toFixed(0)} % of a core`,
  );
  const watches = await watchAll(cluster, names.length);
  add(
    "an agent begins to watch gateways",
    "1 list, 1 watch",
    `${bytes(Math.round(watches.listed / names.length))} each`,
    `${(watches.cpu / names.length).toFixed(0)} ms each`,
  );
  add(
    "a gateway's status changes: its event to all agents",
    "0",
    `${bytes(watches.event)} each`,
    `${watches.eventCpu.toFixed(0)} ms for all`,
  );
  const resident = await residentRows(cluster, { ...options, agents: names.length });
  await client.close();
  return { rows, resident };
}

/** As many watches of gateways as there are agents, and what a change of one gateway costs then. */
async function watchAll({ client, plane }: ScaleCluster, count: number): Promise<{
  readonly listed: number;
  readonly cpu: number;
  readonly event: number;
  readonly eventCpu: number;
}> {
  let received = 0;
  let complete = 0;
  const stop = new AbortController();
  const inner = createClient(client.cluster, { connections: count + 4 });
  const counted: KubeClient = {
    ...inner,
    async request(request) {
      const response = await inner.request(request);
      received += response.bytes;
      return response;
    },
    async stream(request) {
      const chunks = await inner.stream(request);
      return (async function* () {
        for await (const chunk of chunks) {
          received += chunk.length;
          yield chunk;
        }
      })();
    },
  };
  const { apiServer } = plane.pids();
  const begun = cpuMilliseconds(apiServer);
  const following = Array.from({ length: count }, () => {
    let known = false;
    return new Reflector<string>(counted, PATHS.EgressGateway, {
      decode: () => "one",
      keyOf: (text) => text,
      onChange: () => {
        if (!known) complete++;
        known = true;
      },
      signal: stop.signal,
    }).run();
  });
  await eventually("all agents know the gateways", () => complete === count, {
    timeoutMilliseconds: 60_000,
  });
  const listed = received;
  const cpu = cpuMilliseconds(apiServer) - begun;
  await pause(2_000);
  // Ten changes, of an annotation that means nothing.
  const before = { received, cpu: cpuMilliseconds(apiServer) };
  const changes = 10;
  const [gateway] = await plane.api.list(PATHS.EgressGateway);
  for (let change = 0; change < changes; change++) {
    await plane.api.patch(`${PATHS.EgressGateway}/${gateway?.metadata.name}`, {
      metadata: { annotations: { "example.com/change": String(change) } },
    });
    await pause(100);
  }
  await pause(500);
  const event = Math.round((received - before.received) / changes / count);
  const eventCpu = (cpuMilliseconds(apiServer) - before.cpu) / changes;
  stop.abort();
  await Promise.allSettled(following);
  await inner.close();
  return { listed, cpu, event, eventCpu };
}
