/** Where Cilium's agents run, and what is done where none is found. */

/** A namespace, and a label selector in it. */
export interface CiliumPods {
  readonly namespace: string;
  readonly labelSelector: string;
}

/** Where Cilium's own chart puts them. */
export const CILIUM_PODS: CiliumPods = {
  namespace: "kube-system",
  labelSelector: "k8s-app=cilium",
};

/**
 * Not one pod of Cilium was found. Where Cilium runs at all, that says that we look in the wrong place; deciding from it
 * would call every node ineligible, and take the holder from gateways that rather have none than a bad one.
 */
export class CiliumNotFoundError extends Error {
  override readonly name = "CiliumNotFoundError";

  /**
   * @param among what was looked through, such as `in the cluster`
   * @param advice what to do about it beside naming another place
   */
  constructor(
    { namespace, labelSelector }: CiliumPods,
    { among, advice = "" }: { readonly among: string; readonly advice?: string },
  ) {
    super(
      `Cannot decide anything as not one Cilium pod is found ${among}: looked for pods in namespace '${namespace}' ` +
        `with labels '${labelSelector}': ${advice}say where Cilium runs by --cilium-namespace and --cilium-selector, ` +
        "or SALLYPORT_CILIUM_NAMESPACE and SALLYPORT_CILIUM_SELECTOR",
    );
  }
}
