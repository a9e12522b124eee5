/**
 * Every command. Adding one adds a file, a line here and a test.
 *
 * Loaded on demand, so that no command waits for the libraries of another.
 *
 * @module
 */
import type { Command } from "./command.ts";

/**
 * A command's file, by its address: what plain imports name is read in full before anything runs,
 * which would take longer than all that `run` does until its first worker starts.
 */
function at(file: string): () => Promise<{ readonly default: Command }> {
  return () => import(new URL(file, import.meta.url).href);
}

export const commands: Readonly<Record<string, () => Promise<{ readonly default: Command }>>> = {
  "run": at("./run.ts"),
  "plan": at("./plan.ts"),
  "list": at("./list.ts"),
  "restore": at("./restore.ts"),
  "verify": at("./verify.ts"),
  "drill": at("./drill.ts"),
  "accept": at("./accept.ts"),
  "recovery-sheet": at("./recovery_sheet.ts"),
  "rekey": at("./rekey.ts"),
  "prune": at("./prune.ts"),
  "digest": at("./digest.ts"),
  "init": at("./init.ts"),
  "keygen": at("./keygen.ts"),
  "status": at("./status.ts"),
  "log": at("./log.ts"),
  "schedule": at("./schedule.ts"),
  "hook": at("./hook.ts"),
  "config": at("./config.ts"),
  "completion": at("./completion.ts"),
  "help": at("./help.ts"),
};
