/** A program that is to run for as long as it is wanted: one that ends is started again, ever later while it fails. */
import type { Argv, Commands, Followed } from "./command.ts";

export interface KeptProgramOptions {
  readonly commands: Commands;
  readonly argv: Argv;
  readonly onLine: (line: string) => void;
  /** It was started, for the first time or again. */
  readonly onStart?: () => void;
  /** It could not be started, or ended by itself. */
  readonly onEnd?: (error: Error) => void;
}

/** Delay before it is started again: doubled with each failure, back to the first once it has told something. */
const FIRST_RESTART_MILLISECONDS = 250;
const LAST_RESTART_MILLISECONDS = 8_000;

/** Starts it at once; the function ends it for good. */
export function keepRunning(options: KeptProgramOptions): () => void {
  const { commands, argv, onLine, onStart = () => {}, onEnd = () => {} } = options;
  let delay = FIRST_RESTART_MILLISECONDS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let program: Followed | undefined;
  let stopped = false;
  const again = (error: Error): void => {
    if (stopped) return;
    onEnd(error);
    timer = setTimeout(start, delay);
    delay = Math.min(delay * 2, LAST_RESTART_MILLISECONDS);
  };
  const start = (): void => {
    program = commands.follow(argv, {
      onLine: (line) => {
        if (stopped) return;
        delay = FIRST_RESTART_MILLISECONDS;
        onLine(line);
      },
    });
    program.started.then(() => stopped || onStart(), () => {});
    program.ended.then(
      () => again(new Error(`Cannot go on with ${argv[0]}: it ended by itself`)),
      again,
    );
  };
  start();
  return () => {
    stopped = true;
    clearTimeout(timer);
    program?.stop();
  };
}
