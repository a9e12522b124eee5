/**
 * Makes readable Markdown of conversation logs.
 *
 * @module
 */
import {
  choice,
  definePrepare,
  flag,
  integer,
  optional,
  options,
  path,
  patterns,
  size,
} from "./contract.ts";
import { projectsIn } from "./formats/nothing_yet.ts";

const load = () => import("./formats/digest/digesting.ts");

export default definePrepare({
  name: "digest",
  summary: "Makes readable Markdown of conversation logs, one file a project",
  description:
    "Reads Claude Code's logs and writes what was said and done, with sub-agents where they were called and secrets redacted. " +
    "A conversation that stands in a digest stays there when its logs are swept away. `_manifest.md` has the totals.",
  options: options({
    from: optional(
      path("Directory with the logs."),
      "${CLAUDE_CONFIG_DIR:-~/.claude}/projects",
    ),
    to: optional(
      path("Directory for the digests; a folder of it remembers what was read."),
      "~/.local/share/keepsake/digests",
    ),
    days: optional(
      integer([1, 36500], "Takes in conversations of so many days; those that are in stay."),
      30,
    ),
    all: optional(flag("Takes in every conversation, however old."), false),
    max_size: optional(
      size("Largest size of a digest; the oldest conversations give way first, to be kept aside.", {
        example: "5MB",
      }),
    ),
    tools: optional(
      choice(["none", "short", "full"], "How much is shown of what tools were asked and answered."),
      "short",
    ),
    redact: optional(flag("Replaces secrets by `[REDACTED:rule]`."), true),
    patterns: optional(
      patterns(
        "Regular expressions for what is secret to you; repeats of what repeats can take for ever.",
        {
          example: ["ACME-[0-9]{8}"],
        },
      ),
      [],
    ),
  }),

  hasHelper: true,
  awaits: ({ from }) => projectsIn(from),
  permissions: ({ from, to }) => ({ read: [from, to], write: [to] }),
  follows: ({ from }) => from,
  owns: ({ to }) => to,

  prepare: load,
  run: async ({ options, ...context }) => (await load()).makeDigests(options, context),
});
