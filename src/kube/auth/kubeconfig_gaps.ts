/** What kubectl reads in a kubeconfig and `KubeConfig` of `@kubernetes/client-node` 2.0.1 does not. */
import { isAbsolute, join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";

const KubeconfigSchema = v.looseObject({
  clusters: v.nullish(v.array(v.looseObject({
    cluster: v.nullish(v.looseObject({ server: v.nullish(v.string()) })),
  }))),
  users: v.nullish(v.array(v.looseObject({
    name: v.string(),
    user: v.nullish(v.looseObject({
      token: v.nullish(v.string()),
      tokenFile: v.nullish(v.string()),
      exec: v.nullish(v.looseObject({
        apiVersion: v.nullish(v.string()),
        command: v.string(),
        env: v.nullish(v.array(v.looseObject({ name: v.string(), value: v.string() }))),
      })),
    })),
  }))),
});

type User = NonNullable<
  NonNullable<v.InferOutput<typeof KubeconfigSchema>["users"]>[number]["user"]
>;

/** Would be left out silently, so that we would act as somebody else. */
const UNSUPPORTED_USER_FIELDS: readonly string[] = ["as-uid", "as-groups", "as-user-extra"];

/**
 * Rewrites a kubeconfig in words that `KubeConfig` understands: `tokenFile`, relative credential commands,
 * KUBERNETES_EXEC_INFO, and http servers, which it refuses for want of `insecure-skip-tls-verify`.
 *
 * @param directory of the file; relative paths start there
 * @returns JSON, which is YAML
 * @throws Error that names what is wrong, without the file's name
 */
export function completeKubeconfig(
  content: string,
  { directory }: { readonly directory: string },
): string {
  const result = v.safeParse(KubeconfigSchema, parse(content));
  if (!result.success) {
    const [issue] = result.issues;
    throw new Error(`${v.getDotPath(issue) ?? "the file"}: ${issue.message}`);
  }
  const { clusters, users } = result.output;
  return JSON.stringify({
    ...result.output,
    clusters: clusters?.map((entry) => {
      if (!entry.cluster?.server?.startsWith("http:")) return entry;
      return { ...entry, cluster: { ...entry.cluster, "insecure-skip-tls-verify": true } };
    }),
    users: users?.map((entry) => {
      if (!entry.user) return entry;
      const unsupported = UNSUPPORTED_USER_FIELDS.find((field) =>
        (entry.user?.[field] ?? null) !== null
      );
      if (unsupported !== undefined) {
        throw new Error(`user '${entry.name}' has ${unsupported}, which is not supported`);
      }
      return { ...entry, user: completeUser(entry.user, directory) };
    }),
  });
}

function completeUser(user: User, directory: string): User {
  const absolute = (path: string) => isAbsolute(path) ? path : join(directory, path);
  const { token, tokenFile, exec } = user;
  return {
    ...user,
    ...(tokenFile && !token
      ? { "auth-provider": { name: "tokenFile", config: { tokenFile: absolute(tokenFile) } } }
      : {}),
    ...(exec
      ? {
        exec: {
          ...exec,
          // A bare name is looked up in PATH.
          command: exec.command.includes("/") ? absolute(exec.command) : exec.command,
          env: [...exec.env ?? [], {
            name: "KUBERNETES_EXEC_INFO",
            value: execInfo(exec.apiVersion),
          }],
        },
      }
      : {}),
  };
}

/** Credential commands may refuse to work without it; nobody is there to answer questions. */
function execInfo(apiVersion = "client.authentication.k8s.io/v1" as string | null): string {
  return JSON.stringify({ apiVersion, kind: "ExecCredential", spec: { interactive: false } });
}
