/**
 * The controller for edge runtimes: `deno serve functions/edge.ts`, or `dist/edge.js` in workerd, Bun, or Node behind an
 * adapter. A request triggers (`POST /tick`, a CloudEvent at `POST /`), and so does the runtime's schedule.
 */
import { createEdge, type Edge, misconfigured, type Variables } from "../src/program/edge.ts";

const edges = new WeakMap<object, Edge>();

/** Settings come with each call where the runtime hands them over, else from the process. */
function edgeFor(bindings: unknown): Edge {
  const given = typeof bindings === "object" && bindings !== null &&
    "SALLYPORT_API_SERVER" in bindings;
  const variables = given ? bindings as Variables : ENVIRONMENT;
  const known = edges.get(variables);
  if (known !== undefined) return known;
  try {
    const edge = createEdge(variables);
    edges.set(variables, edge);
    return edge;
  } catch (error) {
    return misconfigured(error);
  }
}

interface Runtime {
  readonly Deno?: { readonly env: { get(name: string): string | undefined } };
  readonly process?: { readonly env: Variables };
}

/** Each variable is asked for by its name: on Deno that takes the permission for that name alone. */
const ENVIRONMENT: Variables = new Proxy({}, {
  get(_, name) {
    const { Deno, process } = globalThis as Runtime;
    if (typeof name !== "string") return undefined;
    return Deno === undefined ? process?.env[name] : Deno.env.get(name);
  },
});

export default {
  fetch: (request: Request, bindings?: unknown): Promise<Response> =>
    edgeFor(bindings).fetch(request),
  scheduled: (_event: unknown, bindings?: unknown): Promise<void> => edgeFor(bindings).scheduled(),
};
