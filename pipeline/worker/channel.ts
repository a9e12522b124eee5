/**
 * A one-way byte channel over message ports, with credits, between two workers or a worker and the
 * runner.
 *
 *   writer → reader   data { encoded, buffer, length }   the buffer is transferred
 *                     end { frames, bytes }              totals, which the reader checks
 *                     abort { reason }
 *   reader → writer   credit { encoded, buffer? }        a frame is used up; memory to use again
 *                     taken                              the end was reached and the totals agree
 *                     abort { reason }
 *
 * A few frames at most are under way ({@linkcode creditsFor}), so memory is bounded. A port that
 * just falls silent is never an end. Compression belongs to the channel: a block goes raw while the
 * reader has time to compress it (at most {@linkcode RAW_CREDITS} such), else the writer compresses
 * it.
 *
 * Longer than most files here: the two ends are one protocol, and are read together.
 *
 * @module
 */
import type { ByteSink, ByteSource, Codec } from "../../stages/contract.ts";
import { BackupError, messageOf } from "../../stages/errors.ts";
import {
  BLOCK_SIZE,
  type Cutter,
  cutterOf,
  type Decoder,
  type Encode,
  loadDecoder,
  loadEncoder,
} from "../../stages/formats/codec.ts";
import { type ContentHash, Hashing } from "../../stages/formats/hashing.ts";
import { makeTurn } from "./turn.ts";

/** Length of a block that nobody compresses. */
const PLAIN_SIZE = 2 ** 18;

/** Frames that may be under way. */
const CREDITS = 2;
/** The same where files are made of them: whoever writes files never has to wait for the next. */
const WRITTEN_CREDITS = 4;
const RAW_CREDITS = 2;

/** What is done to the bytes on their way. */
export interface Coding {
  readonly way: "encode" | "decode";
  readonly codec: Codec;
  /**
   * Which end hashes what passes, as long as nothing is compressed or decompressed there: the
   * writer, if nothing is said. Loading what hashes takes 12 ms, which the one spares the other.
   */
  readonly hashedBy?: "writer" | "reader" | "nobody";
  /** Whether a writer that hashes makes XXH64 as well, by which what was stored is read back. */
  readonly isQuickToo?: true;
  /** Which end decompresses zstd: who has the time, or the writer, to spare the reader the loading. */
  readonly decodedBy?: "either" | "writer";
  /** Whether the reader makes files of what is decompressed, and so takes it in fits and starts. */
  readonly isWritten?: boolean;
}

/** Bytes pass as they are. */
export const PLAIN: Coding = { way: "encode", codec: "none" };

/** What has passed an end of a channel. */
export interface Passed {
  /** At the writer as the stage wrote them, before any coding; at the reader as they arrived. */
  readonly bytes: number;
  /** SHA-256 of them; `undefined` where they are compressed, or this end hashes nothing. */
  readonly sha256: string | undefined;
  /** XXH64 of them, where the coding asks for it and this runtime has it. */
  readonly xxh64?: string;
}

type ToReader =
  | {
    readonly type: "data";
    readonly encoded: boolean;
    readonly buffer: ArrayBuffer;
    readonly length: number;
  }
  | { readonly type: "end"; readonly frames: number; readonly bytes: number }
  | { readonly type: "abort"; readonly reason: string };

type ToWriter =
  | { readonly type: "credit"; readonly encoded: boolean; readonly buffer?: ArrayBuffer }
  | { readonly type: "taken" }
  | { readonly type: "abort"; readonly reason: string };

/** The writing end; with several ports, every reader gets the same bytes. */
export class ChannelWriter implements ByteSink {
  readonly #lanes: Lane[];
  readonly #signal: AbortSignal;
  readonly #turn = makeTurn();
  readonly #blockSize: number;
  /** None until there are bytes for it: a writer that waits holds no memory. */
  #block: Uint8Array<ArrayBuffer> | undefined;
  #used = 0;
  #bytes = 0;
  #hash: ContentHash | undefined;
  #quick: ContentHash | undefined;
  readonly #codec: Codec;
  #encode: Encode | undefined;
  #cutter: Cutter | undefined;
  #decoder: Decoder | undefined;
  readonly #decodesAll: boolean;

  private constructor(ports: readonly MessagePort[], coding: Coding, signal: AbortSignal) {
    this.#signal = signal;
    this.#codec = coding.way === "encode" ? coding.codec : "none";
    this.#blockSize = blockSizeOf(coding);
    this.#decodesAll = coding.decodedBy === "writer";
    this.#lanes = ports.map((port) => new Lane(port, creditsFor(coding)));
    if (signal.aborted) this.abort(messageOf(signal.reason));
    else signal.addEventListener("abort", this.#onAbort);
  }

  /** Bytes so far, to tell whether there is progress. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it waits for a reader. */
  get isWaiting(): boolean {
    return this.#lanes.some(({ isWaiting }) => isWaiting);
  }

  /** Opens the writing end. `signal` ends every wait. */
  static async open(
    ports: readonly MessagePort[],
    coding: Coding,
    signal: AbortSignal,
  ): Promise<ChannelWriter> {
    const writer = new ChannelWriter(ports, coding, signal);
    const { way, codec, hashedBy = "writer", isQuickToo = false } = coding;
    if (writer.#codec === "none" && hashedBy === "writer") {
      writer.#hash = (await Hashing.load()).begin();
      if (isQuickToo && Hashing.isQuick) writer.#quick = (await Hashing.quick()).begin();
    }
    if (codec !== "none" && way === "decode") {
      writer.#cutter = cutterOf(codec);
      if (codec === "zstd") writer.#decoder = await loadDecoder(codec);
    }
    return writer;
  }

  space(): Uint8Array {
    return this.#room.subarray(this.#used);
  }

  commit(count: number): Promise<void> | undefined {
    this.#used += count;
    if (this.#used > this.#blockSize) throw new RangeError("More was committed than had space");
    return this.#used === this.#blockSize ? this.#flush() : undefined;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const space = this.space();
      const count = Math.min(space.length, bytes.length - at);
      space.set(bytes.subarray(at, at + count));
      at += count;
      await this.commit(count);
    }
  }

  /** Hands on what is left and waits until every reader has taken all of it. */
  async finish(): Promise<Passed> {
    const empty = this.#bytes === 0 && this.#used === 0;
    // A compressed file of nothing has a frame too, or stock tools refuse it.
    if (this.#used > 0 || (empty && this.#codec !== "none")) await this.#flush();
    this.#cutter?.end();
    for (const lane of this.#lanes) lane.end();
    for (const lane of this.#lanes) await lane.taken(this.#signal);
    this.#requireReader();
    this.#letGo();
    const xxh64 = this.#quick?.digest();
    return { bytes: this.#bytes, sha256: this.#hash?.digest(), ...(xxh64 && { xxh64 }) };
  }

  /** Gives up: readers fail instead of taking what they have for the whole. */
  abort(reason: string): void {
    for (const lane of this.#lanes) lane.abort(reason);
    this.#letGo();
  }

  #letGo(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#turn.close();
  }

  readonly #onAbort = () => this.abort(messageOf(this.#signal.reason));

  /** Goes on without one reader, which is gone. */
  detach(index: number, reason: string): void {
    this.#lanes[index]?.lose(reason);
  }

  /** The block that is being filled. */
  get #room(): Uint8Array<ArrayBuffer> {
    return this.#block ??= new Uint8Array(this.#takeSpare() ?? new ArrayBuffer(this.#blockSize));
  }

  #takeSpare(): ArrayBuffer | undefined {
    return this.#lanes.find(({ lost }) => lost === undefined)?.takeSpare();
  }

  async #flush(): Promise<void> {
    const block = this.#room.subarray(0, this.#used);
    this.#used = 0;
    this.#bytes += block.length;
    this.#hash?.update(block);
    this.#quick?.update(block);
    await this.#turn.take(); // Credits and aborts are messages: without a turn they stay unseen.
    this.#signal.throwIfAborted();
    const [lane, ...others] = this.#requireReader();
    if (this.#cutter !== undefined) return await this.#sendPieces(this.#cutter.push(block));
    const isPlain = this.#codec === "none";
    if (!isPlain && (others.length > 0 || lane.rawCredits <= 0)) {
      // The reader may have compressed all that there is: then it need not be loaded here.
      const encode = this.#encode ??= await loadEncoder(this.#codec);
      const frame = encode(block);
      if (others.length > 0) return await this.#sendCopies(frame);
      await lane.ready(this.#signal);
      return lane.send(true, frame.buffer, frame.length);
    }
    if (others.length > 0) return await this.#sendCopies(block);
    await lane.ready(this.#signal);
    lane.send(isPlain, block.buffer, block.length);
    this.#block = undefined;
  }

  async #sendPieces(pieces: readonly Uint8Array<ArrayBuffer>[]): Promise<void> {
    for (const piece of pieces) {
      for (const lane of this.#requireReader()) {
        await lane.ready(this.#signal);
        // The reader lags behind when half of the credits are out: then decompress here.
        const decoded = this.#decoder !== undefined && (this.#decodesAll || lane.isHalfUsed)
          ? this.#decoder.decode(piece) as Uint8Array<ArrayBuffer>
          : undefined;
        if (decoded !== undefined) discard(piece);
        const { buffer, length } = decoded ?? piece;
        lane.send(decoded === undefined, buffer, length);
      }
    }
  }

  async #sendCopies(bytes: Uint8Array): Promise<void> {
    for (const lane of this.#requireReader()) {
      await lane.ready(this.#signal);
      const copy = bytes.slice();
      lane.send(true, copy.buffer, copy.length);
    }
  }

  /** The readers that are left. */
  #requireReader(): [Lane, ...Lane[]] {
    const [first, ...others] = this.#lanes.filter(({ lost }) => lost === undefined);
    if (first !== undefined) return [first, ...others];
    const reason = this.#lanes[0]?.lost ?? "nobody reads them";
    throw new BackupError("stream-broken", `Cannot hand bytes on: ${reason}`);
  }
}

/**
 * Sends all of these pieces.
 *
 * @throws What the pieces threw, or the readers; the readers fail then as well.
 */
export async function sendAll(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ports: readonly MessagePort[],
  coding: Coding,
  signal: AbortSignal,
): Promise<Passed> {
  const writer = await ChannelWriter.open(ports, coding, signal);
  try {
    for await (const piece of pieces) await writer.write(piece);
    return await writer.finish();
  } catch (error) {
    writer.abort(messageOf(error));
    throw error;
  }
}

/** A writer's view of one reader. */
class Lane {
  readonly #port: MessagePort;
  readonly #spare: ArrayBuffer[] = [];
  #waiting: (() => void)[] = [];
  #frames = 0;
  #bytes = 0;
  #taken = false;
  readonly #credits: number;
  credits: number;
  rawCredits = RAW_CREDITS;
  /** Why this reader is gone. */
  lost: string | undefined;

  /** @param credits How many frames may be under way. */
  constructor(port: MessagePort, credits: number) {
    this.#port = port;
    this.#credits = credits;
    this.credits = credits;
    port.onmessage = ({ data }: MessageEvent<ToWriter>) => {
      if (data.type === "credit") {
        this.credits++;
        if (!data.encoded) this.rawCredits++;
        if (data.buffer !== undefined) this.#spare.push(data.buffer);
      } else if (data.type === "taken") {
        this.#taken = true;
        port.close();
      } else this.lose(data.reason);
      this.#wake();
    };
  }

  send(encoded: boolean, buffer: ArrayBuffer, length: number): void {
    if (this.lost !== undefined) return;
    this.credits--;
    if (!encoded) this.rawCredits--;
    this.#frames++;
    this.#bytes += length;
    this.#port.postMessage({ type: "data", encoded, buffer, length } satisfies ToReader, [buffer]);
  }

  end(): void {
    if (this.lost !== undefined) return;
    const totals = { frames: this.#frames, bytes: this.#bytes };
    this.#port.postMessage({ type: "end", ...totals } satisfies ToReader);
  }

  abort(reason: string): void {
    if (this.lost !== undefined || this.#taken) return;
    this.#port.postMessage({ type: "abort", reason } satisfies ToReader);
    this.lose(reason);
  }

  lose(reason: string): void {
    this.lost ??= reason;
    this.#port.close();
    this.#wake();
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether half of the credits are out. */
  get isHalfUsed(): boolean {
    return this.credits <= this.#credits / 2;
  }

  takeSpare(): ArrayBuffer | undefined {
    return this.#spare.pop();
  }

  /** Waits for a credit. Returns as well when the reader is gone: sending is then a no-op. */
  ready(signal: AbortSignal): Promise<void> | void {
    if (this.credits <= 0) return this.#until(() => this.credits > 0, signal);
  }

  taken(signal: AbortSignal): Promise<void> {
    return this.#until(() => this.#taken, signal);
  }

  async #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!condition() && this.lost === undefined) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      signal.throwIfAborted();
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** The reading end. */
export class ChannelReader implements ByteSource {
  readonly #port: MessagePort;
  readonly #coding: Coding;
  readonly #signal: AbortSignal;
  readonly #queue: ToReader[] = [];
  #wake: () => void = () => {};
  #frames = 0;
  #bytes = 0;
  #sha256: string | undefined;
  #ended = false;
  #isWaiting = false;

  constructor(port: MessagePort, coding: Coding, signal: AbortSignal) {
    this.#port = port;
    this.#coding = coding;
    this.#signal = signal;
    port.onmessage = ({ data }: MessageEvent<ToReader>) => {
      this.#queue.push(data);
      this.#wake();
    };
    signal.addEventListener("abort", this.#onAbort);
  }

  /** Bytes so far, to tell whether there is progress. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What came, once all of it has. */
  get passed(): Passed {
    return { bytes: this.#bytes, sha256: this.#sha256 };
  }

  /** Whether it waits for the writer. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Whether everything was read, to the true end. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Tells the writer that nobody reads on. */
  abort(reason: string): void {
    this.#port.postMessage({ type: "abort", reason } satisfies ToWriter);
    this.#letGo();
  }

  #letGo(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#port.close();
  }

  readonly #onAbort = () => this.#wake();

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    const { way, codec, hashedBy, decodedBy } = this.#coding;
    const isHashed = codec === "none" && hashedBy === "reader";
    const hash = isHashed ? (await Hashing.load()).begin() : undefined;
    const encode = way === "encode" && codec !== "none" ? await loadEncoder(codec) : undefined;
    const isDecoded = way === "decode" && !(codec === "zstd" && decodedBy === "writer");
    const decoder = isDecoded ? await loadDecoder(codec) : undefined;
    try {
      for await (const frame of this.#receive()) {
        const bytes = new Uint8Array(frame.buffer, 0, frame.length);
        hash?.update(bytes);
        if (encode !== undefined && !frame.encoded) {
          const encoded = encode(bytes);
          this.#release(frame);
          yield encoded;
          discard(encoded);
        } else if (decoder !== undefined && frame.encoded) {
          const decoded = decoder.decode(bytes);
          if (decoded instanceof Uint8Array) {
            this.#release(frame);
            yield decoded;
            discard(decoded);
          } else {
            yield* decoded; // Reads the frame as it goes.
            this.#release(frame);
          }
        } else {
          yield bytes;
          this.#release(frame);
        }
      }
      const rest = decoder?.end();
      if (rest !== undefined) yield* rest;
      this.#sha256 = hash?.digest();
      this.#ended = true;
      this.#port.postMessage({ type: "taken" } satisfies ToWriter);
      this.#letGo();
    } finally {
      if (!this.#ended) this.abort("the stage below stopped reading");
    }
  }

  async *#receive(): AsyncGenerator<ToReader & { type: "data" }, void, void> {
    while (true) {
      this.#signal.throwIfAborted();
      const message = this.#queue.shift();
      if (message === undefined) {
        this.#isWaiting = true;
        await new Promise<void>((resolve) => this.#wake = resolve);
        this.#isWaiting = false;
      } else if (message.type === "data") {
        this.#frames++;
        this.#bytes += message.length;
        yield message;
      } else if (message.type === "abort") {
        throw new BackupError("stream-broken", `Cannot read on: ${message.reason}`);
      } else return this.#check(message);
    }
  }

  #check({ frames, bytes }: ToReader & { type: "end" }): void {
    if (frames === this.#frames && bytes === this.#bytes) return;
    throw new BackupError(
      "stream-broken",
      `Cannot take the stream as whole: ${this.#bytes} of ${bytes} bytes arrived`,
    );
  }

  /** Gives a used frame's credit back, with its memory where the writer can use that again. */
  #release({ encoded, buffer }: ToReader & { type: "data" }): void {
    const { way, codec } = this.#coding;
    const wanted = way === "encode" && (codec === "none" || !encoded);
    if (wanted && buffer.byteLength === blockSizeOf(this.#coding)) {
      this.#port.postMessage({ type: "credit", encoded, buffer } satisfies ToWriter, [buffer]);
    } else {
      this.#port.postMessage({ type: "credit", encoded } satisfies ToWriter);
      if (buffer.byteLength > 0) buffer.transfer(0);
    }
  }
}

/** How many frames may be under way. */
function creditsFor({ isWritten = false }: Coding): number {
  return isWritten ? WRITTEN_CREDITS : CREDITS;
}

/** A block that is to be compressed becomes one frame. */
function blockSizeOf({ way, codec }: Coding): number {
  return way === "encode" && codec !== "none" ? BLOCK_SIZE : PLAIN_SIZE;
}

/**
 * Frees memory now. A thread that mostly passes buffers on allocates little on its own heap, so the
 * collector runs late and hundreds of megabytes pile up otherwise.
 */
function discard({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > 0 && !buffer.detached) {
    buffer.transfer(0);
  }
}
