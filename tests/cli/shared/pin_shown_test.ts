/** A pin is seen where a gateway is looked at, also while its node may not hold it. */
import assert from "node:assert/strict";
import { statusTable } from "../../../src/cli/shared/tables.ts";
import { decide } from "../../../src/core/decide.ts";
import { explainGateway } from "../../../src/core/explain.ts";
import { statusView } from "../../../src/http/status_view.ts";
import { cluster, gateway } from "../../support/builders.ts";
import { running } from "../../support/obedient_agents.ts";

const pending = running(cluster({
  nodes: { a: {}, b: { node: { cordoned: true } } },
  gateways: [gateway("gw", { pin: "b" })],
}));

Deno.test("a pin to a cordoned node is in status, explain and the page's data", () => {
  assert.match(statusTable(pending), /^gw\s+True\s+a \(pin: b\)/m);
  const plan = decide(pending);
  const [planned] = plan.gateways;
  assert.ok(planned);
  assert.match(
    explainGateway(planned, plan),
    /Pin: The pin names b, which may not hold it now: NodeCordoned.* It moves to b as soon as that is eligible; sallyport release gw undoes it\./,
  );
  assert.equal(statusView(plan, pending).gateways[0]?.pin?.state, "NotEligible");
});
