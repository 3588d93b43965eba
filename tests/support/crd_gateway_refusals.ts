/** EgressGateways that the API server must refuse. */
import {
  gateway,
  PRIMARY,
  PRIMARY_MODE,
  primaryGateway,
  type Refusal,
  type Spec,
  virtualGateway,
  virtualWith,
} from "./crd_manifests.ts";

const LONG_LABEL = "a".repeat(64);
const VIRTUAL = "spec.sourceIP.virtualIPAddress";
const IP = `${VIRTUAL}.ip`;
const INTERFACE = `spec.sourceIP.${PRIMARY}.interfaceName`;

export const GATEWAY_REFUSALS: readonly Refusal[] = [
  ...modes(),
  ...addresses(),
  ...interfaces(),
  ...nodeSelectors(),
  ...values(),
  ...allowedNamespaces(),
  ...uplinks(),
];

function modes(): readonly Refusal[] {
  const virtualIPAddress = { ip: "172.18.18.242" };
  const primary = { interfaceName: "eth1" };
  const row = (what: string, sourceIP: unknown, field: string, says: string) => ({
    what,
    object: gateway({ nodeSelector: {}, sourceIP }),
    field,
    says,
  });
  return [
    {
      what: "a gateway without spec",
      object: { ...primaryGateway(), spec: undefined },
      field: "spec",
      says: "Required value",
    },
    row("no source IP", undefined, "spec.sourceIP", "Required value"),
    row("no mode", { virtualIPAddress }, "spec.sourceIP.mode", "Required value"),
    row(
      "an unknown mode",
      { mode: "Floating", virtualIPAddress },
      "spec.sourceIP.mode",
      `supported values: "${PRIMARY_MODE}", "VirtualIPAddress"`,
    ),
    row(
      "both blocks",
      { mode: "VirtualIPAddress", virtualIPAddress, [PRIMARY]: primary },
      "spec.sourceIP",
      "keep only the block of mode VirtualIPAddress",
    ),
    row(
      "both blocks in the other mode",
      { mode: PRIMARY_MODE, virtualIPAddress, [PRIMARY]: primary },
      "spec.sourceIP",
      `keep only the block of mode ${PRIMARY_MODE}`,
    ),
    row(
      "mode virtual without a block",
      { mode: "VirtualIPAddress" },
      "spec.sourceIP",
      "write virtualIPAddress with ip",
    ),
    row(
      "mode primary without a block",
      { mode: PRIMARY_MODE },
      "spec.sourceIP",
      `write ${PRIMARY} with interfaceName`,
    ),
    row(
      "mode virtual with the other block",
      { mode: "VirtualIPAddress", [PRIMARY]: primary },
      "spec.sourceIP",
      `write virtualIPAddress with ip instead of ${PRIMARY}, or mode ${PRIMARY_MODE}`,
    ),
    row(
      "mode primary with the other block",
      { mode: PRIMARY_MODE, virtualIPAddress },
      "spec.sourceIP",
      `write ${PRIMARY} with interfaceName instead of virtualIPAddress, or mode VirtualIPAddress`,
    ),
    row(
      "a primary block without an interface",
      { mode: PRIMARY_MODE, [PRIMARY]: {} },
      INTERFACE,
      "Required value",
    ),
  ];
}

function addresses(): readonly Refusal[] {
  const unicast = "write a unicast address of the nodes' network such as 172.18.18.242";
  const unicast6 = "write a unicast address of the nodes' network such as 2001:db8::242";
  const notOne = "is not an IP address: write an IPv4 address such as 172.18.18.242";
  const notOne6 = "is not an IP address: write an IPv6 address such as 2001:db8::242";
  const rows: readonly [ip: string, says: string][] = [
    ["", `'' ${notOne}`],
    ["egress.example.com", `'egress.example.com' ${notOne}`],
    ["172.18.18", `'172.18.18' ${notOne}`],
    ["172.18.18.256", `'172.18.18.256' ${notOne}`],
    ["172.18.018.242", `'172.18.018.242' ${notOne}`],
    [" 172.18.18.242", `' 172.18.18.242' ${notOne}`],
    ["172.18.18.242/24", "write an IPv4 address without prefix length such as 172.18.18.242"],
    ["0.0.0.0", `it is unspecified: ${unicast}`],
    ["0.1.2.3", `it is reserved: ${unicast}`],
    ["127.0.0.1", `it is a loopback address: ${unicast}`],
    ["127.8.8.8", `it is a loopback address: ${unicast}`],
    ["169.254.7.7", `it is link-local: ${unicast}`],
    ["224.0.0.18", `it is a multicast address: ${unicast}`],
    ["239.1.2.3", `it is a multicast address: ${unicast}`],
    ["240.0.0.1", `it is reserved: ${unicast}`],
    ["255.255.255.255", `it is the broadcast address: ${unicast}`],
    ["1".repeat(65), "may not be more than 64 bytes"],
    ["2001:db8", `'2001:db8' ${notOne6}`],
    ["2001:db8::1::2", `'2001:db8::1::2' ${notOne6}`],
    ["2001:db8::12345", `'2001:db8::12345' ${notOne6}`],
    ["[2001:db8::1]", `'[2001:db8::1]' ${notOne6}`],
    ["2001:db8::1/64", "write an IPv6 address without prefix length such as 2001:db8::242"],
    ["fe80::1%eth0", "write it without a zone, such as 2001:db8::242"],
    ["2001:db8::1%eth0", "write it without a zone, such as 2001:db8::242"],
    ["::ffff:172.18.18.242", "write the IPv4 address itself, such as 172.18.18.242"],
    ["::ffff:ac12:12f2", "write the IPv4 address itself, such as 172.18.18.242"],
    ["0:0:0:0:0:ffff:ac12:12f2", "write the IPv4 address itself, such as 172.18.18.242"],
    ["::FFFF:172.18.18.242", "write the IPv4 address itself, such as 172.18.18.242"],
    ["::", `it is unspecified: ${unicast6}`],
    ["0:0::0", `it is unspecified: ${unicast6}`],
    ["::1", `it is a loopback address: ${unicast6}`],
    ["::172.18.18.242", `it is reserved: ${unicast6}`],
    ["64:ff9b::1", `it is reserved: ${unicast6}`],
    ["fe80::1", `it is link-local: ${unicast6}`],
    ["febf::1", `it is link-local: ${unicast6}`],
    ["ff02::1", `it is a multicast address: ${unicast6}`],
    ["ff0e::8", `it is a multicast address: ${unicast6}`],
  ];
  return [
    ...rows.map(([ip, says]) => ({
      what: `the virtual IP '${ip}'`,
      object: virtualWith({ ip }),
      field: IP,
      says,
    })),
    ...rows.map(([ip, says]) => ({
      what: `'${ip}' as the second of two virtual IPs`,
      object: virtualWith({ ip: undefined, ips: [ip.includes(":") ? "10.0.0.7" : "fd00::7", ip] }),
      field: `${VIRTUAL}.ips[1]`,
      says,
    })),
    ...pairs(),
  ];
}

function pairs(): readonly Refusal[] {
  const none =
    "The block names no address: write ip, such as 172.18.18.242 or 2001:db8::242, or ips";
  const row = (what: string, changes: Spec, says: string, field = VIRTUAL) => ({
    what,
    object: virtualWith({ ip: undefined, ...changes }),
    field,
    says,
  });
  return [
    row("a virtual block without an address", { interfaces: ["eth1"] }, none),
    row("an empty list of virtual IPs", { ips: [] }, none),
    row(
      "two IPv4 addresses",
      { ips: ["10.0.0.7", "10.0.0.8"] },
      "ips names two addresses of one family, '10.0.0.7' and '10.0.0.8': write one IPv4 and one IPv6 address",
    ),
    row(
      "two IPv6 addresses",
      { ips: ["fd00::7", "fd00::8"] },
      "ips names two addresses of one family, 'fd00::7' and 'fd00::8': write one IPv4 and one IPv6 address",
    ),
    row(
      "one IPv6 address twice, written differently",
      { ips: ["fd00::7", "FD00:0::7"] },
      "ips names two addresses of one family, 'fd00::7' and 'FD00:0::7'",
    ),
    row(
      "three addresses",
      { ips: ["10.0.0.7", "fd00::7", "fd00::8"] },
      "must have at most 2 items",
      `${VIRTUAL}.ips`,
    ),
    row(
      "an address that is not the first of the list",
      { ip: "10.0.0.7", ips: ["fd00::7", "10.0.0.7"] },
      "ip is '10.0.0.7' and the first of ips is 'fd00::7': write the same address there, or leave ip out",
    ),
    row(
      "an address beside a list of the other family alone",
      { ip: "10.0.0.7", ips: ["fd00::7"] },
      "ip is '10.0.0.7' and the first of ips is 'fd00::7': write the same address there, or leave ip out",
    ),
  ];
}

function interfaces(): readonly Refusal[] {
  const help = "cannot be the name of a network interface: write the name as `ip link` shows it, " +
    "1 to 15 characters without spaces, '/' and ':', and no '-' in front";
  const rows: readonly [name: string, says: string][] = [
    ...[
      "",
      "sixteen-letters-",
      "eth 1",
      "eth/1",
      "eth1:0",
      ".",
      "..",
      "--help",
      "-",
      "é",
      "a\u00a0b",
    ]
      .map((name): [string, string] => [name, `'${name}' ${help}`]),
    // The API server writes no line breaks and falls back to a message without the name.
    ["eth1\n", `This ${help}`],
    ["e".repeat(65), "may not be more than 64 bytes"],
  ];
  return rows.flatMap(([interfaceName, says]) => [
    {
      what: `the public interface ${JSON.stringify(interfaceName)}`,
      object: primaryGateway({ sourceIP: { mode: PRIMARY_MODE, [PRIMARY]: { interfaceName } } }),
      field: INTERFACE,
      says,
    },
    {
      what: `announcing on the interface ${JSON.stringify(interfaceName)}`,
      object: virtualWith({ interfaces: ["eth0", interfaceName] }),
      field: "spec.sourceIP.virtualIPAddress.interfaces[1]",
      says,
    },
  ]);
}

function nodeSelectors(): readonly Refusal[] {
  const key = "cannot be a label key: write letters, digits, '-', '_' and '.', at most 63";
  const value = "cannot be a label value: write at most 63 letters, digits, '-', '_' and '.'";
  const rows: readonly [what: string, nodeSelector: unknown, says: string][] = [
    ["a label key with a space", { "egress node": "" }, `'egress node' ${key}`],
    ["an empty label key", { "": "x" }, `'' ${key}`],
    ["a label key with two slashes", { "a/b/c": "" }, `'a/b/c' ${key}`],
    ["a label key that is too long", { [LONG_LABEL]: "" }, `'${LONG_LABEL}' ${key}`],
    ["a label value with a slash", { egress: "a/b" }, `'a/b' ${value}`],
    ["a label value that is too long", { egress: LONG_LABEL }, `'${LONG_LABEL}' ${value}`],
  ];
  const unselective: Refusal = {
    what: "without a node selector as preferred nodes",
    object: virtualGateway({ preferredNodes: [{ weight: 1 }] }),
    field: "spec.preferredNodes[0].nodeSelector",
    says: "Required value",
  };
  return [
    unselective,
    ...rows.flatMap(([what, nodeSelector, says]): Refusal[] => [
      {
        what: `${what} as nodes`,
        object: virtualGateway({ nodeSelector }),
        field: "spec.nodeSelector",
        says,
      },
      {
        what: `${what} as preferred nodes`,
        object: virtualGateway({ preferredNodes: [{ weight: 1, nodeSelector }] }),
        field: "spec.preferredNodes[0].nodeSelector",
        says,
      },
    ]),
  ];
}

function allowedNamespaces(): readonly Refusal[] {
  const none = "write names or a selector, or leave allowedNamespaces out to allow all";
  const name = "cannot be the name of a namespace: write at most 63 lower-case letters";
  const rows: readonly [block: unknown, field: string, says: string][] = [
    [{}, "", none],
    [{ names: [] }, "", none],
    [{ names: ["Shop"] }, ".names[0]", `'Shop' ${name}`],
    [{ names: ["shop", "a.b"] }, ".names[1]", `'a.b' ${name}`],
    [{ names: [""] }, ".names[0]", `'' ${name}`],
    [{ names: ["n".repeat(64)] }, ".names[0]", "may not be more than 63 bytes"],
    [{ names: "shop" }, ".names", "must be of type array"],
    [
      { selector: { matchLabels: { "a b": "" } } },
      ".selector.matchLabels",
      "'a b' cannot be a label key",
    ],
    [
      { selector: { matchExpressions: [{ key: "team", operator: "In" }] } },
      ".selector.matchExpressions[0]",
      "Operator In lacks values: write at least one, or operator Exists",
    ],
    [
      { selector: { matchExpressions: [{ key: "team", operator: "Exists", values: ["a"] }] } },
      ".selector.matchExpressions[0]",
      "Operator Exists takes no values: remove them, or write operator In",
    ],
  ];
  return rows.map(([block, field, says]) => ({
    what: `the allowed namespaces ${JSON.stringify(block)}`,
    object: virtualGateway({ allowedNamespaces: block }),
    field: `spec.allowedNamespaces${field}`,
    says,
  }));
}

function values(): readonly Refusal[] {
  const weight = (value: unknown) => ({ preferredNodes: [{ weight: value, nodeSelector: {} }] });
  const rows: readonly [spec: Spec, field: string, says: string][] = [
    [weight(0), "spec.preferredNodes[0].weight", "greater than or equal to 1"],
    [weight(101), "spec.preferredNodes[0].weight", "less than or equal to 100"],
    [weight(1.5), "spec.preferredNodes[0].weight", "must be of type integer"],
    [weight(undefined), "spec.preferredNodes[0].weight", "Required value"],
    [{ strategy: "Random" }, "spec.strategy", `supported values: "Alphabetical", "Hash"`],
    [{ failback: { mode: "Slow" } }, "spec.failback.mode", `supported values: "Auto", "Never"`],
    [
      { failback: { minReadySeconds: -1 } },
      "spec.failback.minReadySeconds",
      "greater than or equal to 0",
    ],
    [
      { failback: { minReadySeconds: 3601 } },
      "spec.failback.minReadySeconds",
      "less than or equal to 3600",
    ],
    [
      { failureDetection: { heartbeat: "Sometimes" } },
      "spec.failureDetection.heartbeat",
      `supported values: "Required", "IfPresent", "Ignore"`,
    ],
    [
      { failureDetection: { timeoutSeconds: 1 } },
      "spec.failureDetection.timeoutSeconds",
      "greater than or equal to 2",
    ],
    [
      { failureDetection: { timeoutSeconds: 61 } },
      "spec.failureDetection.timeoutSeconds",
      "less than or equal to 60",
    ],
    [
      { failureDetection: { timeoutSeconds: "4s" } },
      "spec.failureDetection.timeoutSeconds",
      "must be of type integer",
    ],
    [
      { failureDetection: { peers: "yes" } },
      "spec.failureDetection.peers",
      "must be of type boolean",
    ],
    [
      { failureDetection: { ciliumAgentGraceSeconds: -1 } },
      "spec.failureDetection.ciliumAgentGraceSeconds",
      "greater than or equal to 0",
    ],
    [
      { failureDetection: { ciliumAgentGraceSeconds: 3601 } },
      "spec.failureDetection.ciliumAgentGraceSeconds",
      "less than or equal to 3600",
    ],
    [{ whenNoneEligible: "Panic" }, "spec.whenNoneEligible", `supported values: "Keep", "Drop"`],
  ];
  const block = "spec.sourceIP.virtualIPAddress";
  return [
    ...rows.map(([spec, field, says]) => ({
      what: JSON.stringify(spec),
      object: virtualGateway(spec),
      field,
      says,
    })),
    {
      what: "an unknown standby",
      object: virtualWith({ standby: "Warm" }),
      field: `${block}.standby`,
      says: `supported values: "Bound", "Unbound"`,
    },
    {
      what: "a negative number of standbys",
      object: virtualWith({ standbys: -1 }),
      field: `${block}.standbys`,
      says: "greater than or equal to 0",
    },
    {
      what: "nine standbys",
      object: virtualWith({ standbys: 9 }),
      field: `${block}.standbys`,
      says: "less than or equal to 8",
    },
    {
      what: "a gateway's name of 53 characters",
      object: virtualGateway({}, "g".repeat(53)),
      field: "<nil>",
      says: "metadata.name is too long: write at most 52 characters",
    },
  ];
}

function uplinks(): readonly Refusal[] {
  const none =
    "is no target: write icmp:ADDRESS, tcp:ADDRESS:PORT or arp:ADDRESS with an IP address, an IPv6 address before a port in brackets";
  const noHost = "names no host on a wire: write a unicast address such as the router's";
  const noPort = "has no port that there is: write 1 to 65535";
  const targets: readonly [target: string, says: string][] = [
    ...[
      "",
      "10.0.0.1",
      "ping:10.0.0.1",
      "icmp:",
      "icmp:router.example.com",
      "icmp:10.0.0.1:80",
      "icmp:[2001:db8::1]",
      "tcp:10.0.0.1",
      "tcp:",
      "tcp::80",
      "tcp:2001:db8::1:443",
      "tcp:[10.0.0.1]:443",
      "tcp:10.0.0.1:https",
      "tcp:10.0.0.1:655360",
      "arp:fe80::1%eth1",
      " icmp:10.0.0.1",
    ].map((target): [string, string] => [target, `'${target}' ${none}`]),
    ["icmp:127.0.0.1", `'icmp:127.0.0.1' ${noHost}`],
    ["tcp:[ff02::1]:80", `'tcp:[ff02::1]:80' ${noHost}`],
    ["arp:0.0.0.0", `'arp:0.0.0.0' ${noHost}`],
    ["tcp:10.0.0.1:0", `'tcp:10.0.0.1:0' ${noPort}`],
    ["tcp:[2001:db8::1]:65536", `'tcp:[2001:db8::1]:65536' ${noPort}`],
    [`icmp:${"1".repeat(64)}`, "may not be more than 64 bytes"],
  ];
  const blocks: readonly [block: Spec, field: string, says: string][] = [
    [{}, ".targets", "Required value"],
    [{ targets: [] }, ".targets", "should have at least 1 items"],
    [{ targets: ["icmp:10.0.0.1", "icmp:10.0.0.1"] }, ".targets[1]", "Duplicate value"],
    [
      { targets: Array.from({ length: 9 }, (_, index) => `icmp:10.0.0.${index + 1}`) },
      ".targets",
      "must have at most 8 items",
    ],
    [
      { targets: ["icmp:10.0.0.1", "arp:10.0.0.1"], intervalMilliseconds: 500 },
      "",
      "Neighbours are asked no more often than once a second: write intervalMilliseconds of at least 1000, or icmp: instead of arp:",
    ],
    ...([
      [{ interface: "eth 1" }, ".interface", "'eth 1' cannot be the name of a network interface"],
      [{ intervalMilliseconds: 99 }, ".intervalMilliseconds", "greater than or equal to 100"],
      [{ intervalMilliseconds: 60_001 }, ".intervalMilliseconds", "less than or equal to 60000"],
      [{ failures: 1 }, ".failures", "greater than or equal to 2"],
      [{ failures: 21 }, ".failures", "less than or equal to 20"],
      [{ require: "Most" }, ".require", `supported values: "Any", "All"`],
    ] as const).map(([block, field, says]): [Spec, string, string] => [
      { targets: ["icmp:10.0.0.1"], ...block },
      field,
      says,
    ]),
    ...targets.map(([target, says]): [Spec, string, string] => [
      { targets: ["icmp:10.0.0.1", target] },
      ".targets[1]",
      says,
    ]),
  ];
  return [
    {
      what: "an uplink whose word is ignored",
      object: virtualGateway({
        failureDetection: { heartbeat: "Ignore", uplink: { targets: ["icmp:10.0.0.1"] } },
      }),
      field: "spec.failureDetection",
      says: "write heartbeat Required or IfPresent, or leave uplink out",
    },
    ...blocks.map(([uplink, field, says]) => ({
      what: `the uplink ${JSON.stringify(uplink)}`,
      object: virtualGateway({ failureDetection: { uplink } }),
      field: `spec.failureDetection.uplink${field}`,
      says,
    })),
  ];
}
