/**
 * A small client for tests: what a person would do with kubectl. It shares no code with `src/kube`, so that a mistake
 * there cannot hide itself.
 */
import { type KubeObject, objectsOf } from "../../src/build/kube_object.ts";

export interface RawRequest {
  readonly method?: string;
  /** With its query, as `/api/v1/nodes?limit=5`. */
  readonly path: string;
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** Default `application/json`. */
  readonly accept?: string;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed when it is JSON, else text. */
  readonly body: unknown;
}

export type PatchType = "merge" | "json" | "strategic-merge" | "apply";

export interface ApplyOptions {
  /** Field manager; default `test`. Conflicts are overridden. */
  readonly manager?: string;
  /** Unknown and duplicate fields are errors; default true. */
  readonly strict?: boolean;
  readonly dryRun?: boolean;
}

/** An answer other than 2xx. */
export class RawApiError extends Error {
  override readonly name = "RawApiError";
  readonly status: number;
  /** `Status.message`, or the text. */
  readonly serverMessage: string;

  constructor(request: RawRequest, { status, body }: RawResponse) {
    const said = message(body);
    super(`Cannot ${request.method ?? "GET"} ${request.path}: ${status}: ${said}`);
    this.status = status;
    this.serverMessage = said;
  }
}

export class RawApi {
  /** URL of the API server, no trailing slash. */
  readonly server: string;
  readonly #token: string;
  readonly #client: Deno.HttpClient;
  /** Shared by all clients of one server: `apiVersion` -> kind -> resource. */
  readonly #resources: Map<string, ReadonlyMap<string, Resource>>;

  private constructor(
    server: string,
    token: string,
    client: Deno.HttpClient,
    resources: Map<string, ReadonlyMap<string, Resource>>,
  ) {
    this.server = server;
    this.#token = token;
    this.#client = client;
    this.#resources = resources;
  }

  /** @param options `ca` is PEM */
  static connect(server: string, options: { readonly ca: string; readonly token: string }): RawApi {
    const client = Deno.createHttpClient({ caCerts: [options.ca] });
    return new RawApi(server, options.token, client, new Map());
  }

  /** The same connections with another's token. */
  as(token: string): RawApi {
    return new RawApi(this.server, token, this.#client, this.#resources);
  }

  /** Closes the connections, of `as` too. */
  close(): void {
    this.#client.close();
  }

  /** Sends a request and returns whatever is answered. */
  async request(request: RawRequest): Promise<RawResponse> {
    const { method = "GET", path, body, contentType = "application/json", accept } = request;
    const response = await fetch(this.server + path, {
      client: this.#client,
      method,
      headers: {
        accept: accept ?? "application/json",
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "content-type": contentType }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: parse(text) };
  }

  /** @throws RawApiError as all that follow */
  get<T = KubeObject>(path: string, options: { readonly accept?: string } = {}): Promise<T> {
    return this.#ok<T>({ path, ...options });
  }

  /** Objects of a list without its envelope. */
  async list<T = KubeObject>(path: string): Promise<readonly T[]> {
    return (await this.get<{ items: readonly T[] }>(path)).items;
  }

  post<T = KubeObject>(path: string, body: unknown): Promise<T> {
    return this.#ok<T>({ method: "POST", path, body });
  }

  put<T = KubeObject>(path: string, body: unknown): Promise<T> {
    return this.#ok<T>({ method: "PUT", path, body });
  }

  patch<T = KubeObject>(path: string, body: unknown, type: PatchType = "merge"): Promise<T> {
    const contentType = type === "apply"
      ? "application/apply-patch+yaml"
      : `application/${type}-patch+json`;
    return this.#ok<T>({ method: "PATCH", path, body, contentType });
  }

  delete<T = KubeObject>(path: string): Promise<T> {
    return this.#ok<T>({ method: "DELETE", path });
  }

  /**
   * Server-side apply of YAML text or objects, in order; returns what the server then has. A CustomResourceDefinition is
   * waited for, so objects of its kind may follow it. Namespaced objects without a namespace go to `default`.
   */
  async apply(
    manifests: string | KubeObject | readonly KubeObject[],
    options: ApplyOptions = {},
  ): Promise<readonly KubeObject[]> {
    const { manager = "test", strict = true, dryRun = false } = options;
    const query = new URLSearchParams({
      fieldManager: manager,
      force: "true",
      fieldValidation: strict ? "Strict" : "Ignore",
      ...(dryRun ? { dryRun: "All" } : {}),
    });
    const applied: KubeObject[] = [];
    for (const object of objectsOf(manifests)) {
      applied.push(await this.patch(`${await this.pathOf(object)}?${query}`, object, "apply"));
      if (object.kind === "CustomResourceDefinition" && !dryRun) {
        await this.established(object.metadata.name);
      }
    }
    return applied;
  }

  /** Path of an object, as `/api/v1/namespaces/default/pods/web-0`. */
  async pathOf(object: KubeObject): Promise<string> {
    const { name, namespace = "default" } = object.metadata;
    const { plural, namespaced } = await this.#resource(object);
    const root = object.apiVersion.includes("/") ? "/apis" : "/api";
    const scope = namespaced ? `/namespaces/${namespace}` : "";
    return `${root}/${object.apiVersion}${scope}/${plural}/${name}`;
  }

  /** Waits until objects of a CustomResourceDefinition can be written. */
  async established(name: string): Promise<void> {
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`;
    await eventually(`CRD ${name} is established`, async () => {
      const { status } = await this.get<{ status?: { conditions?: readonly Condition[] } }>(path);
      return status?.conditions?.some((c) => c.type === "Established" && c.status === "True") ===
        true;
    });
  }

  async #ok<T>(request: RawRequest): Promise<T> {
    const response = await this.request(request);
    if (response.status < 200 || response.status > 299) throw new RawApiError(request, response);
    // Tests name the type that they expect and find out soon when it is another.
    return response.body as T;
  }

  async #resource({ apiVersion, kind }: KubeObject): Promise<Resource> {
    const known = () => this.#resources.get(apiVersion)?.get(kind);
    const path = `/${apiVersion.includes("/") ? "apis" : "api"}/${apiVersion}`;
    // Discovery may lag a little behind a CRD that is established.
    await eventually(`the API server knows ${apiVersion} ${kind}`, async () => {
      if (known() !== undefined) return true;
      const { status, body } = await this.request({ path });
      if (status === 200) this.#resources.set(apiVersion, readResources(body));
      return known() !== undefined;
    });
    const resource = known();
    if (resource === undefined) throw new Error(`Cannot find resource of ${apiVersion} ${kind}`);
    return resource;
  }
}

/**
 * Calls until it returns true.
 *
 * @throws Error after `timeoutMilliseconds`, default 10 000, naming what was waited for
 */
export async function eventually(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  { timeoutMilliseconds = 10_000, everyMilliseconds = 50 } = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMilliseconds;
  while (!await isSo()) {
    if (performance.now() > deadline) {
      throw new Error(`Cannot wait longer until ${what}: ${timeoutMilliseconds} ms have passed`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMilliseconds));
  }
}

interface Resource {
  readonly plural: string;
  readonly namespaced: boolean;
}

interface Condition {
  readonly type: string;
  readonly status: string;
}

function readResources(body: unknown): ReadonlyMap<string, Resource> {
  const { resources } = body as {
    resources: readonly {
      readonly name: string;
      readonly kind: string;
      readonly namespaced: boolean;
    }[];
  };
  return new Map(
    resources.filter(({ name }) => !name.includes("/"))
      .map(({ name, kind, namespaced }) => [kind, { plural: name, namespaced }]),
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function message(body: unknown): string {
  if (typeof body === "object" && body !== null && "message" in body) return String(body.message);
  return typeof body === "string" ? body : JSON.stringify(body);
}
