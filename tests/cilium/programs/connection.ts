/**
 * Program: one TCP connection, held until SIGTERM. `connection.ts ADDRESS PORT idle|client|server SOURCE_PORT`: who sends meanwhile.
 *
 * At the end it exchanges a last line and prints `survived SOURCE LONGEST_SILENCE_MILLISECONDS`, or `died REASON`
 * as soon as it is dead.
 */
import { connect } from "node:net";
import process from "node:process";

const LAST_LINE_MILLISECONDS = 10_000;

const [host = "", port, mode, sourcePort] = process.argv.slice(2);
const socket = connect({
  host,
  port: Number(port),
  localPort: Number(sourcePort),
  noDelay: true,
});
let source: string | undefined;
let heardAt = performance.now();
let longest = 0;
let leaving = false;
let timer: ReturnType<typeof setInterval> | undefined;

function end(line: string): void {
  process.stdout.write(`${line}\n`);
  process.exit(0);
}

function survived(): void {
  end(`survived ${source} ${mode === "idle" ? 0 : Math.round(longest)}`);
}

socket.on("error", (error) => end(`died ${"code" in error ? error.code : error.message}`));
socket.on("end", () => end("died closed by the server"));
socket.on("data", (data) => {
  longest = Math.max(longest, performance.now() - heardAt);
  heardAt = performance.now();
  if (source === undefined) {
    source = data.toString().trim();
    longest = 0;
    if (mode === "client") timer = setInterval(() => socket.write("x"), 20);
    if (mode === "server") socket.write("stream");
    process.stdout.write("ready\n");
  } else if (leaving && (mode === "server" || data.toString().includes("last"))) {
    survived();
  }
});

process.once("SIGTERM", () => {
  clearInterval(timer);
  leaving = true;
  socket.write("last");
  setTimeout(() => end("died no answer to the last line"), LAST_LINE_MILLISECONDS);
});
