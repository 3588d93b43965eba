/**
 * Makes the templates and CRDs of the Helm chart `k8s/chart` from what kustomize makes of `k8s/`, so that there is one
 * source. What people read and write there, `Chart.yaml`, `values.yaml`, its schema, and `_helpers.tpl`, is not made.
 */
import { pathOf, render } from "./kustomize.ts";
import type { KubeObject } from "./kube_object.ts";
import { CONDITIONS, editsOf } from "./chart_edits.ts";
import { type Edit, idOf, templateOf, yamlOf } from "./chart_template.ts";

/** Folders of the chart in which every `.yaml` is made here. */
const FOLDERS = ["crds", "templates"] as const;

/**
 * What is only there where values say so: overlay, which adds to the base, and the expression; without one each object has
 * its own.
 */
const PARTS = [
  { file: "server", overlay: "overlays/server", when: 'eq .Values.run "server"' },
  { file: "cronjob", overlay: "overlays/cronjob", when: 'eq .Values.run "cronjob"' },
  { file: "agent", overlay: "overlays/agent", when: ".Values.agent.enabled" },
  { file: "monitoring", overlay: "monitoring" },
] as const satisfies readonly {
  readonly file: string;
  readonly overlay: string;
  readonly when?: string;
}[];

/** The files that are made, by their paths in the chart. */
export async function chartFiles(): Promise<ReadonlyMap<string, string>> {
  const base = await render("base");
  const files = new Map<string, string>();
  for (const object of base.filter(isCrd)) {
    const [plural] = object.metadata.name.split(".");
    files.set(`crds/${plural}.yaml`, `# ${MADE_FROM} k8s/crds\n${yamlOf(object)}`);
  }
  const used = new Set<string>();
  const edited = new Set<string>();
  const write = (file: string, { source, objects, when }: {
    readonly source: string;
    readonly objects: readonly KubeObject[];
    readonly when?: string;
  }) => {
    const edits = editsOf(objects);
    for (const { object } of edits) edited.add(object);
    for (const object of objects) used.add(idOf(object));
    const documents = objects.map((object) => document(object, edits)).join("");
    const text = when === undefined ? documents : `{{- if ${when} }}\n${documents}{{- end }}\n`;
    files.set(`templates/${file}.yaml`, `{{- /* ${MADE_FROM} k8s/${source} */ -}}\n${text}`);
  };
  const rest = base.filter((object) => !isCrd(object));
  write("namespace", {
    source: "base",
    objects: rest.filter(isNamespace),
    when: ".Values.namespace.create",
  });
  write("base", { source: "base", objects: rest.filter((object) => !isNamespace(object)) });
  const known = new Set(base.map(idOf));
  for (const { file, overlay, ...when } of PARTS) {
    const objects = (await render(overlay)).filter((object) => !known.has(idOf(object)));
    write(file, { source: overlay, objects, ...when });
  }
  for (const id of [...edited, ...Object.keys(CONDITIONS)]) {
    if (!used.has(id)) throw new Error(`Cannot substitute in ${id}: no such object`);
  }
  return files;
}

/** The files that are there, of those that this script makes. */
export async function committedFiles(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const folder of FOLDERS) {
    for await (const { name } of Deno.readDir(`${ROOT}/${folder}`)) {
      if (!name.endsWith(".yaml")) continue;
      files.set(`${folder}/${name}`, await Deno.readTextFile(`${ROOT}/${folder}/${name}`));
    }
  }
  return files;
}

const ROOT = pathOf("chart");
const MADE_FROM = "Made by scripts/chart.ts: change, and read the comments in,";

function document(object: KubeObject, edits: readonly Edit[]): string {
  const id = idOf(object);
  const text = `---\n${templateOf(object, edits.filter((edit) => edit.object === id))}`;
  const when = CONDITIONS[id];
  return when === undefined ? text : `{{- if ${when} }}\n${text}{{- end }}\n`;
}

function isCrd({ kind }: KubeObject): boolean {
  return kind === "CustomResourceDefinition";
}

function isNamespace({ kind }: KubeObject): boolean {
  return kind === "Namespace";
}

/** Writes the files that are made, and removes those that are made no more. */
export async function writeChart(): Promise<void> {
  const files = await chartFiles();
  const former = await committedFiles();
  for (const folder of FOLDERS) await Deno.mkdir(`${ROOT}/${folder}`, { recursive: true });
  for (const [path, text] of files) {
    if (former.get(path) !== text) await Deno.writeTextFile(`${ROOT}/${path}`, text);
  }
  for (const path of former.keys()) {
    if (!files.has(path)) await Deno.remove(`${ROOT}/${path}`);
  }
}
