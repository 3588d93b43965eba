/** From a file's bytes to its text, however the file was saved. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { buffer } from "node:stream/consumers";
import { ConfigError } from "../../kube/errors.ts";

export interface TextFile {
  /** As in messages: the path, or `standard input`. */
  readonly name: string;
  readonly text: string;
}

/** What a directory is read for; kubectl does the same. */
const EXTENSIONS = [".yaml", ".yml", ".json"] as const;

/**
 * Reads the file; `-` is standard input, and a directory stands for the YAML and JSON files in it, by name.
 *
 * @throws ConfigError for what is not there, may not be read, or is no text
 */
export async function readTexts(path: string): Promise<readonly TextFile[]> {
  if (path === "-") return [decode("standard input", await buffer(process.stdin))];
  try {
    if ((await stat(path)).isDirectory()) return await readDirectory(path);
    return [decode(path, await readFile(path))];
  } catch (cause) {
    throw cause instanceof ConfigError ? cause : unreadable(path, cause);
  }
}

async function readDirectory(path: string): Promise<readonly TextFile[]> {
  const names = (await readdir(path)).filter((name) =>
    EXTENSIONS.some((end) => name.endsWith(end))
  );
  if (names.length === 0) {
    throw new ConfigError(
      `Cannot read ${path}: the directory holds no file that ends in ${EXTENSIONS.join(", ")}`,
    );
  }
  return (await Promise.all(names.sort().map((name) => readTexts(join(path, name))))).flat();
}

function unreadable(path: string, cause: unknown): ConfigError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const why = /^https?:/.test(path)
    ? `it is fetched by other programs: write curl -s ${path} | sallyport … --from -`
    : code === "ENOENT"
    ? "there is no such file: write the path of one, of a directory, or - for standard input"
    : code === "EACCES"
    ? "permission is denied: let this user read it"
    : cause instanceof Error
    ? cause.message
    : String(cause);
  return new ConfigError(`Cannot read ${path}: ${why}`, { cause });
}

/** @throws ConfigError for bytes that are no text, with what to do about them */
export function decode(name: string, bytes: Uint8Array): TextFile {
  if (startsWith(bytes, [0x1f, 0x8b])) {
    throw new ConfigError(`Cannot read ${name}: it is compressed: unpack it first, as gunzip does`);
  }
  const encoding = encodingOf(bytes);
  if (encoding === "utf-32") {
    throw new ConfigError(`Cannot read ${name}: its encoding is UTF-32: save it as UTF-8`);
  }
  const text = decoded(name, { bytes, encoding });
  const control = text.search(CONTROL);
  if (control >= 0) {
    throw new ConfigError(
      `Cannot read ${name}, line ${
        lineAt(text, control)
      }: there is a control character, as in a file that is no text: ` +
        "give YAML or JSON",
    );
  }
  // Where files were put together, the mark of the second is in the middle.
  return { name, text: text.replaceAll(/^\ufeff/gm, "") };
}

/** What neither YAML nor JSON may hold unescaped. */
// deno-lint-ignore no-control-regex -- these are what is looked for
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

type Encoding = "utf-8" | "utf-16le" | "utf-16be" | "utf-32";

/** By the byte order mark; without one by where the zeros of Latin letters are. PowerShell's `>` writes UTF-16. */
function encodingOf(bytes: Uint8Array): Encoding {
  if (startsWith(bytes, [0xff, 0xfe, 0, 0]) || startsWith(bytes, [0, 0, 0xfe, 0xff])) {
    return "utf-32";
  }
  if (startsWith(bytes, [0xff, 0xfe])) return "utf-16le";
  if (startsWith(bytes, [0xfe, 0xff])) return "utf-16be";
  const [first = 1, second = 1, third = 1, fourth = 1] = bytes;
  if (first !== 0 && second === 0 && third !== 0 && fourth === 0) return "utf-16le";
  if (first === 0 && second !== 0 && third === 0 && fourth !== 0) return "utf-16be";
  return "utf-8";
}

function decoded(
  name: string,
  { bytes, encoding }: { bytes: Uint8Array; encoding: Exclude<Encoding, "utf-32"> },
): string {
  try {
    // The decoder drops a byte order mark of its own encoding.
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    const readable = new TextDecoder(encoding).decode(bytes);
    const line = lineAt(readable, readable.indexOf("\ufffd"));
    throw new ConfigError(
      `Cannot read ${name}, line ${line}: there are bytes that are not ${encoding.toUpperCase()}: save it as UTF-8`,
      { cause },
    );
  }
}

function startsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return start.every((byte, index) => bytes[index] === byte);
}

/** The line of a place in the text, from 1. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
