/**
 * `digest`: the digest stage alone.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { defineCommand } from "./command.ts";
import { configFlag, jsonFlag, numberValue, pathValue, quietFlag } from "./flags.ts";
import { digest } from "./make_digests.ts";

/** The one declaration of its words. */
export const parameters = object({
  days: optional(option("--days", numberValue("N", 36500), {
    description: message`Take in conversations of so many days; those that are in stay.`,
  })),
  all: option("--all", { description: message`Take in every conversation, however old.` }),
  maxSize: optional(option("--max-size", string({ metavar: "SIZE" }), {
    description:
      message`Largest size of a digest, such as 5MB; the oldest conversations give way first.`,
  })),
  from: optional(option("--from", pathValue("DIR", "directory"), {
    description: message`Directory with the logs.`,
  })),
  to: optional(option("--to", pathValue("DIR", "directory"), {
    description: message`Directory for the digests.`,
  })),
  config: configFlag(),
  json: jsonFlag(),
  quiet: quietFlag(),
});

export default defineCommand({
  summary: "makes readable Markdown of conversation logs",
  description:
    "Makes or updates the digests, one Markdown file a project, as the pipeline's digest stages would; without a pipeline file, or without such a stage in it, as the stage does by itself.",
  parameters,
  execute: digest,
});
