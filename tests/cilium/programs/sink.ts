/**
 * Program: counts what arrives by TCP. `sink.ts ADDRESS PORT SECONDS`. It begins two seconds after the third connection, and
 * prints `bytes N` of the seconds that follow.
 */
import { createServer } from "node:net";
import process from "node:process";

const CONNECTIONS = 3;
const WARM_UP_MILLISECONDS = 2_000;

const [address, port, seconds] = process.argv.slice(2);
let bytes = 0;
let connections = 0;

const server = createServer((client) => {
  client.on("error", () => client.destroy());
  client.on("data", (data) => bytes += data.length);
  if (++connections !== CONNECTIONS) return;
  setTimeout(() => {
    const before = bytes;
    setTimeout(
      () => process.stdout.write(`bytes ${bytes - before}\n`),
      Number(seconds) * 1_000,
    );
  }, WARM_UP_MILLISECONDS);
});
server.listen(Number(port), address, () => process.stdout.write("ready\n"));
