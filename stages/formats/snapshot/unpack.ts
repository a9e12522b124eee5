/**
 * Undoes an archive: compares it with its manifest, entry by entry and to the byte, and writes its
 * files and directories to where nothing was.
 *
 * @module
 */
import type {
  Entry,
  FileEntry,
  OptionsSchema,
  UnpackContext,
  UnpackResult,
} from "../../contract.ts";
import { StageError } from "../../errors.ts";
import { type ContentHash, Hashing } from "../hashing.ts";
import { TarReader, type TarVisitor } from "../tar/read.ts";
import { TarError, type TarMember } from "../tar/read_header.ts";
import { checkEntries, checkNamesForWindows, HINT_DAMAGED, quoted } from "./entry_rules.ts";
import type { Inspector } from "./inspect.ts";
import { Staging } from "./staging.ts";

/**
 * Reads an uncompressed archive to its end and holds it against `entries`: the same paths in the
 * same order, the same kinds, modes, sizes, link texts and contents, no more and no less. All of it
 * is compared, also when only some is wanted.
 *
 * With `into`, each wanted file and directory is made below the path of its root, which must not
 * exist while the directory that holds it does. A path is wanted when it is in `wanted` itself:
 * what lies below it must be listed too. Files get their permission bits, without setuid, setgid and
 * sticky; directories, also those made on the way to a wanted file, have mode 0700, and links are
 * left out: both, and times, are the caller's to set, in the end and once this has answered.
 *
 * @returns The wanted regular files and their bytes.
 * @throws {StageError} `snapshot-damaged` unless archive and manifest agree and every path in them
 *   is harmless; `target-refused` when something is in the way; `storage-full`.
 */
export async function unpack(
  context: Omit<UnpackContext<OptionsSchema>, "options">,
): Promise<UnpackResult> {
  const { entries, input, into, signal } = context;
  const wanted = context.wanted && new Set(context.wanted);
  checkEntries(entries);
  const staging = into && new Staging(into, (message) => context.log("warn", message));
  if (staging) checkPlaces(entries, staging, wanted);
  const hashings = await hashingsFor(context);
  using inspector = await inspectorFor(context);
  const unpacking = new Unpacking(entries, staging, wanted, hashings, inspector);
  const reader = new TarReader(unpacking);
  const total = entries.reduce((sum, entry) => entry.kind === "file" ? sum + entry.size : sum, 0);
  try {
    for await (const piece of input) {
      signal.throwIfAborted();
      reader.push(piece);
      context.progress(unpacking.read, total);
    }
    signal.throwIfAborted();
    reader.finish();
    unpacking.finish();
  } catch (error) {
    throw error instanceof TarError ? unpacking.damaged(error.message) : error;
  } finally {
    staging?.discard();
  }
  const { files, bytes } = unpacking;
  if (inspector === undefined) return { files, bytes };
  return { files, bytes, inspection: await inspector.finish() };
}

/** What contents are compared by. */
interface Hashings {
  /** `undefined`: every entry has a quick one, and that will do. */
  readonly full: Hashing | undefined;
  /** For entries that have one; `undefined`: this runtime has none. */
  readonly quick: Hashing | undefined;
  /** Whether the quick one will do where there is one. */
  readonly quickly: boolean;
}

/** Loads what it takes to compare these entries, and no more. */
async function hashingsFor(
  { entries, quickly = false }: Pick<UnpackContext<OptionsSchema>, "entries" | "quickly">,
): Promise<Hashings> {
  const needsFull = !quickly || !Hashing.isQuick ||
    entries.some((entry) => entry.kind === "file" && entry.xxh64 === undefined);
  const [full, quick] = await Promise.all([
    needsFull ? Hashing.load() : undefined,
    Hashing.isQuick ? Hashing.quick() : undefined,
  ]);
  return { full, quick, quickly };
}

/** A hash of what is being read, and what it should come to. */
interface Check {
  readonly hash: ContentHash;
  readonly expected: string;
}

/**
 * By SHA-256, by the quick hash, or by both: whoever wants to know whether all is well wants to know
 * whether a restore will find it so.
 */
function checksOf({ sha256, xxh64 }: FileEntry, { full, quick, quickly }: Hashings): Check[] {
  const own = quick !== undefined && xxh64 !== undefined
    ? { hash: quick.begin(), expected: xxh64 }
    : undefined;
  if (own !== undefined && quickly) return [own];
  return [{ hash: full!.begin(), expected: sha256 }, ...(own ? [own] : [])];
}

async function inspectorFor(
  { inspect, ...context }: Omit<UnpackContext<OptionsSchema>, "options">,
): Promise<Inspector | undefined> {
  if (inspect === undefined) return undefined;
  const [{ Inspector }, { Pace }] = await Promise.all([
    import("./inspect.ts"),
    import("../pace.ts"),
  ]);
  return new Inspector(inspect.scratch, new Pace(context));
}

/** Follows the archive along the list. */
class Unpacking implements TarVisitor {
  readonly #entries: readonly Entry[];
  readonly #staging: Staging | undefined;
  readonly #wanted: ReadonlySet<string> | undefined;
  readonly #hashings: Hashings;
  readonly #inspector: Inspector | undefined;
  #next = 0;
  #entry: Entry | undefined;
  #checks: readonly Check[] = [];
  #isWriting = false;
  /** Bytes of content compared so far. */
  read = 0;
  files = 0;
  bytes = 0;

  constructor(
    entries: readonly Entry[],
    staging: Staging | undefined,
    wanted: ReadonlySet<string> | undefined,
    hashings: Hashings,
    inspector: Inspector | undefined,
  ) {
    this.#entries = entries;
    this.#staging = staging;
    this.#wanted = wanted;
    this.#hashings = hashings;
    this.#inspector = inspector;
  }

  begin(member: TarMember): void {
    const entry = this.#entries[this.#next];
    if (entry === undefined) {
      throw damaged(member.path, "it is in the archive and not in the manifest");
    }
    const difference = differenceOf(member, entry);
    if (difference !== undefined) throw damaged(entry.path, difference);
    this.#next++;
    this.#entry = entry;
    const isWanted = this.#wanted?.has(entry.path) ?? true;
    if (entry.kind === "file") this.#beginFile(entry, isWanted);
    else if (entry.kind === "directory" && isWanted && this.#staging?.holds(entry.path)) {
      this.#staging.directory(entry.path);
    }
  }

  data(bytes: Uint8Array): void {
    for (const { hash } of this.#checks) hash.update(bytes);
    if (this.#isWriting) this.#staging!.write(bytes);
    this.#inspector?.data(bytes);
    this.read += bytes.length;
  }

  end(): void {
    const entry = this.#entry!;
    if (entry.kind === "file") {
      if (this.#checks.some(({ hash, expected }) => hash.digest() !== expected)) {
        throw damaged(entry.path, "its content is not what the manifest says");
      }
      if (this.#isWriting) this.#staging!.close(entry.mode);
      this.#isWriting = false;
      this.#inspector?.end();
    }
    this.#entry = undefined;
  }

  finish(): void {
    const missing = this.#entries[this.#next];
    if (missing) throw damaged(missing.path, "it is in the manifest and not in the archive");
  }

  /** For what is wrong with the bytes: of the entry that is being read, or of the next one. */
  damaged(state: string): StageError {
    const entry = this.#entry ?? this.#entries[this.#next];
    return entry ? damaged(entry.path, state) : new StageError(
      "snapshot-damaged",
      `Cannot read the archive to its end: ${state}`,
      { hint: HINT_DAMAGED },
    );
  }

  #beginFile(entry: FileEntry, isWanted: boolean): void {
    this.#checks = checksOf(entry, this.#hashings);
    this.#inspector?.begin(entry);
    if (!isWanted) return;
    this.files++;
    this.bytes += entry.size;
    if (this.#staging === undefined) return;
    this.#staging.open(entry.path, entry.size);
    this.#isWriting = true;
  }
}

function differenceOf(member: TarMember, entry: Entry): string | undefined {
  if (member.path !== entry.path) return `${quoted(member.path)} is in the archive in its place`;
  if (member.kind !== entry.kind) {
    return `it is a ${member.kind} in the archive and a ${entry.kind} in the manifest`;
  }
  if (member.mode !== entry.mode) return "its mode is not what the manifest says";
  if (entry.kind === "file") {
    if (member.size === entry.size) return;
    return `it has ${member.size} bytes in the archive and ${entry.size} in the manifest`;
  }
  if (entry.kind !== "directory" && member.link !== entry.link) {
    return "its link leads elsewhere than the manifest says";
  }
}

/** Everything wanted must have a place, before the first is written. */
function checkPlaces(
  entries: readonly Entry[],
  staging: Staging,
  wanted: ReadonlySet<string> | undefined,
): void {
  const placed = entries.filter(({ path }) => wanted?.has(path) ?? true);
  for (const { path, kind } of placed) {
    if (staging.holds(path)) staging.checkLength(path);
    else if (kind !== "directory" || !staging.isAboveRoots(path)) {
      throw damaged(path, "it is below none of the roots that the manifest names");
    }
  }
  if (Deno.build.os === "windows") checkNamesForWindows(placed.map(({ path }) => path));
}

function damaged(path: string, state: string): StageError {
  return new StageError(
    "snapshot-damaged",
    `Cannot read ${quoted(path)} in the archive: ${state}`,
    {
      hint: HINT_DAMAGED,
    },
  );
}
