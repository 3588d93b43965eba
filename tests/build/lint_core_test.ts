import assert from "node:assert/strict";
import plugin from "../../.ci/lint_core.ts";

function messages(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, `/repository/${file}`, source).map((found) => found.message);
}

const IMPURE = [
  [`import * as fs from "node:fs"; fs;`, "Pure code must not import 'node:fs'"],
  [`import { list } from "../kube/list.ts"; list;`, "Pure code must not import '../kube/list.ts'"],
  [
    `import type { Context } from "hono"; export type C = Context;`,
    "Pure code must not import 'hono'",
  ],
  [`export * from "../http/app.ts";`, "Pure code must not import '../http/app.ts'"],
  [`export { x } from "@noble/hashes-evil";`, "Pure code must not import '@noble/hashes-evil'"],
  [`const m = await import("./rank.ts"); m;`, "Pure code must not import at run time"],
  [`export const now = Date.now();`, "Pure code must not use 'Date.now'"],
  [`export const now = new Date();`, "Pure code must not use 'new Date()'"],
  [`export const dice = Math.random();`, "Pure code must not use 'Math.random'"],
  [`export const t = performance.now();`, "Pure code must not use 'performance'"],
  [`console.log(1);`, "Pure code must not use 'console'"],
  [`fetch("https://example.com");`, "Pure code must not use 'fetch'"],
  [`process.exit(1);`, "Pure code must not use 'process'"],
  [`Deno.exit(1);`, "Pure code must not use 'Deno'"],
  [`setTimeout(() => {}, 1);`, "Pure code must not use 'setTimeout'"],
  [`crypto.randomUUID();`, "Pure code must not use 'crypto'"],
  [`(fetch as unknown)();`, "Pure code must not use 'fetch'"],
  [`const tools = { fetch }; tools;`, "Pure code must not use 'fetch'"],
] as const;

for (const [source, message] of IMPURE) {
  Deno.test(`pure code is refused: ${source}`, () => {
    assert.deepEqual(messages("src/core/rank.ts", source), [message]);
  });
}

const PURE = [
  `import { sha256 } from "@noble/hashes/sha2.js"; sha256;`,
  `import ipaddr from "ipaddr.js"; ipaddr;`,
  `import { rank } from "./rank.ts"; import type { Node } from "./sub/types.ts"; rank as Node;`,
  `export const iso = (time: number) => new Date(time).toISOString();`,
  `const o = { process: 1, crypto: 2 }; o.process + o.crypto;`,
  `export interface Call { readonly fetch: string }`,
];

for (const source of PURE) {
  Deno.test(`pure code is left alone: ${source}`, () => {
    assert.deepEqual(messages("src/core/elect.ts", source), []);
  });
}

Deno.test("the agent's decisions are pure too", () => {
  const pure =
    `import { rank } from "../../core/rank.ts"; import { place } from "./place.ts"; rank(place);`;
  assert.deepEqual(messages("src/agent/core/decide.ts", pure), []);
  const impure = `import { bind } from "../netlink.ts"; bind(Date.now());`;
  assert.equal(messages("src/agent/core/decide.ts", impure).length, 2);
});

Deno.test("other files may use what they like", () => {
  assert.deepEqual(messages("src/kube/list.ts", `import "node:fs"; fetch("x"); Date.now();`), []);
});
