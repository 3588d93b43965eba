/** What the programs of the suite print, read back. */
import assert from "node:assert/strict";
import { readFlows } from "./flows.ts";
import { readCapture, wrongSource } from "./outside.ts";
import { readFate } from "./pod.ts";

Deno.test("flows give losses, their longest stretch, and each change of source", () => {
  const result = readFlows([
    "ready",
    "0 1000.00 1001.00 10.0.0.1",
    "3 1015.00 1060.00 10.0.0.2",
    "5 1025.00 1026.00 10.0.0.2",
    "1 1005.00",
    "2 1010.00",
    "4 1020.00",
    "6 1030.00",
    "7 1040.00",
    "end",
  ].join("\n"));
  assert.equal(result.flows.length, 8);
  assert.equal(result.lost, 5);
  assert.deepEqual(result.gaps.map(({ from, milliseconds }) => [from, milliseconds]), [
    [1005, 10],
    [1020, 5],
    [1030, 10],
  ]);
  assert.equal(result.silenceMilliseconds, 10);
  assert.deepEqual(result.sources, ["10.0.0.1", "10.0.0.2"]);
});

Deno.test("flows whose program was cut off are no result", () => {
  assert.throws(() => readFlows("ready\n0 1000.00 1001.00 10.0.0.1\n"), /did not finish/);
});

Deno.test("a capture counts packets by source, of whatever protocol and family", () => {
  const sources = readCapture([
    "listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes",
    "1795443313.551490 IP 172.31.0.200.59689 > 198.51.100.10.8080: UDP, length 1",
    "1795443313.556490 IP 172.31.0.200.59690 > 198.51.100.10.8080: Flags [S], seq 1, length 0",
    "1795443313.561490 IP 172.31.0.11.59691 > 198.51.100.10.8080: UDP, length 1",
    "1795443313.566490 IP6 fd00:31::200.59692 > 2001:db8:100::10.8080: UDP, length 1",
    "4 packets captured",
    "0 packets dropped by kernel",
  ].join("\n"));
  assert.deepEqual(sources, {
    "172.31.0.200": 2,
    "172.31.0.11": 1,
    "fd00:31::200": 1,
  });
  assert.equal(wrongSource(sources, ["172.31.0.200"]), 2);
  assert.equal(wrongSource(sources, ["172.31.0.200", "fd00:31::200"]), 1);
  assert.equal(wrongSource({}, ["172.31.0.200"]), 0);
});

Deno.test("a capture that lost packets, or was cut off, proves nothing", () => {
  assert.throws(() => readCapture("7 packets dropped by kernel\n"), /Cannot trust/);
  assert.throws(() => readCapture(""), /Cannot trust/);
});

Deno.test("a connection's fate", () => {
  assert.deepEqual(readFate("ready\nsurvived 172.31.0.200 87\n"), {
    survived: true,
    source: "172.31.0.200",
    silenceMilliseconds: 87,
  });
  assert.deepEqual(readFate("ready\ndied ECONNRESET\n"), {
    survived: false,
    reason: "ECONNRESET",
  });
  assert.deepEqual(readFate(""), { survived: false, reason: "unknown" });
});
