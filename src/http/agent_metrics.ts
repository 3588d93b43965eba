/** The agent's metrics. Loaded at the first scrape: an agent that nobody scrapes does without the library. */
import { Counter, Gauge, Registry } from "prom-client";
import type { AgentStatus } from "../agent/agent_status.ts";
import { registerProcessMetrics } from "../metrics/process_metrics.ts";

/** Prometheus text format. All of it is read from the status, so each scrape has a registry of its own. */
export function agentMetrics(status: AgentStatus): Promise<string> {
  const registry = new Registry();
  const registers = [registry];
  registerProcessMetrics(registry, "agent");
  const gauge = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Gauge({ name, help, labelNames: [...labelNames], registers });
  const counter = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Counter({ name, help, labelNames: [...labelNames], registers });

  const speaking = gauge(
    "sallyport_agent_vip_speaking",
    "Virtual IPs that are bound on this node: 1 where it answers and announces, 0 where it is silent",
    ["ip"],
  );
  const bound = gauge(
    "sallyport_agent_vip_bound",
    "1 for each virtual IP that is bound on this node",
    ["ip"],
  );
  for (const ip of status.bound) {
    bound.set({ ip }, 1);
    speaking.set({ ip }, status.speaking.includes(ip) ? 1 : 0);
  }
  const age = gauge(
    "sallyport_agent_heartbeat_age_seconds",
    "Time since the last heartbeat that the API server answered; absent before the first",
  );
  // A gauge without labels begins at 0, which would be a heartbeat just now.
  if (status.renewedAgoMilliseconds === undefined) age.remove();
  else age.set(status.renewedAgoMilliseconds / 1_000);
  gauge("sallyport_agent_unfulfilled_duties", "Virtual IPs that this node is to bind and cannot")
    .set(status.failures.length);
  const targets = gauge(
    "sallyport_agent_uplink_target_up",
    "Uplink targets as this node hears them: 1 where they answer, 0 where they do not",
    ["gateway", "target"],
  );
  for (const { gateway, reached, missing, lost } of status.uplinks) {
    for (const target of [...reached, ...missing]) targets.set({ gateway, target }, 1);
    for (const target of lost) targets.set({ gateway, target }, 0);
  }
  const heartbeats = counter(
    "sallyport_agent_heartbeats_total",
    "Heartbeats that were sent, by whether the API server answered",
    ["result"],
  );
  heartbeats.inc({ result: "success" }, status.renewals);
  heartbeats.inc({ result: "error" }, status.failedRenewals);
  counter("sallyport_agent_announcements_total", "Gratuitous ARP announcements")
    .inc(status.announcements);
  counter("sallyport_agent_probes_total", "Looks for other owners of a virtual IP")
    .inc(status.probes);
  const requests = counter(
    "sallyport_agent_api_requests_total",
    "Requests to the API server by method and status, status 0 for no answer",
    ["method", "status"],
  );
  for (const { method, status: code, count } of status.requests ?? []) {
    requests.inc({ method, status: String(code) }, count);
  }
  return registry.metrics();
}
