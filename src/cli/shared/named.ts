/** Objects by the names that a person gives. */
import { ConfigError } from "../../kube/errors.ts";

/** @throws ConfigError that names those that there are */
export function named<T extends { readonly name: string }>(
  objects: readonly T[],
  { name, kind }: { readonly name: string; readonly kind: string },
): T {
  const found = objects.find((object) => object.name === name);
  if (found !== undefined) return found;
  throw new ConfigError(
    `Cannot find ${kind} '${name}' as there is none of that name: there are ${listed(objects)}`,
  );
}

export function listed(objects: readonly { readonly name: string }[]): string {
  return objects.map(({ name }) => name).sort().join(", ") || "none";
}
