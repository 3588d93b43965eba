/** Our CustomResourceDefinitions, read from the files that are applied to a cluster: there is no second list of rules. */
import { parse } from "yaml";
import * as v from "valibot";
import { crdTexts } from "./crd_files.ts";
import type { StructuralSchema } from "./structural_schema.ts";

/** Keywords that `validate` honours; a schema with another one would be judged too mildly. */
const KEYWORDS = new Set([
  ..."type format nullable default properties additionalProperties items required enum minimum"
    .split(
      " ",
    ),
  ..."maximum minLength maxLength pattern minItems maxItems minProperties maxProperties".split(" "),
  ..."description x-kubernetes-list-type x-kubernetes-list-map-keys x-kubernetes-map-type".split(
    " ",
  ),
  "x-kubernetes-validations",
]);

export interface Definition {
  readonly kind: string;
  readonly plural: string;
  readonly group: string;
  /** The version that is stored. */
  readonly version: string;
  readonly schema: StructuralSchema;
}

const schema: v.GenericSchema<unknown, StructuralSchema> = v.pipe(
  v.custom<StructuralSchema>((value) => typeof value === "object" && value !== null),
  v.check((value) => unknownKeywords(value).length === 0, "write only keywords that are known"),
);

const definition = v.pipe(
  v.object({
    spec: v.object({
      group: v.string(),
      names: v.object({ kind: v.string(), plural: v.string() }),
      versions: v.array(v.object({
        name: v.string(),
        storage: v.boolean(),
        schema: v.object({ openAPIV3Schema: schema }),
      })),
    }),
  }),
  v.transform(({ spec: { group, names, versions } }): Definition[] =>
    versions.filter(({ storage }) => storage).map(({ name, schema }) => ({
      kind: names.kind,
      plural: names.plural,
      group,
      version: name,
      schema: schema.openAPIV3Schema,
    }))
  ),
);

let definitions: readonly Definition[] | undefined;

/**
 * The definitions of EgressGateway and EgressGatewayPolicy.
 *
 * @throws Error when `k8s/crds` is not beside the sources, or uses a keyword that is not honoured here
 */
export function readDefinitions(): readonly Definition[] {
  definitions ??= crdTexts().flatMap((text) => v.parse(definition, parse(text)));
  return definitions;
}

/** Keywords of the schema and of those in it that are not honoured, sorted. */
function unknownKeywords(schema: StructuralSchema): readonly string[] {
  const { properties = {}, additionalProperties, items } = schema;
  const inner = [...Object.values(properties), additionalProperties, items].filter((each) =>
    each !== undefined
  );
  return [
    ...Object.keys(schema).filter((keyword) => !KEYWORDS.has(keyword)),
    ...inner.flatMap(unknownKeywords),
  ];
}
