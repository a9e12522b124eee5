/**
 * How two workers share work: one makes batches of tasks, both take from them.
 *
 * @module
 */
import { takeTurn } from "./pace.ts";

/** Does a batch, and stops within it once `isStopped`. */
export type Work<Task, Outcome> = (
  tasks: readonly Task[],
  isStopped: () => boolean,
) => Promise<readonly Outcome[]>;

type ToHelper<Task> =
  | { readonly type: "begin"; readonly shared: SharedArrayBuffer }
  | { readonly type: "batch"; readonly tasks: readonly Task[] }
  /** There are no more batches than those. */
  | { readonly type: "end" };

/** What came of a batch that the helper took. */
interface ToLeader<Outcome> {
  readonly outcomes: readonly Outcome[];
}

/** The one who makes the batches. Does all by itself when there is no port. */
export class Leader<Task, Outcome> implements Disposable {
  readonly #port: MessagePort | undefined;
  readonly #inbox: Inbox<ToLeader<Outcome>> | undefined;
  readonly #claims: Claims;
  readonly #batches: (readonly Task[])[] = [];

  constructor(port: MessagePort | undefined, signal: AbortSignal) {
    const shared = Claims.memory();
    this.#claims = new Claims(shared);
    this.#port = port;
    this.#inbox = port && new Inbox(port, signal);
    this.#post({ type: "begin", shared });
  }

  /** Adds a batch, which the helper may begin with at once. */
  publish(tasks: readonly Task[]): void {
    this.#batches.push(tasks);
    this.#post({ type: "batch", tasks });
  }

  /**
   * Does what the helper has not taken, and waits for the rest.
   *
   * @param take Gets the outcomes of a batch, in any order of batches.
   */
  async finish(
    work: Work<Task, Outcome>,
    take: (outcomes: readonly Outcome[]) => void | Promise<void>,
  ): Promise<void> {
    this.#post({ type: "end" });
    const { length } = this.#batches;
    let left = length;
    for (let batch = this.#claims.take(length); batch; batch = this.#claims.take(length)) {
      await take(await work(this.#batches[batch.index]!, () => false));
      left--;
      // What the helper has done meanwhile is taken now: at the end, it would be idle.
      if (this.#inbox !== undefined) await takeTurn();
      for (let done = this.#inbox?.now(); done; done = this.#inbox?.now()) {
        await take(done.outcomes);
        left--;
      }
    }
    for (; left > 0; left--) await take((await this.#inbox!.next()).outcomes);
  }

  /** The helper stops where it is, if it has not come to the end. */
  [Symbol.dispose](): void {
    this.#claims.stop();
    this.#post({ type: "end" });
    this.#inbox?.close();
  }

  #post(message: ToHelper<Task>): void {
    this.#port?.postMessage(message);
  }
}

/** Helps a {@linkcode Leader} at the other end of `port` until nothing is left to take. */
export async function help<Task, Outcome>(
  port: MessagePort,
  signal: AbortSignal,
  work: Work<Task, Outcome>,
): Promise<void> {
  const inbox = new Inbox<ToHelper<Task>>(port, signal);
  const batches: (readonly Task[])[] = [];
  let claims: Claims | undefined;
  try {
    for (let isEnd = false;;) {
      const batch = claims?.take(batches.length);
      if (claims?.isStopped || (isEnd && batch === undefined)) return;
      if (batch) {
        const outcomes = await work(batches[batch.index]!, () => claims!.isStopped);
        port.postMessage({ outcomes } satisfies ToLeader<Outcome>);
        continue;
      }
      const message = await inbox.next();
      if (message.type === "begin") claims = new Claims(message.shared);
      else if (message.type === "batch") batches.push(message.tasks);
      else isEnd = true;
    }
  } finally {
    inbox.close();
  }
}

const NEXT = 0;
const STOPPED = 1;

/** Numbers that both share: the next batch to take, and whether to stop. */
class Claims {
  readonly #shared: Int32Array<SharedArrayBuffer>;

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
  }

  constructor(shared: SharedArrayBuffer) {
    this.#shared = new Int32Array(shared);
  }

  /** Takes one of the first `count` batches, which nobody else gets then, if one is left. */
  take(count: number): { readonly index: number } | undefined {
    while (true) {
      const next = Atomics.load(this.#shared, NEXT);
      if (next >= count) return;
      const seen = Atomics.compareExchange(this.#shared, NEXT, next, next + 1);
      if (seen === next) return { index: next };
    }
  }

  get isStopped(): boolean {
    return Atomics.load(this.#shared, STOPPED) === 1;
  }

  stop(): void {
    Atomics.store(this.#shared, STOPPED, 1);
  }
}

/** The messages of a port, one after the other. */
class Inbox<T> {
  readonly #port: MessagePort;
  readonly #signal: AbortSignal;
  readonly #messages: T[] = [];
  #wake: (() => void) | undefined;

  constructor(port: MessagePort, signal: AbortSignal) {
    this.#port = port;
    this.#signal = signal;
    port.onmessage = ({ data }: MessageEvent<T>) => {
      this.#messages.push(data);
      this.#wake?.();
    };
    signal.addEventListener("abort", this.#abort);
  }

  /** A message that is there already. */
  now(): T | undefined {
    return this.#messages.shift();
  }

  /** @throws The signal's reason. */
  async next(): Promise<T> {
    while (true) {
      this.#signal.throwIfAborted();
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    this.#port.onmessage = null;
    this.#signal.removeEventListener("abort", this.#abort);
  }

  readonly #abort = () => this.#wake?.();
}
