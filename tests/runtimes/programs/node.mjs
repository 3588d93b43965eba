/** The edge entry on Node, by the adapter that hono has for it: `node node.mjs EDGE.js PORT`. */
import { serve } from "@hono/node-server";
import process from "node:process";
import { pathToFileURL } from "node:url";

const [file = "", port] = process.argv.slice(2);
const { default: edge } = await import(pathToFileURL(file).href);
serve({ fetch: edge.fetch, hostname: "127.0.0.1", port: Number(port) });
