/**
 * Small worlds, tried exhaustively: 2 nodes, 1 gateway, 1 or 2 controllers that may be stopped between any two requests, and
 * so many troubles at any moments. The real `decide` of controller and agent; the store, the kernel's permission and the
 * agent's loop are models (`small/`).
 *
 * Of each family so many worlds are tried at the most, breadth first, and it says whether those are all. SMALL_WORLDS=1000000
 * sets another bound, takes finer steps of time and tries larger families too.
 */
import assert from "node:assert/strict";
import { explore } from "./small/explore.ts";
import type { Bounds } from "./small/explore.ts";
import { TROUBLES } from "./small/state.ts";
import type { Trouble } from "./small/state.ts";

const given = Deno.env.get("SMALL_WORLDS");

/** Of each family. */
const WORLDS = Number(given ?? 150_000);

type Family = Pick<Bounds, "controllers" | "troubles" | "kinds"> & Partial<Bounds>;

const family = (controllers: number, ...kinds: Trouble[]): Family => ({
  controllers,
  troubles: kinds.length,
  kinds,
});

/** These are tried to their end, or nearly: a trouble by itself, and beside a move, where most of them begin to matter. */
const FAMILIES: readonly Family[] = [
  family(2, "deafen"),
  family(2, "lose"),
  family(2, "hold"),
  family(2, "freeze controller"),
  family(2, "pin"),
  // Half seconds, since the API server's times are whole ones.
  { ...family(1, "freeze"), stepMilliseconds: 500, phaseMilliseconds: 500, terms: 2 },
  family(1, "stop"),
  family(1, "delete"),
  family(1, "pin", "deafen"),
  family(1, "pin", "lose"),
  family(1, "pin", "hold"),
  family(1, "pin", "freeze controller"),
];

const LARGER: readonly Family[] = [
  family(2, "freeze"),
  family(2, "stop"),
  family(2, "delete"),
  family(1, "pin", "freeze"),
  family(1, "pin", "stop"),
  family(1, "pin", "delete"),
  family(2, "pin", "freeze controller"),
  family(2, "pin", "hold"),
  { controllers: 1, troubles: 2, kinds: TROUBLES },
];

const families = given === undefined ? FAMILIES : [...FAMILIES, ...LARGER];
for (const each of families) {
  const { controllers, troubles, kinds = TROUBLES } = each;
  const what = kinds === TROUBLES ? "any" : kinds.join(", ");
  const name = `${controllers} controllers, ${troubles} of: ${what}`;
  Deno.test(`nothing that can happen in a small world makes two holders (${name})`, () => {
    const { worlds, moves, depth, calmed, complete, failure } = explore({
      terms: 3,
      stepMilliseconds: given === undefined ? 1_000 : 500,
      ...each,
      worlds: WORLDS,
    });
    const end = complete ? "to the end" : `${depth} moves deep`;
    say(`${name}: ${worlds} worlds, ${moves} moves, ${end}; ${calmed} watched until they rested`);
    assert.equal(failure, undefined, `${failure?.wrong}\n${failure?.moves.join("\n")}`);
  });
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
