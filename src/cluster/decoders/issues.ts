import * as v from "valibot";

/** Says which fields are wrong, what was found there and what is expected: `spec.sourceIP.mode: …`. */
export function describeIssues(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues.map((issue) => {
    const path = v.getDotPath(issue);
    const told = issue.type === "check"
      ? `${issue.message} instead of ${issue.received}`
      : issue.message;
    return path === null ? told : `${path}: ${told}`;
  }).join("; ");
}
