/**
 * Runs programs and says how long they took and how much memory they held.
 *
 * @module
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** A command line, with where and with which variables it runs. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** What one timed execution took. */
export interface Measurement {
  readonly seconds: number;
  /** What GNU time adds; `undefined` where it is not installed. */
  readonly usage: Usage | undefined;
}

/** What an execution used. */
export interface Usage {
  /** Time on all cores together, which other programs' work disturbs less than the time passed. */
  readonly cpuSeconds: number;
  /** Most memory that a single process of it held. */
  readonly peakBytes: number;
}

/** How an execution ended. */
export interface Outcome {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, untimed. One that cannot be started counts as failed. */
export async function run(
  program: string,
  args: readonly string[],
  { env, cwd }: Pick<Command, "env" | "cwd"> = {},
): Promise<Outcome> {
  const decoder = new TextDecoder();
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      env: { ...env, NO_COLOR: "1" },
      ...(cwd !== undefined && { cwd }),
      stdin: "null",
    }).output();
    return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return { success: false, stdout: "", stderr: `${program} is not installed` };
    }
    throw error;
  }
}

/** Runs a command and throws what it said if it fails. */
export async function must({ program, args, ...options }: Command): Promise<void> {
  const { success, stdout, stderr } = await run(program, args, options);
  if (!success) throw new Error(firstLines(stderr.trim() || stdout) || `${program} failed`);
}

/** Measures executions. */
export class Stopwatch {
  readonly #directory: string;
  readonly #time: string | undefined;

  private constructor(directory: string, time: string | undefined) {
    this.#directory = directory;
    this.#time = time;
  }

  /** Looks for GNU time, which tells more; notes are kept in `directory`. */
  static async create(directory: string): Promise<Stopwatch> {
    const time = "/usr/bin/time";
    const { success } = await run(time, ["-f", FORMAT, "-o", join(directory, "usage"), "true"]);
    return new Stopwatch(directory, success ? time : undefined);
  }

  /** Whether the use of processor and memory can be told. */
  get tellsUsage(): boolean {
    return this.#time !== undefined;
  }

  /**
   * Times a command from start to end, the start of the process included.
   *
   * @throws {Error} What the command said, if it fails.
   */
  async measure(command: Command): Promise<Measurement> {
    // What earlier samples left to be written must not be written in the time of this one.
    await run("sync", []);
    const note = join(this.#directory, "usage");
    rmSync(note, { force: true });
    const { program, args, ...rest } = command;
    const timed = this.#time === undefined
      ? command
      : { ...rest, program: this.#time, args: ["-q", "-f", FORMAT, "-o", note, program, ...args] };
    const start = performance.now();
    await must(timed);
    const seconds = (performance.now() - start) / 1000;
    return {
      seconds,
      usage: existsSync(note) ? parseUsage(readFileSync(note, "utf8")) : undefined,
    };
  }
}

/** Peak memory in KiB, then processor time of the program and of the system for it. */
const FORMAT = "%M %U %S";

function parseUsage(text: string): Usage {
  const [kibibytes = NaN, user = NaN, system = NaN] = text.split(" ").map(Number);
  return { cpuSeconds: user + system, peakBytes: kibibytes * 1024 };
}

/** The middle of some numbers; `NaN` of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function firstLines(text: string): string {
  return text.split("\n").filter((line) => line.trim() !== "").slice(0, 3).join(" / ");
}
