/** What RBAC grants to a service account, read from a real API server's roles and bindings. */
import type { KubeObject } from "../../src/build/kube_object.ts";
import type { RawApi } from "./raw_api.ts";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

interface Binding extends KubeObject {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly {
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
  }[];
}

/**
 * Every single grant, sorted, as `patch nodes`, or `list pods in kube-system` where it holds in one namespace only.
 * Resources of API groups are written as `leases.coordination.k8s.io`.
 */
export async function grantsOf(
  api: RawApi,
  account: { readonly namespace: string; readonly name: string },
): Promise<readonly string[]> {
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const bindings = [
    ...await api.list<Binding>(`${rbac}/clusterrolebindings`),
    ...await api.list<Binding>(`${rbac}/rolebindings`),
  ].filter(({ subjects = [] }) =>
    subjects.some(({ kind, name, namespace }) =>
      kind === "ServiceAccount" && name === account.name && namespace === account.namespace
    )
  );
  const grants = await Promise.all(bindings.map(async ({ roleRef, metadata: { namespace } }) => {
    const path = roleRef.kind === "Role"
      ? `${rbac}/namespaces/${namespace}/roles/${roleRef.name}`
      : `${rbac}/clusterroles/${roleRef.name}`;
    const { rules } = await api.get<{ readonly rules: readonly Rule[] }>(path);
    return rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.map((verb) => grant({ verb, resource: join(resource, group), namespace }))
        )
      )
    );
  }));
  return [...new Set(grants.flat())].sort();
}

/** The words for one grant, or for the one that a request needs. */
export function grant(
  { verb, resource, namespace }: {
    readonly verb: string;
    readonly resource: string;
    readonly namespace?: string | undefined;
  },
): string {
  return `${verb} ${resource}${namespace ? ` in ${namespace}` : ""}`;
}

function join(resource: string, group: string): string {
  return group === "" ? resource : `${resource}.${group}`;
}
