/**
 * Turns paths into one deterministic archive.
 *
 * @module
 */
import {
  choice,
  claude,
  defineSource,
  flag,
  list,
  type Operation,
  optional,
  options,
  paths,
  type Remark,
  type Sources,
} from "./contract.ts";

/** What each operation is made of. */
const LOAD = {
  survey: () => import("./formats/snapshot/survey.ts"),
  scan: () => import("./formats/snapshot/scan.ts"),
  run: () => import("./formats/snapshot/archive.ts"),
  restore: () => import("./formats/snapshot/unpack.ts"),
};

export default defineSource({
  name: "snapshot",
  summary: "Makes one deterministic archive of some paths",
  description:
    "Reads every file in full, so that what is stored is known to the byte. The same tree gives the same archive at any place and time.",
  options: options({
    claude: optional(
      claude(
        "Finds all that Claude Code keeps: its folders, its file of state, directories that its settings and links lead to.",
        { example: true },
      ),
    ),
    paths: optional(
      paths("Directories and files to back up.", {
        example: ["~/.local/share/keepsake/digests"],
      }),
    ),
    exclude: optional(
      list(
        "Paths to leave out, in gitignore syntax, relative to each path: `/cache`, not `~/notes/cache`.",
        {
          example: ["*.swp", ".git/"],
        },
      ),
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

  permissions: (options, operation) => {
    const { paths, databases } = selectionOf(options);
    return operation === "restore" ? {} : { read: [...new Set([...paths, ...databases])] };
  },

  needsDirectory: (options) => selectionOf(options).databases.length > 0,

  wanted: ({ claude, paths = [], sqlite = [] }) => [
    ...paths,
    ...sqlite,
    ...claude?.wanted ? claude.homes : [],
  ],

  usual: ({ claude }) => claude?.usual ?? [],

  faultOf: ({ claude, paths, sqlite }) =>
    claude?.wanted || paths || sqlite ? undefined : {
      key: "paths",
      message: "Missing key",
      hint: 'Add claude = true, or for example paths = ["~/notes"]',
    },

  codec: ({ compress }) => compress,

  needsEncryption: ({ include_secrets }) =>
    include_secrets ? "include_secrets = true takes credentials" : undefined,

  // Loaded on demand: whoever only plans needs none of it, and no operation the others'.
  prepare: (operation) =>
    Promise.all([
      (LOAD as Partial<Record<Operation, () => Promise<unknown>>>)[operation]?.(),
      operation === "run" ? import("node:crypto") : undefined,
      operation === "survey" ? undefined : import("xxhash-wasm"),
    ]),
  survey: async ({ options, ...context }) =>
    (await LOAD.survey()).survey(selectionOf(options), context),
  scan: async ({ options, ...context }) => {
    const result = await (await LOAD.scan()).scan(selectionOf(options), context);
    const isLeader = context.team.role === "leader";
    return isLeader ? withDoubts(result, options.claude) : result;
  },
  run: async ({ options, ...context }) => {
    const result = await (await LOAD.run()).writeArchive(selectionOf(options), context);
    const notes = [...options.claude?.notes ?? [], ...result.notes];
    return withDoubts({ ...result, notes }, options.claude);
  },
  restore: async (context) => (await LOAD.restore()).unpack(context),
});

/** Everything that the options come to. */
function selectionOf<
  T extends {
    readonly claude?: Sources | undefined;
    readonly paths?: readonly string[] | undefined;
    readonly sqlite?: readonly string[] | undefined;
  },
>({ claude, paths = [], sqlite = [], ...rest }: T) {
  return {
    ...rest,
    named: paths,
    paths: [...new Set([...paths, ...claude?.paths ?? []])],
    databases: [...new Set([...sqlite, ...claude?.databases ?? []])],
    homes: claude?.wanted ? claude.homes : undefined,
    places: claude?.places,
  };
}

/** Where it is not known what there is, something may be missing. */
function withDoubts<T extends { readonly unreadable: readonly Remark[] }>(
  result: T,
  { doubts = [] }: Partial<Sources> = {},
): T {
  return doubts.length === 0
    ? result
    : { ...result, unreadable: [...doubts, ...result.unreadable] };
}
