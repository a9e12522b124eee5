/**
 * Turns paths into one deterministic archive.
 *
 * @module
 */
import {
  choice,
  defineSource,
  flag,
  list,
  type Operation,
  optional,
  options,
  paths,
} from "./contract.ts";

/** What each operation is made of. */
const LOAD = {
  scan: () => import("./formats/scan.ts"),
  run: () => import("./formats/archive.ts"),
  restore: () => import("./formats/unpack.ts"),
};

export default defineSource({
  name: "snapshot",
  summary: "Makes one deterministic archive of some paths",
  description:
    "Reads every file in full, so that what is stored is known to the byte. The same tree gives the same archive at any place and time.",
  options: options({
    paths: paths("Directories and files to back up.", {
      example: ["${CLAUDE_CONFIG_DIR:-~/.claude}"],
    }),
    exclude: optional(
      list("Paths to leave out, in gitignore syntax, relative to each path.", {
        example: ["*.swp", ".git/"],
      }),
      [],
    ),
    sqlite: optional(
      paths(
        "Live SQLite databases, in or outside of the paths, copied through the online backup.",
        {
          example: ["~/notes/notes.db"],
          isRare: true,
        },
      ),
    ),
    compress: optional(choice(["zstd", "gzip", "none"], "How the archive is compressed."), "zstd"),
    include_secrets: optional(
      flag("Also takes Claude Code's credentials, where every destination is encrypted."),
      false,
    ),
    include_caches: optional(flag("Also takes Claude Code's caches and machine state."), false),
  }),

  permissions: ({ paths, sqlite = [] }, operation) =>
    operation === "restore" ? {} : { read: [...paths, ...sqlite] },

  needsDirectory: ({ sqlite = [] }) => sqlite.length > 0,

  codec: ({ compress }) => compress,

  needsEncryption: ({ include_secrets }) =>
    include_secrets ? "include_secrets = true takes credentials" : undefined,

  // Loaded on demand: whoever only plans needs none of it, and no operation the others'.
  prepare: (operation) =>
    Promise.all([
      (LOAD as Partial<Record<Operation, () => Promise<unknown>>>)[operation]?.(),
      import("node:crypto"),
    ]),
  scan: async ({ options, ...context }) =>
    (await LOAD.scan()).scan({ ...options, databases: options.sqlite }, context),
  run: async ({ options, ...context }) =>
    (await LOAD.run()).writeArchive({ ...options, databases: options.sqlite }, context),
  restore: async (context) => (await LOAD.restore()).unpack(context),
});
