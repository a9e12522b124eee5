/** Names that try to be more than names, and a job that has one. */
import { parseCalendar } from "../../../commands/schedule/calendar.ts";
import type { Place } from "../../../commands/schedule/installer.ts";
import type { Job } from "../../../commands/schedule/job.ts";

/** What would appear if any of them got through. */
export const CANARY = "/tmp/keepsake-canary";

const COMMANDS = [`touch ${CANARY}`, `id>${CANARY}`, `sh -c "id >> ${CANARY}"`];

/** Ways out of quotes, lines, documents and words; `#` stands for a command. */
const WAYS = [
  ...[
    "; #",
    ";#;",
    "&& #",
    "|| #",
    "| #",
    "& #",
    "\n#\n",
    "\r\n# ",
    "\r#",
    "`#`",
    "$(#)",
    "${IFS}#",
  ],
  ...["'; #; '", '"; #; "', "\\'; #; \\'", '\\"; #; \\"', "' && # && '", "'$(#)'", '"$(#)"'],
  ...["$'\\n'#", "%\n#", "%#", "\\%#", "%%#", "%n#", "%h#", "%i%I#", "> /dev/null; #"],
  ...[
    "< /dev/null; #",
    "~; #",
    "* # *",
    "\u2028#",
    "\u2029#",
    "\u0085#",
    "\0#",
    "\t#",
    "\v#",
    "\f#",
  ],
  ...["\x1b]0;#\x07", "]]><x>#</x>", "--><x>#</x><!--", "&#10;#", "</string><string>#"],
  ...["</Command><Command>#", "<!ENTITY x '#'>", "&lt;#", '" /TR "#', "\nExecStart=#"],
  ...["\\\nExecStart=#", "ExecStartPre=#", "@reboot #", "\n* * * * * #", "# ; #", "$HOME #"],
  ...["${HOME} #", "$$ #", "!! #", "{#,}", "[#]", "(#)", "^#", "=#", ",#"],
];

/** At least a hundred. */
export const HOSTILE: readonly string[] = WAYS.flatMap((way) =>
  COMMANDS.map((command) => way.replaceAll("#", () => command))
);

/** Whether a scheduler may be told such a name at all. */
export function isTellable(name: string): boolean {
  return !/[\p{Cc}\u2028\u2029]/u.test(name);
}

/** A job of which both program and file have a hostile name. */
export function jobWith(name: string, overrides: Partial<Job> = {}): Job {
  return {
    name: "claude",
    calendar: parseCalendar("0 3 * * *"),
    program: [`/opt/${name}/keepsake`],
    file: `/home/${name}/pipeline.toml`,
    environment: { DENO_DIR: `/cache/${name}` },
    ...overrides,
  };
}

/** A machine that has nothing but what is named. */
export function placeWith(programs: Readonly<Record<string, string>> = {}): Place {
  return {
    home: "/home/someone",
    userHome: "/home/someone",
    system: false,
    userName: "someone",
    userId: 1000,
    find: (name) => programs[name],
  };
}
