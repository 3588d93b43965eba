/** Kubernetes objects as YAML has them. */
import { parseAllDocuments } from "yaml";

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** An object as the API server has it. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

/** Objects of YAML documents; empty documents are left out. */
export function objectsOf(
  manifests: string | KubeObject | readonly KubeObject[],
): readonly KubeObject[] {
  if (typeof manifests !== "string") {
    return Array.isArray(manifests) ? manifests : [manifests as KubeObject];
  }
  return parseAllDocuments(manifests).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const object: unknown = document.toJS();
    return object === null ? [] : [object as KubeObject];
  });
}
