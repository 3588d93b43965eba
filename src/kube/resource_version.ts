/** Tells whether a resourceVersion is of before another. They are numbers that grow, as far as they are numbers. */
export function isOlder(version: string, than: string): boolean {
  const areNumbers = [version, than].every((text) => /^\d{1,20}$/.test(text));
  return areNumbers && BigInt(version) < BigInt(than);
}

/** The last of some resourceVersions; undefined: there is none, or none is a number. */
export function lastOf(versions: readonly (string | undefined)[]): string | undefined {
  return versions.reduce(
    (last, version) => version !== undefined && isOlder(last ?? "0", version) ? version : last,
    undefined,
  );
}
