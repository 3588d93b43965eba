/**
 * The parts of undici that we use, module by module: its index also brings fetch, WebSocket, mocks and caches, which
 * cost each start 7 MB and 40 ms. Plain JavaScript, since these modules have no types of their own; see undici.d.ts.
 */
export { default as Agent } from "undici/lib/dispatcher/agent.js";
export { default as request } from "undici/lib/api/api-request.js";
