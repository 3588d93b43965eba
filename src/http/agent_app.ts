/** The agent's health and metrics, for the kubelet's probes and for Prometheus. */
import { type Context, Hono } from "hono";
import type { AgentStatus } from "../agent/agent_status.ts";

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
  const app = new Hono();
  const answer = (c: Context, problem: string | null) =>
    c.json({ ready: problem === null, problem }, problem === null ? 200 : 503);
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/startedz", (c) => answer(c, startProblem(status())));
  app.get(
    "/readyz",
    (c) => answer(c, startProblem(status()) ?? staleProblem(status()) ?? dutyProblem(status())),
  );
  app.get("/metrics", (c) => c.text(metricsOf(status())));
  return app;
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

function metricsOf(
  { bound, speaking, announcements, probes, renewals, failedRenewals }: AgentStatus,
): string {
  const metrics = [
    [
      "sallyport_agent_bound_addresses",
      "gauge",
      "Virtual IPs that are bound on this node",
      bound.length,
    ],
    [
      "sallyport_agent_speaking_addresses",
      "gauge",
      "Virtual IPs that this node speaks for",
      speaking.length,
    ],
    [
      "sallyport_agent_announcements_total",
      "counter",
      "Gratuitous ARP announcements",
      announcements,
    ],
    ["sallyport_agent_probes_total", "counter", "Looks for other owners of a virtual IP", probes],
    [
      "sallyport_agent_renewals_total",
      "counter",
      "Heartbeats that the API server answered",
      renewals,
    ],
    ["sallyport_agent_failed_renewals_total", "counter", "Heartbeats that failed", failedRenewals],
  ] as const;
  return metrics.map(([name, type, help, value]) =>
    `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`
  )
    .join("");
}
