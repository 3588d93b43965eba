/** One setting: what it is called in the environment and on the command line, and how its text is read. */
import * as v from "valibot";
import { messageOf } from "../core/message.ts";

export interface Setting<T> {
  /** Of the environment. */
  readonly variable: string;
  /** Of the command line, with what it takes: `--port <number>`. */
  readonly flag: string;
  readonly description: string;
  /** What it is where nobody says anything, as a person would write it. */
  readonly fallback?: string | undefined;
  /** @throws Error that says what to write */
  readonly read: (text: string | undefined) => T;
}

type Row = Omit<Setting<unknown>, "read" | "fallback">;

/** A setting that is undefined where nobody says anything. */
export function optional<T>(
  row: Row & { readonly schema: v.GenericSchema<string, T> },
): Setting<T | undefined> {
  const { schema, ...names } = row;
  return { ...names, read: (text) => text === undefined ? undefined : parse(schema, text) };
}

/** A setting that has a value in any case. */
export function defaulted<T>(
  row: Row & { readonly schema: v.GenericSchema<string, T>; readonly fallback: string },
): Setting<T> {
  const { schema, ...names } = row;
  return { ...names, read: (text) => parse(schema, text ?? row.fallback) };
}

function parse<T>(schema: v.GenericSchema<string, T>, text: string): T {
  const result = v.safeParse(schema, text);
  if (result.success) return result.output;
  throw new RangeError(result.issues.map(({ message }) => message).join(", "));
}

/** A schema of what a function reads from text; what it throws becomes the advice. */
export function readBy<T>(read: (text: string) => T): v.GenericSchema<string, T> {
  return v.pipe(
    v.string(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        return read(dataset.value);
      } catch (error) {
        addIssue({ message: messageOf(error) });
        return NEVER;
      }
    }),
  );
}
