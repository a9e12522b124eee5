/**
 * cron: a marked block in the user's table, which is all that is touched.
 *
 * @module
 */
import { BackupError } from "../../pipeline/errors.ts";
import { shellWord } from "../../pipeline/shell.ts";
import { escapeControls } from "../ui/text.ts";
import { exists } from "./files.ts";
import { startedBy } from "./installed.ts";
import type { Installer, Place } from "./installer.ts";
import { type Job, type Occasion, wordsFor } from "./job.ts";
import { bareEnvironment } from "./place.ts";
import { run } from "./program.ts";
import { shellWordsIn } from "./words.ts";

/** The installer for cron. */
export const cron: Installer = {
  name: "cron",
  searchPath: "/usr/bin:/bin",
  servesMachine: false,

  isPresent: ({ find }) => find("crontab") !== undefined,

  files: (job, place) => [{ path: "crontab", text: blockFor(job, place) }],

  async prove(job, place, signal) {
    const table = await readTable(place);
    const above = table.slice(0, findBlock(table, job.name)?.from);
    const own = assignmentsIn(decode(above));
    refuseAssignments(own, job, place);
    const environment = {
      ...bareEnvironment(place, cron.searchPath, job.environment),
      ...own,
    };
    const words = [environment["SHELL"] ?? "/bin/sh", "-c", commandFor(job, "due", place)] as const;
    const { status, said } = await run(words, { environment, cwd: place.userHome, signal });
    const set = Object.entries(own).map(([name, value]) => `${name}=${value}`).join(", ");
    if (status === 0 || set === "") return { status, said };
    return {
      status,
      said: `${said}\nYour crontab sets this above it: ${escapeControls(set)}`.trim(),
    };
  },

  async install(job, place) {
    const table = await readTable(place);
    const block = charactersOf(new TextEncoder().encode(blockFor(job, place)));
    await writeTable(withBlock(table, job.name, block), place);
    return isDaemonRunning() ? [] : [
      "No cron daemon is running here: nothing will start until one is. On Debian: apt-get install cron, then service cron start",
    ];
  },

  async remove(name, place) {
    const table = await readTable(place);
    const rest = withBlock(table, name, "");
    if (rest === table) return false;
    await writeTable(rest, place);
    return true;
  },

  async show(name, place) {
    const block = blockIn(await readTable(place), name);
    return block && decode(block);
  },

  async names(place) {
    return namesIn(await readTable(place));
  },

  wordsIn: (text) => linesIn(text).find((words) => startedBy(words)) ?? [],

  async strays(file, place) {
    let table = await readTable(place);
    for (const name of namesIn(table)) table = withBlock(table, name, "");
    return linesIn(decode(table)).filter((words) => startedBy(words)?.file === file).length;
  },
};

/**
 * The block of one job. What was missed while the machine was off or asleep is looked for after a
 * start and each hour, which takes a tenth of a second when nothing was.
 *
 * @throws {BackupError} `usage` for what cron would change.
 */
export function blockFor(job: Job, place: Pick<Place, "find">): string {
  for (const word of [...wordsFor(job, "due"), ...Object.values(job.environment)]) {
    if (!word.includes("\\")) continue;
    throw new BackupError("usage", `Cannot schedule "${word}" with cron: it holds a backslash`, {
      hint: "Give it another name: cron takes some backslashes away",
    });
  }
  const line = (when: string, occasion: Occasion) =>
    `${when} ${escapePercent(commandFor(job, occasion, place))}`;
  const minute = minuteBeside(job);
  return [
    firstLine(job.name),
    line(job.calendar.expression, "due"),
    line("@reboot", "missed"),
    ...(minute === undefined ? [] : [line(`${minute} * * * *`, "missed")]),
    lastLine(job.name),
  ].map((text) => `${text}\n`).join("");
}

/** What a table sets for the lines below, as cron reads it. It sets who one is itself. */
export function assignmentsIn(table: string): Readonly<Record<string, string>> {
  const set = table.split(/\r?\n/).flatMap((line) => {
    const [, , name, value] = /^\s*(["']?)([^\s=#"']+)\1\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || ["LOGNAME", "USER"].includes(name)) return [];
    return [[name, value!.replace(/^(["'])(.*)\1$/, "$2")] as const];
  });
  return Object.fromEntries(set);
}

/**
 * Refuses what a backup made now would not show.
 *
 * @throws {BackupError} `usage` for another home, another zone, and a shell that is not there.
 */
function refuseAssignments(
  own: Readonly<Record<string, string>>,
  { name }: Job,
  { userHome }: Place,
): void {
  const refuse = (variable: string, state: string): void => {
    throw new BackupError(
      "usage",
      `Cannot schedule "${name}" with cron: your crontab sets ${variable} to "${
        escapeControls(own[variable]!)
      }", ${state}`,
      { hint: `Take that line out with crontab -e, or move it below what keepsake writes` },
    );
  };
  const { HOME: home, SHELL: shell, CRON_TZ: zone } = own;
  if (home !== undefined && home !== userHome) refuse("HOME", `and "~" means ${userHome} here`);
  if (shell !== undefined && !exists(shell)) refuse("SHELL", "which does not exist");
  if (zone !== undefined && zone !== Intl.DateTimeFormat().resolvedOptions().timeZone) {
    refuse("CRON_TZ", "and times are meant in the zone of this machine");
  }
}

/** A minute in which the job is never due: two of it at once were one too many. */
function minuteBeside({ calendar: { minutes } }: Job): number | undefined {
  if (minutes === undefined) return undefined; // Nothing is missed for longer than a minute.
  return Array.from({ length: 60 }, (_, index) => (index + 17) % 60)
    .find((minute) => !minutes.includes(minute));
}

/** For a shell, with little priority where the system has a way to say so. */
export function commandFor(
  job: Job,
  occasion: Occasion,
  { find }: Pick<Place, "find">,
): string {
  const [env, nice, ionice] = [find("env"), find("nice"), find("ionice")];
  const variables = Object.entries(job.environment).map(([name, path]) => `${name}=${path}`);
  return [
    ...(variables.length > 0 ? [env ?? "/usr/bin/env", ...variables] : []),
    ...(nice ? [nice, "-n", "10"] : []),
    ...(ionice ? [ionice, "-c", "3"] : []),
    ...wordsFor(job, occasion),
  ].map(shellWord).join(" ");
}

/** In a table, a percent sign ends the command unless it is escaped, quotes or not. */
function escapePercent(command: string): string {
  return command.replaceAll("%", "\\%");
}

/** The table with this job's block in place of the one there was, or at the end. */
export function withBlock(table: string, name: string, block: string): string {
  const found = findBlock(table, name);
  if (found !== undefined) return table.slice(0, found.from) + block + table.slice(found.to);
  if (block === "") return table;
  return (table === "" || table.endsWith("\n") ? table : `${table}\n`) + block;
}

/** This job's block; `undefined` when there is none. */
export function blockIn(table: string, name: string): string | undefined {
  const found = findBlock(table, name);
  return found && table.slice(found.from, found.to);
}

/** Without its last line, a block ends where its first does: nobody else's line is ever taken. */
function findBlock(table: string, name: string): Span | undefined {
  const first = findLine(table, firstLine(name), 0);
  if (first === undefined) return;
  const last = findLine(table, lastLine(name), first.to);
  const other = table.indexOf(`\n${BEGIN}`, first.from);
  const isClosed = last !== undefined && (other < 0 || last.from <= other);
  return { from: first.from, to: isClosed ? last.to : first.to };
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** A line with its end, which is another where the table was edited on Windows. */
function findLine(table: string, line: string, start: number): Span | undefined {
  const expression = new RegExp(`^${RegExp.escape(line)}\\r?\\n`, "gm");
  expression.lastIndex = start;
  const found = expression.exec(table);
  return found ? { from: found.index, to: found.index + found[0].length } : undefined;
}

function namesIn(table: string): readonly string[] {
  const expression = new RegExp(
    `^${RegExp.escape(firstLine("NAME")).replace("NAME", "([a-z0-9-]{1,32})")}\\r?$`,
    "gm",
  );
  return [...new Set([...table.matchAll(expression)].map(([, name]) => name!))];
}

/** The words of every line that is a command, after those that say when. */
function linesIn(text: string): string[][] {
  return text.split(/\r?\n/).filter((line) => !/^\s*(?:#|$)/.test(line))
    .map((line) => shellWordsIn(line.replaceAll("\\%", "%")));
}

function decode(table: string): string {
  return new TextDecoder().decode(bytesOf(table));
}

const BEGIN = "# keepsake ";

function firstLine(name: string): string {
  return `${BEGIN}${name}: begin, made by "keepsake schedule install" and replaced by the next`;
}

function lastLine(name: string): string {
  return `# end of keepsake ${name}`;
}

/** The table, a character for each byte: what others wrote may be in any encoding. */
async function readTable(place: Place): Promise<string> {
  // A user without a table is told so, with status 1.
  const { status, bytes, said } = await run([crontab(place), "-l"]);
  // Debian's says "\r" for a carriage return, and what is written back has to be one again.
  if (status === 0) return charactersOf(bytes).replace(/\\r$/gm, "\r");
  if (/no crontab/i.test(said)) return "";
  throw new Error(`crontab -l ended with status ${status}: ${said}`);
}

async function writeTable(table: string, place: Place): Promise<void> {
  const { status, said } = await run([crontab(place), "-"], { input: bytesOf(table) });
  if (status !== 0) throw new Error(`crontab ended with status ${status}: ${said}`);
  if (await readTable(place) !== table) throw new Error("the table reads back differently");
}

function charactersOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function bytesOf(characters: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

function crontab({ find }: Place): string {
  return find("crontab") ?? "/usr/bin/crontab";
}

/** Whether any program that calls itself a cron daemon runs. Where processes are not shown: yes. */
function isDaemonRunning(): boolean {
  try {
    for (const { name } of Deno.readDirSync("/proc")) {
      if (/^\d+$/.test(name) && DAEMONS.has(commandName(name))) return true;
    }
    return false;
  } catch {
    return true;
  }
}

const DAEMONS: ReadonlySet<string> = new Set(["cron", "crond", "fcron", "systemd-cron", "bcron"]);

function commandName(pid: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/comm`).trim();
  } catch {
    return ""; // It has ended meanwhile.
  }
}
