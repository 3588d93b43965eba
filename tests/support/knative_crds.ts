/** Knative's own CustomResourceDefinitions, from its Go modules. */
import { type ModuleFolder, moduleFolder, readModuleFile } from "./go_module.ts";
import type { Need } from "./needs.ts";

const SERVING: ModuleFolder = {
  module: "knative.dev/serving",
  version: "v0.46.0",
  sum: "h1:OF4Jt+6xY4nw0lFb9G3rEEJPZcNx1k2Kf1IhhJp/Rg4=",
  folder: "config/core/300-resources",
};

const EVENTING: ModuleFolder = {
  module: "knative.dev/eventing",
  version: "v0.46.0",
  sum: "h1:DGkvUcZagkvvcRxf5jh/usdictP8BWa7kHgIocfT4MY=",
  folder: "config/core/resources",
};

/** Knative's CRDs can be had here. */
export const knativeCrds: Need = () => moduleFolder(SERVING)() ?? moduleFolder(EVENTING)();

/** YAML of Service, ApiServerSource and PingSource. */
export async function readKnativeCrds(): Promise<string> {
  const texts = await Promise.all([
    readModuleFile(SERVING, "service.yaml"),
    readModuleFile(EVENTING, "apiserversource.yaml"),
    readModuleFile(EVENTING, "pingsource.yaml"),
  ]);
  return texts.join("\n---\n");
}

/**
 * The resource that Knative takes a kind for. It does not ask the API server: an `EgressGateway` becomes
 * `egressgatewaies`, which nobody serves, so no source can watch it.
 *
 * Source: k8s.io/apimachinery, pkg/api/meta/restmapper.go, UnsafeGuessKindToResource.
 */
export function knativePlural(kind: string): string {
  const name = kind.toLowerCase();
  if (name.endsWith("s")) return `${name}es`;
  return name.endsWith("y") ? `${name.slice(0, -1)}ies` : `${name}s`;
}
