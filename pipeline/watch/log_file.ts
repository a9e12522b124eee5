/**
 * The log: a line for each event with its time and the run's number, in files that are begun anew
 * when they are long.
 *
 * @module
 */
import { join } from "node:path";
import { escapeLine } from "../../stages/formats/control_characters.ts";
import type { Event, RunReport } from "../events.ts";
import { fileFault, requireFile } from "./file_fault.ts";
import { sayPlace } from "./notice.ts";
import { observe, partsOf } from "./troubles.ts";

/** Bytes after which a new file is begun. */
export const LONGEST = 5 * 1024 * 1024;

/** Older files that stay: `.1` is the newest of them. */
export const KEPT = 5;

/** One line. */
export interface LogLine {
  readonly time: Date;
  /** `undefined` for what happened before a run had a number. */
  readonly run: number | undefined;
  readonly level: "info" | "warn" | "error";
  /** A stage's id; `undefined` for what is no stage's own. */
  readonly stage: string | undefined;
  readonly message: string;
}

/** Writes the log of one pipeline. */
export class LogFile {
  readonly #directory: string;
  readonly #path: string;
  readonly #longest: number;

  /** @param pipeline Its name, which is that of the file. */
  constructor(directory: string, pipeline: string, longest = LONGEST) {
    this.#directory = directory;
    this.#path = pathOf(directory, pipeline);
    this.#longest = longest;
  }

  /** Adds a line. @throws {BackupError} What the disk has against it. */
  write(line: LogLine): void {
    const text = `${renderLine(line)}\n`;
    const action = `Cannot write the log "${this.#path}"`;
    try {
      Deno.mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      requireFile(this.#path, action, "log");
      const size = sizeOf(this.#path);
      if (size > 0 && size + text.length > this.#longest) this.#rotate();
      Deno.writeTextFileSync(this.#path, text, { append: true, mode: 0o600 });
    } catch (error) {
      throw fileFault(error, action, "log");
    }
  }

  #rotate(): void {
    for (let number = KEPT; number > 0; number--) {
      const from = number === 1 ? this.#path : `${this.#path}.${number - 1}`;
      if (sizeOf(from) > 0) Deno.renameSync(from, `${this.#path}.${number}`);
    }
  }
}

/** What a run's event is in the log; `undefined`: nothing, as of progress. */
export function lineOf(event: Event): Omit<LogLine, "time" | "run"> | undefined {
  switch (event.type) {
    case "run-started":
      return { level: "info", stage: undefined, message: "The run began" };
    case "stage-started": {
      const { stage, snapshot } = event;
      const message = snapshot === undefined ? "began" : `began with ${snapshot}`;
      return { level: "info", stage, message };
    }
    case "stage-progress":
      return undefined;
    case "stage-finished": {
      const { id, status, message, seconds, failure } = event.report;
      const took = seconds > 0 ? ` (${seconds.toFixed(1)} s)` : "";
      const hint = failure?.hint === undefined ? "" : `. ${failure.hint}`;
      const level = status === "failed" ? "error" : "info";
      return { level, stage: id, message: `${status}: ${message}${took}${hint}` };
    }
    case "snapshot-removed":
      return {
        level: "info",
        stage: event.stage,
        message: `removed ${event.snapshot}: ${event.reason}`,
      };
    case "log": {
      const { level, stage, message } = event;
      return { level: level === "warn" ? "warn" : "info", stage, message };
    }
  }
}

/** What of a run's report no event told: all that is wrong, and how the run ended. */
export function linesOf(report: RunReport): Omit<LogLine, "time" | "run">[] {
  const { ok, snapshots, failure } = report;
  const unread = snapshots.flatMap(({ id, unreadable }) => {
    const more = unreadable.length - NAMED;
    const messages = unreadable.slice(0, NAMED).map(({ path, reason }) =>
      `Cannot read "${path}": ${reason}`
    );
    return [...messages, ...(more > 0 ? [`Cannot read ${more} more`] : [])]
      .map((message) => ({ level: "error", stage: id, message }) as const);
  });
  const seen = observe(report).seen.flatMap(({ subject, message, hint }) => {
    const level = LEVELS[partsOf(subject)[0]];
    const told = `${sayPlace(subject)}: ${message}${hint === undefined ? "" : `. ${hint}`}`;
    return level === undefined ? [] : [{ level, stage: undefined, message: told }];
  });
  const suspects = snapshots.filter(({ suspect }) => suspect !== undefined).map(({ id }) => id);
  const well = suspects.length === 0
    ? "The run ended well"
    : `The run ended well, but something seems to be lost in ${suspects.join(", ")}`;
  const told = failure === undefined ? "" : `: ${failure.message}`;
  const message = ok ? well : `The run ended, and not everything is safe${told}`;
  const level = !ok ? "error" : suspects.length > 0 ? "warn" : "info";
  return [...unread, ...seen, { level, stage: undefined, message }];
}

/** Paths that are named each. */
const NAMED = 1000;

/** Of what a run showed: the rest stands in its events, or where it ended. */
const LEVELS: Readonly<Record<string, LogLine["level"]>> = {
  drill: "error",
  proof: "error",
  loss: "warn",
};

/** `2026-11-21T03:00:04.123Z 12 info s3: ok: stored`: one line, whatever a file is called. */
export function renderLine({ time, run, level, stage, message }: LogLine): string {
  const whose = stage === undefined ? "" : `${stage}: `;
  return `${time.toISOString()} ${run ?? "-"} ${level} ${escapeLine(whose + message)}`;
}

/** Reads a line; `undefined` for what is none, such as one that a crash cut off. */
export function parseLine(text: string): LogLine | undefined {
  const [, time, run, level, rest = ""] =
    /^(\d{4}-\S+Z) (\d+|-) (info|warn|error) (.*)$/.exec(text) ?? [];
  if (time === undefined) return undefined;
  const [, stage, message = rest] = /^([a-z0-9-]{1,32}): (.*)$/.exec(rest) ?? [];
  return {
    time: new Date(time),
    run: run === "-" ? undefined : Number(run),
    level: level as LogLine["level"],
    stage,
    message,
  };
}

/**
 * The lines of the last run, or of the last one of that number.
 *
 * Looked for from the end: numbers begin anew when a catalog was lost.
 *
 * @throws {BackupError} What the disk has against it.
 */
export function readRun(directory: string, pipeline: string, run?: number): LogLine[] {
  const path = pathOf(directory, pipeline);
  const found: LogLine[] = [];
  for (let number = 0; number <= KEPT; number++) {
    const text = readIfThere(number === 0 ? path : `${path}.${number}`);
    if (text === undefined) break;
    const lines = text.split("\n").map(parseLine).filter((line) => line !== undefined);
    for (const line of lines.toReversed()) {
      // What could not even begin has no number, and is told for itself.
      const isPart = found.length > 0
        ? line.run === found[0]!.run
        : run === undefined || line.run === run;
      if (isPart) found.push(line);
      else if (found.length > 0) return found.reverse();
      if (isPart && line.message === BEGUN) return found.reverse();
    }
  }
  return found.reverse();
}

const BEGUN = "The run began";

function pathOf(directory: string, pipeline: string): string {
  return join(directory, `${pipeline}.log`);
}

function sizeOf(path: string): number {
  try {
    return Deno.lstatSync(path).size;
  } catch {
    return 0;
  }
}

/** The end of a file: one that was not begun anew, by whatever hand, may hold more than memory does. */
function readIfThere(path: string): string | undefined {
  const action = `Cannot read the log "${path}"`;
  requireFile(path, action, "log");
  try {
    using file = Deno.openSync(path);
    const start = Math.max(0, file.statSync().size - MOST_READ);
    file.seekSync(start, Deno.SeekMode.Start);
    const bytes = new Uint8Array(MOST_READ);
    let length = 0;
    while (length < bytes.length) {
      const count = file.readSync(bytes.subarray(length));
      if (count === null) break;
      length += count;
    }
    const text = new TextDecoder().decode(bytes.subarray(0, length));
    return start === 0 ? text : text.slice(text.indexOf("\n") + 1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileFault(error, action, "log");
  }
}

/** Bytes of a file that are read: several times what one holds that was not tampered with. */
const MOST_READ = 4 * LONGEST;
