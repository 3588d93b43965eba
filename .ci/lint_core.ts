/**
 * Lint rules that keep the deciding parts pure: no I/O, no clock, no randomness, no other layer.
 *
 * They apply to everything in `src/core/` and `src/agent/core/`. A decision that can be printed, replayed and
 * simulated is worth a lint rule, since one `Date.now()` would go unnoticed in review.
 */

/** Packages that compute and do nothing else. */
const PURE_PACKAGES = ["@noble/hashes", "ipaddr.js"];

/** Globals that reach outside, tell the time or roll dice. */
const IMPURE_GLOBALS = new Set([
  "Deno",
  "Math.random",
  "Temporal.Now",
  "WebSocket",
  "Worker",
  "XMLHttpRequest",
  "console",
  "crypto",
  "fetch",
  "globalThis",
  "localStorage",
  "performance",
  "process",
  "queueMicrotask",
  "require",
  "self",
  "setImmediate",
  "setInterval",
  "setTimeout",
]);

/** Folders of pure code. They may import one another. */
const PURE_FOLDERS = ["src/core/", "src/agent/core/"];

/** Path from the repository's root where the file is a pure one, else undefined. */
function purePath(filename: string): string | undefined {
  const path = filename.replaceAll("\\", "/");
  const start = Math.max(...PURE_FOLDERS.map((folder) => path.lastIndexOf(`/${folder}`)));
  return start < 0 ? undefined : path.slice(start + 1);
}

function isAllowedImport(source: string, from: string): boolean {
  if (PURE_PACKAGES.some((name) => source === name || source.startsWith(`${name}/`))) return true;
  return source.startsWith(".") &&
    purePath(new URL(source, `file:///${from}`).pathname) !== undefined;
}

/** Where a name stands for a type or a member of one, and nothing runs. */
const TYPE_POSITIONS: ReadonlySet<string> = new Set([
  "TSMethodSignature",
  "TSPropertySignature",
  "TSQualifiedName",
  "TSTypeQuery",
  "TSTypeReference",
]);

function isPropertyName(node: Deno.lint.Node, parent: Deno.lint.Node): boolean {
  switch (parent.type) {
    case "MemberExpression":
      return parent.property === node && !parent.computed;
    case "Property":
    case "PropertyDefinition":
    case "MethodDefinition":
      return parent.key === node && !parent.computed;
    default:
      return false;
  }
}

type ImportLike =
  | Deno.lint.ImportDeclaration
  | Deno.lint.ExportAllDeclaration
  | Deno.lint.ExportNamedDeclaration;

const pureImports: Deno.lint.Rule = {
  create(context) {
    const from = purePath(context.filename);
    if (from === undefined) return {};
    const check = (node: ImportLike) => {
      const source = node.source?.value;
      if (typeof source !== "string" || isAllowedImport(source, from)) return;
      context.report({
        node,
        message: `Pure code must not import '${source}'`,
        hint: `Import from src/core, or one of ${
          PURE_PACKAGES.join(", ")
        }; take everything else as data`,
      });
    };
    return {
      ImportDeclaration: check,
      ExportAllDeclaration: check,
      ExportNamedDeclaration: check,
      ImportExpression(node) {
        context.report({ node, message: "Pure code must not import at run time" });
      },
    };
  },
};

const pureGlobals: Deno.lint.Rule = {
  create(context) {
    if (purePath(context.filename) === undefined) return {};
    const report = (node: Deno.lint.Node, name: string) =>
      context.report({
        node,
        message: `Pure code must not use '${name}'`,
        hint: "Take the time, randomness and everything observed as data, e.g. `snapshot.now`",
      });
    return {
      // A name on its own: not a property, not a key, not the declared thing itself.
      Identifier(node) {
        if (!IMPURE_GLOBALS.has(node.name)) return;
        const parent = node.parent as Deno.lint.Node;
        if (isPropertyName(node, parent) || TYPE_POSITIONS.has(parent.type)) return;
        report(node, node.name);
      },
      MemberExpression(node) {
        if (node.object.type !== "Identifier" || node.property.type !== "Identifier") return;
        const name = `${node.object.name}.${node.property.name}`;
        if (IMPURE_GLOBALS.has(name) || name === "Date.now") report(node, name);
      },
      // `new Date(milliseconds)` formats a given time and is fine; without arguments it reads the clock.
      NewExpression(node) {
        if (node.callee.type !== "Identifier" || node.callee.name !== "Date") return;
        if (node.arguments.length === 0) report(node, "new Date()");
      },
      CallExpression(node) {
        if (node.callee.type === "Identifier" && node.callee.name === "Date") {
          report(node, "Date()");
        }
      },
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "sallyport",
  rules: { "pure-imports": pureImports, "pure-globals": pureGlobals },
};

export default plugin;
