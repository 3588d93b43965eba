/** How often an agent announces and looks, as its environment says. */
import assert from "node:assert/strict";
import { DEFAULT_PACE } from "../../../src/agent/core/pace.ts";
import { agentPace, agentProgram } from "../../../src/program/serve_agent.ts";
import { readSettings } from "../../../src/program/settings.ts";
import { ConfigError } from "../../../src/kube/errors.ts";

const read = (variables: Readonly<Record<string, string>>) =>
  readSettings(agentProgram.settings, { variables });

Deno.test("an agent's pace is that of its environment, else the default", () => {
  assert.deepEqual(agentPace(read({})), DEFAULT_PACE);
  assert.deepEqual(
    agentPace(read({
      SALLYPORT_ANNOUNCEMENTS: "3",
      SALLYPORT_ANNOUNCE_EVERY: "200ms",
      SALLYPORT_REANNOUNCE_EVERY: "off",
      SALLYPORT_PROBE_EVERY: "2s",
    })),
    {
      ...DEFAULT_PACE,
      announcements: 3,
      announceMilliseconds: 200,
      refreshMilliseconds: Infinity,
      probeMilliseconds: 2_000,
    },
  );
});

for (
  const [name, value, advice] of [
    ["SALLYPORT_ANNOUNCEMENTS", "0", /SALLYPORT_ANNOUNCEMENTS.*write at least 1/],
    ["SALLYPORT_ANNOUNCEMENTS", "many", /SALLYPORT_ANNOUNCEMENTS.*write a whole number/],
    ["SALLYPORT_ANNOUNCE_EVERY", "1", /SALLYPORT_ANNOUNCE_EVERY.*such as 55s/],
    ["SALLYPORT_PROBE_EVERY", "1m", /SALLYPORT_PROBE_EVERY.*write at most 10s/],
    ["SALLYPORT_PROBE_EVERY", "off", /SALLYPORT_PROBE_EVERY.*write at most 10s/],
  ] as const
) {
  Deno.test(`${name}=${value} is refused with what to write`, () => {
    assert.throws(() => read({ [name]: value }), (error: Error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, advice);
      return true;
    });
  });
}
