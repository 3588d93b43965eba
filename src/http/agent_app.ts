/** The agent's health and metrics, for the kubelet's probes and for Prometheus. */
import { type Context, Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { secureHeaders } from "hono/secure-headers";
import type { AgentStatus } from "../agent/agent_status.ts";
import { addressHost, loopbackHost } from "./own_site.ts";

/** A heartbeat that is older than this is stale for a controller with default settings. */
const FRESH_MILLISECONDS = 4_000;

/**
 * - `/healthz`: the process runs
 * - `/startedz`: and a heartbeat has been answered since it runs. This is what makes the pod ready. Not more: after an
 *   outage of the API server all agents' pods would be not ready for some seconds, and gateways would move for nothing;
 *   how fresh a heartbeat is the Lease itself says, better
 * - `/readyz`: the API server is reached, the heartbeat is fresh, the duties are fulfilled; for people and alerts
 */
export function createAgentApp(status: () => AgentStatus): Hono {
  const app = createApp();
  app.use(loopbackHost());
  const answer = (c: Context, problem: string | null) =>
    c.json({ ready: problem === null, problem }, problem === null ? 200 : 503);
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/startedz", (c) => answer(c, startProblem(status())));
  app.get(
    "/readyz",
    (c) => answer(c, startProblem(status()) ?? staleProblem(status()) ?? dutyProblem(status())),
  );
  app.get("/metrics", (c) => answerMetrics(c, status()));
  return app;
}

/**
 * What an agent answers beyond the loopback address: `/metrics` and `/healthz`, to read, and nothing of what it does on the
 * node.
 */
export function createScrapeApp(status: () => AgentStatus): Hono {
  const app = createApp();
  app.use(addressHost());
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/metrics", (c) => answerMetrics(c, status()));
  return app;
}

function createApp(): Hono {
  const app = new Hono();
  app.use(methodNotAllowed({
    app,
    onMethodNotAllowed: (c, allowed) => {
      c.header("Allow", allowed.join(", "));
      return c.json({ error: `${c.req.method} is not allowed on ${c.req.path}` }, 405);
    },
  }));
  app.use(secureHeaders());
  app.notFound((c) => c.json({ error: `No such path: ${c.req.path}` }, 404));
  return app;
}

async function answerMetrics(c: Context, status: AgentStatus): Promise<Response> {
  const { agentMetrics } = await import("./agent_metrics.ts");
  c.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  c.header("Cache-Control", "no-store");
  return c.body(await agentMetrics(status));
}

function startProblem({ dutiesKnown, renewals }: AgentStatus): string | null {
  if (!dutiesKnown) return "The gateways were not read yet";
  return renewals === 0 ? "No heartbeat was answered yet" : null;
}

function staleProblem({ renewedAgoMilliseconds: ago = Infinity }: AgentStatus): string | null {
  return ago > FRESH_MILLISECONDS ? "The heartbeat is not fresh" : null;
}

function dutyProblem({ failures: [failure] }: AgentStatus): string | null {
  return failure === undefined ? null : `A duty is not fulfilled: ${failure}`;
}
