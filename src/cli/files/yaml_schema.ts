/**
 * Which unquoted words of YAML are no text, for kubectl: YAML 1.1 with a few words of its own, and no times.
 *
 * Source: go.yaml.in/yaml/v2, resolve.go, as sigs.k8s.io/yaml uses it.
 */
import type { ScalarTag, Tags } from "yaml";

const INT = "tag:yaml.org,2002:int";
const FLOAT = "tag:yaml.org,2002:float";

const yes = scalar(
  "tag:yaml.org,2002:bool",
  /^(?:[yY]|yes|Yes|YES|true|True|TRUE|on|On|ON)$/,
  () => true,
);
const no = scalar(
  "tag:yaml.org,2002:bool",
  /^(?:[nN]|no|No|NO|false|False|FALSE|off|Off|OFF)$/,
  () => false,
);
const nothing = scalar("tag:yaml.org,2002:null", /^(?:|~|null|Null|NULL)$/, () => null);
const binary = scalar(INT, /^[-+]?0[bB][01_]+$/, (digits) => Number.parseInt(digits.slice(2), 2));
const hex = scalar(INT, /^[-+]?0[xX][0-9a-fA-F_]+$/, (digits) => Number.parseInt(digits, 16));
const octal = scalar(
  INT,
  /^[-+]?0[oO]?[0-7_]+$/,
  (digits) => Number.parseInt(digits.replace(/[oO]/, ""), 8),
);
const decimal = scalar(INT, /^[-+]?(?:0|[1-9][0-9_]*)$/, Number);
const float = scalar(
  FLOAT,
  /^[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$/,
  Number,
);
const noNumber = scalar(FLOAT, /^(?:\.nan|\.NaN|\.NAN)$/, () => NaN);
const infinite = scalar(FLOAT, /^[-+]?(?:\.inf|\.Inf|\.INF)$/, () => Infinity);

/** In the order in which they are tried. */
export const KUBECTL_TAGS: Tags = [
  ...[nothing, yes, no, binary, hex, octal, decimal, float, noNumber, infinite],
  "merge",
];

/** @param read the word without `_`, and of a number without sign -> the value */
function scalar(tag: string, test: RegExp, read: (word: string) => unknown): ScalarTag {
  return {
    tag,
    default: true,
    test,
    resolve: (word) => {
      const value = read(word.replaceAll("_", "").replace(/^[-+]/, ""));
      return typeof value === "number" && word.startsWith("-") ? -value : value;
    },
  };
}
