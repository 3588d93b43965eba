/** Every setting, by its variable and by its flag: one table, and the same words for what is wrong in both. */
import assert from "node:assert/strict";
import { Command } from "commander";
import { settingsOf, withSettings } from "../../src/cli/shared/setting_flags.ts";
import { ConfigError } from "../../src/kube/errors.ts";
import { flagName, isSwitch, readSettings, SETTINGS } from "../../src/program/settings.ts";
import type { SettingName } from "../../src/program/settings.ts";

/** A text that is not the default, what it is read as, and one that is refused with the advice. */
const ROWS: Readonly<
  Record<
    SettingName,
    { readonly text: string; readonly value: unknown; readonly wrong?: [string, RegExp] }
  >
> = {
  kubeconfig: { text: "/k", value: "/k" },
  context: { text: "c", value: "c" },
  apiServer: {
    text: "https://203.0.113.7:6443",
    value: "https://203.0.113.7:6443",
    wrong: ["203.0.113.7", /write a URL such as/],
  },
  apiToken: { text: "t", value: "t" },
  apiCA: {
    text: "-----BEGIN CERTIFICATE-----\nx",
    value: "-----BEGIN CERTIFICATE-----\nx",
    wrong: ["/etc/ca.crt", /write a certificate in PEM form/],
  },
  token: { text: "t", value: "t" },
  ciliumNamespace: {
    text: "cilium",
    value: "cilium",
    wrong: ["Kube System", /write the name of a namespace/],
  },
  ciliumSelector: {
    text: "a=b,c in (d,e)",
    value: "a=b,c in (d,e)",
    wrong: ["a in b", /Cannot read 'a in b' as a label selector/],
  },
  logFormat: { text: "text", value: "text", wrong: ["xml", /write json or text/] },
  logLevel: { text: "debug", value: "debug", wrong: ["loud", /write debug, info, warning or er/] },
  tickFor: { text: "55s", value: 55_000, wrong: ["soon", /Cannot read duration 'soon': write a/] },
  tickEvery: { text: "1m", value: 60_000, wrong: ["0s", /write more than nothing/] },
  dryRun: { text: "true", value: true, wrong: ["yes", /write true or false/] },
  pushgateway: { text: "http://p:9091", value: "http://p:9091", wrong: ["p", /write a URL such/] },
  noticeURL: {
    text: "https://hooks.example.com/moves",
    value: "https://hooks.example.com/moves",
    wrong: ["https://me:secret@hooks.example.com", /write a URL such as/],
  },
  hostname: { text: "0.0.0.0", value: "0.0.0.0" },
  port: { text: "0", value: 0, wrong: ["70000", /write a port from 0 to 65535/] },
  tokenFile: { text: "/t", value: "/t" },
  serveEvery: { text: "off", value: Infinity, wrong: ["0s", /write more than nothing, or off/] },
  eventsPort: { text: "81", value: 81, wrong: ["http", /write a port from 0 to 65535/] },
  nodeName: { text: "n", value: "n" },
  nodeAddresses: {
    text: "192.0.2.7,2001:DB8:0::7",
    value: ["192.0.2.7", "2001:db8::7"],
    wrong: ["192.0.2.7 2001:db8::7", /write addresses with commas between them/],
  },
  agentPort: { text: "82", value: 82, wrong: ["-1", /write a port from 0 to 65535/] },
  agentMetrics: {
    text: "192.0.2.7:9882",
    value: { hostname: "192.0.2.7", port: 9882 },
    wrong: ["node-a:9882", /write an address of this node and a port/],
  },
  stateDirectory: { text: "/s", value: "/s" },
  announcements: { text: "7", value: 7, wrong: ["0", /write at least 1/] },
  announceEvery: { text: "2s", value: 2_000, wrong: ["1", /such as 55s/] },
  reannounceEvery: { text: "off", value: Infinity, wrong: ["never", /such as 55s/] },
  probeEvery: { text: "2s", value: 2_000, wrong: ["off", /write at most 10s/] },
  ciliumHealthz: { text: "off", value: "off", wrong: ["ftp://x", /write a URL with http/] },
};

const names = Object.keys(SETTINGS) as SettingName[];

/** What a command with this one setting makes of arguments. */
function byFlag(name: SettingName, args: readonly string[]): unknown {
  const command = withSettings(new Command("x"), [name]).exitOverride();
  command.parse([...args], { from: "user" });
  return settingsOf([name], command.opts())[name];
}

for (const name of names) {
  const { text, value, wrong } = ROWS[name];
  const { variable } = SETTINGS[name];
  const flag = flagName(SETTINGS[name]);
  const flags = isSwitch(SETTINGS[name]) ? [flag] : [flag, text];

  Deno.test(`${variable} and ${flag} are the setting ${name}`, () => {
    assert.deepEqual(readSettings([name], { variables: { [variable]: text } })[name], value);
    assert.deepEqual(byFlag(name, flags), value);
    const other = readSettings([name], { variables: {} })[name];
    assert.notDeepEqual(other, value, "the row shows nothing where it is the default");
    assert.deepEqual(readSettings([name], { variables: { [variable]: "" } })[name], other);
  });

  Deno.test(`what is wrong with ${name} is said by the name that was used`, () => {
    if (wrong === undefined) return;
    const [bad, advice] = wrong;
    const refused = (source: string) => (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.ok(error.message.startsWith(`Cannot use ${source}`), error.message);
      assert.match(error.message, advice);
      return true;
    };
    assert.throws(
      () => readSettings([name], { variables: { [variable]: bad } }),
      refused(variable),
    );
    if (!isSwitch(SETTINGS[name])) {
      assert.throws(() => byFlag(name, [`${flag}=${bad}`]), refused(flag));
    }
  });
}

Deno.test("no two settings share a variable", () => {
  const variables = names.map((name) => SETTINGS[name].variable);
  assert.deepEqual([...new Set(variables)], variables);
});

Deno.test("a flag comes before a variable, a variable before the default", () => {
  const variables = { SALLYPORT_CILIUM_NAMESPACE: "by-variable" };
  const read = (flags: Record<string, string>) =>
    readSettings(["ciliumNamespace"], { flags, variables }).ciliumNamespace;
  assert.equal(read({}), "by-variable");
  assert.equal(read({ "--cilium-namespace": "by-flag" }), "by-flag");
});

Deno.test("of the environment only the program's own variables are looked at", () => {
  const looked: string[] = [];
  const variables = new Proxy<Record<string, string>>({}, {
    get: (_, name) => {
      looked.push(String(name));
      return undefined;
    },
    ownKeys: () => {
      throw new Error("the whole environment was listed");
    },
  });
  readSettings(["kubeconfig", "port"], { variables });
  assert.deepEqual(looked, ["SALLYPORT_KUBECONFIG", "SALLYPORT_PORT"]);
});

Deno.test("all that is wrong is said at once", () => {
  const variables = { SALLYPORT_PORT: "x", SALLYPORT_EVERY: "y" };
  assert.throws(
    () => readSettings(["port", "serveEvery"], { variables }),
    /SALLYPORT_PORT 'x': .*; Cannot use SALLYPORT_EVERY: Cannot read duration 'y'/,
  );
});
