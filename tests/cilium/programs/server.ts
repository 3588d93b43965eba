/**
 * Program: the server outside. `server.ts ADDRESS,… PORT,…`. It tells each client the address it sees.
 *
 * UDP: each packet is answered with its own text and the sender's address. TCP: greets with the client's address, then
 * echoes; a client that says `stream` gets a line every 20 ms.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import process from "node:process";

const [addresses = "", ports = ""] = process.argv.slice(2);
const listening: Promise<void>[] = [];

for (const address of addresses.split(",")) {
  for (const port of ports.split(",").map(Number)) {
    // One socket each, so that an answer leaves from the address that was asked.
    const udp = createSocket(address.includes(":") ? "udp6" : "udp4");
    udp.on(
      "message",
      (message, from) => udp.send(`${message} ${from.address}`, from.port, from.address),
    );
    udp.on("error", () => {});
    listening.push(new Promise((resolve) => udp.bind(port, address, resolve)));
    const tcp = createServer({ noDelay: true }, (client) => {
      let timer: ReturnType<typeof setInterval> | undefined;
      client.on("error", () => client.destroy());
      client.on("close", () => clearInterval(timer));
      client.on("data", (data) => {
        if (data.toString().startsWith("stream")) timer = setInterval(() => client.write("."), 20);
        else client.write(data);
      });
      client.write(`${client.remoteAddress}\n`);
    });
    listening.push(new Promise((resolve) => tcp.listen(port, address, resolve)));
  }
}
await Promise.all(listening);
process.stdout.write("ready\n");
