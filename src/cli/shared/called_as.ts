/** Under which name this program was started: kubectl runs its plugins by the names of their files. */
import { basename } from "node:path";

export interface CalledAs {
  /** As people type it. */
  readonly name: "sallyport" | "kubectl sallyport";
  /** The words after it. */
  readonly args: readonly string[];
}

/** @param argv as `process.argv` */
export function calledAs([, file = "", ...args]: readonly string[]): CalledAs {
  const name = basename(file);
  if (name.startsWith("kubectl_complete-")) {
    // https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/#custom-completion
    return { name: "kubectl sallyport", args: ["complete", "--", ...args] };
  }
  return { name: name.startsWith("kubectl-") ? "kubectl sallyport" : "sallyport", args };
}
