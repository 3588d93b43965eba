/**
 * Works on so many items at once, and returns the results in the items' order. A request's time runs from when it is made,
 * and a client has 16 connections: of a thousand that are made at once the last ones would be given up before they are sent.
 */
export async function inLanes<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  { lanes = 12 }: { readonly lanes?: number } = {},
): Promise<readonly R[]> {
  const results: R[] = [];
  const next = items.entries();
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (const [index, item] of next) results[index] = await work(item);
  }));
  return results;
}
