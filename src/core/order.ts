/** Orders strings by UTF-16 code unit, the same on every machine (unlike `localeCompare`). */
export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A comparison of objects by their name. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return byText(a.name, b.name);
}

/** A sorted copy of objects that have a name. */
export function sortedByName<T extends { readonly name: string }>(objects: readonly T[]): T[] {
  return [...objects].sort(byName);
}
