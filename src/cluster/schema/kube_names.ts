/**
 * The names that Kubernetes knows: what is wrong with a text as one, in the API server's words; nothing, when it is one.
 *
 * Source: k8s.io/apimachinery, pkg/util/validation and pkg/api/validate/content.
 */

type Faults = readonly string[];

const SUBDOMAIN = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const VALUE = `(${NAME_PART})?`;

const ENDS = "and must start and end with an alphanumeric character";
const DOTTED = "alphanumeric characters, '-', '_' or '.'";
const SUBDOMAIN_MESSAGE =
  `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', ${ENDS} ` +
  `(e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`;
const LABEL_MESSAGE =
  `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', ${ENDS} ` +
  `(e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`;
const LABEL_1035_MESSAGE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, " +
  "and end with an alphanumeric character " +
  `(e.g. 'my-name',  or 'abc-123', regex used for validation is '${LABEL_1035}')`;
const NAME_EXAMPLES =
  `(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${NAME_PART}')`;

/** Name of most objects. */
export function subdomainFaults(text: string): Faults {
  return [
    ...(text.length > 253 ? ["must be no more than 253 characters"] : []),
    ...(whole(SUBDOMAIN, text) ? [] : [SUBDOMAIN_MESSAGE]),
  ];
}

export function dnsLabelFaults(text: string): Faults {
  return [...tooLong(text, 63), ...(whole(LABEL, text) ? [] : [LABEL_MESSAGE])];
}

export function dns1035LabelFaults(text: string): Faults {
  return [...tooLong(text, 63), ...(whole(LABEL_1035, text) ? [] : [LABEL_1035_MESSAGE])];
}

/** The start of a name to which the server adds its own end. */
export function prefixOf(faults: (text: string) => Faults): (text: string) => Faults {
  return (text) => faults(text.length > 1 && text.endsWith("-") ? `${text.slice(0, -1)}a` : text);
}

/** Key of a label, an annotation or a finalizer. */
export function qualifiedNameFaults(text: string): Faults {
  const parts = text.split("/");
  const [prefix, name] = parts.length === 1 ? [undefined, text] : parts;
  if (name === undefined || parts.length > 2) {
    return [
      `a valid label key must consist of ${DOTTED}, ${ENDS} ${NAME_EXAMPLES} ` +
      "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ];
  }
  const ofPrefix = prefix === undefined
    ? []
    : prefix === ""
    ? ["must be non-empty"]
    : [...tooLong(prefix, 253), ...(whole(SUBDOMAIN, prefix) ? [] : [SUBDOMAIN_MESSAGE])];
  const ofName = [
    ...(name === "" ? ["must be non-empty"] : tooLong(name, 63)),
    ...(whole(NAME_PART, name) ? [] : [`must consist of ${DOTTED}, ${ENDS} ${NAME_EXAMPLES}`]),
  ];
  return [
    ...ofPrefix.map((fault) => `prefix part ${fault}`),
    ...ofName.map((fault) => `name part ${fault}`),
  ];
}

export function labelValueFaults(text: string): Faults {
  return [
    ...tooLong(text, 63),
    ...(whole(VALUE, text) ? [] : [
      `a valid label must be an empty string or consist of ${DOTTED}, ${ENDS} ` +
      `(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '${VALUE}')`,
    ]),
  ];
}

function tooLong(text: string, bytes: number): Faults {
  return byteLength(text) > bytes ? [`must be no more than ${bytes} bytes`] : [];
}

/** Of the text in UTF-8. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function whole(pattern: string, text: string): boolean {
  return new RegExp(`^(?:${pattern})$`).test(text);
}
