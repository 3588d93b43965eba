/** Reads an object of another project part by part, and remembers what is there and cannot be read. */
import * as v from "valibot";
import { isObject } from "./common.ts";
import { describeIssues } from "./issues.ts";

export class Parts {
  readonly #unread: string[] = [];

  /** The value of one part; undefined where it is absent, and where it cannot be read. */
  read<T>(value: unknown, { path, schema }: PartOptions<T>): T | undefined {
    if (value === undefined || value === null) return undefined;
    const result = v.safeParse(schema, value);
    if (result.success) return result.output;
    this.#unread.push(`${path}: ${describeIssues(result.issues)}`);
    return undefined;
  }

  /** The items of a list, each read on its own. */
  items<T>(value: unknown, { path, schema }: PartOptions<T>): readonly T[] {
    const list = this.read(value, { path, schema: v.array(v.unknown()) }) ?? [];
    return list.flatMap((item, index) => {
      const read = this.read(item, { path: `${path}[${index}]`, schema });
      return read === undefined ? [] : [read];
    });
  }

  /** The members of an object, none where it is not one. */
  members(value: unknown, path: string): Readonly<Record<string, unknown>> {
    return this.read(value, { path, schema: v.custom<Record<string, unknown>>(isObject) }) ?? {};
  }

  /** What could not be read, as a sentence; undefined: everything was. */
  get unread(): string | undefined {
    return this.#unread.length === 0 ? undefined : this.#unread.join("; ");
  }
}

interface PartOptions<T> {
  readonly path: string;
  readonly schema: v.GenericSchema<unknown, T>;
}
