/**
 * Reads snapshots back: a destination fetches, transforms undo what they did, and the source's
 * stage compares or unpacks. Each in its worker, as on the way there.
 *
 * @module
 */
import type { UnpackResult } from "../stages/contract.ts";
import { BackupError, messageOf } from "../stages/errors.ts";
import { stages } from "../stages/mod.ts";
import { missingIdentity } from "./identities.ts";
import { type Manifest, MANIFEST_LIMIT, readManifest } from "./manifest.ts";
import { parseKey } from "./names.ts";
import { type HeldSnapshot, isEncrypted, type Place } from "./places.ts";
import { ChannelReader, type Coding, type Passed, PLAIN } from "./worker/channel.ts";
import type { StageWorker } from "./worker/host.ts";
import type { ReadingPool } from "./worker/pool.ts";
import type { Inlet } from "./worker/protocol.ts";

/** What a reader is told of the work. */
export interface ReaderOptions {
  /** Lines of identity files. */
  readonly identities: readonly string[];
  /** The file in which they should have been, where it is not there. */
  readonly identityFile?: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number | undefined) => void) | undefined;
  readonly onLog?: ((level: "debug" | "info" | "warn", message: string) => void) | undefined;
}

/** Where a snapshot is unpacked. */
export interface Unpacking {
  /** Where each root goes; `undefined`: nowhere, only compare. */
  readonly into: Readonly<Record<string, string>> | undefined;
  /** Paths to unpack; `undefined`: all. */
  readonly wanted: readonly string[] | undefined;
  /** Whether to look into files as well, with an empty directory for databases. */
  readonly inspect?: { readonly scratch: string };
}

/** Reads what one place holds. */
export class SnapshotReader {
  readonly place: Place;
  readonly #pool: ReadingPool;
  readonly #options: ReaderOptions;

  constructor(place: Place, pool: ReadingPool, options: ReaderOptions) {
    this.place = place;
    this.#pool = pool;
    this.#options = options;
  }

  /**
   * Fetches and reads a manifest.
   *
   * @throws {BackupError} `snapshot-damaged`, `identity-wrong`.
   */
  async manifest({ id, name, manifest }: HeldSnapshot): Promise<Manifest> {
    const { result } = await this.#read(manifest.key, FOR_HERE, async (inlet, signal) => {
      const decoder = new TextDecoder("utf-8", { fatal: true });
      const parts: string[] = [];
      let size = 0;
      for await (const bytes of new ChannelReader(inlet.port, inlet.coding, signal)) {
        size += bytes.length;
        if (size > MANIFEST_LIMIT) throw damaged(manifest.key, "it is longer than any manifest");
        parts.push(decode(decoder, bytes, manifest.key));
      }
      return parts.join("");
    });
    return await readManifest(result, id, name);
  }

  /**
   * Fetches every archive of a snapshot and compares it, byte by byte, with its manifest.
   *
   * @throws {BackupError} `snapshot-damaged` when anything is missing or differs.
   */
  async unpack(
    held: HeldSnapshot,
    manifest: Manifest,
    { into, wanted, inspect }: Unpacking,
  ): Promise<UnpackResult> {
    const { id, archives } = held;
    const load = stages[manifest.source];
    const stage = (await load?.())?.default;
    if (stage?.kind !== "source") {
      throw new BackupError(
        "snapshot-damaged",
        `Cannot unpack "${id}/${manifest.name}": it was made by "${manifest.source}"`,
        { hint: "Use a newer keepsake" },
      );
    }
    const [archive] = manifest.archives;
    const key = `${id}/${archive?.name}`;
    const stored = archives.find((file) => file.key === key);
    if (archive === undefined || stored === undefined) throw gone(key, held.manifest.key);
    if (stored.size !== archive.size) {
      throw damaged(key, `it has ${stored.size} bytes instead of ${archive.size}`);
    }
    const worker = this.#pool.unpacking(manifest.source);
    const { onProgress, onLog } = this.#options;
    // To compare alone is to be thorough. And whoever could change what was never encrypted could
    // have a quick hash stay the same.
    const quickly = into !== undefined && isEncrypted(held);
    const work = into === undefined ? TO_COMPARE : TO_WRITE;
    const { result, passed } = await this.#read(key, work, async (input, signal) => {
      const context = { options: {}, into, wanted, quickly, entries: manifest.entries, inspect };
      const answer = await worker.call<UnpackResult>(
        { operation: "restore", context, input },
        { signal, onProgress, onLog },
      );
      return answer.result;
    }).catch((error) => {
      // Its manifest opened with the same identities, so it is not they that are wrong.
      const lost = error instanceof BackupError && error.code === "identity-wrong";
      throw lost ? damaged(key, "its header is damaged") : error;
    });
    if (passed?.bytes !== archive.size || passed.sha256 !== archive.sha256) {
      throw damaged(key, "it is not the file that the manifest names");
    }
    return result;
  }

  /**
   * Sends a stored file through all that undoes its endings, and gives the rest to `consume`.
   * Answers what that made of it, and what passed of the stored file.
   *
   * @param work Whether what is stored is hashed, who decompresses, and what for.
   */
  async #read<T>(
    key: string,
    { isHashed, ...decoding }: Work,
    consume: (inlet: Inlet, signal: AbortSignal) => Promise<T>,
  ): Promise<{ readonly result: T; readonly passed: Passed | undefined }> {
    const { codec, transforms } = parseKey(key)!;
    const undo = await Promise.all(
      transforms.toReversed().map((suffix) => this.#undoing(suffix, key)),
    );
    const { signal } = this.#options;
    const stop = new AbortController();
    const stopAll = () => stop.abort(signal!.reason);
    if (signal?.aborted) stopAll();
    signal?.addEventListener("abort", stopAll);
    const channels = Array.from({ length: undo.length + 1 }, () => new MessageChannel());
    // Of what is stored alone, the manifest has the hash. What decrypts has loaded what hashes.
    const hashedBy = !isHashed ? "nobody" : undo.length > 0 ? "reader" : "writer";
    const codingOf = (index: number): Coding => ({
      ...index === undo.length && codec !== "none" ? { way: "decode", codec, ...decoding } : PLAIN,
      hashedBy: index === 0 ? hashedBy : "nobody",
    });
    const outlet = (index: number) => ({
      ports: [channels[index]!.port1],
      coding: codingOf(index),
    });
    const inlet = (index: number) => ({ port: channels[index]!.port2, coding: codingOf(index) });
    const fetching = this.#pool.at(this.place).call(
      { operation: "fetch", context: { options: this.place.options, key }, output: outlet(0) },
      { signal: stop.signal },
    );
    const undoing = undo.map((worker, index) =>
      worker.call({
        operation: "restore",
        context: { identities: this.#options.identities },
        input: inlet(index),
        output: outlet(index + 1),
      }, { signal: stop.signal })
    );
    const consuming = consume(inlet(undo.length), stop.signal);
    const all: Promise<unknown>[] = [consuming, ...undoing, fetching];
    for (const part of all) part.catch((error) => stop.abort(asBroken(error)));
    const outcomes = await Promise.allSettled(all);
    signal?.removeEventListener("abort", stopAll);
    for (const { port1, port2 } of channels) {
      port1.close();
      port2.close();
    }
    signal?.throwIfAborted();
    const reasons = outcomes.flatMap((outcome) =>
      outcome.status === "rejected" ? [outcome.reason] : []
    );
    if (reasons.length > 0) {
      const reason = gravest(reasons);
      const { identities, identityFile } = this.#options;
      const lacking = reason instanceof BackupError && reason.code === "identity-wrong" &&
        identities.length === 0;
      throw lacking
        ? noIdentity(identityFile, key, this.place)
        : inContext(key, this.place, reason);
    }
    this.#pool.assertSound();
    const [first] = undoing;
    const passed = first === undefined ? (await fetching).sent : (await first).received;
    return { result: await consuming, passed };
  }

  async #undoing(suffix: string, key: string): Promise<StageWorker> {
    const worker = await this.#pool.undoing(suffix);
    if (worker !== undefined) return worker;
    throw damaged(key, `nothing here knows the ending "${suffix}"`);
  }
}

interface Work extends Pick<Coding, "decodedBy" | "isWritten"> {
  readonly isHashed: boolean;
}

/** For a manifest, which is read here: everything waits for it, so that nothing is loaded for it. */
const FOR_HERE: Work = { isHashed: false, decodedBy: "writer" };
const TO_COMPARE: Work = { isHashed: true, decodedBy: "either" };
const TO_WRITE: Work = { ...TO_COMPARE, isWritten: true };

/** The reason that started it: not that of a neighbour which only lost its stream. */
function gravest(reasons: readonly unknown[]): unknown {
  const isBroken = (reason: unknown) =>
    reason instanceof BackupError && reason.code === "stream-broken";
  return reasons.find((reason) => !isBroken(reason)) ?? reasons[0];
}

function asBroken(cause: unknown): BackupError {
  return new BackupError("stream-broken", `Cannot go on: ${messageOf(cause)}`, { cause });
}

/** Says which file it was, and what to do about one that is damaged, where the error does not. */
function inContext(key: string, { id }: Place, error: unknown): unknown {
  if (!(error instanceof BackupError) || error.code === "interrupted") return error;
  const { code, cause, message } = error;
  const hint = error.hint ?? (code === "snapshot-damaged" ? HINT_DAMAGED : undefined);
  const where = message.includes(key) ? "" : ` (in "${key}" at "${id}")`;
  return new BackupError(code, `${message}${where}`, { hint, cause });
}

function noIdentity(file: string | undefined, key: string, { id }: Place): BackupError {
  if (file === undefined) {
    const message = `Cannot open "${key}" at "${id}": it is encrypted, and no identity is named`;
    const hint = 'Name its file with --identity FILE, or as "identity" below [pipeline]';
    return new BackupError("identity-wrong", message, { hint });
  }
  return missingIdentity(file);
}

function decode(decoder: TextDecoder, bytes: Uint8Array, key: string): string {
  try {
    return decoder.decode(bytes, { stream: true });
  } catch {
    throw damaged(key, "it is not UTF-8");
  }
}

function damaged(key: string, state: string): BackupError {
  return new BackupError("snapshot-damaged", `Cannot trust "${key}": ${state}`, {
    hint: HINT_DAMAGED,
  });
}

function gone(archive: string, manifest: string): BackupError {
  return new BackupError(
    "snapshot-damaged",
    `Cannot find "${archive}": it is not there, though its manifest is`,
    {
      hint:
        `${HINT_DAMAGED}; if you removed it yourself, remove "${manifest}" as well, and say so with "keepsake verify --forget-missing"`,
    },
  );
}

const HINT_DAMAGED = "Use another snapshot, or the same one from another destination";
