/**
 * Ctrl-C, a terminal that is closed, and the system's wish that we end.
 *
 * @module
 */
import { BackupError } from "../pipeline/errors.ts";
import type { Terminal } from "./ui/terminal.ts";

/** Whether we are to end. */
export interface Signals {
  /**
   * What aborts on the first signal. Whoever takes it puts things in order and ends by itself.
   *
   * @throws {BackupError} `interrupted` when one came already.
   */
  readonly take: () => AbortSignal;
  /** Fails on the first signal if nobody has taken it: nothing is to be put in order. */
  readonly cut: Promise<never>;
  /** Exit status by the signal that came, as shells have it; `undefined`: none came. */
  readonly status: number | undefined;
}

const STATUSES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Stops the work on the first signal, so that it can put things in order, and the program on the
 * second.
 */
export function watchSignals(terminal: Terminal): Signals {
  const controller = new AbortController();
  const { promise: cut, reject } = Promise.withResolvers<never>();
  let isTaken = false;
  let status: number | undefined;
  const watch = (signal: keyof typeof STATUSES) => {
    Deno.addSignalListener(signal, () => {
      // A terminal that is closed says so, and its shell once more: nobody is in a hurry.
      if (status !== undefined && signal === "SIGHUP") return;
      if (status !== undefined) Deno.exit(status);
      status = STATUSES[signal];
      const reason = new BackupError("interrupted", `Stopped by ${signal} before the end`);
      if (isTaken) terminal.say("Stopping: putting things in order. Once more stops at once");
      else {
        if (terminal.err.interactive) terminal.err.write("\n"); // After a question, and ^C.
        reject(reason);
      }
      controller.abort(reason);
    });
  };
  // Asked before the first listener, with which Deno begins to catch this one, too.
  const isNohup = ignoresHangup();
  watch("SIGINT");
  if (Deno.build.os !== "windows") {
    watch("SIGTERM");
    // Left to Deno, it would end us at once, whatever `nohup` said.
    if (isNohup) Deno.addSignalListener("SIGHUP", () => {});
    else watch("SIGHUP");
  }
  return {
    cut,
    take() {
      controller.signal.throwIfAborted();
      isTaken = true;
      return controller.signal;
    },
    get status() {
      return status;
    },
  };
}

/** Whether the end of the terminal is to be ignored, as `nohup` has it. Only Linux tells. */
function ignoresHangup(): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    const lowest = /^SigIgn:\s*[0-9a-f]*([0-9a-f])$/m.exec(status)?.[1] ?? "0";
    return parseInt(lowest, 16) % 2 === 1; // SIGHUP's bit is the first from the right.
  } catch {
    return false;
  }
}
