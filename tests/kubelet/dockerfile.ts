/**
 * Reads `k8s/image/Dockerfile`, of which tests make the images without Docker: the little of the language that it uses.
 */

export interface Instruction {
  /** As `COPY`. */
  readonly keyword: string;
  readonly value: string;
}

export interface Stage {
  readonly name: string;
  /** `scratch`, another stage, or an image; variables are replaced. */
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

/** A COPY of a final stage. */
export interface Copy {
  /** Stage that has the files. */
  readonly from: string;
  /** Absolute folders. */
  readonly source: string;
  readonly target: string;
}

/** What a final stage and the stages below it come to. */
export interface ImagePlan {
  readonly copies: readonly Copy[];
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly user: string;
  readonly workingDirectory: string;
  readonly entrypoint: readonly string[];
}

/** @throws Error with the line that is not understood */
export function parseDockerfile(text: string): readonly Stage[] {
  const variables: Record<string, string> = {};
  const stages: { name: string; from: string; instructions: Instruction[] }[] = [];
  for (const line of logicalLines(text)) {
    const [, keyword = "", value = ""] = /^([A-Z]+) (.+)$/.exec(line) ?? fail(line);
    if (keyword === "FROM") {
      const [, from = "", name = ""] = /^(\S+) AS (\S+)$/.exec(value) ?? fail(line);
      stages.push({ name, from: substitute(from, variables), instructions: [] });
    } else if (keyword === "ARG" && stages.length === 0) {
      const [name = "", standard = ""] = value.split("=");
      variables[name] = standard;
    } else (stages.at(-1) ?? fail(line)).instructions.push({ keyword, value });
  }
  return stages;
}

/** @throws Error when an instruction of the stage would need Docker */
export function planImage(stages: readonly Stage[], name: string): ImagePlan {
  if (name === "scratch") {
    return { copies: [], env: {}, labels: {}, user: "", workingDirectory: "/", entrypoint: [] };
  }
  const { from, instructions } = stageNamed(stages, name);
  return instructions.reduce(carryOut, planImage(stages, from));
}

/** @throws Error when there is none */
export function stageNamed(stages: readonly Stage[], name: string): Stage {
  const stage = stages.find((each) => each.name === name);
  if (stage === undefined) throw new Error(`Cannot find stage '${name}' in the Dockerfile`);
  return stage;
}

/** Debian packages that a stage installs: name -> version. */
export function packagesOf({ instructions }: Stage): Readonly<Record<string, string>> {
  const words = instructions.flatMap(({ keyword, value }) =>
    keyword === "RUN" && value.includes("apt-get install") ? value.split(/\s+/) : []
  );
  return Object.fromEntries(
    words.flatMap((word) => {
      const [, name = "", version = ""] = /^([a-z0-9.+-]+)=(\S+)$/.exec(word) ?? [];
      return name === "" ? [] : [[name, version]];
    }),
  );
}

/** Programs that a stage collects, with the libraries that they load. */
export function collectedBy({ instructions }: Stage): readonly string[] {
  return instructions.flatMap(({ keyword, value }) => {
    const [, names] = /(?:^| )\.\/collect\.sh \/image (.+)$/.exec(value) ?? [];
    return keyword === "RUN" && names !== undefined ? names.split(" ") : [];
  });
}

function carryOut(plan: ImagePlan, { keyword, value }: Instruction): ImagePlan {
  switch (keyword) {
    case "COPY": {
      const [, from = "", source = "", target = ""] =
        /^--from=(\S+) (\/\S*) (\/\S*)$/.exec(value) ?? fail(`COPY ${value}`);
      return { ...plan, copies: [...plan.copies, { from, source, target }] };
    }
    case "ENV":
      return { ...plan, env: { ...plan.env, ...assignments(value) } };
    case "LABEL":
      return { ...plan, labels: { ...plan.labels, ...assignments(value) } };
    case "USER":
      return { ...plan, user: value };
    case "WORKDIR":
      return { ...plan, workingDirectory: value };
    case "ENTRYPOINT":
      return { ...plan, entrypoint: JSON.parse(value) };
    default:
      return fail(`${keyword} ${value}`);
  }
}

/** Lines without comments, continued ones joined. */
function logicalLines(text: string): readonly string[] {
  return text.replaceAll(/^\s*#.*\n/gm, "").replaceAll(/\\\n\s*/g, "").split("\n")
    .map((line) => line.trim()).filter((line) => line !== "");
}

function assignments(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)]
      .map(([, name = "", quoted, plain = ""]) => [name, quoted ?? plain]),
  );
}

function substitute(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => variables[name] ?? "");
}

function fail(line: string): never {
  throw new Error(`Cannot understand this line of the Dockerfile: ${line}`);
}
