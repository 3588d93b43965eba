/** Names of objects as a person gives them. */
import { canonicalIP } from "../../core/ip_family.ts";
import { ConfigError } from "../../kube/errors.ts";

/** `NAMESPACE/POD`, or a pod's name alone in the namespace of `--namespace`, else in `default`. */
export function podName(
  text: string,
  namespace: string | undefined,
): { readonly namespace: string; readonly name: string } {
  const [first = "", second, ...rest] = text.split("/");
  const name = second ?? first;
  const named = second === undefined ? namespace ?? "default" : first;
  if (name === "" || named === "" || rest.length > 0) {
    throw new ConfigError(`Cannot read pod '${text}': write NAMESPACE/POD`);
  }
  if (second !== undefined && namespace !== undefined && namespace !== first) {
    throw new ConfigError(
      `Cannot tell which namespace is meant, '${first}' or '${namespace}': give one`,
    );
  }
  return { namespace: named, name };
}

/** @throws ConfigError for what is no IP address of either family */
export function ipAddress(text: string): string {
  const ip = canonicalIP(text);
  if (ip !== undefined) return ip;
  throw new ConfigError(
    `Cannot read destination '${text}': write an IP address such as 203.0.113.7`,
  );
}
