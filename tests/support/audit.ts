/** What an API server saw: its own audit log, by which a test knows who asked for what. */
import { eventually } from "./raw_api.ts";

export interface AuditedRequest {
  readonly user: string;
  /** As RBAC names it: `list`, `watch`, `patch`, … */
  readonly verb: string;
  /** `resource` or `resource/subresource`, with the API group behind it: `leases.coordination.k8s.io`. */
  readonly resource: string;
  /** Empty: none. */
  readonly namespace: string;
  readonly name: string;
  /** HTTP status of the answer. */
  readonly code: number;
}

export interface AuditLog extends Disposable {
  /** Flags of kube-apiserver that write it. */
  readonly apiArgs: readonly string[];
  /** Requests of a user for resources, oldest first. */
  requestsOf(user: string): Promise<readonly AuditedRequest[]>;
}

/** Makes an audit log for the requests of service accounts of a namespace. Dispose it once the server has ended. */
export function createAuditLog(users: readonly string[]): AuditLog {
  const directory = Deno.makeTempDirSync({ prefix: "sallyport-audit-" });
  const policy = {
    apiVersion: "audit.k8s.io/v1",
    kind: "Policy",
    // Told when a watch begins; everything else when it is answered.
    omitStages: ["RequestReceived"],
    rules: [{ level: "Metadata", users }, { level: "None" }],
  };
  Deno.writeTextFileSync(`${directory}/policy.json`, JSON.stringify(policy));
  const path = `${directory}/audit.log`;
  return {
    apiArgs: [
      `--audit-policy-file=${directory}/policy.json`,
      `--audit-log-path=${path}`,
      // Written before the answer is sent.
      "--audit-log-mode=blocking-strict",
    ],
    async requestsOf(user) {
      let text = "";
      // A line that is being written has no end yet.
      await eventually("the audit log is whole", async () => {
        text = await Deno.readTextFile(path);
        return text === "" || text.endsWith("\n");
      });
      const seen = new Map<string, AuditedRequest>();
      for (const line of text.split("\n").filter((line) => line !== "")) {
        const event = JSON.parse(line) as AuditEvent;
        const { objectRef, responseStatus, user: { username } } = event;
        if (username !== user || objectRef === undefined) continue;
        const { resource, subresource, apiGroup } = objectRef;
        const full = subresource === undefined ? resource : `${resource}/${subresource}`;
        // A watch is told at its start and at its end.
        seen.set(event.auditID, {
          user,
          verb: event.verb,
          resource: apiGroup === undefined ? full : `${full}.${apiGroup}`,
          namespace: objectRef.namespace ?? "",
          name: objectRef.name ?? "",
          code: responseStatus?.code ?? 0,
        });
      }
      return [...seen.values()];
    },
    [Symbol.dispose]() {
      Deno.removeSync(directory, { recursive: true });
    },
  };
}

interface AuditEvent {
  readonly auditID: string;
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource: string;
    readonly subresource?: string;
    readonly apiGroup?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
}
