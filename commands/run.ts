/**
 * `run`: makes a backup.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { backUp } from "./backup.ts";
import { defineCommand } from "./command.ts";
import { configFlag, jsonFlag, quietFlag } from "./flags.ts";

/** The one declaration of its words. */
export const parameters = object({
  config: configFlag(),
  dryRun: option("-n", "--dry-run", {
    description: message`Do everything but store: read, compress and encrypt, and tell.`,
  }),
  only: multiple(option("--only", string({ metavar: "STAGE" }), {
    description: message`Run this stage alone, with what it needs above it; may be repeated.`,
  })),
  force: option("--force", {
    description: message`Store a copy at every destination, whether or not something changed.`,
  }),
  message: optional(option("-m", "--message", string({ metavar: "TEXT" }), {
    description: message`What to say of this run, for destinations that keep such words.`,
  })),
  ifMissed: optional(option("--if-missed", string({ metavar: "TIME" }), {
    description:
      message`Only when no run has begun, other than interrupted ones, since this was last due, a cron expression: for schedules, after a pause.`,
  })),
  json: jsonFlag(),
  quiet: quietFlag(),
});

export default defineCommand({
  summary: "makes a backup",
  description:
    "Makes a backup: runs the stages of the pipeline file in their order. Behind a hash-gate, what had not changed is not stored again.",
  parameters,
  execute: backUp,
});
