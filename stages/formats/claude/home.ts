/**
 * What of Claude Code's own folder is left out: what holds secrets, and what it makes anew.
 *
 * @module
 */

/** The folder's usual name. A project's own settings lie in a folder of that name too. */
export const CLAUDE_FOLDER = ".claude";

/** Its file of state, beside the folder, or in it where `CLAUDE_CONFIG_DIR` says where that is. */
export const STATE_FILE = ".claude.json";

/** Reason for a remark on that file, where credentials were cut out of it. */
export const CUT = "its credentials, as not every destination is encrypted";

/** What that was called before, in the folder: where it is there still, it is in use. */
export const OLD_STATE_FILE = ".config.json";

/** Whether something in Claude Code's home is its file of state, or was: by any way in, a copy. */
export function isStateFile({ kind, path }: ClaudeFolder): boolean {
  return kind === "home" && (path === OLD_STATE_FILE || /(^|\/)\.claude\.json$/.test(path));
}

/** A folder of Claude Code's that holds what is being looked at. */
export interface ClaudeFolder {
  /**
   * `home`: where Claude Code keeps its state. `project`: what a project brings along, in which
   * names like `logs` are the project's own.
   */
  readonly kind: "home" | "project";
  /** What is being looked at, relative to the folder, with slashes; empty for the folder itself. */
  readonly path: string;
}

/** What to take all the same. */
export interface ClaudeChoice {
  readonly include_secrets: boolean;
  readonly include_caches: boolean;
}

/**
 * Tells whether a directory is a folder of Claude Code's, by its name and by what is in it:
 * `CLAUDE_CONFIG_DIR` gives it any name. Other programs have settings and projects, too, but name
 * these otherwise.
 *
 * @param projects The names in its `projects`; asked for only where they decide.
 */
export function claudeFolderKind(
  name: string,
  has: (name: string) => boolean,
  projects: () => readonly string[],
): ClaudeFolder["kind"] | undefined {
  const isNamed = name === CLAUDE_FOLDER;
  if (has("projects")) {
    if (isNamed) return "home";
    const isAlike = name.startsWith(`${CLAUDE_FOLDER}-`);
    if (HOME_FILES.some(has) && (isAlike || projects().some(isProject))) return "home";
  }
  // Claude Code makes its credentials before any project.
  return isNamed || has(CREDENTIALS) ? "project" : undefined;
}

const CREDENTIALS = ".credentials.json";
const HOME_FILES = [CREDENTIALS, "history.jsonl", "settings.json"];

/** Whether a folder is called as one of a project is: by its path, with `-` for what is no letter. */
function isProject(name: string): boolean {
  return /^(-|[A-Za-z]--)/.test(name);
}

/**
 * The folders above an absolute path that bear the usual name, and above a file that is only ever
 * found in such a folder, or beside it, whatever that is called.
 */
export function claudeFoldersAbove(path: string): ClaudeFolder[] {
  const names = path.split(/[/\\]/);
  const last = names.at(-1)!;
  const above = names.flatMap((name, index): ClaudeFolder[] => {
    const below = names.slice(index + 1).join("/");
    return name === CLAUDE_FOLDER && below !== "" ? [{ kind: "home", path: below }] : [];
  });
  return UNMISTAKABLE.test(last) ? [...above, { kind: "project", path: last }] : above;
}

/** The same folders, seen from one step further down, and that of a file that says whose it is. */
export function claudeFoldersBelow(
  folders: readonly ClaudeFolder[],
  name: string,
): readonly ClaudeFolder[] {
  const isOwn = UNMISTAKABLE.test(name);
  if (folders.length === 0 && !isOwn) return folders;
  const below = folders.map(({ kind, path }): ClaudeFolder => (
    { kind, path: path === "" ? name : `${path}/${name}` }
  ));
  return isOwn ? [...below, { kind: "project", path: name }] : below;
}

/** Files whose names say whose they are. */
const UNMISTAKABLE = /^\.credentials\.json$|^\.claude\.json\../;

/** Why a path is left out; `undefined`: it is not. */
export function reasonToLeaveOut(
  folders: readonly ClaudeFolder[],
  choice: ClaudeChoice,
): string | undefined {
  for (const { kind, path } of folders) {
    if (!choice.include_secrets) {
      const secret = SECRETS.find(([pattern]) => pattern.test(path));
      if (secret) return secret[1];
      if (kind === "home" && path === STATE_COPIES) return "may hold credentials";
    }
    if (!choice.include_caches && kind === "home" && CACHES.test(path)) {
      return "a cache or state of this machine";
    }
  }
}

const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/^\.credentials\.json$/, "holds credentials"],
  [/^ide\/[^/]+\.lock$/, "holds an access token"],
  [/^channels\/[^/]+\/\.env$/, "holds credentials"],
  // Copies of the file of state that were made when it was changed, or found broken.
  [/(^|\/)\.claude\.json\../, "may hold credentials"],
  [/^\.config\.json\../, "may hold credentials"],
  // What a shell exported.
  [/^(session-env|shell-snapshots)$/, "may hold credentials"],
];

/** Old copies of `.claude.json`, with its session; a project's own may be of anything. */
const STATE_COPIES = "backups";

const CACHES = new RegExp(
  `^(${
    [
      "cache",
      "daemon[^/]*",
      "debug",
      "feedback-bundles",
      "image-cache",
      "jobs",
      "local",
      "logs",
      "plugins/cache",
      "sessions",
      String.raw`skills/(synced|\.trash)`,
      "statsig",
      "todos",
      String.raw`\.last-cleanup`,
      String.raw`policy-limits\.json`,
      String.raw`remote-settings\.json`,
      // Add-ons' indexes of the conversations.
      String.raw`projects/claude-code-log-cache\.db(-\w+)?`,
      String.raw`session-backup\.db(-\w+)?`,
    ].join("|")
  })$`,
);

/**
 * Whether nobody knows what something in Claude Code's home is. Of what stands below such a thing,
 * nothing more is said.
 *
 * @param path Relative to the home, with slashes.
 */
export function isUnknown(path: string, isFile: boolean): boolean {
  const names = path.split("/");
  const [top = "", , third = "", fourth = ""] = names;
  if (names.length === 1) return path !== "" && !KNOWN.test(top);
  if (top === "ide") return names.length === 2;
  if (top !== "projects") return false;
  if (names.length === 2) return isFile;
  if (names.length === 3) return !(isFile ? PROJECT_FILES : PROJECT_FOLDERS).test(third);
  return names.length === 4 && SESSION.test(third) && !SESSION_FOLDERS.test(fourth);
}

const KNOWN = new RegExp(
  `^(${
    [
      ...["agent-memory", "agents", "channels", "commands", "file-history", "hooks", "ide"],
      ...["output-styles", "paste-cache", "plans", "plugins", "projects", "rules"],
      ...["scheduled-tasks", "skills", "tasks", "teams", "themes", "uploads", "usage-data"],
      ...["workflows", "statusline.*", String.raw`(AGENTS|CLAUDE)(\.local)?\.md`],
      ...[String.raw`\.(claude|config)\.json`, String.raw`history\.jsonl`, String.raw`loop\.md`],
      ...[String.raw`keybindings\.json`, String.raw`settings(\.local)?\.json`],
      ...[String.raw`stats-cache\.json`, String.raw`\.gitignore`],
      // What is left out, when it is asked for.
      ...[String.raw`\.credentials\.json`, "backups", "session-env", "shell-snapshots"],
    ].join("|")
  })$`,
);
const SESSION = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
const PROJECT_FILES = /\.jsonl$|^sessions-index\.json$/;
const PROJECT_FOLDERS = /^memory$|^[0-9a-f]{8}-[0-9a-f-]{27}$/;
const SESSION_FOLDERS = /^(subagents|tool-results)$/;
