/** Pages that are made from the code: the API from the CRDs, the settings from their table. `tests/build/reference_test.ts` compares. */
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import * as v from "valibot";
import { crdTexts } from "../cluster/schema/crd_files.ts";
import { PROGRAMS } from "../program/programs.ts";
import { isSwitch, LOG_SETTINGS, SETTINGS } from "../program/settings.ts";
import type { SettingName } from "../program/settings.ts";
import type { Setting } from "../program/setting.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Path from the repository's root -> text. */
export function referencePages(): Readonly<Record<string, string>> {
  return { "docs/api.md": apiPage(), "docs/settings.md": settingsPage() };
}

export async function writeReference(): Promise<void> {
  for (const [path, text] of Object.entries(referencePages())) {
    await Deno.writeTextFile(ROOT + path, text);
  }
}

const MADE_BY = "This page is made by `npx deno run -A scripts/reference.ts`; a test compares it.";

interface Schema {
  readonly description?: string;
  readonly type?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly "x-kubernetes-validations"?: readonly { readonly message?: string }[];
}

const schema: v.GenericSchema<unknown, Schema> = v.custom<Schema>((value) =>
  typeof value === "object" && value !== null
);

const CRD = v.object({
  spec: v.object({
    group: v.string(),
    scope: v.string(),
    names: v.object({
      kind: v.string(),
      plural: v.string(),
      shortNames: v.optional(v.array(v.string()), []),
    }),
    versions: v.array(v.object({
      name: v.string(),
      schema: v.object({ openAPIV3Schema: schema }),
      additionalPrinterColumns: v.optional(
        v.array(v.object({
          name: v.string(),
          jsonPath: v.string(),
          description: v.optional(v.string(), ""),
          priority: v.optional(v.number(), 0),
        })),
        [],
      ),
    })),
  }),
});

function apiPage(): string {
  const parts = crdTexts().map((text) => kindPart(v.parse(CRD, parse(text))));
  return `# API reference

${MADE_BY} The schema itself is \`k8s/crds\`, and the API server and \`sallyport --from\` judge by it in the same words.

${parts.join("\n")}`;
}

function kindPart({ spec: { group, scope, names, versions } }: v.InferOutput<typeof CRD>): string {
  return versions.map(({ name, schema: { openAPIV3Schema: root }, additionalPrinterColumns }) => {
    const { spec = {}, status = {} } = root.properties ?? {};
    const short = names.shortNames.map((each) => `\`${each}\``).join(", ");
    return `## ${names.kind}

${oneLine(root.description)}

\`${group}/${name}\`, ${scope.toLowerCase()}-wide; \`kubectl get ${names.plural}\`${
      short === "" ? "" : `, for short ${short}`
    }.

### ${names.kind}: spec

${fieldTable(spec, "spec")}
${rulesOf(root, spec)}### ${names.kind}: status

Written by controllers; read it, never write it.

${fieldTable(status, "status")}
### ${names.kind}: columns of kubectl get

| column | from | |
|---|---|---|
${
      additionalPrinterColumns.map(({ name, jsonPath, description, priority }) =>
        `| ${name} | \`${jsonPath}\` | ${
          [description, priority > 0 ? "with `-o wide`" : ""].filter((each) => each !== "").join(
            " ",
          )
        } |\n`
      ).join("")
    }`;
  }).join("\n");
}

interface Field {
  readonly path: string;
  readonly schema: Schema;
  readonly required: boolean;
}

function fieldsOf(parent: Schema, path: string): readonly Field[] {
  return Object.entries(parent.properties ?? {}).flatMap(([name, inner]) => {
    const own = `${path}.${name}`;
    const field = { path: own, schema: inner, required: parent.required?.includes(name) ?? false };
    const nested = inner.items === undefined
      ? fieldsOf(inner, own)
      : fieldsOf(inner.items, `${own}[]`);
    return [field, ...nested];
  });
}

function fieldTable(parent: Schema, path: string): string {
  const rows = fieldsOf(parent, path).map(({ path, schema, required }) =>
    `| \`${path}\` | ${typeOf(schema)} | ${
      required
        ? "required"
        : schema.default === undefined
        ? ""
        : `\`${JSON.stringify(schema.default)}\``
    } | ${cell(meaningOf(path, schema))} |\n`
  );
  return `| field | type | default | meaning |\n|---|---|---|---|\n${rows.join("")}`;
}

function meaningOf(path: string, { description }: Schema): string {
  return description === undefined && path.includes("matchExpressions[].")
    ? "As in any label selector of Kubernetes."
    : oneLine(description);
}

function typeOf(schema: Schema): string {
  const { type = "any", format, items, additionalProperties } = schema;
  const name = items !== undefined
    ? `list of ${items.enum === undefined ? items.type ?? "any" : typeOf(items)}`
    : additionalProperties !== undefined
    ? `map to ${additionalProperties.type ?? "any"}`
    : schema.enum !== undefined
    ? schema.enum.map((each) => `\`${each}\``).join(", ")
    : format === undefined
    ? type
    : `${type} (${format})`;
  return [name, ...limits(schema)].join("; ");
}

function limits(schema: Schema): readonly string[] {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, maxProperties } = schema;
  return [
    range(minimum, maximum, ""),
    range(minLength, maxLength, " characters"),
    range(minItems, maxItems, " items"),
    range(undefined, maxProperties, " entries"),
  ].flatMap((each) => each ?? []);
}

function range(from: number | undefined, to: number | undefined, unit: string): string | undefined {
  if (from !== undefined && to !== undefined) return `${from} to ${to}${unit}`;
  if (from !== undefined) return `at least ${from}${unit}`;
  return to === undefined ? undefined : `at most ${to}${unit}`;
}

/** What is refused, in the words of the refusal. */
function rulesOf(root: Schema, spec: Schema): string {
  const all = [
    { path: "metadata", schema: root },
    { path: "spec", schema: spec },
    ...fieldsOf(spec, "spec"),
  ];
  const lines = all.flatMap(({ path, schema }) => [
    ...rulesIn(path, schema),
    ...(schema.items === undefined ? [] : rulesIn(`${path}[]`, schema.items)),
  ]);
  return lines.length === 0 ? "" : `Refused, with these words:\n\n${lines.join("")}\n`;
}

function rulesIn(path: string, schema: Schema): readonly string[] {
  return (schema["x-kubernetes-validations"] ?? []).flatMap(({ message }) =>
    message === undefined ? [] : [`- \`${path}\`: ${oneLine(message)}\n`]
  );
}

/** What a function is called where it runs. */
const PROGRAM_TITLES: Readonly<Record<string, string>> = {
  tick: "`tick`, the CronJob",
  server: "`serve`, the Deployment",
  knative: "`knative`, the Knative Service",
  agent: "`agent`, the DaemonSet",
};

function settingsPage(): string {
  const parts = Object.entries(PROGRAMS).map(([name, { settings }]) =>
    `## ${PROGRAM_TITLES[name] ?? `\`${name}\``}\n\n${settingTable([...settings, ...LOG_SETTINGS])}`
  );
  const used = new Set<string>(Object.values(PROGRAMS).flatMap(({ settings }) => settings));
  const others = Object.keys(SETTINGS).filter((name): name is SettingName =>
    !used.has(name) && !(LOG_SETTINGS as readonly string[]).includes(name)
  );
  return `# Settings

${MADE_BY} Each setting is a variable of the functions in the cluster and a flag of the command line. A flag counts before a
variable; an empty variable says nothing. One that is wrong ends the program with exit code 2 and says what to write.

${parts.join("\n")}
## The edge entry

\`functions/edge.ts\` reads these beside the variables of \`knative\`; it has no files, so cluster and token come by value.

${settingTable(others)}
## Variables of others

| variable | read by | meaning |
|---|---|---|
| \`KUBECONFIG\` | the command line | kubeconfig files, as kubectl reads them, where neither \`--kubeconfig\` nor \`--context\` is given |
| \`KUBERNETES_SERVICE_HOST\`, \`KUBERNETES_SERVICE_PORT\` | functions in a pod | the API server, set by the kubelet |
| \`NO_COLOR\` | the command line | no colours, also on a terminal |
`;
}

function settingTable(names: readonly SettingName[]): string {
  const rows = [...new Set(names)].map((name) => {
    const setting: Setting<unknown> = SETTINGS[name];
    const fallback = setting.fallback === undefined || isSwitch(setting)
      ? ""
      : `\`${setting.fallback}\``;
    return `| \`${setting.variable}\` | \`${setting.flag}\` | ${fallback} | ${
      cell(setting.description)
    } |\n`;
  });
  return `| variable | flag | default | meaning |\n|---|---|---|---|\n${rows.join("")}`;
}

function oneLine(text = ""): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

/** Within a table a bar would begin the next cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
