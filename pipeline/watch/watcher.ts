/**
 * Tells those who watch how a run goes: alerts, heartbeat, log and metrics. Whatever goes wrong with
 * that is a warning, and nothing more: no backup fails because nobody could be told of it.
 *
 * @module
 */
import { toRecord } from "../../stages/errors.ts";
import { Catalog } from "../catalog.ts";
import type { Pipeline, Watch } from "../config/pipeline.ts";
import type { Event, Listener, RunReport } from "../events.ts";
import { type Redact, redactorFor } from "../redact.ts";
import { addressOf, beat, type Channel, channelsOf, type Patience } from "./channels.ts";
import { lineOf, linesOf, LogFile, type LogLine } from "./log_file.ts";
import { recall, remember } from "./memory.ts";
import { noticeOf } from "./notice.ts";
import {
  newsFor,
  type Observation,
  observeError,
  observeFile,
  partsOf,
  type Told,
  type Trouble,
  update,
} from "./troubles.ts";

/** What a run is watched with. */
export interface WatchOptions {
  readonly listener: Listener;
  readonly home: string | undefined;
  /** What is to be stored: in a dry run nothing, and then nobody is told of anything. */
  readonly extent: "all" | "part" | "nothing";
  /** What is done to commands that a person is told to type next. */
  readonly nextCommands?: (text: string) => string;
  readonly clock?: () => Date;
  readonly patience?: Patience;
}

/** A pipeline that is watched. */
export type Watched = Pipeline & { readonly watch: Watch };

/** Does the work of a run, and tells how it went. Answers, or throws, what the work does. */
export async function watchRun(
  pipeline: Watched,
  options: WatchOptions,
  work: (listener: Listener) => Promise<RunReport>,
): Promise<RunReport> {
  const watcher = new Watcher(pipeline, options);
  if (options.extent !== "nothing") {
    await watcher.attempt(() => remember(pipeline, options.home));
  }
  await watcher.checkAddresses();
  let report: RunReport;
  try {
    report = await work(watcher.listener);
  } catch (error) {
    await watcher.endInError(error);
    throw error;
  }
  await watcher.end(report);
  return report;
}

/** Tells those who were told by a pipeline file what is wrong with it now. */
export async function tellOfFile(
  file: string,
  error: unknown,
  options: Omit<WatchOptions, "extent">,
): Promise<void> {
  const remembered = await recall(file, options.home);
  if (remembered === undefined) return;
  const { name, state, watch } = remembered;
  const pipeline = { file, name, state, watch, identity: undefined, stages: [] };
  await new Watcher(pipeline, { ...options, extent: "all" }).endWithoutFile(error);
}

/** Errors that somebody sees who asked for the run, or for its end. */
const SEEN: readonly string[] = ["usage", "run-in-progress", "interrupted"];

class Watcher {
  readonly #pipeline: Watched;
  readonly #options: WatchOptions;
  readonly #clock: () => Date;
  readonly #nextCommands: (text: string) => string;
  readonly #redact: Redact;
  readonly #log: LogFile | undefined;
  #run: number | undefined;
  #started: Promise<void> | undefined;
  #told: Promise<void> | undefined;

  constructor(pipeline: Watched, options: WatchOptions) {
    this.#pipeline = pipeline;
    this.#options = options;
    this.#clock = options.clock ?? (() => new Date());
    this.#nextCommands = options.nextCommands ?? ((text) => text);
    this.#redact = redactorFor(pipeline, Deno.env);
    const { log } = pipeline.watch;
    this.#log = log === undefined ? undefined : new LogFile(log, pipeline.name);
  }

  readonly listener: Listener = (event) => {
    this.#options.listener(event);
    if (event.type === "run-started") {
      this.#run = event.run;
      this.#started = this.#beat("/start"); // Nothing waits for it before the end.
      // Told at once: this run may be cut off like those before it.
      if (event.cutOff !== undefined) this.#told = this.#tellOfCutOff();
    }
    this.#write(event);
  };

  /** Where no address stands, nobody would hear of the failure that is to come. */
  async checkAddresses(): Promise<void> {
    for (const { address } of this.#pipeline.watch.alerts) {
      await this.attempt(() => addressOf(address));
    }
  }

  /** All that is to happen after a run that came to a report. */
  async end(report: RunReport): Promise<void> {
    for (const line of linesOf(report)) this.#add(line);
    if (this.#options.extent === "nothing") return;
    await this.#told;
    const isGood = report.status === 0 && await this.#isSound();
    await Promise.all([this.#alert(undefined), this.#beat(isGood ? "" : "/fail")]);
    await this.attempt(() => this.#writeMetrics());
  }

  /** All that is to happen after a run that ended with an error. */
  async endInError(error: unknown): Promise<void> {
    const { code, message } = toRecord(error);
    this.#add({ level: "error", stage: undefined, message: `The run ended: ${message}` });
    if (SEEN.includes(code) || this.#options.extent === "nothing") return;
    await this.#told;
    await Promise.all([this.#alert(observeError(error)), this.#beat("/fail")]);
    await this.attempt(() => this.#writeMetrics());
  }

  /** All that is to happen when there was no pipeline to run. */
  async endWithoutFile(error: unknown): Promise<void> {
    const { message } = toRecord(error);
    this.#add({ level: "error", stage: undefined, message });
    await Promise.all([this.#alert(observeFile(error)), this.#beat("/fail")]);
  }

  /** What fails here is told, and no more. */
  async attempt(work: () => unknown): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.#warn(error);
      return false;
    }
  }

  /** Tells every channel what is news to it. Without a catalog, all is news. */
  async #alert(observation: Observation | undefined): Promise<void> {
    await this.attempt(async () => {
      const { name, watch, state } = this.#pipeline;
      const channels = await channelsOf(watch, this.#options.patience);
      if (channels.length === 0 && observation === undefined) return;
      using catalog = Catalog.openIfThere(state);
      const now = this.#clock();
      if (observation !== undefined) catalog?.watch.note(observation, now, channels.length > 0);
      const open = catalog?.watch.troubles ?? update([], observation ?? NOTHING, now);
      const about = { pipeline: name, host: Deno.hostname(), now };
      const tellOne = async (channel: Channel) => {
        const told: readonly Told[] = catalog?.watch.told(channel.id) ?? [];
        const news = newsFor(told, open);
        if (news === undefined) return;
        const notice = noticeOf({
          ...news,
          raised: news.raised.map(this.#clean),
          still: news.still.map(this.#clean),
        }, about);
        if (!await this.attempt(() => channel.tell(notice))) return;
        catalog?.watch.noteTold(channel.id, open);
        this.#add({ level: "info", stage: undefined, message: `Told of it: ${notice.title}` });
      };
      await Promise.all(channels.map(tellOne));
      catalog?.watch.settle(channels.map(({ id }) => id));
    });
  }

  readonly #clean = (trouble: Trouble): Trouble => ({
    ...trouble,
    message: this.#redact(trouble.message),
    hint: trouble.hint && this.#redact(this.#nextCommands(trouble.hint)),
  });

  /** A run of a part says nothing of the whole. */
  async #beat(ending: "" | "/start" | "/fail"): Promise<void> {
    const { heartbeat } = this.#pipeline.watch;
    if (heartbeat === undefined || this.#options.extent !== "all") return;
    if (ending !== "/start") await this.#started; // One after the other, as they are meant.
    await this.attempt(() => beat(heartbeat, ending, this.#options.patience));
  }

  async #tellOfCutOff(): Promise<void> {
    if (this.#options.extent === "nothing") return;
    await this.#alert(undefined);
    await this.attempt(() => this.#writeMetrics());
  }

  /** Whether nothing that is remembered casts doubt on a copy; where nothing is, nobody knows. */
  async #isSound(): Promise<boolean> {
    if (this.#pipeline.watch.heartbeat === undefined) return false; // Nobody asks.
    using catalog = Catalog.openIfThere(this.#pipeline.state);
    if (catalog === undefined) return false;
    try {
      const { placesIn } = await import("../status.ts");
      return catalog.watch.troubles.every(({ subject }) => !DOUBTS.includes(partsOf(subject)[0])) &&
        placesIn(this.#pipeline, catalog).every(({ missing, damaged, drillFailed }) =>
          missing === 0 && damaged === undefined && drillFailed === undefined
        );
    } catch (error) {
      this.#warn(error);
      return false;
    }
  }

  async #writeMetrics(): Promise<void> {
    const { metrics } = this.#pipeline.watch;
    if (metrics === undefined) return;
    const [{ statusOf }, { renderMetrics, writeMetrics }] = await Promise.all([
      import("../status.ts"),
      import("./metrics.ts"),
    ]);
    writeMetrics(metrics, renderMetrics(statusOf(this.#pipeline, this.#clock())));
  }

  #warn(error: unknown): void {
    const { message: told, hint } = toRecord(error);
    const message = this.#redact(hint === undefined ? told : `${told}. ${hint}`);
    const event: Event = { type: "log", level: "warn", stage: undefined, message };
    this.#options.listener(event);
    this.#write(event);
  }

  #write(event: Event): void {
    const line = lineOf(event);
    if (line !== undefined) this.#add(line);
  }

  #logFailed = false;

  #add(line: Omit<LogLine, "time" | "run">): void {
    if (this.#log === undefined || this.#logFailed) return;
    try {
      const message = this.#redact(this.#nextCommands(line.message));
      this.#log.write({ ...line, message, time: this.#clock(), run: this.#run });
    } catch (error) {
      this.#logFailed = true; // Once is enough.
      this.#warn(error);
    }
  }
}

const NOTHING: Observation = { seen: [], isWell: () => false };

/** Kinds of troubles with which nobody knows whether all can be brought back. */
const DOUBTS: readonly string[] = ["drill", "store", "proof"];
