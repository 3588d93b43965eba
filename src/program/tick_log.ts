/** What of ticks is worth reading later. */
import type { GatewayPlan } from "../core/types.ts";
import type { TickResult } from "../controller/tick.ts";
import type { Logger } from "./log.ts";

export interface TickLog {
  /** Changes of holder, writes, problems. Quiet ticks leave a debug line. */
  tick(result: TickResult): void;
  /** A tick that threw, or a watch that broke. */
  error(error: Error): void;
}

/** Errors between two ticks that did not throw; more of them are told again. */
const MOST_TOLD = 100;

/**
 * A log of ticks that tells everything once. A resident controller ticks each second, and whatever is wrong stays wrong
 * until somebody mends it: it is told when it begins, when its words change, and when it is over.
 */
export function createTickLog(logger: Logger): TickLog {
  const warnings = new Told(logger, (text) => logger.warn("{warning}", { warning: text }));
  const failures = new Told(logger, (text) => logger.error("{problem}", { problem: text }));
  const errors = new Told(logger, (text) => logger.error("{message}", { message: text }));
  const decisions = new Map<string, string>();

  function tellDecision(gateway: GatewayPlan): void {
    const { name, decision, activeNodeName, previousNodeName, phase, term, message } = gateway;
    const quiet = decision === "Keep" ||
      (decision === "None" && activeNodeName === previousNodeName);
    const said = JSON.stringify([decision, activeNodeName, previousNodeName, term, message]);
    if (!quiet && decisions.get(name) !== said) {
      logger.info("{decision} {gateway}: {message}", {
        gateway: name,
        decision,
        from: previousNodeName,
        to: activeNodeName,
        phase,
        term,
        message,
      });
    }
    if (quiet) decisions.delete(name);
    else decisions.set(name, said);
  }

  return {
    tick({ plan, results, durationMilliseconds }) {
      for (const gateway of plan.gateways) tellDecision(gateway);
      for (const { change, result } of results) {
        const { action, kind, name } = change;
        logger.debug("{action} {kind}/{name}: {result}", { action, kind, name, result });
      }
      // A tick that did not throw has got over what made others throw.
      errors.now([]);
      failures.now(results.flatMap((each) => each.result === "failed" ? [each.error.message] : []));
      // Objects that cannot be read are among them.
      warnings.now(plan.warnings);
      const took = Math.round(durationMilliseconds);
      const written = results.filter(({ result }) => result === "written").length;
      logger.debug("Tick took {took} ms, {written} writes", { took, written });
    },
    error: ({ message }) => errors.also(message),
  };
}

/** Sentences that hold now, each told when it begins and when it is over. */
class Told {
  readonly #logger: Logger;
  readonly #tell: (text: string) => void;
  #told: ReadonlySet<string> = new Set();

  constructor(logger: Logger, tell: (text: string) => void) {
    this.#logger = logger;
    this.#tell = tell;
  }

  /** These hold, and no others any more. */
  now(texts: readonly string[]): void {
    const held = new Set(texts);
    for (const text of held) if (!this.#told.has(text)) this.#tell(text);
    for (const text of this.#told) {
      if (!held.has(text)) this.#logger.info("Over: {text}", { text });
    }
    this.#told = held;
  }

  /** This holds as well. */
  also(text: string): void {
    if (this.#told.has(text)) return;
    this.#tell(text);
    this.#told = new Set(this.#told.size < MOST_TOLD ? [...this.#told, text] : [text]);
  }
}
