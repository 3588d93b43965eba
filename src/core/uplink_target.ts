/** What a candidate must reach, as a gateway's spec names it. */
import { isIP } from "./ip_family.ts";
import type { Family } from "./ip_family.ts";

export interface UplinkTarget {
  readonly kind: "icmp" | "tcp" | "arp";
  readonly address: string;
  readonly family: Family;
  /** Of `tcp` alone. */
  readonly port?: number;
}

/** Undefined for a text that is none; the CRD says why. */
export function parseUplinkTarget(text: string): UplinkTarget | undefined {
  const [, kind, rest = ""] = /^(icmp|tcp|arp):(.*)$/.exec(text) ?? [];
  if (kind === "icmp" || kind === "arp") return targetAt(rest, { kind });
  if (kind !== "tcp") return undefined;
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(rest) ?? [];
  const port = Number(digits);
  if (digits === undefined || port < 1 || port > 65_535) return undefined;
  const target = targetAt(bracketed ?? plain ?? "", { kind, port });
  return target?.family === (bracketed === undefined ? 4 : 6) ? target : undefined;
}

function targetAt(
  address: string,
  rest: Pick<UplinkTarget, "kind" | "port">,
): UplinkTarget | undefined {
  const family = isIP(address);
  return family === 0 ? undefined : { ...rest, address, family };
}
