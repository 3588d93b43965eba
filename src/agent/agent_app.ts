/** The agent's health and metrics, for the kubelet's probes and for Prometheus. */
import { Hono } from "hono";
import type { AgentStatus } from "./agent.ts";

/** A heartbeat that is older than this is stale for a controller with default settings. */
const FRESH_MILLISECONDS = 4_000;

/** Ready means: the API server is reached, the heartbeat is fresh, the duties are fulfilled. */
export function createAgentApp(status: () => AgentStatus): Hono {
  const app = new Hono();
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/readyz", (c) => {
    const problem = problemOf(status());
    return c.json({ ready: problem === null, problem }, problem === null ? 200 : 503);
  });
  app.get("/metrics", (c) => c.text(metricsOf(status())));
  return app;
}

function problemOf(
  { dutiesKnown, renewedAgoMilliseconds: ago, failures }: AgentStatus,
): string | null {
  if (!dutiesKnown) return "The gateways were not read yet";
  if (ago === undefined || ago > FRESH_MILLISECONDS) return "The heartbeat is not fresh";
  const [failure] = failures;
  return failure === undefined ? null : `A duty is not fulfilled: ${failure}`;
}

function metricsOf(
  { bound, speaking, announcements, renewals, failedRenewals }: AgentStatus,
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
