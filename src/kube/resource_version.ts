/** Tells whether a resourceVersion is of before another. They are numbers that grow, as far as they are numbers. */
export function isOlder(version: string, than: string): boolean {
  const areNumbers = [version, than].every((text) => /^\d{1,20}$/.test(text));
  return areNumbers && BigInt(version) < BigInt(than);
}
