/**
 * Program: new flows without a pause, each one UDP packet from a port of its own. `flows.ts ADDRESS PORT PERIOD_MILLISECONDS`.
 *
 * Prints each answer as `NUMBER SENT RECEIVED SOURCE`, times in milliseconds since the epoch, source as the server saw
 * it; at SIGTERM what got none as `NUMBER SENT`.
 */
import { createSocket, type Socket } from "node:dgram";
import { writeSync } from "node:fs";
import process from "node:process";

/** Longer than any answer takes, shorter than it takes to run out of ports. */
const PATIENCE_MILLISECONDS = 2_000;

const [address = "", port, period] = process.argv.slice(2);
const now = () => performance.timeOrigin + performance.now();
const print = (line: string) => writeSync(1, `${line}\n`);
const open = new Map<number, { readonly socket: Socket; readonly sentAt: number }>();
const unanswered: string[] = [];

function send(number: number): void {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.on("error", () => {});
  const sentAt = now();
  open.set(number, { socket, sentAt });
  socket.on("message", (message) => {
    if (!open.delete(number)) return;
    print(`${number} ${sentAt.toFixed(2)} ${now().toFixed(2)} ${message.toString().split(" ")[1]}`);
    socket.close();
  });
  socket.send(String(number), Number(port), address, () => {});
}

function forget(before: number): void {
  for (const [number, { socket, sentAt }] of open) {
    if (sentAt > before) break;
    open.delete(number);
    unanswered.push(`${number} ${sentAt.toFixed(2)}`);
    socket.close();
  }
}

const startedAt = performance.now();
let count = 0;
let due = 0;
const timer = setInterval(() => {
  forget(now() - PATIENCE_MILLISECONDS);
  // What is due by now is one packet, never a burst that makes up for lost time.
  if (performance.now() - startedAt < due * Number(period)) return;
  due = Math.floor((performance.now() - startedAt) / Number(period)) + 1;
  send(count++);
}, 1);
print("ready");

process.once("SIGTERM", () => {
  clearInterval(timer);
  // The last packets' answers are under way.
  setTimeout(() => {
    forget(Infinity);
    for (const line of unanswered) print(line);
    print("end");
    process.exit(0);
  }, 300);
});
