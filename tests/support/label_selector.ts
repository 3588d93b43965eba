/** Label selectors as an API server reads them, as far as we send any. */
import type { Labels } from "../../src/core/types.ts";

/** `a=1,b in (2,3)` and `c`. */
export function matchesSelector(labels: Labels, selector: string): boolean {
  return selector.split(/,(?![^(]*\))/).every((part) => {
    const [, key = "", list] = /^(\S+) in \((.*)\)$/.exec(part) ?? [];
    if (list !== undefined) return list.split(",").includes(labels[key] ?? "\0");
    const [name = "", value] = part.split("=");
    return value === undefined ? name in labels : labels[name] === value;
  });
}
