/** Lines of a byte stream. */

/**
 * Splits UTF-8 text at newlines, wherever its chunks are cut. Empty lines are left out; a last line needs no newline.
 *
 * @param most characters of a line
 * @param onChunk called for each chunk before its lines
 * @throws RangeError when a line is longer
 */
export async function* lines(
  chunks: AsyncIterable<Uint8Array>,
  { most, onChunk }: { readonly most: number; readonly onChunk?: () => void },
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    onChunk?.();
    const parts = decoder.decode(chunk, { stream: true }).split("\n");
    parts[0] = rest + parts[0];
    rest = parts.pop() ?? "";
    if (rest.length > most) throw new RangeError(`a line is longer than ${most} characters`);
    yield* parts.filter((line) => line !== "");
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
