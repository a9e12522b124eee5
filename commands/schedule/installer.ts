/**
 * What every scheduler is told and asked through.
 *
 * @module
 */
import type { Job } from "./job.ts";

/** A file that a scheduler reads. */
export interface ScheduleFile {
  /** Absolute; for cron, where there is none, the name of the table. */
  readonly path: string;
  readonly text: string;
}

/** Where things are on this machine, and who asks. */
export interface Place {
  readonly home: string;
  /** The user's home by the system's records, which schedulers go by, whatever `HOME` says. */
  readonly userHome: string;
  /** Absolute path of a program, when there is one. */
  find(program: string): string | undefined;
  /** For the machine rather than for the user. */
  readonly system: boolean;
  readonly userName: string;
  readonly userId: number;
}

/** How a backup ended that was made for a proof. */
export interface Trial {
  readonly status: number;
  /** What it said on standard error, trimmed. */
  readonly said: string;
}

/** What the schedulers have in common. */
export interface Installer {
  /** As `--with` names it. */
  readonly name: SchedulerName;
  /** Whether it can be told for the machine, too, or for its users alone. */
  readonly servesMachine: boolean;
  /** Whether this machine has it. */
  isPresent(place: Place): boolean;
  /** What it is told: pure. */
  files(job: Job, place: Place): readonly ScheduleFile[];
  /** The search path that it starts programs with. */
  readonly searchPath: string;
  /**
   * Makes one backup by the scheduler itself where that can be told to, or all but: with its shell,
   * and what its user sets; left out: the words are started in its bare environment.
   */
  prove?(job: Job, place: Place, signal: AbortSignal): Promise<Trial>;
  /** Replaces what there is of this job, and nothing else. Answers what a person should know. */
  install(job: Job, place: Place): Promise<readonly string[]>;
  /** Whether there was anything. */
  remove(name: string, place: Place): Promise<boolean>;
  /** What is installed, as it stands there; `undefined` when nothing is. */
  show(name: string, place: Place): Promise<string | undefined>;
  /** The jobs of ours that are installed. */
  names(place: Place): Promise<readonly string[]>;
  /** The words that a text starts which {@linkcode show} answered; none when it starts nothing. */
  wordsIn(text: string): readonly string[];
  /** How many lines that start a pipeline file stand where no job of ours takes them away. */
  strays?(file: string, place: Place): Promise<number>;
}

/** The names that `--with` takes. */
export const SCHEDULERS = ["cron", "systemd", "launchd", "task-scheduler"] as const;

/** One of {@linkcode SCHEDULERS}. */
export type SchedulerName = typeof SCHEDULERS[number];
