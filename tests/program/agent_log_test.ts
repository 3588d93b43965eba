/** The agent's log tells each trouble once, when it begins, and when it begins again. */
import assert from "node:assert/strict";
import { createAgentLog } from "../../src/program/agent_log.ts";
import { createLogger } from "../../src/program/log.ts";

function world() {
  const lines: string[] = [];
  const clock = { now: 0 };
  const logger = createLogger({
    format: "text",
    level: "info",
    write: (line) => lines.push(line.trim().replace(/^\S+ /, "").replace(/\s+/g, " ")),
  });
  return { lines, clock, log: createAgentLog(logger, { now: () => clock.now }) };
}

const FAILED = { event: "Failed", ip: "192.0.2.7", message: "arping: eth1: down" } as const;

Deno.test("a failure that repeats each second is one line in ten minutes, and another one is told at once", () => {
  const { lines, clock, log } = world();
  for (let second = 0; second < 600; second++) {
    clock.now = second * 1_000;
    log.event(FAILED);
    log.warn(new Error("nft is slow"));
  }
  log.event({ ...FAILED, ip: "192.0.2.8" });
  assert.deepEqual(lines, [
    "warning Failed 192.0.2.7 arping: eth1: down",
    "warning nft is slow",
    "warning Failed 192.0.2.8 arping: eth1: down",
  ]);
  clock.now = 600_000;
  log.event(FAILED);
  assert.equal(lines.length, 4, "and again after ten minutes");
});

Deno.test("a trouble that ended and begins again is told again", () => {
  const { lines, log } = world();
  const trouble = { event: "BindFailed", ip: "192.0.2.7", message: "no room" } as const;
  for (const event of [trouble, trouble, { event: "Bound", ip: "192.0.2.7" } as const, trouble]) {
    log.event(event);
  }
  assert.deepEqual(lines, [
    "warning BindFailed 192.0.2.7 no room",
    "info Bound 192.0.2.7",
    "warning BindFailed 192.0.2.7 no room",
  ]);
  const cut = { event: "Disconnected", message: "refused" } as const;
  for (const event of [cut, cut, { event: "Connected" } as const, cut]) log.event(event);
  assert.equal(lines.length, 6);
});

Deno.test("what an agent does is told each time", () => {
  const { lines, log } = world();
  for (let turn = 0; turn < 3; turn++) {
    log.event({ event: "Speaking", ip: "192.0.2.7" });
    log.event({ event: "Muted", ip: "192.0.2.7" });
  }
  assert.equal(lines.length, 6);
});
