/** How results are printed: JSON, YAML, a JSONPath of kubectl's, names, or a table as kubectl prints one. */
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { stringify } from "yaml";
import { isPrintable } from "../../core/printable.ts";
import { renderJsonPath } from "./jsonpath.ts";
import { print, printData } from "./terminal.ts";

const ALWAYS = ["json", "yaml", "table", "jsonpath"] as const;

export type Output =
  | { readonly format: "json" | "yaml" | "table" | "wide" | "name" }
  | { readonly format: "jsonpath"; readonly template: string };

export interface OutputFlags {
  readonly output: Output;
}

/** What a command prints in each format but those that any value has. */
export interface Prints {
  readonly table: () => string;
  /** The same with more columns. */
  readonly wide?: () => string;
  /** As `egressgateway.network.deckhouse.io/web`. */
  readonly name?: () => readonly string[];
}

/** The flag `-o`; `more` are the formats that this command has beside those of all. */
export function withOutput(
  command: Command,
  more: readonly ("wide" | "name")[] = [],
): Command {
  const formats = [...ALWAYS, ...more];
  const option = new Option("-o, --output <format>", "how to print")
    .choices(formats.map((format) => format === "jsonpath" ? "jsonpath=TEMPLATE" : format))
    .default({ format: "table" } satisfies Output, "table");
  return command.addOption(option.argParser((text: string): Output => {
    const template = /^jsonpath=(.*)$/s.exec(text)?.[1];
    if (template !== undefined) return { format: "jsonpath", template: unwrapped(template) };
    const format = formats.find((each) => each === text);
    if (format === undefined || format === "jsonpath") {
      throw new InvalidArgumentError(`Allowed choices are ${option.argChoices?.join(", ")}.`);
    }
    return { format };
  }));
}

/** kubectl reads a path without braces, too. */
function unwrapped(template: string): string {
  return template.includes("{") ? template : `{${/^[.$@[]/.test(template) ? "" : "."}${template}}`;
}

export function show(value: unknown, output: Output, prints: Prints): void {
  switch (output.format) {
    case "json":
    case "yaml":
      return printData(serialize(value, output.format));
    case "jsonpath":
      return printData(renderJsonPath(value, output.template));
    case "name":
      return print((prints.name?.() ?? []).map((name) => `${name}\n`).join(""));
    case "wide":
      return print((prints.wide ?? prints.table)());
    case "table":
      return print(prints.table());
  }
}

/** Any value as JSON or YAML text, with a line break at the end. */
export function serialize(value: unknown, format: "json" | "yaml"): string {
  return format === "json" ? `${JSON.stringify(value, null, 2)}\n` : yamlOf(value);
}

function yamlOf(value: unknown): string {
  const text = stringify(value, { aliasDuplicateObjects: false });
  if (isPrintable(text)) return text;
  // Only between double quotes what is written out means the same.
  return stringify(value, {
    aliasDuplicateObjects: false,
    defaultStringType: "QUOTE_DOUBLE",
  });
}
