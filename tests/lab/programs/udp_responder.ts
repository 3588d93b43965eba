/** Program: answers each packet with its own text and this host's name. `udp_responder.ts NAME PORT`. */
import { createSocket } from "node:dgram";
import process from "node:process";

const [name, port] = process.argv.slice(2);
for (const [type, address] of [["udp6", "::"], ["udp4", "0.0.0.0"]] as const) {
  const socket = createSocket({ type, ipv6Only: true });
  socket.on("message", (message, { address, port }) => {
    socket.send(`${message} ${name}`, port, address, () => {});
  });
  socket.on("error", (error) => process.stderr.write(`${type}: ${error.message}\n`));
  socket.bind(Number(port), address, () => type === "udp4" && process.stdout.write("ready\n"));
}
