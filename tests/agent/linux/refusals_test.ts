/** A node does not refuse, in a VIP's name, what belongs to connections of another node. */
import assert from "node:assert/strict";
import { own, removeGate } from "../../../src/agent/linux/gate.ts";
import { openNft } from "../../../src/agent/linux/nft.ts";
import { labTest, Network } from "../../lab/network.ts";
import { programs } from "../../support/needs.ts";

const VIPS = { "10.0.0.200": "10.0.0.1", "fd00::200": "fd00::1" };

/** Connects to a port where nobody listens. */
const CONNECT = (ip: string) => ["timeout", "1", "bash", "-c", `exec 3<>/dev/tcp/${ip}/9`] as const;

for (const [VIP, OWN] of Object.entries(VIPS)) {
  labTest(
    `a node that owns ${VIP} refuses nothing in its name, and goes on refusing in its own`,
    async () => {
      await using network = await Network.create();
      const node = await network.host("node", [{
        name: "eth0",
        bridge: "lan",
        address: "10.0.0.1/24",
        address6: "fd00::1/64",
      }]);
      const peer = await network.host("peer", [{
        name: "eth0",
        bridge: "lan",
        address: "10.0.0.9/24",
        address6: "fd00::9/64",
      }]);
      using nft = openNft(node);
      await node.ip("addr", "add", VIP, "dev", "eth0", ...VIP.includes(":") ? ["nodad"] : []);
      // Known without ARP, which the gate holds back.
      await peer.ip("neigh", "replace", VIP, "lladdr", await node.macOf("eth0"), "dev", "eth0");
      await assert.rejects(peer.run(CONNECT(VIP)), /refused/);
      await own(nft, [VIP]);
      await assert.rejects(peer.run(CONNECT(VIP)), /exit code 124/);
      await assert.rejects(peer.run(CONNECT(OWN)), /refused/);
      await removeGate(nft);
      await assert.rejects(peer.run(CONNECT(VIP)), /refused/);
    },
    [programs("nft", "bash", "timeout")],
  );
}
