/** Does some work when it is first asked for, and not again. */
export function once<T>(work: () => T): () => T {
  let done: { readonly result: T } | undefined;
  return () => (done ??= { result: work() }).result;
}

/** Texts that are asked for again and again; forgotten all at once when there are more, so that no caller can fill the memory. */
const REMEMBERED_TEXTS = 4_096;

/** Remembers what a text comes to, which must never change. */
export function remembered<T>(work: (text: string) => T): (text: string) => T {
  const known = new Map<string, { readonly result: T }>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found.result;
    const result = work(text);
    if (known.size >= REMEMBERED_TEXTS) known.clear();
    known.set(text, { result });
    return result;
  };
}
