/** The bundle for edge runtimes: one file, and nothing of Node's own modules in it. */
import type * as esbuild from "esbuild";

/** Emitters of the CloudEvents package, which nothing here uses, are all that asks for Node's modules. */
const STUBS: Readonly<Record<string, string>> = {
  http: "export default {};",
  https: "export default {};",
  events: "export class EventEmitter {}",
};

const WITHOUT_EMITTERS: esbuild.Plugin = {
  name: "without-emitters",
  setup(build) {
    build.onResolve(
      { filter: /^(https?|events)$/ },
      ({ path, importer }) =>
        /node_modules[\\/]cloudevents[\\/]/.test(importer)
          ? { path, namespace: "without-emitters" }
          : undefined,
    );
    build.onLoad(
      { filter: /.*/, namespace: "without-emitters" },
      ({ path }) => ({ contents: STUBS[path] ?? "" }),
    );
  },
};

/** What is said to esbuild; anything else of Node's does not resolve, and is an error. */
export const EDGE_BUILD = {
  bundle: true,
  platform: "browser",
  // Deno, Bun and workerd have no module of a name without a scheme.
  format: "esm",
  target: "es2022",
  conditions: ["worker", "browser"],
  plugins: [WITHOUT_EMITTERS],
} as const satisfies esbuild.BuildOptions;
