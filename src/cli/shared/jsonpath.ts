/**
 * kubectl's JSONPath templates: text, `{.path}`, `{"text\n"}`, `{range .items[*]}…{end}`. The paths themselves are evaluated by
 * jsonpath-plus, without running code.
 *
 * https://kubernetes.io/docs/reference/kubectl/jsonpath/
 */
import { JSONPath } from "jsonpath-plus";
import { messageOf } from "../../core/message.ts";
import { ConfigError } from "../../kube/errors.ts";

type Part =
  | { readonly text: string }
  | { readonly path: string }
  | { readonly range: string; readonly body: readonly Part[] };

/**
 * What the template makes of a value, without a line break at its end, as kubectl prints it.
 *
 * @throws ConfigError that says what of the template cannot be read
 */
export function renderJsonPath(value: unknown, template: string): string {
  return render(parse(template), { value, root: value, template });
}

interface Place {
  readonly value: unknown;
  readonly root: unknown;
  readonly template: string;
}

function render(parts: readonly Part[], place: Place): string {
  return parts.map((part) => {
    if ("text" in part) return part.text;
    if ("path" in part) return find(part.path, place).map(textOf).join(" ");
    return find(part.range, place).map((value) => render(part.body, { ...place, value })).join("");
  }).join("");
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function find(path: string, { value, root, template }: Place): readonly unknown[] {
  const fromRoot = path.startsWith("$");
  const json = fromRoot ? root : value;
  // kubectl lets the dollar out, and writes `@` for where a range is.
  const bare = path.replace(/^[$@]/, "");
  const keyed = bare.replace(
    /\.((?:[^.[\]\\]|\\.)*\\\.(?:[^.[\]\\]|\\.)*)/g,
    (_, key: string) => `['${key.replaceAll("\\.", ".")}']`,
  );
  try {
    const found: unknown = JSONPath({
      // A scalar has no members; its range is itself.
      json: typeof json === "object" && json !== null ? json : [json],
      path: typeof json === "object" && json !== null ? `$${keyed}` : "$[0]",
      eval: "safe",
      wrap: true,
    });
    return Array.isArray(found) ? found : [];
  } catch (cause) {
    throw new ConfigError(
      `Cannot read '{${path}}' of jsonpath '${template}': ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}

/** @throws ConfigError where a brace or a range is not closed */
function parse(template: string): readonly Part[] {
  const tokens = tokensOf(template);
  const [parts, rest] = parseParts(tokens, { template, inRange: false });
  if (rest.length > 0) throw wrong(template, "{end} without {range …}");
  return parts;
}

type Token = { readonly text: string } | { readonly action: string };

function tokensOf(template: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < template.length) {
    const open = template.indexOf("{", at);
    const end = open < 0 ? template.length : open;
    if (end > at) tokens.push({ text: template.slice(at, end) });
    if (open < 0) break;
    const close = closing(template, open);
    tokens.push({ action: template.slice(open + 1, close).trim() });
    at = close + 1;
  }
  return tokens;
}

/** Of the brace that closes; those in quotes are text. */
function closing(template: string, open: number): number {
  let quote = "";
  for (let at = open + 1; at < template.length; at++) {
    const char = template[at] ?? "";
    if (quote !== "") {
      if (char === "\\") at++;
      else if (char === quote) quote = "";
    } else if (char === '"' || char === "'") quote = char;
    else if (char === "}") return at;
  }
  throw wrong(template, "a { is not closed");
}

function parseParts(
  tokens: readonly Token[],
  { template, inRange }: { readonly template: string; readonly inRange: boolean },
): readonly [parts: readonly Part[], rest: readonly Token[]] {
  const parts: Part[] = [];
  let rest = tokens;
  while (true) {
    const [token, ...others] = rest;
    if (token === undefined) {
      if (inRange) throw wrong(template, "{range …} without {end}");
      return [parts, []];
    }
    rest = others;
    if ("text" in token) {
      parts.push(token);
    } else if (token.action === "end") {
      return inRange ? [parts, rest] : [parts, [token, ...rest]];
    } else if (/^range\s/.test(token.action)) {
      const [body, after] = parseParts(rest, { template, inRange: true });
      parts.push({ range: token.action.slice("range".length).trim(), body });
      rest = after;
    } else {
      parts.push(partOf(token.action, template));
    }
  }
}

function partOf(action: string, template: string): Part {
  if (/^(".*"|'.*')$/s.test(action)) return { text: unquoted(action) };
  if (/^[.$@[]/.test(action)) return { path: action };
  throw wrong(template, `'{${action}}' is no path: write such as {.gateways[*].name}`);
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

function unquoted(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char);
}

function wrong(template: string, why: string): ConfigError {
  return new ConfigError(`Cannot read jsonpath '${template}': ${why}`);
}
