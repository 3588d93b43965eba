import { KubeletCluster } from "./cluster.ts";
Deno.test("up", async () => {
  const t = performance.now();
  await using c = await KubeletCluster.start();
  console.log("up", performance.now() - t);
  console.log((await c.pods("kube-system","k8s-app=cilium")).map(p=>p.metadata.name), c.images.sizes);
});
