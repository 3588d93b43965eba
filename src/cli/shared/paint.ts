/** Colours for a person at a terminal. Applied to text that is safe to show already; without them nothing is missing. */
import { styleText } from "node:util";

type Format = "red" | "green" | "yellow" | "bold";

/** What stands out, and how. The words are those of our tables and sentences. */
const RULES: readonly (readonly [RegExp, Format])[] = [
  [/^(GATEWAY|POLICY|CHANGE|TIME) .*$/, "bold"],
  [/^(Warning|Cannot)\b.*$/, "yellow"],
  [/^warning\b/, "yellow"],
  [/^error\b/, "red"],
  [/^ok\b/, "green"],
  [/^ {2}\+ .*$/, "green"],
  [/^ {2}- .*$/, "red"],
  [/^ {2}~ .*$/, "yellow"],
  [/(?<= )(False|Unknown|Idle)(?= |$)/, "red"],
  [/(?<= )(True)(?= |$)/, "green"],
  [/(?<= )(Preparing|FailOver|Wait)(?= |$)/, "yellow"],
];

/** The text with colours; each line has those of the first rule that it fits. */
export function paint(text: string): string {
  return text.split("\n").map((line) => {
    const rule = RULES.find(([pattern]) => pattern.test(line));
    return rule === undefined ? line : line.replace(rule[0], (found) => styled(rule[1], found));
  }).join("\n");
}

function styled(format: Format, text: string): string {
  return styleText(format, text, { validateStream: false });
}

/** Whether the reader of a stream sees colours: a terminal, unless the person wants none (https://no-color.org). */
export function isColourful(
  { isTTY = false }: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  return isTTY && !environment["NO_COLOR"] && environment["TERM"] !== "dumb";
}
