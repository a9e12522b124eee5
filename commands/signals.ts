/**
 * Ctrl-C and the system's wish that we end.
 *
 * @module
 */
import { BackupError } from "../pipeline/errors.ts";
import type { Terminal } from "./ui/terminal.ts";

/** Whether we are to end. */
export interface Signals {
  /** Aborts on the first signal. */
  readonly signal: AbortSignal;
  /** Exit status by the signal that came, as shells have it; `undefined`: none came. */
  readonly status: number | undefined;
}

/** Statuses by signal. SIGHUP keeps its meaning, so that `nohup` does. */
const STATUSES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Stops the work on the first signal, so that it can put things in order, and the program on the
 * second.
 */
export function watchSignals(terminal: Terminal): Signals {
  const controller = new AbortController();
  let status: number | undefined;
  const watch = (signal: keyof typeof STATUSES) => {
    Deno.addSignalListener(signal, () => {
      if (status !== undefined) Deno.exit(status);
      status = STATUSES[signal];
      terminal.say("Stopping: putting things in order. Once more stops at once");
      controller.abort(new BackupError("interrupted", `Stopped by ${signal} before the end`));
    });
  };
  watch("SIGINT");
  if (Deno.build.os !== "windows") watch("SIGTERM");
  return {
    signal: controller.signal,
    get status() {
      return status;
    },
  };
}
