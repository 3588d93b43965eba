/** Label selectors as an API server reads them, for objects that did not come from one. */

type Labels = Readonly<Record<string, string>>;

/** Tells whether a selector matches an object's labels. */
export type MatchLabels = (labels: Labels) => boolean;

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/**
 * Reads a label selector: requirements separated by commas, all of which must hold, each one of `key`, `!key`,
 * `key=value`, `key==value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key>1`, `key<1`. An empty one matches all.
 * As in Kubernetes, `!=` and `notin` hold where the label is absent.
 *
 * @throws TypeError that says which part cannot be read
 */
export function parseLabelSelector(text: string): MatchLabels {
  if (text.trim() === "") return () => true;
  const requirements = text.split(/,(?![^(]*\))/).map(parseRequirement);
  return (labels) => requirements.every((matches) => matches(labels));
}

function parseRequirement(part: string): MatchLabels {
  const text = part.trim();
  const [, setKey, not, list] = /^(\S+)\s+(not)?in\s*\(([^()]*)\)$/.exec(text) ?? [];
  if (setKey !== undefined && list !== undefined) {
    const key = labelKey(setKey, text);
    const values = new Set(list.split(",").map((value) => labelValue(value, text)));
    return (labels) => {
      const value = valueOf(labels, key);
      return (value !== undefined && values.has(value)) !== (not !== undefined);
    };
  }
  const [, left, operator, right] = /^([^=!<>\s]+)\s*(==?|!=|[<>])\s*(.*)$/.exec(text) ?? [];
  if (left !== undefined && operator !== undefined) {
    const key = labelKey(left, text);
    if (operator === "<" || operator === ">") return compare(key, { operator, right, text });
    const wanted = labelValue(right ?? "", text);
    return (labels) => (valueOf(labels, key) === wanted) === (operator !== "!=");
  }
  const absent = text.startsWith("!");
  const key = labelKey(absent ? text.slice(1).trim() : text, text);
  return (labels) => (valueOf(labels, key) !== undefined) !== absent;
}

function compare(
  key: string,
  { operator, right = "", text }: {
    readonly operator: "<" | ">";
    readonly right: string | undefined;
    readonly text: string;
  },
): MatchLabels {
  if (!/^-?\d+$/.test(right)) throw unreadable(text, "compare with a whole number");
  const bound = BigInt(right);
  return (labels) => {
    const value = valueOf(labels, key);
    if (value === undefined || !/^-?\d+$/.test(value)) return false;
    return operator === ">" ? BigInt(value) > bound : BigInt(value) < bound;
  };
}

function valueOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function labelKey(key: string, part: string): string {
  const slash = key.indexOf("/");
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const readable = NAME.test(key.slice(slash + 1)) &&
    (prefix === undefined || (PREFIX.test(prefix) && prefix.length <= 253));
  if (readable) return key;
  throw unreadable(part, `'${key}' is no label key`);
}

function labelValue(text: string, part: string): string {
  const value = text.trim();
  if (value === "" || NAME.test(value)) return value;
  throw unreadable(part, `'${value}' is no label value`);
}

function unreadable(part: string, why: string): TypeError {
  return new TypeError(
    `Cannot read '${part}' as a label selector: ${why}: write such as app=cilium, or app in (a,b)`,
  );
}
