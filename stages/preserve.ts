/**
 * Keeps what Claude Code sweeps away: an append-only copy of conversations and what lies beside them.
 *
 * @module
 */
import { definePrepare, list, optional, options, path } from "./contract.ts";
import { projectsIn } from "./formats/nothing_yet.ts";

const load = () => import("./formats/preserve/preserving.ts");

export default definePrepare({
  name: "preserve",
  summary: "Keeps a copy of conversations that no sweep reaches",
  description:
    "Copies what is new, and of what has grown the new end alone. Of what was shortened or rewritten it keeps both versions, the older one below .keepsake/versions. Nothing in the copy is ever removed. Links are not followed.",
  options: options({
    from: path("Directory with the conversations.", {
      example: "${CLAUDE_CONFIG_DIR:-~/.claude}/projects",
    }),
    to: path("Directory that holds the copy.", {
      example: "~/.local/share/keepsake/preserved",
    }),
    exclude: optional(list("Paths to leave out, in gitignore syntax, relative to `from`."), []),
  }),

  copies: ({ from, to }) => ({ from, to }),
  awaits: ({ from }) => projectsIn(from),
  permissions: ({ from, to }) => ({ read: [from, to], write: [to] }),
  owns: ({ to }) => to,

  // Loaded on demand: whoever only plans needs none of it.
  prepare: () => Promise.all([load(), import("node:crypto")]),
  run: async ({ options, ...context }) => (await load()).preserve(options, context),
});
