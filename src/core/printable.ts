/** Text of others that is safe to show: what a node, a person or an object says must not steer the terminal that it is read on. */

/**
 * Control characters (C0 without tab and line break, DEL, C1), which make escape sequences, and those that turn the direction
 * of text, separate lines or cannot be seen (Unicode's Cc, Cf, Zl, Zp, and halves of surrogates).
 */
const UNPRINTABLE = /[^\P{Cc}\t\n]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** The text with everything unprintable written out, as `\u001b`: in JSON that means the same as before. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, writtenOut);
}

/** The same on one line: in a table or a log, a line break or a tab could pass for something that we wrote. */
export function printableLine(text: string): string {
  return printable(text).replace(/[\t\n]/g, writtenOut);
}

/** Whether there is something unprintable in the text. */
export function isPrintable(text: string): boolean {
  return text.search(UNPRINTABLE) < 0;
}

function writtenOut(text: string): string {
  return Array.from(
    { length: text.length },
    (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, "0")}`,
  ).join("");
}
