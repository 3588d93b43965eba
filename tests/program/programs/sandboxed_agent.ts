/**
 * Program: starts the real agent as a node of the demo's cluster, in the network namespace that it is run in, once for each
 * permission without it and once with all; prints as JSON what came of it.
 */
import { createServer } from "node:http";
import { PATHS } from "../../../src/cluster/resources.ts";
import { settle } from "../../../src/controller/run_ticks.ts";
import { mergePatch } from "../../../src/kube/patch.ts";
import { startDemoCluster } from "../../../src/demo/demo_cluster.ts";
import { permissionsOf, type Start, startFunction } from "../sandbox.ts";

const NODE = "egress-1";
const HEALTHZ_PORT = 9_870;
const AGENT_PORT = 9_871;
const LIMIT_MILLISECONDS = 15_000;

export interface Outcome {
  readonly works: boolean;
  readonly log: string;
  /** Which one it had to do without; null: none. */
  readonly lacking: string | null;
}

/** The agent works when it holds the virtual IP and says nothing of missing permissions. */
async function outcomeWithout(lacking: string | null): Promise<Outcome> {
  await command("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "wire");
  await command("ip", "link", "set", "wire", "up");
  await command("ip", "address", "add", "172.18.18.11/24", "dev", "eth1");
  await command("ip", "link", "set", "eth1", "up");
  await command("ip", "address", "add", "fd18::11/64", "dev", "eth1", "nodad");
  const folder = await Deno.makeTempDir({ prefix: "sallyport-sandbox-" });
  await using cluster = await startDemoCluster({ onEvent: () => {} });
  // One address of each family, so that each of the agent's programs is needed.
  await mergePatch(cluster.client, `${PATHS.EgressGateway}/payments`, {
    fieldManager: "test",
    body: {
      spec: { sourceIP: { virtualIPAddress: { ip: null, ips: ["172.18.18.250", "fd18::250"] } } },
    },
  });
  // What is simulated of this node's agent makes room; the other node of the preferred zone is gone.
  await cluster.nodes[0]?.stop();
  cluster.nodes[1]?.fail();
  const start: Start = {
    name: "agent",
    server: cluster.client.cluster.server,
    variables: {
      SALLYPORT_KUBECONFIG: cluster.kubeconfig,
      SALLYPORT_NODE_NAME: NODE,
      SALLYPORT_STATE_DIRECTORY: `${folder}/state`,
      SALLYPORT_AGENT_PORT: String(AGENT_PORT),
      SALLYPORT_CILIUM_HEALTHZ: `http://127.0.0.1:${HEALTHZ_PORT}/healthz`,
    },
  };
  const all = await permissionsOf(start);
  const values: Readonly<Record<string, string>> = {
    "the kubeconfig": cluster.kubeconfig,
  };
  const spared = all.filter(({ flag, value }) => {
    if (lacking === null) return false;
    // What it remembers is read by the next agent only.
    if (lacking === "the state") return flag === "--allow-write";
    return value === (values[lacking] ?? lacking);
  });
  if (spared.length !== (lacking === null ? 0 : 1)) throw new Error(`Cannot spare '${lacking}'`);
  const child = startFunction(start, all.filter((each) => !spared.includes(each)));
  let log = "";
  let ended = false;
  const reading = (async () => {
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) log += chunk;
    ended = true;
  })();
  const drained = child.stdout.cancel();
  const holds = async () => {
    await settle(cluster.client, { onTick: () => {}, onError: () => {} }).catch(() => {});
    const { body } = await cluster.client.request({
      method: "GET",
      path: `${PATHS.EgressGateway}/payments`,
    });
    const { status } = body as { status?: { activeNodeName?: string; phase?: string } };
    return status?.activeNodeName === NODE && status.phase === "Active" && (await probe() === 200);
  };
  const deadline = performance.now() + LIMIT_MILLISECONDS;
  let works = false;
  // The first ticks must not give the gateway to another node as this one's agent is just starting.
  while (await probe() !== 200 && !over()) await pause(100);
  await pause(1_500);
  while (!works && !over()) {
    works = await holds();
    await pause(200);
  }
  // Peers are pinged and neighbours told once it holds.
  if (works) await pause(1_500);
  if (!ended) child.kill("SIGKILL");
  await Promise.all([reading, drained, child.status]);
  await command("ip", "link", "delete", "eth1");
  await command("nft", "flush", "ruleset");
  await Deno.remove(folder, { recursive: true });
  return { works: works && !complains(), log, lacking };

  function complains(): boolean {
    return /Requires \w+ access|NotCapable/.test(log);
  }
  function over(): boolean {
    return ended || complains() || performance.now() > deadline;
  }
}

async function probe(): Promise<number> {
  try {
    const response = await fetch(`http://127.0.0.1:${AGENT_PORT}/healthz`);
    await response.body?.cancel();
    return response.status;
  } catch {
    return 0;
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function command(program: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  if (!success) throw new Error(`Cannot run ${program}: ${new TextDecoder().decode(stderr)}`);
}

if (import.meta.main) {
  const cases = JSON.parse(Deno.args[0] ?? "[]") as readonly (string | null)[];
  await command("ip", "link", "set", "lo", "up");
  // Not by Deno.serve, as the adapter that the demo serves with puts its own Response in the place of Deno's.
  const healthz = createServer((_, response) => void response.end("ok"));
  healthz.listen(HEALTHZ_PORT, "127.0.0.1");
  const outcomes: Outcome[] = [];
  for (const lacking of cases) outcomes.push(await outcomeWithout(lacking));
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(outcomes)));
  Deno.exit(0);
}
