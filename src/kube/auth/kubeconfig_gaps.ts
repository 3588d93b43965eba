/** What kubectl reads in kubeconfigs and `KubeConfig` of `@kubernetes/client-node` 2.0.1 does not. */
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";

const cluster = v.looseObject({
  server: v.nullish(v.string()),
  "certificate-authority": v.nullish(v.string()),
  "certificate-authority-data": v.nullish(v.string()),
  extensions: v.nullish(v.array(v.looseObject({ name: v.string() }))),
});

const user = v.looseObject({
  token: v.nullish(v.string()),
  tokenFile: v.nullish(v.string()),
  "client-certificate": v.nullish(v.string()),
  "client-key": v.nullish(v.string()),
  exec: v.nullish(v.looseObject({
    apiVersion: v.nullish(v.string()),
    command: v.string(),
    env: v.nullish(v.array(v.looseObject({ name: v.string(), value: v.string() }))),
    provideClusterInfo: v.nullish(v.boolean()),
  })),
});

const context = v.looseObject({ cluster: v.nullish(v.string()), user: v.nullish(v.string()) });

const KubeconfigSchema = v.looseObject({
  "current-context": v.nullish(v.string()),
  clusters: v.nullish(v.array(v.looseObject({ name: v.string(), cluster: v.nullish(cluster) }))),
  users: v.nullish(v.array(v.looseObject({ name: v.string(), user: v.nullish(user) }))),
  contexts: v.nullish(v.array(v.looseObject({ name: v.string(), context: v.nullish(context) }))),
});

/** A kubeconfig as it is written, with absolute paths. */
export type Kubeconfig = v.InferOutput<typeof KubeconfigSchema>;
type Cluster = v.InferOutput<typeof cluster>;
type User = v.InferOutput<typeof user>;

/** Would be left out silently, so that we would act as somebody else. */
const UNSUPPORTED_USER_FIELDS: readonly string[] = ["as-uid", "as-groups", "as-user-extra"];

/** Of a context that names no user. */
const ANONYMOUS = "sallyport:anonymous";

/** What a cluster tells credential commands is in an extension of this name, as kubectl has it. */
const EXEC_EXTENSION = "client.authentication.k8s.io/exec";

/**
 * Reads a kubeconfig and rewrites it in words that `KubeConfig` understands: `tokenFile`, relative paths, contexts without a
 * user, and http servers, which it refuses for want of `insecure-skip-tls-verify`.
 *
 * @param directory of the file; relative paths start there
 * @throws Error that names what is wrong, without the file's name
 */
export function readKubeconfig(
  content: string,
  { directory }: { readonly directory: string },
): Kubeconfig {
  const result = v.safeParse(KubeconfigSchema, parse(content) ?? {});
  if (!result.success) {
    const [issue] = result.issues;
    throw new Error(`${v.getDotPath(issue) ?? "the file"}: ${issue.message}`);
  }
  const absolute = (path: string) => isAbsolute(path) ? path : join(directory, path);
  const { clusters, users, contexts } = result.output;
  return {
    ...result.output,
    clusters: clusters?.map((entry) =>
      entry.cluster ? { ...entry, cluster: completeCluster(entry.cluster, absolute) } : entry
    ),
    users: users?.map((entry) => {
      if (!entry.user) return entry;
      const unsupported = UNSUPPORTED_USER_FIELDS.find((field) =>
        (entry.user?.[field] ?? null) !== null
      );
      if (unsupported !== undefined) {
        throw new Error(`user '${entry.name}' has ${unsupported}, which is not supported`);
      }
      return { ...entry, user: completeUser(entry.user, absolute) };
    }),
    contexts: contexts?.map((entry) =>
      entry.context && !entry.context.user
        ? { ...entry, context: { ...entry.context, user: ANONYMOUS } }
        : entry
    ),
  };
}

type Absolute = (path: string) => string;

function completeCluster(cluster: Cluster, absolute: Absolute): Cluster {
  const { server, "certificate-authority": ca } = cluster;
  return {
    ...cluster,
    ...(ca ? { "certificate-authority": absolute(ca) } : {}),
    ...(server?.startsWith("http:") ? { "insecure-skip-tls-verify": true } : {}),
  };
}

function completeUser(user: User, absolute: Absolute): User {
  const { token, tokenFile, exec, "client-certificate": cert, "client-key": key } = user;
  return {
    ...user,
    ...(cert ? { "client-certificate": absolute(cert) } : {}),
    ...(key ? { "client-key": absolute(key) } : {}),
    ...(tokenFile && !token
      ? { "auth-provider": { name: "tokenFile", config: { tokenFile: absolute(tokenFile) } } }
      : {}),
    // A bare name is looked up in PATH.
    ...(exec?.command.includes("/") ? { exec: { ...exec, command: absolute(exec.command) } } : {}),
  };
}

/** Several files as one, as kubectl has it: of each name the first definition counts as a whole, and the first current context. */
export function mergeKubeconfigs(files: readonly Kubeconfig[]): Kubeconfig {
  return {
    "current-context": files.map((file) => file["current-context"]).find(Boolean) ?? "",
    clusters: firstOfName(files.flatMap(({ clusters }) => clusters ?? [])),
    users: [
      ...firstOfName(files.flatMap(({ users }) => users ?? [])),
      { name: ANONYMOUS, user: {} },
    ],
    contexts: firstOfName(files.flatMap(({ contexts }) => contexts ?? [])),
  };
}

function firstOfName<T extends { readonly name: string }>(entries: readonly T[]): T[] {
  return [...Map.groupBy(entries, ({ name }) => name).values()].flatMap(([first]) => first ?? []);
}

/**
 * Tells the credential command of a context's user what it is run for, in KUBERNETES_EXEC_INFO: commands may refuse to work
 * without it, and nobody is there to answer questions.
 *
 * @throws Error when the cluster's CA is wanted by the command and cannot be read
 */
export async function withExecInfo(config: Kubeconfig, contextName: string): Promise<Kubeconfig> {
  const context = config.contexts?.find(({ name }) => name === contextName)?.context;
  const cluster = config.clusters?.find(({ name }) => name === context?.cluster)?.cluster;
  const users = (config.users ?? []).map(async (entry) => {
    const exec = entry.name === context?.user ? entry.user?.exec : undefined;
    if (!exec) return entry;
    const spec = {
      interactive: false,
      ...(exec.provideClusterInfo && cluster ? { cluster: await clusterInfo(cluster) } : {}),
    };
    const apiVersion = exec.apiVersion ?? "client.authentication.k8s.io/v1";
    const value = JSON.stringify({ apiVersion, kind: "ExecCredential", spec });
    const env = [...exec.env ?? [], { name: "KUBERNETES_EXEC_INFO", value }];
    return { ...entry, user: { ...entry.user, exec: { ...exec, env } } };
  });
  return { ...config, users: await Promise.all(users) };
}

/** Source: k8s.io/client-go, pkg/apis/clientauthentication, type Cluster. */
async function clusterInfo(cluster: Cluster): Promise<Readonly<Record<string, unknown>>> {
  const { "certificate-authority": file, extensions } = cluster;
  // A file counts before data, as in kubectl.
  const ca = file
    ? Buffer.from(await readFile(file)).toString("base64")
    : cluster["certificate-authority-data"];
  const config = extensions?.find(({ name }) => name === EXEC_EXTENSION)?.["extension"];
  const insecure = cluster["insecure-skip-tls-verify"] === true &&
    !cluster.server?.startsWith("http:");
  return Object.fromEntries(
    Object.entries({
      server: cluster.server,
      "tls-server-name": cluster["tls-server-name"],
      "insecure-skip-tls-verify": insecure || undefined,
      "certificate-authority-data": ca,
      "proxy-url": cluster["proxy-url"],
      "disable-compression": cluster["disable-compression"],
      config,
    }).filter(([, value]) => value !== undefined && value !== null && value !== ""),
  );
}
