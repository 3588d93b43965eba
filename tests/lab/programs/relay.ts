/**
 * Program: passes connections on. `relay.ts LISTEN TO`, each `tcp:HOST:PORT` or `unix:PATH`. Two of them with a socket
 * file between make a port of this machine reachable in a network namespace that has no link to it.
 */
import { connect, createServer, type NetConnectOpts, type Socket } from "node:net";
import process from "node:process";

function endpoint(text: string | undefined): NetConnectOpts & { host?: string; port?: number } {
  const [kind, first = "", port] = text?.split(":") ?? [];
  if (kind === "unix") return { path: first };
  if (kind === "tcp") return { host: first, port: Number(port) };
  throw new Error(`Cannot relay '${text}': write tcp:HOST:PORT or unix:PATH`);
}

const [listen, to] = process.argv.slice(2).map(endpoint);
if (listen === undefined || to === undefined) throw new Error("Cannot relay: write LISTEN TO");

function tie(one: Socket, other: Socket): void {
  one.pipe(other);
  one.on("error", () => other.destroy());
  one.on("close", () => other.destroy());
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (incoming) => {
  const outgoing = connect({ ...to, allowHalfOpen: true, noDelay: true } as NetConnectOpts);
  tie(incoming, outgoing);
  tie(outgoing, incoming);
});
server.listen(listen, () => process.stdout.write("ready\n"));
