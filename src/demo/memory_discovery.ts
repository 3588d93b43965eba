/** What the demo's API says of itself, so that kubectl can work with it. */
import { Hono } from "hono";
import { apiVersionOf, KINDS, rootOf } from "./memory_kinds.ts";
import type { Kind } from "./memory_kinds.ts";

const VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"];

export function discovery(): Hono {
  const app = new Hono();
  app.get("/version", (c) => c.json({ major: "1", minor: "37", gitVersion: "v1.37.0-sallyport" }));
  app.get("/api", (c) => c.json({ kind: "APIVersions", versions: ["v1"] }));
  app.get("/apis", (c) =>
    c.json({
      kind: "APIGroupList",
      apiVersion: "v1",
      groups: [...new Set(KINDS.map(({ group }) => group))].filter((group) => group !== "").map(
        groupNamed,
      ),
    }));
  for (const [root, kinds] of Map.groupBy(KINDS, rootOf)) {
    app.get(root, (c) =>
      c.json({
        kind: "APIResourceList",
        apiVersion: "v1",
        groupVersion: kinds.map(apiVersionOf)[0],
        resources: kinds.map(resourceOf),
      }));
  }
  return app;
}

function groupNamed(name: string) {
  const versions = [
    ...new Set(KINDS.filter(({ group }) => group === name).map(({ version }) => version)),
  ].map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

function resourceOf({ plural, kind, namespaced }: Kind) {
  return {
    name: plural,
    singularName: kind.toLowerCase(),
    kind,
    namespaced,
    verbs: VERBS,
    ...(SHORT_NAMES[kind] === undefined ? {} : { shortNames: SHORT_NAMES[kind] }),
  };
}

const SHORT_NAMES: Readonly<Record<string, readonly string[]>> = {
  Node: ["no"],
  Pod: ["po"],
  Event: ["ev"],
  EgressGateway: ["egw"],
  EgressGatewayPolicy: ["egwp"],
};
