/**
 * Every command. Adding one adds a file, a line here and a test.
 *
 * Loaded on demand, so that no command waits for the libraries of another. All but `run`, the one
 * that is started every hour: Deno keeps compiled code of what is imported statically alone, which
 * takes a fifth off the work of a run that finds nothing to do.
 *
 * @module
 */
import type { Command } from "./command.ts";
import run from "./run.ts";

export const commands: Readonly<Record<string, () => Promise<{ readonly default: Command }>>> = {
  "run": () => Promise.resolve({ default: run }),
  "plan": () => import("./plan.ts"),
  "list": () => import("./list.ts"),
  "restore": () => import("./restore.ts"),
  "verify": () => import("./verify.ts"),
  "drill": () => import("./drill.ts"),
  "accept": () => import("./accept.ts"),
  "recovery-sheet": () => import("./recovery_sheet.ts"),
  "rekey": () => import("./rekey.ts"),
  "prune": () => import("./prune.ts"),
  "digest": () => import("./digest.ts"),
  "init": () => import("./init.ts"),
  "keygen": () => import("./keygen.ts"),
  "status": () => import("./status.ts"),
  "log": () => import("./log.ts"),
  "schedule": () => import("./schedule.ts"),
  "hook": () => import("./hook.ts"),
  "config": () => import("./config.ts"),
  "completion": () => import("./completion.ts"),
  "help": () => import("./help.ts"),
};
