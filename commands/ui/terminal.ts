/**
 * Where commands write to. A stream that is full or closed never ends the work: what could not be
 * written is remembered instead.
 *
 * @module
 */
import { BackupError, stateOf, systemFault } from "../../pipeline/errors.ts";
import { nextCommandsFor } from "./next_command.ts";

/** A stream that shows text. */
export interface Sink {
  write(text: string): void;
  /** Whether a person sits before it, so that a line can be drawn over. */
  readonly interactive: boolean;
  readonly colors: boolean;
  /** In columns; `Infinity` when it is no terminal. Asked anew each time: windows are resized. */
  readonly width: number;
  /** Why something could not be written. */
  readonly failure: Error | undefined;
}

/** Results on one stream, messages to a person on the other, and a line that is drawn over. */
export class Terminal {
  readonly out: Sink;
  readonly err: Sink;
  /** Puts what these words named into the commands that a person is told to type next. */
  readonly nextCommands: (text: string) => string;
  #status = "";

  constructor(out: Sink, err: Sink, nextCommands = (text: string) => text) {
    this.out = out;
    this.err = err;
    this.nextCommands = nextCommands;
  }

  /** Prints a result: a line or more, without the last line break. */
  print(text: string): void {
    this.#erase();
    this.out.write(`${text}\n`);
    this.#draw();
  }

  /** Prints a result in words of ours, for a person: no data, and nothing that a program reads. */
  show(text: string): void {
    this.print(this.nextCommands(text));
  }

  /** Tells the person something: a line or more, without the last line break. */
  say(text: string): void {
    this.#erase();
    this.err.write(`${this.nextCommands(text)}\n`);
    this.#draw();
  }

  /** Shows a line below all others until the next one; empty: none. Without a terminal, nothing. */
  status(line: string): void {
    if (!this.err.interactive || line === this.#status) return;
    this.#erase();
    this.#status = line;
    this.#draw();
  }

  /**
   * Makes sure that results reached whoever wanted them. Who stopped reading wanted no more.
   *
   * @throws {BackupError} `storage-full`, `destination-refused`.
   */
  assertPrinted(): void {
    const { failure } = this.out;
    if (failure === undefined || failure instanceof Deno.errors.BrokenPipe) return;
    throw new BackupError(
      systemFault(failure)?.kind === "full" ? "storage-full" : "destination-refused",
      `Cannot write to standard output: ${stateOf(failure)}`,
      { hint: "Send it elsewhere", cause: failure },
    );
  }

  #erase(): void {
    if (this.#status !== "") this.err.write("\r\x1b[K");
  }

  #draw(): void {
    if (this.#status !== "") this.err.write(this.#status);
  }
}

/**
 * The terminal, or whatever stands in its place, of this process.
 *
 * @param words Those on the command line.
 */
export function processTerminal(words: readonly string[] = []): Terminal {
  return new Terminal(processSink(Deno.stdout), processSink(Deno.stderr), nextCommandsFor(words));
}

type Stream = typeof Deno.stdout | typeof Deno.stderr;

function processSink(stream: Stream): Sink {
  const isTerminal = stream.isTerminal();
  const capable = isTerminal && terminalName() !== "dumb";
  let failure: Error | undefined;
  return {
    interactive: capable,
    colors: capable && !Deno.noColor,
    get width() {
      return isTerminal ? columnsOf() : Infinity;
    },
    get failure() {
      return failure;
    },
    write(text) {
      if (failure !== undefined) return;
      failure = writeAll(stream, new TextEncoder().encode(text));
    },
  };
}

/** Without a permission to look, something is to be said of that, and by way of the terminal. */
function terminalName(): string | undefined {
  try {
    return Deno.env.get("TERM");
  } catch {
    return undefined;
  }
}

function columnsOf(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

function writeAll(stream: Stream, bytes: Uint8Array): Error | undefined {
  for (let done = 0; done < bytes.length;) {
    try {
      done += stream.writeSync(bytes.subarray(done));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) return error as Error;
      // A pipe that whoever started us made non-blocking, and that is full for the moment.
      Atomics.wait(PAUSE, 0, 0, 5);
    }
  }
  return undefined;
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));
