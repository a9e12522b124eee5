/**
 * Keeps archives, or the files that are in them, in a git repository.
 *
 * @module
 */
import {
  choice,
  defineDestination,
  duration,
  type Operation,
  optional,
  options,
  path,
  pattern,
  secret,
  size,
} from "./contract.ts";
import { USUAL_CREDENTIALS } from "./formats/git/credentials.ts";
import { SSH_AGENT } from "./formats/git/program.ts";
import {
  addressOf,
  BRANCH_REGEXP,
  directoryOf,
  parseAddress,
  parseRemote,
  REMOTE_REGEXP,
} from "./formats/git/remote.ts";
import { shellWord } from "./formats/shell.ts";

const load = () => import("./formats/git/repository.ts");

/** Has `git archive` leave out and change nothing, whatever a `.gitattributes` among the files says. */
const AS_STORED =
  "echo '* -export-ignore -export-subst -text -ident -filter -working-tree-encoding' > stored/.git/info/attributes";

export default defineDestination({
  name: "git",
  summary: "Keeps archives, or the files in them, in a git repository",
  description:
    "A forge, a server with ssh, a bare repository on this machine. Each snapshot becomes one commit on whatever is there, never forced, and is confirmed by the remote. Git itself is not sandboxed: it is started with an empty environment, fixed arguments, no hooks and no configuration but its own. What is removed stays in the history.",
  options: options({
    remote: pattern(
      [
        REMOTE_REGEXP,
        "Expected an address such as `me@host:path.git`, `ssh://…`, an absolute path, or `https://…` without a user, who belongs into `credentials`",
      ],
      "The repository: by ssh, by https, or an absolute path.",
      { example: "git@github.com:me/backup.git" },
    ),
    branch: optional(
      pattern([BRANCH_REGEXP, "Expected a plain name of a branch"], "The branch."),
      "main",
    ),
    layout: optional(
      choice(
        ["archives", "files"],
        "Whether it holds archives, or the files themselves, to read and compare there.",
      ),
      "archives",
    ),
    max_file: optional(
      size("The largest file that the host takes: larger archives are divided."),
      "95MB",
    ),
    budget: optional(size("Size of the whole repository past which a run warns.", {
      example: "2GB",
    })),
    credentials: optional(
      secret(
        `For https, a line \`user:password\`; left out, $${USUAL_CREDENTIALS} where that is set.`,
        { example: "file:~/.config/keepsake/git-credentials" },
      ),
    ),
    ssh_key: optional(
      path("File with the private key for ssh; left out, what ssh finds.", {
        example: "~/.ssh/backup",
      }),
    ),
    ssh_known_hosts: optional(
      path("File with the keys of known hosts; left out, ssh's own.", {
        example: "~/.ssh/known_hosts",
      }),
    ),
    timeout: optional(duration("How long git may give no sign of life."), "5m"),
  }),

  permissions({ remote, credentials }) {
    const protocol = parseRemote(remote)?.protocol;
    const system = Deno.build.os === "windows" ? ["SystemRoot"] : [];
    if (protocol === "ssh") return { env: [SSH_AGENT, ...system], run: ["git", "sh", "ssh"] };
    if (protocol === "file") return { env: system, run: ["git", "sh"] };
    const [, kind, place] = /^(env|file):(.*)$/s.exec(credentials ?? `env:${USUAL_CREDENTIALS}`)!;
    return kind === "env"
      ? { env: [place!, ...system], run: ["git", "sh"] }
      : { read: [place!], env: system, run: ["git", "sh"] };
  },

  prepare: (operation: Operation) =>
    Promise.all([load(), operation === "run" && import("node:crypto")]),
  takesFiles: false,
  keepsFolder: true,
  removal: () => "history",
  needsPlaintext: ({ layout }) =>
    layout === "files" ? 'layout = "files" shows what is in it' : undefined,
  location: ({ remote, branch }) => addressOf(remote, branch),
  directory: ({ remote }) => directoryOf(remote),
  byHand: ({ remote, branch, layout }) => ({
    tools: ["git"],
    before: [
      "Have access to the repository: a key or a password of its own, which is in no backup.",
      ...(layout === "files"
        ? ["It holds no empty folders, and of permissions only whether a file can be run."]
        : []),
    ],
    lines: [
      `git clone --branch ${shellWord(branch)} -- ${shellWord(remote)} stored`,
      ...(layout === "files" ? [AS_STORED] : []),
    ],
    ...(layout === "files" && {
      restore: (id: string) => [
        `git -C stored -c tar.umask=022 archive HEAD ${id}/files | tar -x -f - -C restored/${id} --strip-components=2`,
      ],
    }),
  }),
  addressForm:
    'a repository, such as "git@host:me/backup.git", "https://host/backup.git" or "git+/mnt/usb/backup", with "#branch" where that is not main',
  fromAddress(address) {
    const parsed = parseAddress(address);
    if (parsed === undefined) return undefined;
    return { ...parsed, layout: "archives", max_file: 95e6, timeout: 300_000 };
  },

  run: async (context) => (await load()).store(context),
  list: async (context) => (await load()).list(context),
  fetch: async (context) => (await load()).fetch(context),
  remove: async (context) => (await load()).remove(context),
});
