/** The agent of one node: heartbeats, and in VirtualIPAddress mode binds and announces the VIPs. */
import { runProgram } from "../src/program/run_program.ts";
import { agentProgram } from "../src/program/serve_agent.ts";

await runProgram(agentProgram);
