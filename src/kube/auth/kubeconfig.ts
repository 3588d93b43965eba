/**
 * Clusters and users of kubeconfig files, with every way to authenticate that `@kubernetes/client-node` knows. Only its
 * `KubeConfig` is imported: the package's index costs 6 MB and 20 ms more.
 */
import { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import type { RequestOptions } from "node:https";
import { dirname, resolve } from "node:path";
import type { Cluster } from "../connection.ts";
import { type Credentials, keepCredentials, type TlsSettings } from "../credentials.ts";
import { ConfigError } from "../errors.ts";
import { mergeKubeconfigs, readKubeconfig, withExecInfo } from "./kubeconfig_gaps.ts";
import type { Kubeconfig } from "./kubeconfig_gaps.ts";

interface LoadOptions {
  readonly context?: string | undefined;
  /** Files that are not there are passed over, as kubectl does with those of KUBECONFIG, while there is one. */
  readonly passOver?: boolean | undefined;
}

/**
 * Loads one context of the files, the current one by default, merged as kubectl does. Credential commands run at the first
 * request.
 *
 * @throws ConfigError when a file cannot be read, or the context, its cluster or its user is missing
 */
export async function loadKubeconfig(
  files: readonly string[],
  options: LoadOptions = {},
): Promise<Cluster> {
  let config = await parse(files, options);
  const credentials = keepCredentials(async (rejected) => {
    // A new KubeConfig forgets the credentials that commands gave, and sees files as they are now.
    if (rejected) config = await parse(files, options);
    return await authenticate(config);
  });
  const { cluster, context: { name, namespace } } = current(config);
  return {
    name,
    server: cluster.server,
    ...(namespace ? { namespace } : {}),
    ...(cluster.proxyUrl ? { proxyUrl: cluster.proxyUrl } : {}),
    credentials,
  };
}

async function parse(
  files: readonly string[],
  { context, passOver }: LoadOptions,
): Promise<KubeConfig> {
  const read: Kubeconfig[] = [];
  for (const file of files) {
    try {
      const directory = dirname(resolve(file));
      const one = readKubeconfig(await readFile(file, "utf8"), { directory });
      // What is wrong with it is told of this file.
      new KubeConfig().loadFromString(JSON.stringify(one));
      read.push(one);
    } catch (cause) {
      if (passOver && isMissing(cause)) continue;
      throw new ConfigError(
        `Cannot use kubeconfig ${file}: ${text(cause)}: name another with --kubeconfig FILE`,
        { cause },
      );
    }
  }
  if (read.length === 0) {
    throw new ConfigError(
      `Cannot find a kubeconfig as none of these is there: ${
        files.join(", ")
      }: name one with --kubeconfig FILE`,
    );
  }
  const merged = mergeKubeconfigs(read);
  const name = context ?? merged["current-context"] ?? "";
  const config = new KubeConfig();
  try {
    config.loadFromString(JSON.stringify(await withExecInfo(merged, name)));
  } catch (cause) {
    throw new ConfigError(`Cannot use context '${name}' of ${files.join(", ")}: ${text(cause)}`, {
      cause,
    });
  }
  config.setCurrentContext(name);
  current(config, files);
  return config;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** The current context and its cluster. */
function current(config: KubeConfig, files: readonly string[] = []) {
  const name = config.getCurrentContext();
  const context = name ? config.getContextObject(name) : null;
  const where = files.join(", ");
  if (!context) {
    const known = config.getContexts().map((each) => `'${each.name}'`).join(", ") || "none";
    throw new ConfigError(
      name
        ? `Cannot find context '${name}' in ${where}: its contexts are ${known}`
        : `Cannot choose a context as ${where} has no current-context: name one with --context, its contexts are ${known}`,
    );
  }
  const cluster = config.getCluster(context.cluster);
  if (!cluster) {
    throw new ConfigError(
      `Cannot find cluster '${context.cluster}' of context '${name}' in ${where}`,
    );
  }
  if (!config.getUser(context.user)) {
    throw new ConfigError(`Cannot find user '${context.user}' of context '${name}' in ${where}`);
  }
  if (!/^https?:\/\//.test(cluster.server)) {
    throw new ConfigError(
      `Cannot use server '${cluster.server}' of cluster '${context.cluster}' in ${where}: write an http: or https: URL`,
    );
  }
  return { context, cluster };
}

async function authenticate(config: KubeConfig): Promise<Credentials> {
  const { context } = current(config);
  const options: RequestOptions = {};
  try {
    // This also makes an agent, which stays unused: the connection pool is ours.
    await config.applyToHTTPSOptions(options);
  } catch (cause) {
    throw new ConfigError(
      `Cannot get credentials of user '${context.user}' of context '${context.name}': ${
        text(cause)
      }: log in again, or correct this user in the kubeconfig`,
      { cause },
    );
  }
  return { headers: headersOf(options), tls: tlsOf(options) };
}

function headersOf({ headers, auth }: RequestOptions): Record<string, string> {
  const entries = Object.entries({ ...headers }).map(([name, value]) =>
    // A token that was read from a file may end with a newline.
    [name.toLowerCase(), String(value).trim()] as const
  );
  if (auth) entries.push(["authorization", `Basic ${Buffer.from(auth).toString("base64")}`]);
  return Object.fromEntries(entries);
}

function tlsOf(options: RequestOptions): TlsSettings {
  const { ca, cert, key, servername, rejectUnauthorized } = options;
  return {
    ...(ca ? { ca: String(ca) } : {}),
    ...(cert ? { cert: String(cert) } : {}),
    ...(key ? { key: String(key) } : {}),
    ...(servername ? { servername } : {}),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  };
}

/** An error's text on one line; a failed command puts its whole stderr there. */
function text(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().replaceAll(/\s*\n\s*/g, ", ") || "it gave no reason";
}
