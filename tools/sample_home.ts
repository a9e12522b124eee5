/**
 * Makes a home as somebody has it who works with Claude Code every day: for the demonstration, for
 * tests and for measurements. Everything in it is made up.
 *
 * @module
 */
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Random } from "./sample/random.ts";
import { SCENES } from "./sample/scenes.ts";
import {
  caches,
  historyLine,
  memory,
  type SampleFile,
  secrets,
  settings,
  traces,
} from "./sample/settings.ts";
import { prose, title } from "./sample/text.ts";
import { Transcript } from "./sample/transcript.ts";
import { makeProject } from "./sample/work.ts";

export { type BenchHome, type BenchHomeOptions, makeBenchHome } from "./sample/bench_home.ts";
export { CANARY } from "./sample/settings.ts";

/** How a sample home is made. */
export interface SampleHomeOptions {
  /** The same seed and time give the same home. */
  readonly seed: number;
  /** When it is "now" in the home, in milliseconds since 1970: conversations end before. */
  readonly now: number;
}

/** A sample home, with paths below it that use `/`. */
export interface SampleHome {
  readonly directory: string;
  /** Folders with conversations. */
  readonly projects: readonly string[];
  /** Logs of conversations, without those of sub-agents. */
  readonly conversations: readonly string[];
  /** A SQLite database in WAL mode whose newest rows stand in the `-wal` file alone. */
  readonly database: string;
  /** A symbolic link that leads out of the Claude Code folder; absent on Windows. */
  readonly link: string | undefined;
  /** Files that hold {@linkcode CANARY} and that no archive may hold. */
  readonly secrets: readonly string[];
  /** Files and folders that are left out unless asked for. */
  readonly caches: readonly string[];
  readonly files: number;
  readonly bytes: number;
}

/**
 * Fills a directory with a home. Its files, with their times and modes, follow from the options; only
 * the database's `-wal` file differs, in which SQLite puts random numbers.
 */
export function makeSampleHome(
  directory: string,
  { seed, now }: SampleHomeOptions,
): SampleHome {
  const random = new Random(seed);
  const made = { files: 0, bytes: 0 };
  function keep({ path, text, mode = 0o644 }: SampleFile, time = now - 3_600_000): void {
    const absolute = join(directory, path);
    mkdirSync(dirname(absolute), { recursive: true });
    writeFileSync(absolute, text);
    chmodSync(absolute, mode);
    utimesSync(absolute, time / 1000, time / 1000);
    made.files++;
    made.bytes += new TextEncoder().encode(text).length;
  }

  const projects = PROJECTS.map((cwd) => makeProject(random, cwd, { files: 6, lines: 60 }));
  const folders = PROJECTS.map((cwd) => `.claude/projects/${folderName(cwd)}`);
  const logs: { readonly path: string; readonly project: number; readonly log: Transcript }[] = [];
  let history = "";
  for (const [i, { project, play }] of SCENES.entries()) {
    const place = projects[project]!;
    const start = now - (SCENES.length - i) * 40 * 3_600_000;
    const log = new Transcript(random, place, start);
    const earlier = logs.filter((other) => other.project === project).map((other) => other.log);
    const below = `${folders[project]}/${log.sessionId}`;
    play({
      random,
      project: place,
      log,
      earlier,
      keep: (path, text) => keep({ path: `${below}/${path}`, text, mode: 0o600 }, log.time),
    });
    keep({ path: `${below}.jsonl`, text: log.text, mode: 0o600 }, log.time);
    for (const file of traces(random, place, log)) keep(file, log.time);
    history += historyLine(random, place, log);
    logs.push({ path: `${below}.jsonl`, project, log });
  }

  for (const folder of folders) memory(random, folder).forEach((file) => keep(file));
  settings(random).forEach((file) => keep(file));
  keep({ path: ".claude/history.jsonl", text: history, mode: 0o600 });
  const hidden = secrets(random);
  const passing = caches(random);
  [...hidden, ...passing].forEach((file) => keep(file));
  linkSync(
    join(directory, ".claude/rules/style.md"),
    join(directory, ".claude/rules/style-again.md"),
  );
  const link = Deno.build.os === "windows" ? undefined : ".claude/CLAUDE.md";
  if (link) symlinkSync("../dotfiles/claude/CLAUDE.md", join(directory, link));
  const database = ".claude-mem/claude-mem.db";
  makeDatabase(random, join(directory, database));

  return {
    directory,
    projects: folders,
    conversations: logs.map(({ path }) => path),
    database,
    link,
    secrets: hidden.map(({ path }) => path),
    caches: [...passing.map(({ path }) => path), ".claude/todos"],
    ...made,
  };
}

/** The folder that Claude Code keeps a directory's conversations in. */
function folderName(cwd: string): string {
  const name = cwd.replace(/[^A-Za-z0-9]/g, "-");
  return name.length > 200 ? `${name.slice(0, 200)}-1k7x0q` : name;
}

function makeDatabase(random: Random, path: string): void {
  const work = `${path}.making`;
  mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(work);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA synchronous = OFF;
    CREATE TABLE observations (id INTEGER PRIMARY KEY, title TEXT, narrative TEXT);
  `);
  const insert = database.prepare("INSERT INTO observations (title, narrative) VALUES (?, ?)");
  for (let i = 0; i < 200; i++) {
    insert.run(title(random), prose(random, 3));
    if (i === 150) database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  // Closing would move the newest rows out of the `-wal` file: what is copied is as a crash, or a
  // program that is still running, leaves it.
  for (const suffix of ["", "-wal"]) copyFileSync(work + suffix, path + suffix);
  database.close();
  for (const suffix of ["", "-wal", "-shm"]) rmSync(work + suffix, { force: true });
}

const PROJECTS: readonly string[] = [
  "/home/ada/code/tidewater",
  "/home/ada/code/ledgerline",
  "/home/ada/code/moorings",
  "/home/ada/notes",
  `/home/ada/archive/${"a-folder-with-quite-a-long-name/".repeat(7)}charts`,
];
