/** A span as plain data. Who exports it is `exporter.ts`; who makes it reads no clock and keeps no library loaded. */
import type { Milliseconds } from "../core/types.ts";

/** W3C Trace Context: 32 and 16 hexadecimal digits. */
export interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
}

export interface Span {
  readonly name: string;
  readonly context: SpanContext;
  /** Absent: the root of its trace. */
  readonly parent?: SpanContext;
  readonly links?: readonly SpanContext[];
  /** Since the epoch, by the clock of the machine. */
  readonly beganAt: Milliseconds;
  readonly endedAt: Milliseconds;
  readonly attributes: Readonly<Record<string, string | number | boolean | undefined>>;
  /** What went wrong; absent: nothing. */
  readonly error?: string;
}

/** A span's time and what it says, before it has a place in a trace. */
export type SpanFacts = Omit<Span, "context" | "parent" | "links">;
