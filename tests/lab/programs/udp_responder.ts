/** Program: answers each packet with its own text and this host's name. `udp_responder.ts NAME PORT`. */
import { createSocket } from "node:dgram";
import process from "node:process";

const [name, port] = process.argv.slice(2);
const socket = createSocket("udp4");
socket.on("message", (message, { address, port }) => {
  socket.send(`${message} ${name}`, port, address);
});
socket.bind(Number(port), "0.0.0.0", () => process.stdout.write("ready\n"));
