/** A server that ticks on HTTP triggers alone, installed as the guide says, and a caller outside of the cluster. */
import assert from "node:assert/strict";
import { NAMESPACE } from "../../src/core/names.ts";
import type { TickSummary } from "../../src/controller/tick_summary.ts";
import { denoProgram } from "../lab/deno_program.ts";
import { pause, until } from "../lab/wait.ts";
import { settingOf } from "../support/install_guide.ts";
import { renderWith } from "../../src/build/kustomize.ts";
import type { KubeObject } from "../../src/build/kube_object.ts";
import { type KubeletCluster, PAPER, REAL } from "./cluster.ts";
import { elapsed, type World } from "./world.ts";

const SELECTOR = "app.kubernetes.io/component=server";
const DEPLOYMENT = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/sallyport-controller`;

/** With the token the gateway moves; without, or as time goes by, it does not. */
export async function webhook(world: World): Promise<void> {
  const { api, cluster } = world;
  const token = crypto.randomUUID();
  // As `kubectl create secret generic sallyport-token --from-literal=token=…`.
  await api.apply({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "sallyport-token", namespace: NAMESPACE },
    data: { token: btoa(token) },
  });
  const setting = await settingOf("Ticks on HTTP triggers alone");
  await api.apply(await renderWith("overlays/server", setting));
  const pod = await cluster.podReady(NAMESPACE, SELECTOR, { timeoutMilliseconds: 60_000 });
  const post = await callerOf(cluster, "sallyport-controller");

  const holder = await world.holderOf("primary");
  const other = holder === REAL ? PAPER : REAL;
  await world.cordon(holder);
  assert.equal((await post("/tick")).status, 401);
  assert.equal((await post("/tick", `${token}x`)).status, 401);
  await pause(3_000);
  assert.equal(await world.holderOf("primary"), holder);

  const start = performance.now();
  const { status, body } = await post("/tick", token);
  assert.equal(status, 200, JSON.stringify(body));
  const { gateways, changes } = body as TickSummary;
  const moves = gateways.map(({ name, decision, previousNodeName, activeNodeName }) =>
    `${decision} ${name} from ${previousNodeName} to ${activeNodeName}`
  );
  assert.deepEqual(moves, [`Move primary from ${holder} to ${other}`]);
  const written = changes.filter(({ result }) => result === "written");
  assert.deepEqual(
    ["EgressGateway/primary", "CiliumEgressGatewayPolicy/web"].filter((one) =>
      !written.some(({ kind, name }) => `${kind}/${name}` === one)
    ),
    [],
  );
  await world.holds("primary", other);
  await world.ciliumSendsTo(other);
  world.note(`POST /tick to gateway moved: ${elapsed(start)}`);

  await world.cordon(holder, false);
  await api.delete(`${DEPLOYMENT}?propagationPolicy=Foreground`);
  await until("the server's pods to be gone", async () => {
    const pods = await cluster.pods(NAMESPACE, SELECTOR);
    return pods.every(({ metadata }) => metadata.uid !== pod.metadata.uid);
  }, { timeoutMilliseconds: 30_000, everyMilliseconds: 100 });
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** POSTs from the lab's client, which is in no pod and on no node, to a Service. */
async function callerOf(
  cluster: KubeletCluster,
  service: string,
): Promise<(path: string, token?: string) => Promise<Answer>> {
  const { ip, port } = await serveService(cluster, service);
  const { client } = cluster.lab;
  await client.run(["ip", "route", "replace", ip, "via", cluster.lab.node("a").publicIP]);
  return async (path, token) => {
    const authorization = token === undefined ? [] : [`Bearer ${token}`];
    const url = `http://${ip}:${port}${path}`;
    const [program = "", ...args] = denoProgram("http_post.ts", [url, ...authorization]);
    return JSON.parse(await client.run([program, ...args]));
  };
}

interface Service extends KubeObject {
  readonly spec: {
    readonly clusterIP: string;
    readonly ports: readonly [{ readonly port: number }];
  };
}

interface EndpointSlice extends KubeObject {
  readonly ports: readonly [{ readonly port: number }];
  readonly endpoints: readonly {
    readonly addresses: readonly [string];
    readonly conditions: { readonly ready: boolean };
  }[];
}

/** Does on the node what kube-proxy does for a Service with one ready pod. */
async function serveService(
  { plane: { api }, lab }: KubeletCluster,
  name: string,
): Promise<{ readonly ip: string; readonly port: number }> {
  const { spec: { clusterIP: ip, ports: [{ port }] } } = await api.get<Service>(
    `/api/v1/namespaces/${NAMESPACE}/services/${name}`,
  );
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices` +
    `?labelSelector=kubernetes.io/service-name%3D${name}`;
  const target = await until(`Service '${name}' to have a ready pod`, async () => {
    const [slice] = await api.list<EndpointSlice>(slices);
    const ready = slice?.endpoints.find(({ conditions }) => conditions.ready);
    return ready && `${ready.addresses[0]}:${slice?.ports[0].port}`;
  });
  await lab.node("a").host.run(
    ["nft", "-f", "-"],
    `table ip test_${name.replaceAll("-", "_")} {
       chain prerouting {
         type nat hook prerouting priority dstnat;
         ip daddr ${ip} tcp dport ${port} dnat to ${target}
       }
     }`,
  );
  return { ip, port };
}
