/** What a runtime's schedule calls, called once: `RUNTIME scheduled.mjs EDGE.js`. */
import process from "node:process";
import { pathToFileURL } from "node:url";

const { default: edge } = await import(pathToFileURL(process.argv[2] ?? "").href);
await edge.scheduled({ cron: "* * * * *", scheduledTime: Date.now() });
process.exit(0);
