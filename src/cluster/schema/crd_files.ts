/** The files of our CustomResourceDefinitions. `src/build/cli_bundle.ts` puts their texts in place of this module. */
import { readFileSync } from "node:fs";

const FILES = ["egressgateways.yaml", "egressgatewaypolicies.yaml"] as const;

/** @throws Error when `k8s/crds` is not beside the sources */
export function crdTexts(): readonly string[] {
  return FILES.map((file) =>
    readFileSync(new URL(`../../../k8s/crds/${file}`, import.meta.url), "utf8")
  );
}
