/** What the demo shows, as lines of text. Pure. */
import { styleText } from "node:util";
import type { GatewayView, StatusView } from "../http/status_view.ts";
import { printableLine } from "../core/printable.ts";

export interface NodeView {
  readonly name: string;
  /** `on`, `no power`, `Ready`, `NotReady`, … */
  readonly state: string;
  readonly healthy: boolean;
  /** Where in the network it is; empty where unknown. */
  readonly zone: string;
}

export interface DemoView {
  readonly title: string;
  /** Where else to look. */
  readonly hints: readonly string[];
  /** Undefined before the first tick. */
  readonly status: StatusView | undefined;
  readonly nodes: readonly NodeView[];
  /** Oldest first. */
  readonly events: readonly string[];
  /** What happens next by itself; empty: nothing. */
  readonly next: string;
  readonly keys: string;
}

type Style = Parameters<typeof styleText>[0];

/** Decides how text is styled; gives it back as it is where there are no colours. */
export type Paint = (style: Style, text: string) => string;

export const plain: Paint = (_, text) => text;
/** The terminal was looked at before, so that `styleText` must not look again. */
export const coloured: Paint = (style, text) => styleText(style, text, { validateStream: false });

/** All of it, at most `rows` lines: events give way. */
export function renderView(view: DemoView, { paint: given, rows }: {
  readonly paint: Paint;
  readonly rows: number;
}): readonly string[] {
  const { title, hints, status, nodes, events, next, keys } = view;
  const paint: Paint = (style, text) => given(style, printableLine(text));
  const top = [
    paint("bold", title),
    ...hints.map((hint) => paint("dim", hint)),
    "",
    ...gatewayLines(status, paint),
    ...(status?.warnings ?? []).map((warning) => paint("yellow", `Warning: ${warning}`)),
    ...nodeLines(nodes, { status, paint }),
    "",
  ];
  const bottom = [
    "",
    ...(next === "" ? [] : [paint("yellow", next)]),
    ...(keys === "" ? [] : [paint("bold", keys)]),
  ];
  const room = Math.max(1, rows - top.length - bottom.length - 1);
  return [...top, ...events.slice(-room).map((event) => paint("dim", event)), ...bottom];
}

function gatewayLines(status: StatusView | undefined, paint: Paint): readonly string[] {
  if (status === undefined) return ["Waiting for the first tick", ""];
  if (status.gateways.length === 0) return ["There are no gateways", ""];
  return status.gateways.flatMap((gateway) => {
    const { name, source, activeNodeName, standbyNodeNames, phase, term, message } = gateway;
    const style = activeNodeName === null ? "red" : phase === "Active" ? "green" : "yellow";
    return [
      `${paint("bold", name)} (${printableLine(source)})  ${
        paint([style, "bold"], activeNodeName ?? "nobody")
      } ${phase}, term ${term}; standby: ${printableLine(standbyNodeNames.join(", ")) || "none"}`,
      paint("dim", `  ${message}`),
      `  ${lastFailover(gateway)}`,
      "",
    ];
  });
}

/** The last failover in one sentence. */
export function lastFailover({ lastFailover: last }: GatewayView): string {
  if (last === undefined) return "No failover yet";
  const way = last.from === undefined
    ? `First taken by ${last.to}`
    : `Last move: ${last.from} to ${last.to}`;
  if (last.durationMilliseconds === undefined) return printableLine(`${way}, under way`);
  return `${printableLine(way)}, ${last.durationMilliseconds} ms from decision to service`;
}

function nodeLines(
  nodes: readonly NodeView[],
  { status, paint }: { readonly status: StatusView | undefined; readonly paint: Paint },
): readonly string[] {
  const width = Math.max(0, ...nodes.map(({ name }) => name.length));
  return nodes.map(({ name, state, healthy, zone }, index) => {
    const roles = (status?.gateways ?? []).flatMap((gateway) => {
      if (gateway.activeNodeName === name) return [paint("green", `${gateway.name} active`)];
      const standby = printableLine(`${gateway.name} standby`);
      return gateway.standbyNodeNames.includes(name) ? [standby] : [];
    });
    const shown = paint(healthy ? "green" : "red", state.padEnd(11));
    return `${index + 1} ${name.padEnd(width)}  ${zone.padEnd(7)}  ${shown} ${roles.join(", ")}`
      .trimEnd();
  });
}

/** One line for each gateway, for output that cannot be redrawn. */
export function gatewayLine(gateway: GatewayView): string {
  const { name, activeNodeName, phase, term, standbyNodeNames } = gateway;
  const standbys = standbyNodeNames.join(", ") || "none";
  return printableLine(
    `${name}: ${activeNodeName ?? "nobody"}, ${phase}, term ${term}, standby ${standbys}. ${
      lastFailover(gateway)
    }`,
  );
}
