/**
 * The stage contract: what a stage declares, what it is given and what it answers.
 *
 * This module, with what it re-exports, is the whole of the project that a stage imports besides
 * `formats/`. It is long because it is the one page that whoever writes a stage has to read.
 *
 * @module
 */
import type { Options, OptionsSchema } from "./options.ts";

export * from "./options.ts";
export { StageError, systemCode, systemFault } from "./errors.ts";

/** What a stage does to a run. */
export type StageKind =
  /** Makes or updates files on this machine. */
  | "prepare"
  /** Turns paths into one archive and its manifest. */
  | "source"
  /** Ends the way of an archive that nothing below needs. */
  | "gate"
  /** Archive in, archive out. */
  | "transform"
  /** Keeps archives where they survive this machine. */
  | "destination";

/** What a stage is asked to do. */
export type Operation =
  | "survey"
  | "scan"
  | "run"
  | "restore"
  | "list"
  | "fetch"
  | "remove"
  | "rewrap";

/**
 * What a worker may touch, and nothing else: what is left out is denied. There is no way to say
 * "everything", and `ffi` and `import` are never granted.
 */
export interface Grants {
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  readonly net?: readonly string[];
  readonly env?: readonly string[];
  readonly sys?: readonly string[];
  /**
   * Programs by their plain names. The runner finds each in `PATH`, once, grants that one file and
   * tells a destination where it is. A stage that has any is shown as unsandboxed.
   */
  readonly run?: readonly string[];
}

/**
 * Bytes on their way to the next stage, in blocks that are handed over without being copied.
 *
 * Either `write`, or fill `space()` and say with `commit` how much of it is used.
 */
export interface ByteSink {
  /** Free room in the current block, never empty. It may hold old bytes. */
  space(): Uint8Array;
  /**
   * Says that the first `count` bytes of `space()` are used. Answers a promise when that filled the
   * block: await it before asking for space again.
   */
  commit(count: number): Promise<void> | undefined;
  /** Copies bytes in. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Bytes from the stage above. Each piece is valid until the next one is asked for. Throws when the
 * stream is cut short, does not add up or the other side gives up: an end is always a true end.
 */
export type ByteSource = AsyncIterable<Uint8Array>;

/** How the bytes of an archive are compressed, block by block, on their way. */
export type Codec = "zstd" | "gzip" | "none";

/** One entry of an archive, in the order of the archive. Paths are relative and use `/`. */
export type Entry = FileEntry | DirectoryEntry | SymlinkEntry | HardLinkEntry;

interface EntryBase {
  readonly path: string;
  /** Permission bits, at most `0o7777`. */
  readonly mode: number;
  /** Milliseconds since 1970. */
  readonly mtime: number;
}

/** A regular file, with the content that the archive holds. */
export interface FileEntry extends EntryBase {
  readonly kind: "file";
  readonly size: number;
  /** Of the content, in lower-case hexadecimal. */
  readonly sha256: string;
  /** XXH64 of it, in 16 hexadecimal digits, where that was at hand: for what only chance changes. */
  readonly xxh64?: string;
}

/** A directory. */
export interface DirectoryEntry extends EntryBase {
  readonly kind: "directory";
}

/** A symbolic link, never followed. */
export interface SymlinkEntry extends EntryBase {
  readonly kind: "symlink";
  /** Its text. */
  readonly link: string;
}

/** A further name of a file that stands earlier in the archive. */
export interface HardLinkEntry extends EntryBase {
  readonly kind: "hardlink";
  /** The earlier entry's path. */
  readonly link: string;
}

/** A path that is not in the archive as it should be, and why. */
export interface Remark {
  readonly path: string;
  /** A short phrase without a full stop: `permission denied`, `a named pipe`. */
  readonly reason: string;
}

/** Where a part of the archive came from. */
export interface Root {
  /** The name under which it stands in the archive: `.claude`. */
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
}

/** What every operation is given. Plain data and callbacks: no handle on the main thread. */
export interface StageContext<S extends OptionsSchema = OptionsSchema> {
  readonly options: Options<S>;
  /** Aborts on Ctrl-C, on a timeout and when a neighbour in the stream fails. */
  readonly signal: AbortSignal;
  /** Tells the user something. */
  log(level: "debug" | "info" | "warn", message: string): void;
  /**
   * Reports bytes done, and bytes in all where that is known. A stage that for ten minutes neither
   * reports nor moves bytes is taken for stuck, and ended.
   */
  progress(done: number, total?: number): void;
  /** Says that something is moving of which there is nothing to report yet. */
  readonly alive?: (() => void) | undefined;
  /**
   * Says beforehand that it cannot give a sign of life until what it does next is done, and how many
   * milliseconds that takes at most: who is silent for half a minute unannounced is taken for dead.
   */
  silence?(milliseconds: number): void;
}

/** What a prepare stage's `run` is given. */
export interface PrepareContext<S extends OptionsSchema = OptionsSchema> extends StageContext<S> {
  /** For a stage that says `hasHelper`. */
  readonly team?: Team;
  /** Whether what it says that it `awaits` is not there, and the directory above is. */
  readonly isEarly?: boolean;
  /** Starts the helper, which is asked for the same operation. For a leader that has much to do. */
  help?(): void;
}

/** What a prepare stage's `run` answers. */
export interface PrepareResult {
  /** What it did, in a few words: `2 new, 1 grown`. */
  readonly message: string;
  /** Whether there was nothing to do. */
  readonly unchanged?: boolean;
  /** What should have been read and was not. Makes the run end with status 2. */
  readonly unreadable?: readonly Remark[];
  /** What else there is to say, for whoever knows the stage. Plain data. */
  readonly details?: unknown;
}

/** What `scan` is given. */
export interface ScanContext<S extends OptionsSchema> extends StageContext<S> {
  /**
   * The signature that the last scan of this snapshot answered, if any. A scan that finds another
   * one may stop there and leave `fingerprint` out: the sources have changed for certain.
   */
  readonly signature: string | undefined;
  /** Two workers that scan together: the leader walks, both hash. */
  readonly team: Team;
  /** Absolute paths that runs themselves write to: never a part of what is backed up. */
  readonly avoid?: readonly string[];
  /** Whether nobody without an identity can read what any destination gets. */
  readonly sealed?: boolean;
  /** A directory for what the stage must write, where {@linkcode SourceStage.needsDirectory} asks. */
  readonly directory?: string;
}

/** How two workers of one stage, with the same grants, share their work. */
export interface Team {
  /** The leader answers; the helper's answer is ignored. */
  readonly role: "leader" | "helper";
  /** To the other one; `undefined` when there is none. */
  readonly port: MessagePort | undefined;
}

/** What `scan` answers. */
export interface ScanResult {
  /** Names, kinds, sizes, modes and times of all that was met, as one hash. */
  readonly signature: string;
  /**
   * Paths, kinds, modes, link texts and contents of all that a snapshot would hold, as one hash that
   * is the same as long as none of it changes; absent when the signature differs.
   */
  readonly fingerprint?: string;
  /** Where it came from; left out when that is not known. */
  readonly roots?: readonly Root[];
  readonly unreadable: readonly Remark[];
}

/** What `survey` is given. */
export type SurveyContext<S extends OptionsSchema> = Omit<ScanContext<S>, "signature" | "team">;

/** What a snapshot would hold, counted. */
export interface SurveyResult {
  /** Regular files, each once, whatever the number of its names. */
  readonly files: number;
  /** Of their contents. */
  readonly bytes: number;
  /** What would be left out on purpose, and why. */
  readonly skipped: readonly Remark[];
  /** What should be in it and cannot be read, and why. */
  readonly unreadable: readonly Remark[];
  /** What would be backed up although nobody knows what it is. */
  readonly unknown: readonly string[];
  /** What was to leave something out and can leave out nothing, and why. */
  readonly idle?: readonly Remark[];
}

/** What a source's `run` is given. */
export interface SourceContext<S extends OptionsSchema> extends StageContext<S> {
  /** Takes the archive, uncompressed: compression is done on the way. */
  readonly output: ByteSink;
  /** Absolute paths that runs themselves write to: never a part of what is backed up. */
  readonly avoid?: readonly string[];
  /** Whether nobody without an identity can read what any destination gets. */
  readonly sealed?: boolean;
  /** A directory for what the stage must write, where {@linkcode SourceStage.needsDirectory} asks. */
  readonly directory?: string;
  /** What an earlier archive held of the files that matter. */
  readonly watched?: readonly Watched[];
}

/** A file of which it is no ordinary change that a part of it goes missing. */
export interface Watched {
  /** In the archive; `.` for all of it. */
  readonly path: string;
  /**
   * `memory`: written once, and kept. `index`: the one that names them. `settings`: may have hooks.
   * `log`: only ever grows. `files`: all that there are, which the runner counts.
   */
  readonly kind: "memory" | "index" | "settings" | "log" | "files";
  /** In bytes; of `files`, how many. */
  readonly size: number;
  /** In lower-case hexadecimal; of `files`, empty. */
  readonly sha256: string;
  /** Of settings: for how many events they have hooks; left out when that cannot be read. */
  readonly hooks?: number;
  /** Of a log that the context names: whether it begins with what it was then. */
  readonly grew?: boolean;
}

/** What a source's `run` answers. */
export interface SourceResult {
  readonly signature: string;
  /** As a scan of what the archive holds would answer it. */
  readonly fingerprint: string;
  readonly roots: readonly Root[];
  /** What the archive holds, as it was read while writing it. */
  readonly entries: readonly Entry[];
  /** What should be in the archive and is not, or not for certain. Makes the run end with status 2. */
  readonly unreadable: readonly Remark[];
  /** What was left out on purpose, and why. */
  readonly skipped: readonly Remark[];
  /** Worth a look, without being wrong: links that lead out of the sources. */
  readonly notes: readonly Remark[];
  /** What a later archive is to be compared with; left out by a source that knows of no such files. */
  readonly watched?: readonly Watched[];
}

/** What a source's `restore` is given. */
export interface UnpackContext<S extends OptionsSchema> extends StageContext<S> {
  readonly input: ByteSource;
  /** Where each root is unpacked; `undefined`: nowhere, only compare. */
  readonly into: Readonly<Record<string, string>> | undefined;
  /** What the manifest says the archive holds, all of it. */
  readonly entries: readonly Entry[];
  /** Paths to unpack; `undefined`: all. */
  readonly wanted: readonly string[] | undefined;
  /**
   * Whether XXH64 alone will do to compare contents with, where entries have it: whoever might change
   * the bytes on purpose is found out elsewhere. Otherwise both hashes have to agree.
   */
  readonly quickly?: boolean | undefined;
  /** Whether to look into files as well, with an empty directory to put databases into meanwhile. */
  readonly inspect?: { readonly scratch: string } | undefined;
}

/** What a source's `restore` answers. Links are for the runner to make, last. */
export interface UnpackResult {
  readonly files: number;
  readonly bytes: number;
  /** What was found inside, where that was asked for. */
  readonly inspection?: Inspection;
}

/** What was found in files that came back as they were stored. */
export interface Inspection {
  /** Lines of logs that could be read. */
  readonly lines: number;
  /** Databases that were opened and checked. */
  readonly databases: number;
  /** What is of no use although it is what was stored. */
  readonly flaws: readonly Remark[];
  /** What nothing can be said of. */
  readonly unchecked: readonly Remark[];
}

/** What a gate is given. */
export interface GateContext<S extends OptionsSchema> extends StageContext<S> {
  /** Hash of what the snapshot holds, in lower-case hexadecimal. */
  readonly contentHash: string;
  readonly destinations: readonly Holding[];
}

/** What a destination below a gate holds. */
export interface Holding {
  readonly id: string;
  /** Content hash of the newest snapshot there, or its first digits; `undefined`: none. */
  readonly newest: string | undefined;
}

/** What a gate answers. */
export interface GateResult {
  /** Destinations that shall get the snapshot. */
  readonly pass: readonly string[];
}

/** What a transform is given. */
export interface TransformContext<S extends OptionsSchema> extends StageContext<S> {
  readonly input: ByteSource;
  readonly output: ByteSink;
  /** For `restore`: the lines of the identity files at hand that are identities. */
  readonly identities: readonly string[];
}

/** A finished file on this machine, to be stored. */
export interface SpoolFile {
  /** What it is called at the destination: `claude/20260102T030405Z-0123456789ab.tar.zst.age`. */
  readonly key: string;
  /**
   * Absolute path, in a directory that belongs to this destination for this run: it may be read and
   * moved away, and other destinations do not notice.
   */
  readonly path: string;
  readonly size: number;
  /** In lower-case hexadecimal. */
  readonly sha256: string;
  /** XXH64, in 16 hexadecimal digits, where it was at hand: to read back what was just written. */
  readonly xxh64?: string;
}

/** How to get at what a destination holds with stock tools alone. */
export interface ByHand {
  /** Programs that it takes besides a shell and what every system has. */
  readonly tools: readonly string[];
  /** What has to be there before, for a person: sentences. */
  readonly before: readonly string[];
  /** Lines for a shell, which leave what it holds in the new folder `stored`. */
  readonly lines: readonly string[];
  /**
   * Lines that bring the newest files of a snapshot id from there into the folder `restored/ID`, which
   * is there; left out where there are archives to unpack.
   */
  restore?(id: string): readonly string[];
}

/** What every operation of a destination is given. */
export interface DestinationContext<S extends OptionsSchema> extends StageContext<S> {
  /** Where the programs are that `permissions` asks for: name to absolute path, of those found. */
  readonly programs: Readonly<Record<string, string>>;
  /** For a stage that says `keepsFolder`. */
  readonly folder?: Folder | undefined;
}

/**
 * A directory of the stage's own, which it may read and write. It may not exist yet, several workers
 * may use it at once, and what was in it may be gone or damaged at any time.
 */
export interface Folder {
  /** Absolute. */
  readonly path: string;
  /** Whether it is gone when the worker is: made for an address, without a state directory. */
  readonly temporary: boolean;
}

/** What a destination's `run` is given. */
export interface StoreContext<S extends OptionsSchema> extends DestinationContext<S> {
  /** The manifest is last, and must become visible last. */
  readonly files: readonly SpoolFile[];
  /** Names this run in temporary names. Nothing else with the same `owner` is at work. */
  readonly owner: string;
  /** What the user said of this run (`--message`). */
  readonly message: string | undefined;
}

/** What a destination's `run` answers: every file was read back, or its hash confirmed. */
export interface StoreResult {
  /** Where it is, for a person: a directory, an address. */
  readonly location: string;
  /** Bytes that `list` will show for what was stored; left out, the sum of the files' sizes. */
  readonly bytes?: number;
  /** Bytes that the place takes up in all, where that is known. */
  readonly placeBytes?: number;
}

/** What a destination's `list` is given. */
export interface ListContext<S extends OptionsSchema> extends DestinationContext<S> {
  /** Whether there must be something: a place that is not there is a failure then, not empty. */
  readonly mustExist?: boolean;
  /**
   * Ids of the snapshots that are looked for: a place that does not show what it holds of one is a
   * failure, and no empty one. Left out: all that there is.
   */
  readonly ids?: readonly string[] | undefined;
}

/** A file that a destination holds. */
export interface StoredFile {
  readonly key: string;
  readonly size: number;
}

/** What a destination's `fetch` is given. */
export interface FetchContext<S extends OptionsSchema> extends DestinationContext<S> {
  readonly key: string;
  readonly output: ByteSink;
}

/** What a destination's `remove` is given. */
export interface RemoveContext<S extends OptionsSchema> extends DestinationContext<S> {
  /**
   * Manifests must go before archives: a snapshot of which only the manifest is left could not be
   * brought back. What is not there (any more) is no failure.
   */
  readonly keys: readonly string[];
}

interface StageBase<S extends OptionsSchema> {
  /** The word after `use =`: lower-case, hyphenated. */
  readonly name: string;
  /** One line of docs: third person, present tense, no full stop. */
  readonly summary: string;
  /** A few sentences for the docs. */
  readonly description: string;
  /** The one declaration of this stage's options. */
  readonly options: S;
  /**
   * The least the stage needs for an operation. Pure: `plan` prints the answer, and the worker
   * starts with that and nothing else but what the runner alone can know: for a destination its
   * spool directory and its folder; for a source the directory that
   * {@linkcode SourceStage.needsDirectory} asks for, and for its `restore` the staging directory or
   * a drill's scratch directory; for a prepare stage, to be read, the directories that the links in
   * {@linkcode PrepareStage.follows} lead to.
   */
  permissions(options: Options<S>, operation: Operation): Grants;
  /** Loads what an operation is going to need, while there is time. Called in the worker. */
  prepare?(operation: Operation): Promise<unknown>;
}

/** A directory, and where a stage keeps a copy of each of its files, with its size and time. */
export interface Copies {
  readonly from: string;
  readonly to: string;
}

/** Makes or updates files on this machine. */
export interface PrepareStage<S extends OptionsSchema = OptionsSchema> extends StageBase<S> {
  readonly kind: "prepare";
  /** What it keeps a copy of, where it does nothing else. */
  copies?(options: Options<S>): Copies;
  /** A directory of which it keeps account, so that no other stage may do so; left out if none. */
  owns?(options: Options<S>): string;
  /** A directory in which it follows links to others; left out where it follows none. */
  follows?(options: Options<S>): string;
  /**
   * A directory that somebody else makes when there is something to put into it; `undefined`: there
   * is no such. The stage may not look whether the one above is there, so that is done for it.
   */
  awaits?(options: Options<S>): string | undefined;
  /** Whether it can share its work with a second worker. */
  readonly hasHelper?: boolean;
  run(context: PrepareContext<S>): Promise<PrepareResult | void>;
}

/** Something that is wrong with options together. */
export interface OptionsFault {
  /** The option to name. */
  readonly key: string;
  /** One sentence without a full stop. */
  readonly message: string;
  /** One imperative sentence without a full stop. */
  readonly hint: string;
}

/** Turns paths into one archive and its manifest. */
export interface SourceStage<S extends OptionsSchema = OptionsSchema> extends StageBase<S> {
  readonly kind: "source";
  /** How its archive is compressed on the way. */
  codec(options: Options<S>): Codec;
  /** Why every destination of this snapshot must get it encrypted; `undefined`: it need not. */
  needsEncryption?(options: Options<S>): string | undefined;
  /**
   * Whether it needs a directory of its own to write to. It lies in the state directory, for nobody
   * else (0700), and is removed when the run ends or the next begins.
   */
  needsDirectory?(options: Options<S>): boolean;
  /**
   * Absolute paths that it was asked for by name. Left out because backups are written there, they
   * would make an empty backup that says it is well: a pipeline file that wants that is refused.
   */
  wanted?(options: Options<S>): readonly string[];
  /** Absolute paths that it would read, too, if they were there: a restore may put them back. */
  usual?(options: Options<S>): readonly string[];
  /** What is wrong with options that are right each by itself. Needs the file alone. */
  faultOf?(options: Options<S>): OptionsFault | undefined;
  /** Looks at everything and opens no file. */
  survey?(context: SurveyContext<S>): Promise<SurveyResult>;
  /** Reads everything, and changes nothing outside of its directory. */
  scan(context: ScanContext<S>): Promise<ScanResult>;
  run(context: SourceContext<S>): Promise<SourceResult>;
  /**
   * Unpacks files and directories, or only compares.
   *
   * @throws {StageError} `snapshot-damaged` unless the archive is what the entries say, to the byte.
   */
  restore(context: UnpackContext<S>): Promise<UnpackResult>;
}

/** Ends the way of an archive that nothing below needs. */
export interface GateStage<S extends OptionsSchema = OptionsSchema> extends StageBase<S> {
  readonly kind: "gate";
  run(context: GateContext<S>): Promise<GateResult>;
}

/** Archive in, archive out. */
export interface TransformStage<S extends OptionsSchema = OptionsSchema> extends StageBase<S> {
  readonly kind: "transform";
  /** Ending that its files carry, by which `restore` knows what to undo: `.age`. */
  readonly suffix: string;
  /** Whether what comes out can be read by nobody without an identity. */
  readonly seals: boolean;
  run(context: TransformContext<S>): Promise<void>;
  /** Undoes `run`. Options are not at hand then: the file may have been made elsewhere. */
  restore(context: Omit<TransformContext<S>, "options">): Promise<void>;
  /**
   * Gives a file that `run` made the keys that the options name now, and leaves all else of it as it
   * is; left out where that cannot be done.
   */
  rewrap?(context: TransformContext<S>): Promise<void>;
  /** The stock command that undoes it, from standard input to standard output: `age -d -i FILE`. */
  readonly byHand?: string;
}

/**
 * What becomes of the room that a removed file took: it is free again; or a history, or an older
 * version that the server keeps behind a mark, still has the file, and takes the room.
 */
export type Removal = "frees" | "history" | "versions";

/** Why an address cannot be used. */
export interface AddressFault {
  /** The part that is wrong, and why, without its value: `its region is not …`. */
  readonly state: string;
  /** What to do about it. */
  readonly hint: string;
}

/** Keeps archives where they survive this machine. */
export interface DestinationStage<S extends OptionsSchema = OptionsSchema> extends StageBase<S> {
  readonly kind: "destination";
  /** Whether `run` may move the files that it is handed away and keep them. */
  readonly takesFiles: boolean;
  /** What becomes of the room that a removed file took; left out, it is free again. */
  removal?(options: Options<S>): Removal;
  /** Whether it works in a {@linkcode Folder} that lasts from run to run. */
  readonly keepsFolder?: boolean;
  /** Why all that reaches it must be plaintext; `undefined`: it need not. */
  needsPlaintext?(options: Options<S>): string | undefined;
  /** Where it keeps things, for a person, without secrets; two that share it are one place. */
  location(options: Options<S>): string;
  /** The same for all ways to a place that has several locations; left out where it has one. */
  place?(options: Options<S>): string;
  /**
   * The directory on this machine that is nothing but the place: no backup holds it, and nothing is
   * restored into it. `undefined`: there is no such.
   */
  directory?(options: Options<S>): string | undefined;
  /** How to get everything back without keepsake; left out where there is no way. */
  byHand?(options: Options<S>): ByHand;
  /** How its addresses look, for a person: `a directory, such as "/mnt/usb/keepsake"`. */
  readonly addressForm: string;
  /** Reads an address given on the command line (`--from`); `undefined` when it is not one of these. */
  fromAddress(address: string): Options<S> | undefined;
  /**
   * What is wrong with an address that can be meant for this stage alone, and that `fromAddress` does
   * not read; `undefined` for others. Left out where one word says it all.
   */
  addressFault?(address: string): AddressFault | undefined;
  /** Stores the files, in order, each confirmed before the next. */
  run(context: StoreContext<S>): Promise<StoreResult>;
  /** Lists what it holds, complete files only. */
  list(context: ListContext<S>): Promise<readonly StoredFile[]>;
  /** @throws {StageError} `snapshot-missing` when there is no such file. */
  fetch(context: FetchContext<S>): Promise<void>;
  remove(context: RemoveContext<S>): Promise<void>;
}

/** One kind of work: its options, the permissions it needs, and how it is done and undone. */
export type Stage<S extends OptionsSchema = OptionsSchema> =
  | PrepareStage<S>
  | SourceStage<S>
  | GateStage<S>
  | TransformStage<S>
  | DestinationStage<S>;

/** Declares a stage of this kind; the types of its methods follow from its options. */
export function definePrepare<const S extends OptionsSchema>(
  stage: Omit<PrepareStage<S>, "kind">,
): PrepareStage<S> {
  return offerAlone({ kind: "prepare", ...stage });
}

/** Declares a stage of this kind; the types of its methods follow from its options. */
export function defineSource<const S extends OptionsSchema>(
  stage: Omit<SourceStage<S>, "kind">,
): SourceStage<S> {
  return offerAlone({ kind: "source", ...stage });
}

/** Declares a stage of this kind; the types of its methods follow from its options. */
export function defineGate<const S extends OptionsSchema>(
  stage: Omit<GateStage<S>, "kind">,
): GateStage<S> {
  return offerAlone({ kind: "gate", ...stage });
}

/** Declares a stage of this kind; the types of its methods follow from its options. */
export function defineTransform<const S extends OptionsSchema>(
  stage: Omit<TransformStage<S>, "kind">,
): TransformStage<S> {
  return offerAlone({ kind: "transform", ...stage });
}

/** Declares a stage of this kind; the types of its methods follow from its options. */
export function defineDestination<const S extends OptionsSchema>(
  stage: Omit<DestinationStage<S>, "kind">,
): DestinationStage<S> {
  return offerAlone({ kind: "destination", ...stage });
}

/**
 * Gives a stage's file that is run as a script an entry point: `deno run -A stages/snapshot.ts`.
 * Anywhere else, and in every worker, this does nothing.
 */
function offerAlone<T extends Stage>(stage: T): T {
  const file = `/stages/${stage.name.replaceAll("-", "_")}.ts`;
  if (!mainModule()?.endsWith(file)) return stage;
  // Later, when the file that declares the stage has been evaluated.
  // By its address: as a plain import it would be read wherever a stage is, in every worker.
  const script = new URL("../commands/stage_alone.ts", import.meta.url).href;
  setTimeout(async () => (await import(script)).main(stage, Deno.args));
  // Deno takes a script for a server, and warns, when what it exports has a `fetch` of its own; one
  // that is inherited is none.
  return Object.create(stage);
}

function mainModule(): string | undefined {
  try {
    return Deno.mainModule;
  } catch {
    return undefined; // A worker may not even ask.
  }
}
