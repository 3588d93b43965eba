/** The validator and a real API server with our CRDs: the same verdict, fields and sentences. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "yaml";
import { judgeOwn } from "../../src/cli/files/judge.ts";
import { readManifests } from "../../src/cli/files/manifest.ts";
import { decodeGateway, decodePolicy } from "../../src/cluster/decoders/kinds.ts";
import { admit } from "../../src/cluster/schema/validate.ts";
import { ConfigError } from "../../src/kube/errors.ts";
import type { Issue } from "../../src/cluster/schema/issue.ts";
import { arbitraryManifest, enumeratedManifests } from "../support/arbitrary_manifests.ts";
import type { Manifest } from "../support/arbitrary_manifests.ts";
import { controlPlaneTests } from "../support/control_plane.ts";
import type { RawApi, RawResponse } from "../support/raw_api.ts";

const test = controlPlaneTests();

/** Each changed in one field, and in two or three; a third of all that are known, others each time. */
const CHANGED_ONCE = 3_000;
const CHANGED_MORE = 1_000;
const AT_ONCE = 4;

test("what the API server refuses is refused with the same sentences, and what it takes is read", async ({ api }) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const start = performance.now();
  const manifests = [
    ...fc.sample(fc.shuffledSubarray([...enumeratedManifests()], { minLength: CHANGED_ONCE }), {
      seed,
      numRuns: 1,
    }).flat().slice(0, CHANGED_ONCE),
    ...fc.sample(arbitraryManifest(), { seed, numRuns: CHANGED_MORE }),
  ];
  const counts = { accepted: 0, refused: 0 };
  const differing: string[] = [];
  const left = manifests.values();
  const judge = async () => {
    for (const manifest of left) {
      const difference = await compare(api, manifest, counts);
      if (difference !== undefined) differing.push(difference);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, judge));
  const seconds = ((performance.now() - start) / 1_000).toFixed(0);
  print(
    `${
      counts.accepted + counts.refused
    } objects (${counts.accepted} accepted, ${counts.refused} refused), ` +
      `${differing.length} judged otherwise, seed ${seed}, ${seconds} s`,
  );
  assert.deepEqual(differing.slice(0, 10), [], `Seed ${seed}`);
  assert.equal(counts.accepted + counts.refused, manifests.length);
  assert.ok(counts.accepted >= 300 && counts.refused >= 1_000, "Both verdicts are tried");
});

/** Where `generateName` is wrong, the server says so again of the name that it made from it: five random characters more. */
function isOfMadeName(sentence: string, { metadata }: { readonly metadata?: unknown }): boolean {
  const { name, generateName: start } = (metadata ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof start !== "string" || start === "" || (name ?? "") !== "") return false;
  const prefix = `metadata.name: Invalid value: ${JSON.stringify(start).slice(0, -1)}`;
  return sentence.startsWith(prefix) && /^[a-z0-9]{5}"/.test(sentence.slice(prefix.length));
}

/** Undefined where both agree. */
async function compare(
  api: RawApi,
  { kind, object, what }: Manifest,
  counts: { accepted: number; refused: number },
): Promise<string | undefined> {
  const plural = kind === "EgressGateway" ? "egressgateways" : "egressgatewaypolicies";
  const response = await api.request({
    method: "POST",
    path: `/apis/network.deckhouse.io/v1alpha1/${plural}?dryRun=All&fieldValidation=Strict`,
    body: object,
  });
  const { issues, stored } = admit(kind, object);
  const said = answers(response);
  const [wanted, found] = [
    said.sentences.filter((one) => !isOfMadeName(one, object)),
    said.ours(issues),
  ].map((sentences) => [...new Set(sentences)].sort());
  counts[said.accepted ? "accepted" : "refused"]++;
  if (JSON.stringify(wanted) !== JSON.stringify(found)) {
    return `${kind} with ${what}: the API server says ${JSON.stringify(wanted)}, we say ${
      JSON.stringify(found)
    }`;
  }
  const file = judgeAsFile({ kind, object, what });
  if (said.accepted !== (file === undefined)) {
    return `${kind} with ${what}: the API server ${
      said.accepted ? "accepts" : "refuses"
    } it, and as a file ${file ?? "it is accepted"}`;
  }
  if (!said.accepted) return undefined;
  const decoded = (kind === "EgressGateway" ? decodeGateway : decodePolicy)(stored);
  return "object" in decoded
    ? undefined
    : `${kind} with ${what} is accepted and not read: ${decoded.invalid.message}`;
}

/** Why `--from` refuses the object, written as JSON or as YAML; undefined: it is accepted. */
function judgeAsFile({ kind, object, what }: Manifest): string | undefined {
  const text = what.length % 2 === 0
    ? JSON.stringify(object)
    : stringify(object, { schema: "yaml-1.1", aliasDuplicateObjects: false });
  try {
    const [manifest] = readManifests({ name: "one.yaml", text });
    return manifest === undefined ? "there is no object" : judgeOwn(kind, manifest).refusal;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

interface Answer {
  readonly accepted: boolean;
  readonly sentences: readonly string[];
  /** What of our issues stands against these sentences. */
  readonly ours: (issues: readonly Issue[]) => readonly string[];
}

/** What the API server adds to a complaint of its own accord: that it left out rules, or a type error once more. */
const REMARKS = ["some validation rules were not checked", "Checked value must be of type"];

function answers({ status, body }: RawResponse): Answer {
  if (status === 201) {
    return { accepted: true, sentences: [], ours: (issues) => issues.map(sentence) };
  }
  const { message = "", details } = body as {
    readonly message?: string;
    readonly details?: { readonly causes?: readonly { field: string; message: string }[] };
  };
  if (status === 422) {
    const causes = (details?.causes ?? []).filter((cause) =>
      !REMARKS.some((remark) => cause.message.includes(remark))
    );
    const sentences = causes.map(({ field, message }) =>
      sentence({ path: field === "<nil>" ? "" : field, message })
    );
    return { accepted: false, sentences, ours: (issues) => issues.map(sentence) };
  }
  // Before anything else the body is decoded, and unknown fields are all that is told.
  const unknown = [...message.matchAll(/unknown field "((?:[^"\\]|\\.)*)"/g)].map(([, path]) =>
    path
  );
  if (unknown.length > 0) {
    return {
      accepted: false,
      sentences: unknown.map(String),
      ours: (issues) => issues.filter(({ kind }) => kind === "Unknown").map(({ path }) => path),
    };
  }
  // Go's words for a wrong type in the metadata name a struct's field; the place is what both know.
  return {
    accepted: false,
    sentences: ["not an object"],
    ours: (issues) =>
      issues.some(({ path }) => /^(metadata|kind|apiVersion)/.test(path)) ? ["not an object"] : [],
  };
}

function sentence({ path, message }: Pick<Issue, "path" | "message">): string {
  return `${path}: ${message}`;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
