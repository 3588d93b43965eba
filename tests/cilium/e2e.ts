/** Registers end-to-end tests. */
import { namespaces } from "../lab/network.ts";
import { ciliumCrds } from "../support/cilium_crds.ts";
import { controlPlane } from "../support/control_plane.ts";
import { file, type Need, programs, root, testWith } from "../support/needs.ts";
import { ciliumBuild } from "./cilium_build.ts";
import { cleanUp } from "./gateways.ts";
import { type Lab, type LabOptions, startLab } from "./lab.ts";
import { rooms } from "./room.ts";

/** Everything that the lab needs of a machine. */
export const NEEDS: readonly Need[] = [
  root,
  programs(
    "ip",
    "nsenter",
    "unshare",
    "nft",
    "arping",
    "fping",
    "ndisc6",
    "ndptool",
    "tcpdump",
    "bash",
    "timeout",
  ),
  file("/usr/bin/clang-19", "clang 19"),
  file("/usr/bin/llc-19", "llvm 19"),
  namespaces,
  rooms,
  controlPlane,
  ciliumCrds,
  ciliumBuild,
];

export type LabTest = (lab: Lab, t: Deno.TestContext) => Promise<void>;

/**
 * Returns a function that registers tests of this file. They share one lab, which is started by the first that runs and
 * ended after the last, and each leaves neither gateways nor policies behind.
 */
export function labTests(options: LabOptions = {}): (name: string, fn: LabTest) => void {
  let started: Promise<Lab> | undefined;
  Deno.test.afterAll(async () => {
    await started?.then((lab) => lab[Symbol.asyncDispose](), () => {});
  });
  return (name, fn) =>
    testWith(NEEDS, name, async (t) => {
      started ??= startLab(options);
      const lab = await started;
      try {
        await fn(lab, t);
      } finally {
        await cleanUp(lab);
      }
    });
}
