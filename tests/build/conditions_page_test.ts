/** `docs/conditions.md` has every reason that the code can give, and no other. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const page = await Deno.readTextFile(`${ROOT}docs/conditions.md`);

/** Names in code spans of a column of all tables below a heading. */
function told(heading: string, column: number): readonly string[] {
  const part = page.split(/^## /m).find((each) => each.startsWith(heading)) ?? "";
  const rows = part.match(/^\| `.*$/gm) ?? [];
  const cells = rows.map((row) => row.split(" | ")[column] ?? "");
  return [...new Set(cells.flatMap((cell) => cell.match(/\w+(?=`)/g) ?? []))].sort();
}

async function source(file: string): Promise<string> {
  return await Deno.readTextFile(`${ROOT}src/core/${file}`);
}

/** Reasons that are written in a file beside the conditions that they are of. */
function reasonsIn(text: string): readonly string[] {
  return [...text.matchAll(/reason: "(\w+)"/g)].map(([, reason = ""]) => reason);
}

Deno.test("why a node may not hold a gateway: every reason has a row", async () => {
  const [, union = ""] = /export type ReasonType =([^;]*);/.exec(await source("types.ts")) ?? [];
  const reasons = [...union.matchAll(/"(\w+)"/g)].map(([, name = ""]) => name);
  assert.ok(reasons.length >= 14);
  assert.deepEqual(told("Why a node", 0), reasons.toSorted());
});

Deno.test("conditions of a gateway: every reason has a row", async () => {
  const pins = /state: ((?:"\w+"(?: \| )?)+)/.exec(
    await source("types.ts") + await source("pin.ts"),
  )?.[1] ?? "";
  const reasons = [
    ...reasonsIn(await source("gateway_conditions.ts")),
    ...[...pins.matchAll(/"(\w+)"/g)].map(([, name = ""]) => name),
    "InvalidSpec",
  ];
  assert.deepEqual(told("Conditions of an EgressGateway\n", 1), [...new Set(reasons)].sort());
});

Deno.test("conditions of a policy: every reason has a row", async () => {
  const reasons = [...reasonsIn(await source("policy_conditions.ts")), "InvalidSpec"];
  assert.deepEqual(
    told("Conditions of an EgressGatewayPolicy", 1),
    [...new Set(reasons)].sort(),
  );
});
