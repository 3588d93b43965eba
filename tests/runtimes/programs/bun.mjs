/** The edge entry on Bun, which serves a default export with `fetch`: `bun bun.mjs EDGE.js PORT`. */
import process from "node:process";
import { pathToFileURL } from "node:url";

const [file = "", port] = process.argv.slice(2);
const { default: edge } = await import(pathToFileURL(file).href);

export default { fetch: edge.fetch, hostname: "127.0.0.1", port: Number(port) };
