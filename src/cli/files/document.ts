import type { Segments } from "../../cluster/schema/json.ts";

/** One document of a file. */
export interface Document {
  readonly value: unknown;
  /** Where the document begins, from 1. */
  readonly line: number;
  /** The line of the value there; of a value that is not there, of what it is missing in. */
  readonly lineOf: (segments: Segments) => number;
  /** What is written there, unquoted, where it is a scalar. */
  readonly sourceOf: (segments: Segments) => string | undefined;
}

/** A file that cannot be understood, and what to write instead. */
export class DocumentFault extends Error {
  override readonly name = "DocumentFault";
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}
