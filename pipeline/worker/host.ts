/**
 * Starts stages in workers that can do what their grants say and nothing else. This is the one
 * place that makes workers.
 *
 * @module
 */
import type { Grants, Operation } from "../../stages/contract.ts";
import { BackupError, fromRecord, toRecord } from "../../stages/errors.ts";
import { realPath } from "../real_path.ts";
import type { Passed } from "./channel.ts";
import type { Call, FromWorker, ToWorker } from "./protocol.ts";

/** A worker that says nothing for so long is taken for dead. */
const PATIENCE_MS = 30_000;

/** A stage that neither moves bytes nor reports for so long is taken for stuck. */
const STALL_MS = 600_000;

/** How many looks at a stage that time is divided into. */
const STRETCHES = 6;

/**
 * How often a worker at work is asked for a sign of life. It keeps no clock of its own: a worker's
 * first timer takes half as long as all else that makes it.
 */
const PING_MS = 1000;

/** How long a stage that was told to stop may take to clean up. */
const GRACE_MS = 5_000;

/** The eight keys of a worker's permissions, all of them written out. */
export type Permissions = Readonly<
  Record<
    "env" | "ffi" | "import" | "net" | "read" | "run" | "sys" | "write",
    false | readonly string[]
  >
>;

/** What `plan` shows and a worker gets. A key that is left out would be inherited or asked for. */
export function permissionsOf(grants: Grants): Permissions {
  const grant = (list: readonly string[] | undefined) => list?.length ? list : false;
  return {
    env: grant(grants.env),
    ffi: false,
    import: false,
    net: grant(grants.net),
    read: grant(grants.read),
    run: grant(grants.run),
    sys: grant(grants.sys),
    write: grant(grants.write),
  };
}

/**
 * Adds the true place of every path that is, or lies below, a link: scopes are compared as text,
 * and an open file is checked again under its true name.
 */
export function resolveGrants(grants: Grants): Grants {
  return {
    ...grants,
    ...(grants.read && { read: withRealPaths(grants.read) }),
    ...(grants.write && { write: withRealPaths(grants.write) }),
  };
}

/** How a call is accompanied. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds without progress after which the stage is taken for stuck, although it gives signs
   * of life. Progress is bytes that move, a report, or a neighbour that is waited for.
   */
  readonly stall?: number | undefined;
  readonly onLog?: ((level: "debug" | "info" | "warn", message: string) => void) | undefined;
  readonly onProgress?: ((done: number, total: number | undefined) => void) | undefined;
  /** Starts the helper that the stage wants. */
  readonly onHelp?: (() => void) | undefined;
}

/** A call's answer. */
export interface Answer<T> {
  readonly result: T;
  /** What its output sent, counted and hashed in the worker. */
  readonly sent: Passed | undefined;
  /** What its input brought, likewise. */
  readonly received: Passed | undefined;
}

interface Pending {
  readonly options: CallOptions;
  /** Stretches without progress. */
  idle: number;
  readonly resolve: (answer: Answer<unknown>) => void;
  readonly reject: (error: Error) => void;
}

/** One stage in one worker. Takes any number of calls, one after the other or at once. */
export class StageWorker {
  readonly #worker: Worker;
  readonly #use: string;
  readonly #given: Readonly<Record<string, unknown>>;
  readonly #patience: number;
  readonly #pending = new Map<number, Pending>();
  #watch: ReturnType<typeof setInterval> | undefined;
  readonly #ready = Promise.withResolvers<void>();
  #silence = 0;
  /** Milliseconds of silence that it announced with its last message. */
  #announced = 0;
  #calls = 0;
  #answered = false;
  #closing = false;
  #dead: BackupError | undefined;

  /**
   * Starts a worker.
   *
   * @param use The name of a stage, which its file has too; or the address, `file:`, of a module
   *   that is none, but answers calls as one does.
   * @param operation What it will probably be asked first, to get ready for that.
   * @param given What the context of every call holds besides its own.
   * @param patience Milliseconds of silence after which it is taken for dead; several seconds.
   */
  constructor(use: string, grants: Grants, { operation, given = {}, patience = PATIENCE_MS }: {
    readonly operation?: Operation | undefined;
    readonly given?: Readonly<Record<string, unknown>>;
    readonly patience?: number;
  } = {}) {
    this.#use = use;
    this.#given = given;
    this.#patience = patience;
    this.#worker = new Worker(programFor(use, operation), {
      type: "module",
      name: use,
      deno: { permissions: permissionsOf(resolveGrants(grants)) as Deno.PermissionOptionsObject },
    });
    this.#worker.addEventListener(
      "message",
      ({ data }: MessageEvent<FromWorker>) => this.#take(data),
    );
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault(); // Otherwise an error at a module's top level ends the whole program.
      this.#die(`its worker failed: ${event.message}`);
    });
    this.#worker.addEventListener("messageerror", () => this.#die("it sent what cannot be read"));
  }

  /**
   * Has the stage do one operation. Ports in `call` are handed over.
   *
   * @throws {BackupError} What the stage raised; `worker-died` when the worker ends, fails or falls
   *   silent without an answer; `timed-out`; the signal's reason when that aborts.
   */
  call<T>(call: Call, options: CallOptions = {}): Promise<Answer<T>> {
    const id = this.#calls++;
    return new Promise<Answer<T>>((resolve, reject) => {
      if (this.#dead) return reject(this.#dead);
      options.signal?.throwIfAborted();
      let grace: ReturnType<typeof setTimeout> | undefined;
      const abort = () => {
        const reason = options.signal!.reason;
        this.#post({ type: "abort", id, reason: toRecord(reason) });
        grace = setTimeout(() => {
          this.#pending.get(id)?.reject(reason);
          this.close();
        }, GRACE_MS);
      };
      const { stall = STALL_MS } = options;
      const pending: Pending = {
        options,
        idle: 0,
        resolve: (answer) => (end(), resolve(answer as Answer<T>)),
        reject: (error) => (end(), reject(error)),
      };
      const timer = setInterval(() => {
        if (this.#announced > 0 || ++pending.idle < STRETCHES) return;
        this.#die(`it made no progress for ${stall / 1000} s`, "timed-out");
      }, stall / STRETCHES);
      const end = () => {
        clearInterval(timer);
        clearTimeout(grace);
        options.signal?.removeEventListener("abort", abort);
        this.#pending.delete(id);
        if (this.#pending.size === 0) this.#stopWatching();
      };
      this.#pending.set(id, pending);
      options.signal?.addEventListener("abort", abort, { once: true });
      this.#startWatching();
      const context = { ...this.#given, ...call.context };
      this.#post({ type: "call", id, call: { ...call, context } }, portsOf(call));
    });
  }

  /** Whether it can take calls: a worker that failed once takes none any more. */
  get isAlive(): boolean {
    return this.#dead === undefined;
  }

  /**
   * Why it failed when it had answered all that it was asked, if it did: the answers were the last
   * sign of a worker that could not go on, and prove nothing. Of one that was closed, not any more.
   */
  get lateFailure(): BackupError | undefined {
    return this.#answered && !this.#closing ? this.#dead : undefined;
  }

  /** What its calls wait for, in another worker, has made progress: so have they. */
  noteProgress(): void {
    for (const pending of this.#pending.values()) pending.idle = 0;
  }

  /** Resolves when it has loaded all that it will need first, or is dead. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Goes on without one reader of the output of all calls under way: that reader is gone. */
  detach(reader: number, reason: string): void {
    for (const id of this.#pending.keys()) this.#post({ type: "detach", id, reader, reason });
  }

  /** Ends the worker. What it was writing may still land: its temporary names are not used again. */
  close(): void {
    this.#closing ||= this.#dead === undefined;
    this.#die("it was closed");
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(message: FromWorker): void {
    this.#silence = 0;
    this.#announced = message.type === "silence" ? message.milliseconds : 0;
    if (message.type === "beat") {
      for (const id of message.active) this.#noteProgressOf(id);
      return;
    }
    if (message.type === "ready") return this.#ready.resolve();
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    pending.idle = 0;
    if (message.type === "log") pending.options.onLog?.(message.level, message.message);
    else if (message.type === "help") pending.options.onHelp?.();
    else if (message.type === "silence") return;
    else if (message.type === "progress") {
      pending.options.onProgress?.(message.done, message.total);
    } else if (message.type === "done") {
      this.#answered = true;
      const { result, sent, received } = message;
      pending.resolve({ result, sent, received });
    } else pending.reject(fromRecord(message.failure));
  }

  #noteProgressOf(id: number): void {
    const pending = this.#pending.get(id);
    if (pending !== undefined) pending.idle = 0;
  }

  /** Counts unanswered pings, not time: a machine that was asleep, or busy, is no dead worker. */
  #startWatching(): void {
    if (this.#watch !== undefined) return;
    this.#silence = 0;
    this.#watch = setInterval(() => {
      const patience = Math.max(this.#patience, this.#announced);
      if (++this.#silence * PING_MS < patience) return this.#post({ type: "ping" });
      this.#die(`it gave no sign of life for ${Math.round(patience / 1000)} s`);
    }, PING_MS);
  }

  #stopWatching(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  #die(state: string, code: "worker-died" | "timed-out" = "worker-died"): void {
    if (this.#dead) return;
    this.#dead = new BackupError(code, `Cannot finish "${this.#use}": ${state}`);
    this.#stopWatching();
    this.#ready.resolve();
    this.#worker.terminate();
    if (this.#pending.size > 0) this.#answered = false; // Whoever still waits hears of it.
    for (const pending of [...this.#pending.values()]) pending.reject(this.#dead);
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    if (this.#dead === undefined) this.#worker.postMessage(message, transfer);
  }
}

/**
 * The whole program of a worker: its stage, and what serves it. Made of the two, not led to the stage
 * by a message, so that a worker reads the modules of no other stage, and may read its own wherever
 * that is, without a grant.
 */
function programFor(use: string, operation: Operation | undefined): string {
  const stage = use.startsWith("file:")
    ? use
    : new URL(`../../stages/${use.replaceAll("-", "_")}.ts`, import.meta.url).href;
  const entry = new URL("./entry.ts", import.meta.url).href;
  const lines = [
    `import { serve } from ${JSON.stringify(entry)};`,
    `import stage from ${JSON.stringify(stage)};`,
    `serve(stage, ${JSON.stringify(operation)});`,
  ];
  return `data:application/javascript,${encodeURIComponent(lines.join("\n"))}`;
}

function portsOf({ input, output, team }: Call): MessagePort[] {
  const ports = [input?.port, ...(output?.ports ?? []), team?.port];
  return ports.filter((port) => port !== undefined);
}

function withRealPaths(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap((path) => [path, realPath(path)]))];
}
