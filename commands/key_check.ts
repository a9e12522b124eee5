/**
 * Has an identity prove that it opens what will be encrypted, before anything rests on that.
 *
 * @module
 */
import { type Message, message } from "@optique/core/message";
import type { Parser } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import type { Pipeline } from "../pipeline/config/pipeline.ts";
import { BackupError } from "../pipeline/errors.ts";
import type { Terminal } from "./ui/terminal.ts";

/** `--skip-key-check`, for the action that would else ask for the identity. */
export function skipKeyCheckFlag(action: Message): Parser<"sync", boolean> {
  return option("--skip-key-check", {
    description:
      message`With ${action}: do not ask for the identity. Should it be lost already, you learn of it on the day you need a backup.`,
  });
}

/** How to check. */
export interface KeyCheck {
  /** Files with identities, in the place of the pipeline's own. */
  readonly files: readonly string[] | undefined;
  /** Go on without, and say what that may cost. */
  readonly skip: boolean;
  /** Say nothing of what is well. */
  readonly quiet: boolean;
}

/**
 * Asks for the identity. Backups that nobody can open are made in vain, night after night: better to
 * learn of it now.
 *
 * @throws {BackupError} `identity-wrong`.
 */
export async function askForKey(
  pipeline: Pipeline,
  { files, skip, quiet }: KeyCheck,
  terminal: Terminal,
): Promise<void> {
  if (skip) return terminal.say(RISK);
  const { proveKeys } = await import("../pipeline/keys.ts");
  try {
    const count = await proveKeys(pipeline, files);
    if (count > 0 && !quiet) terminal.say("The identity at hand opens what will be encrypted");
  } catch (error) {
    if (!(error instanceof BackupError) || error.code !== "identity-wrong") throw error;
    const hint = `${error.hint}; --skip-key-check goes on without knowing whether it can be opened`;
    throw new BackupError(error.code, error.message, { hint, cause: error });
  }
}

const RISK =
  "Warning: nobody has looked whether the identity is there that opens these backups. If it is lost, so are they, and each one that is made from now on";
