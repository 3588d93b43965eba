/**
 * Says what the bundles consist of: `dist/sbom.spdx.json` (SPDX 2.3) and `dist/licenses.txt`, with the texts that the
 * licences want to be passed on.
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { bundle } from "./bundle.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What runs the bundles, and is in the images beside them. */
const RUNTIME = "node_modules/deno";

export interface Component {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly license: string;
  /** SHA-512 of the package as npm has it, in hex; absent for our own. */
  readonly sha512?: string;
  /** Text of its licence file, empty when it has none. */
  readonly licenseText: string;
}

export interface Inventory {
  readonly self: Component;
  readonly runtime: Component;
  /** Bundled packages, sorted. */
  readonly bundled: readonly Component[];
}

export interface SbomOptions {
  /** Folder of the bundles and of what is written; default `dist`. */
  readonly outdir?: string;
}

const PackageJson = v.object({ name: v.string(), version: v.string(), license: v.string() });

const PackageLock = v.object({
  packages: v.record(v.string(), v.object({ integrity: v.optional(v.string()) })),
});

/**
 * Bundles, and writes both files.
 *
 * @throws Error when a package says no licence
 */
export async function writeSbom({ outdir = "dist" }: SbomOptions = {}): Promise<Inventory> {
  const bundles = await bundle({ outdir });
  const inventory = await takeInventory(bundles.flatMap(({ sources }) => sources));
  const folder = outdir.startsWith("/") ? outdir : `${ROOT}${outdir}`;
  const sbom = JSON.stringify(spdxDocument(inventory, sourceDate()), null, 2);
  await Deno.writeTextFile(`${folder}/sbom.spdx.json`, sbom + "\n");
  await Deno.writeTextFile(`${folder}/licenses.txt`, licenseTexts(inventory));
  return inventory;
}

/** @param sources paths of bundled files, relative to the repository's root */
export async function takeInventory(sources: readonly string[]): Promise<Inventory> {
  const lock = v.parse(
    PackageLock,
    JSON.parse(await Deno.readTextFile(`${ROOT}package-lock.json`)),
  );
  const folders = new Set(sources.flatMap((path) => packageFolder(path) ?? []));
  const read = (folder: string) => readComponent(folder, lock.packages[folder]?.integrity);
  const bundled = await Promise.all([...folders].map(read));
  return {
    self: await readComponent(""),
    runtime: await read(RUNTIME),
    bundled: bundled.sort((a, b) => keyOf(a) < keyOf(b) ? -1 : 1),
  };
}

/** As `node_modules/a/node_modules/@b/c`; undefined for our own files. */
function packageFolder(path: string): string | undefined {
  return /^(?:[^:]*:)?(?:.*\/)?(node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(path)
    ?.[1];
}

async function readComponent(folder: string, integrity?: string): Promise<Component> {
  const text = await Deno.readTextFile(`${ROOT}${folder}/package.json`);
  const { output, success } = v.safeParse(PackageJson, JSON.parse(text));
  if (!success) throw new Error(`Cannot list ${folder}: its package.json names no licence`);
  return {
    ...output,
    ...(integrity === undefined ? {} : { sha512: sha512Of(integrity) }),
    licenseText: await licenseTextIn(`${ROOT}${folder}`),
  };
}

async function licenseTextIn(folder: string): Promise<string> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile && /^(licen[cs]e|notice)/i.test(name)) names.push(name);
  }
  const texts = names.sort().map((name) => Deno.readTextFile(`${folder}/${name}`));
  return (await Promise.all(texts)).map((text) => text.trim()).join("\n\n");
}

/** From a lock file's `sha512-BASE64`. */
function sha512Of(integrity: string): string {
  return Uint8Array.fromBase64(integrity.replace(/^sha512-/, "")).toHex();
}

/**
 * An SPDX 2.3 document, the same for the same inventory and date.
 *
 * https://spdx.github.io/spdx-spec/v2.3/
 */
export function spdxDocument({ self, runtime, bundled }: Inventory, created: Date) {
  const contents = createHash("sha256").update(
    JSON.stringify([self, runtime, ...bundled].map(({ licenseText: _, ...rest }) => rest)),
  ).digest("hex");
  const relation = (
    spdxElementId: string,
    relationshipType: string,
    relatedSpdxElement: string,
  ) => ({ spdxElementId, relationshipType, relatedSpdxElement });
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: keyOf(self),
    documentNamespace: `https://spdx.org/spdxdocs/${self.name}-${self.version}-${contents}`,
    creationInfo: {
      created: created.toISOString().replace(/\.\d+Z$/, "Z"),
      creators: [`Tool: sallyport-sbom-${self.version}`],
    },
    packages: [
      spdxPackage(self),
      ...bundled.map(spdxPackage),
      spdxPackage(runtime),
    ],
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", spdxId(self)),
      ...bundled.map((component) => relation(spdxId(self), "CONTAINS", spdxId(component))),
      relation(spdxId(runtime), "RUNTIME_DEPENDENCY_OF", spdxId(self)),
    ],
  };
}

function spdxPackage(component: Component) {
  const { name, version, license, sha512 } = component;
  return {
    SPDXID: spdxId(component),
    name,
    versionInfo: version,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    licenseConcluded: license,
    licenseDeclared: license,
    copyrightText: "NOASSERTION",
    ...(sha512 === undefined ? {} : {
      checksums: [{ algorithm: "SHA512", checksumValue: sha512 }],
      externalRefs: [{
        referenceCategory: "PACKAGE-MANAGER",
        referenceType: "purl",
        referenceLocator: `pkg:npm/${name.replace("@", "%40")}@${version}`,
      }],
    }),
  };
}

function spdxId({ name, version }: Component): string {
  return `SPDXRef-Package-${`${name}-${version}`.replaceAll(/[^A-Za-z0-9.-]+/g, "-")}`;
}

/** A line per package, by licence: `MIT  hono@4.13.19`. */
export function licenseList({ runtime, bundled }: Inventory): readonly string[] {
  return [...bundled, runtime].map((each) => `${each.license}  ${keyOf(each)}`).sort();
}

/** The texts that the licences want to be passed on. */
export function licenseTexts(inventory: Inventory): string {
  const { self, bundled, runtime } = inventory;
  const texts = [...bundled, runtime].map((each) =>
    `${"=".repeat(80)}\n${keyOf(each)} (${each.license})\n\n${
      each.licenseText || "The package has no licence text beside its SPDX identifier."
    }\n`
  );
  const intro = `${keyOf(self)} (${self.license}) contains these packages, and runs on the last:\n`;
  return [intro, ...licenseList(inventory).map((line) => `  ${line}`), "", ...texts].join("\n");
}

function keyOf({ name, version }: Component): string {
  return `${name}@${version}`;
}

/** SOURCE_DATE_EPOCH where a build is to be reproducible. */
function sourceDate(): Date {
  const epoch = Deno.env.get("SOURCE_DATE_EPOCH");
  return epoch === undefined ? new Date() : new Date(Number(epoch) * 1000);
}
