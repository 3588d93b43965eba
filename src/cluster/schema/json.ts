/** JSON as it comes out of a file or a request: nothing is known of its shape. */

export type Json = Readonly<Record<string, unknown>>;

/** Keys and indices from the object's root to a value. */
export type Segments = readonly (string | number)[];

export function isMap(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As the API server writes a field: `spec.selectors[0].podSelector`; "" is the object itself. */
export function pathOf(segments: Segments): string {
  return segments.reduce<string>(
    (path, segment) =>
      typeof segment === "number"
        ? `${path}[${segment}]`
        : path === ""
        ? segment
        : `${path}.${segment}`,
    "",
  );
}

/** The value there, or undefined. */
export function valueAt(root: unknown, segments: Segments): unknown {
  return segments.reduce<unknown>(
    (value, segment) =>
      Array.isArray(value) || isMap(value) ? Reflect.get(value, segment) : undefined,
    root,
  );
}
