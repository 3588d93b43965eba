/**
 * Program: sends a numbered packet every so often and prints each answer as `NUMBER SENT RECEIVED HOST`, times in
 * milliseconds since the epoch; at SIGTERM `end COUNT NOW`. `udp_client.ts IP PORT PERIOD_MILLISECONDS`.
 */
import { createSocket } from "node:dgram";
import { writeSync } from "node:fs";
import process from "node:process";

const [ip = "", port, period] = process.argv.slice(2);
const now = () => performance.timeOrigin + performance.now();
const startedAt = performance.now();
const sentAt: number[] = [];
const socket = createSocket(ip.includes(":") ? "udp6" : "udp4");
const print = (line: string) => writeSync(1, `${line}\n`);

socket.on("message", (message) => {
  const [number = "", host] = message.toString().split(" ");
  const sent = sentAt[Number(number)];
  if (sent !== undefined) print(`${number} ${sent.toFixed(2)} ${now().toFixed(2)} ${host}`);
});
// Without a route or a neighbour the send fails: that packet is lost, as the log shows by its absence.
socket.on("error", () => {});

// Timers are late under load; what is due by now is one packet, never a burst that makes up for lost time.
let due = 0;
const timer = setInterval(() => {
  if (performance.now() - startedAt < due * Number(period)) return;
  due = Math.floor((performance.now() - startedAt) / Number(period)) + 1;
  const number = sentAt.push(now()) - 1;
  socket.send(String(number), Number(port), ip, () => {});
}, 1);

process.once("SIGTERM", () => {
  clearInterval(timer);
  // The last packets' answers are under way.
  setTimeout(() => {
    print(`end ${sentAt.length} ${now().toFixed(2)}`);
    process.exit(0);
  }, 30);
});
