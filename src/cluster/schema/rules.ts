/** The rules of `x-kubernetes-validations`. Source of the order and the words: k8s.io/apiextensions-apiserver, schema/cel. */
import { compile } from "./cel.ts";
import type { Expression } from "./cel.ts";
import { celValue } from "./cel_values.ts";
import { issueAt, quote } from "./issue.ts";
import type { Issue } from "./issue.ts";
import { isMap } from "./json.ts";
import type { Segments } from "./json.ts";
import { memberSchema } from "./structural_schema.ts";
import type { Rule, StructuralSchema } from "./structural_schema.ts";

/** Rules that the value breaks, of its members too. There is no older value, so rules about a change are passed over. */
export function ruleIssues(
  value: unknown,
  schema: StructuralSchema | undefined,
  segments: Segments = [],
): readonly Issue[] {
  if (value === null || value === undefined || schema === undefined) return [];
  const own = (schema["x-kubernetes-validations"] ?? []).flatMap((rule) =>
    issueOf(rule, { value, schema, segments })
  );
  return [
    ...own,
    ...membersOf(value).flatMap(([segment, member]) =>
      ruleIssues(member, memberSchema(schema, segment), [...segments, segment])
    ),
  ];
}

function membersOf(value: unknown): readonly (readonly [string | number, unknown])[] {
  if (Array.isArray(value)) return value.map((item, index) => [index, item] as const);
  return isMap(value) ? Object.entries(value) : [];
}

interface Place {
  readonly value: unknown;
  readonly schema: StructuralSchema;
  readonly segments: Segments;
}

function issueOf(rule: Rule, { value, schema, segments }: Place): readonly Issue[] {
  if (isTransition(rule)) return [];
  const { holds, says } = compiled(rule);
  const context = { self: celValue(value, schema) };
  const found = evaluate(holds, context);
  if (found.value === true) return [];
  const message = "error" in found
    ? `${found.error} evaluating rule: ${rule.message?.trim() ?? rule.rule.trim()}`
    : messageOf(rule, says === undefined ? undefined : evaluate(says, context).value);
  const shown = schema.type === "object" || schema.type === "array" ? "" : `${quote(value)}: `;
  const place = rule.fieldPath === undefined ? [] : rule.fieldPath.split(".").slice(1);
  return [issueAt([...segments, ...place], "Invalid", `Invalid value: ${shown}${message}`)];
}

/** Such a rule compares with the stored object, of which a file knows nothing. */
function isTransition({ rule, optionalOldSelf }: Rule): boolean {
  return optionalOldSelf === true || /\boldSelf\b/.test(rule);
}

/** The rule's own expression for the message, unless the API server would not print it. */
function messageOf({ rule, message }: Rule, told: unknown): string {
  const text = typeof told === "string" ? told.trim() : "";
  if (text !== "" && text.length <= 5 * 1024 && !/[\r\n]/.test(text)) return text;
  return message === undefined ? `failed rule: ${rule.trim()}` : message.trim();
}

interface CompiledRule {
  readonly holds: Expression;
  readonly says: Expression | undefined;
}

const rules = new WeakMap<Rule, CompiledRule>();

/** @throws for a rule that cannot be compiled; a test compiles all */
export function compiled(rule: Rule): CompiledRule {
  const known = rules.get(rule);
  if (known !== undefined) return known;
  const says = rule.messageExpression;
  const made = { holds: compile(rule.rule), says: says === undefined ? undefined : compile(says) };
  rules.set(rule, made);
  return made;
}

function evaluate(
  expression: Expression,
  context: { readonly self: unknown },
): { readonly value: unknown; readonly error?: string } {
  try {
    return { value: expression(context) };
  } catch (error) {
    return { value: undefined, error: error instanceof Error ? error.message : String(error) };
  }
}
