/**
 * The expression language of `x-kubernetes-validations` with the functions that Kubernetes adds to it, as far as they
 * are wanted: addresses, formats of names, and the strings that the library lacks. An expression that uses another one
 * fails to compile, which a test sees. Patterns are JavaScript's here and RE2's there: write those that mean the same in
 * both, so [ \\t] for \\s.
 */
import { Environment, Optional } from "@marcbachmann/cel-js";
import { CIDR, IP, parseCIDR, parseIP } from "./ip.ts";
import {
  dns1035LabelFaults,
  dnsLabelFaults,
  labelValueFaults,
  prefixOf,
  qualifiedNameFaults,
  subdomainFaults,
} from "./kube_names.ts";

/** A compiled expression over `self`. */
export type Expression = (context: { readonly self: unknown }) => unknown;

class Formats {}

class Format {
  readonly faults: (text: string) => readonly string[];

  constructor(faults: (text: string) => readonly string[]) {
    this.faults = faults;
  }
}

const FORMATS = {
  dns1123Label: dnsLabelFaults,
  dns1123Subdomain: subdomainFaults,
  dns1035Label: dns1035LabelFaults,
  dns1123LabelPrefix: prefixOf(dnsLabelFaults),
  dns1123SubdomainPrefix: prefixOf(subdomainFaults),
  dns1035LabelPrefix: prefixOf(dns1035LabelFaults),
  qualifiedName: qualifiedNameFaults,
  labelValue: labelValueFaults,
} as const;

const environment = withStrings(withFormats(withAddresses(
  new Environment({
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
  }).registerVariable("self", "dyn"),
)));

/** @throws the library's error for an expression that it cannot read or whose types do not fit */
export function compile(expression: string): Expression {
  const run = environment.parse(expression);
  const { valid, error } = run.check();
  if (!valid && error !== undefined) throw error;
  return (context) => run(context);
}

function withAddresses(environment: Environment): Environment {
  return environment
    .registerType("net.IP", { ctor: IP, fields: {} })
    .registerType("net.CIDR", { ctor: CIDR, fields: {} })
    .registerFunction("isIP(string): bool", (text: string) => parseIP(text) !== undefined)
    .registerFunction("isCIDR(string): bool", (text: string) => parseCIDR(text) !== undefined)
    .registerFunction("ip(string): net.IP", (text: string) => required(parseIP(text), text))
    .registerFunction("cidr(string): net.CIDR", (text: string) => required(parseCIDR(text), text))
    .registerFunction("string(net.IP): string", (ip: IP) => ip.toString())
    .registerFunction("string(net.CIDR): string", (cidr: CIDR) => cidr.toString())
    .registerFunction("net.IP.family(): int", (ip: IP) => BigInt(ip.family))
    .registerFunction("net.IP.isUnspecified(): bool", (ip: IP) => ip.isUnspecified)
    .registerFunction("net.IP.isLoopback(): bool", (ip: IP) => ip.isLoopback)
    .registerFunction("net.IP.isLinkLocalUnicast(): bool", (ip: IP) => ip.isLinkLocalUnicast)
    .registerFunction("net.IP.isLinkLocalMulticast(): bool", (ip: IP) => ip.isLinkLocalMulticast)
    .registerFunction("net.IP.isGlobalUnicast(): bool", (ip: IP) => ip.isGlobalUnicast)
    .registerFunction("net.CIDR.ip(): net.IP", (cidr: CIDR) => cidr.ip)
    .registerFunction("net.CIDR.masked(): net.CIDR", (cidr: CIDR) => cidr.masked())
    .registerFunction("net.CIDR.prefixLength(): int", (cidr: CIDR) => BigInt(cidr.prefixLength))
    .registerFunction(
      "net.CIDR.containsIP(net.IP): bool",
      (cidr: CIDR, ip: IP) => cidr.contains(ip),
    )
    .registerFunction(
      "net.CIDR.containsIP(string): bool",
      (cidr: CIDR, text: string) => cidr.contains(required(parseIP(text), text)),
    )
    .registerFunction(
      "net.CIDR.containsCIDR(net.CIDR): bool",
      (cidr: CIDR, other: CIDR) => cidr.containsCIDR(other),
    )
    .registerFunction(
      "net.CIDR.containsCIDR(string): bool",
      (cidr: CIDR, text: string) => cidr.containsCIDR(required(parseCIDR(text), text)),
    )
    .registerOperator("net.IP == net.IP", (one: IP, other: IP) => one.equals(other))
    .registerOperator("net.CIDR == net.CIDR", (one: CIDR, other: CIDR) => one.equals(other));
}

function withFormats(environment: Environment): Environment {
  environment
    .registerType("kubernetes.Formats", { ctor: Formats, fields: {} })
    .registerType("kubernetes.Format", { ctor: Format, fields: {} })
    .registerConstant("format", "kubernetes.Formats", new Formats())
    .registerFunction(
      "kubernetes.Format.validate(string): optional<list<string>>",
      ({ faults }: Format, text: string) => {
        const found = faults(text);
        return found.length === 0 ? Optional.none() : Optional.of(found);
      },
    );
  for (const [name, faults] of Object.entries(FORMATS)) {
    const format = new Format(faults);
    environment.registerFunction(`kubernetes.Formats.${name}(): kubernetes.Format`, () => format);
  }
  return environment;
}

function withStrings(environment: Environment): Environment {
  return environment
    .registerFunction(
      "string.replace(string, string): string",
      (text: string, from: string, to: string) => text.replaceAll(from, () => to),
    )
    .registerFunction(
      "string.charAt(int): string",
      (text: string, index: bigint) => [...text][Number(index)] ?? "",
    );
}

function required<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new Error(`Cannot read '${text}' as an address`);
  return value;
}
