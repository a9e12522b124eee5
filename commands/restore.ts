/**
 * `restore`: brings a snapshot back.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import { bringBack } from "./bring_back.ts";
import { defineCommand } from "./command.ts";
import { configFlag, fromFlag, identityFlag, jsonFlag, pathValue, quietFlag } from "./flags.ts";

const HOW = ["never", "changed", "always"] as const;

/** The one declaration of its words. */
export const parameters = object({
  snapshot: withDefault(
    argument(string({ metavar: "SNAPSHOT" }), {
      description: message`"latest", an id, a name or the beginning of one, or ID/NAME.`,
    }),
    "latest",
  ),
  to: optional(option("--to", pathValue("DIR", "directory"), {
    description: message`Where to put it.`,
  })),
  inPlace: option("--in-place", {
    description: message`Put everything where it was taken from.`,
  }),
  from: fromFlag(),
  path: optional(option("--path", string({ metavar: "GLOB" }), {
    description:
      message`Only what this fits, of the paths that "list --files" shows: ".claude/projects/*/memory". "*" stays within one name, "**" stands for any folders, and what has no "/" fits a name anywhere, such as "*.md". A directory that fits brings all that is in it.`,
  })),
  identity: identityFlag(),
  overwrite: optional(option("--overwrite", choice(HOW, { metavar: "HOW" }), {
    description: message`What to do with files that are there already; "never" if not given.`,
  })),
  preserveMtime: option("--preserve-mtime", {
    description:
      message`Give files the times they had. Otherwise they get the present time, which keeps Claude Code from deleting old conversations.`,
  }),
  dryRun: option("-n", "--dry-run", {
    description: message`Only list what would be done.`,
  }),
  config: configFlag(),
  json: jsonFlag(),
  quiet: quietFlag(),
});

export default defineCommand({
  summary: "brings a snapshot back",
  description:
    "Brings a snapshot back, the latest unless another one is named: all of it or nothing. Setuid, setgid and sticky bits are left out, which it says. Neither the pipeline file nor the state is needed when --from is an address and --identity is given.",
  parameters,
  execute: bringBack,
});
