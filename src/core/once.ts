/** Does some work when it is first asked for, and not again. */
export function once<T>(work: () => T): () => T {
  let done: { readonly result: T } | undefined;
  return () => (done ??= { result: work() }).result;
}

/** Values that are asked for again and again; forgotten all at once when there are more, so that no caller can fill the memory. */
const REMEMBERED_VALUES = 4_096;

/** Remembers what a text or a number comes to, which must never change. */
export function remembered<T, V extends string | number = string>(
  work: (value: V) => T,
): (value: V) => T {
  const known = new Map<V, { readonly result: T }>();
  return (value) => {
    const found = known.get(value);
    if (found !== undefined) return found.result;
    const result = work(value);
    if (known.size >= REMEMBERED_VALUES) known.clear();
    known.set(value, { result });
    return result;
  };
}
