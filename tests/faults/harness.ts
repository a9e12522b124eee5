/**
 * A small pipeline in a folder of its own, to be run here or as a process that can be killed, and
 * everything that is asked of it afterwards.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadPipeline } from "../../pipeline/config/load.ts";
import type { Pipeline } from "../../pipeline/config/pipeline.ts";
import type { RunReport } from "../../pipeline/events.ts";
import { listSnapshots, type StoredSnapshot } from "../../pipeline/list.ts";
import {
  filesIn as filesAt,
  findPlaces,
  groupFiles,
  type HeldSnapshot,
  type Place,
} from "../../pipeline/places.ts";
import { SnapshotReader } from "../../pipeline/reader.ts";
import { restoreSnapshot } from "../../pipeline/restore.ts";
import { type RunOptions, runPipeline } from "../../pipeline/run.ts";
import { verifySnapshots } from "../../pipeline/verify.ts";
import { ReadingPool } from "../../pipeline/worker/pool.ts";
import { BackupError } from "../../stages/errors.ts";
import { type Ending, ending } from "../platform/probe.ts";

/** Stands in files of every tree, and must be found nowhere but there. */
export const CANARY = "canary-7c1f0a52-plaintext";

/** Whether the long ones are to be run as well: what stands behind `deno task test:slow`. */
export const SLOW = Deno.env.get("KEEPSAKE_SLOW") === "1";

/** Tells numbers that a long run is made for. */
export function note(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`\n${text}\n`));
}

/** What a pipeline file says of its stages, for a sandbox. */
export type Stages = (sandbox: Sandbox) => string;

/** One snapshot `m` of the tree, past a gate, encrypted, into `backups`. */
export function encrypted(sandbox: Sandbox): string {
  return [
    sandbox.stage("snapshot", { id: "m", paths: [sandbox.tree] }),
    sandbox.stage("hash-gate"),
    sandbox.stage("encrypt", { to: [sandbox.recipient] }),
    sandbox.stage("local", { id: "backups", path: sandbox.destination() }),
  ].join("");
}

/** A folder with a tree, an identity, a pipeline file and all that comes of them. */
export class Sandbox implements Disposable {
  readonly folder: string;
  /** What is backed up. */
  readonly tree: string;
  readonly identityFile: string;
  readonly identity: string;
  readonly recipient: string;
  readonly file: string;
  #pipeline: Pipeline | undefined;
  #changes = 0;
  #targets = 0;

  private constructor(identity: string, recipient: string) {
    this.folder = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-faults-" }));
    this.tree = join(this.folder, "tree");
    this.identityFile = join(this.folder, "identity.txt");
    this.identity = identity;
    this.recipient = recipient;
    this.file = join(this.folder, "pipeline.toml");
    Deno.mkdirSync(this.tree);
    Deno.writeTextFileSync(this.identityFile, `${identity}\n`, { mode: 0o600 });
  }

  /** Makes one with some forty files, or with those of `files`. */
  static async make(
    stages: Stages = encrypted,
    files: Readonly<Record<string, string>> = treeOf(40),
  ): Promise<Sandbox> {
    const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
    const identity = await generateX25519Identity();
    const sandbox = new Sandbox(identity, await identityToRecipient(identity));
    for (const [path, content] of Object.entries(files)) sandbox.write(path, content);
    await sandbox.configure(stages);
    return sandbox;
  }

  /** Writes another pipeline file. */
  async configure(stages: Stages, name = "p"): Promise<Pipeline> {
    const lines = [
      "[pipeline]",
      `name = ${JSON.stringify(name)}`,
      `state = ${JSON.stringify(join(this.folder, "state"))}`,
      `identity = ${JSON.stringify(this.identityFile)}`,
      stages(this),
    ];
    await Deno.writeTextFile(this.file, lines.join("\n"));
    this.#pipeline = await loadPipeline(this.file, { environment: {}, home: this.folder });
    return this.#pipeline;
  }

  get pipeline(): Pipeline {
    assert.ok(this.#pipeline);
    return this.#pipeline;
  }

  /** One `[[stage]]` of a file. */
  stage(use: string, options: Readonly<Record<string, unknown>> = {}): string {
    const lines = Object.entries({ use, ...options })
      .map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    return `\n[[stage]]\n${lines.join("\n")}\n`;
  }

  destination(name = "backups"): string {
    return join(this.folder, name);
  }

  /** The pipeline's own state directory. */
  get state(): string {
    return this.pipeline.state;
  }

  write(path: string, content: string): void {
    const file = join(this.tree, path);
    Deno.mkdirSync(join(file, ".."), { recursive: true });
    Deno.writeTextFileSync(file, content);
  }

  /** Gives the tree another content than it ever had. */
  change(): void {
    this.write("changing.txt", `${CANARY} ${++this.#changes}`);
  }

  /** Runs the pipeline in this process. */
  run(options: RunOptions = {}): Promise<RunReport> {
    return runPipeline(this.pipeline, options);
  }

  /** Runs it and expects that all went well. */
  async backUp(options: RunOptions = {}): Promise<RunReport> {
    const report = await this.run(options);
    assert.deepEqual(complaints(report), []);
    assert.equal(report.status, 0);
    return report;
  }

  /** Starts the program with this pipeline file. */
  start(words: readonly string[], prefix: readonly string[] = []): Deno.ChildProcess {
    const [program, ...rest] = [...prefix, ...PROGRAM, ...words, "--config", this.file];
    return new Deno.Command(program!, {
      args: rest,
      env: { NO_COLOR: "1", KEEPSAKE_IDENTITY: "" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Runs the program to its end. */
  keepsake(words: readonly string[], prefix: readonly string[] = []): Promise<Ending> {
    return ending(this.start(words, prefix));
  }

  /** Everything listed, and no complaint from any destination. */
  async list(): Promise<readonly StoredSnapshot[]> {
    const { snapshots, failures } = await listSnapshots({ pipeline: this.pipeline });
    assert.deepEqual(failures, []);
    return snapshots;
  }

  /** Names of what is listed, oldest first. */
  async names(): Promise<string[]> {
    return (await this.list()).map(({ id, name }) => `${id}/${name}`);
  }

  /** Expects that every listed snapshot can be read to its last byte; answers how many there are. */
  async verifyAll(): Promise<number> {
    const { ok, verifications } = await verifySnapshots({ pipeline: this.pipeline, all: true });
    const bad = verifications.filter(({ status }) => status !== "ok");
    assert.deepEqual(bad, []);
    assert.ok(ok);
    return verifications.length;
  }

  /** Restores a snapshot to a new place; answers what stands there then. */
  async restore(snapshot = "latest"): Promise<string[]> {
    const directory = join(this.folder, `restored-${this.#targets++}`);
    try {
      await restoreSnapshot({ pipeline: this.pipeline, snapshot, target: { directory } });
      return contentsOf(join(directory, "tree"));
    } finally {
      await Deno.remove(directory, { recursive: true }).catch(() => {});
    }
  }

  /** The tree as it is now, as {@linkcode restore} answers it. */
  contents(): string[] {
    return contentsOf(this.tree);
  }

  /** Looks at a destination closely. */
  async look(): Promise<Look> {
    const [place] = await findPlaces(this.pipeline, undefined);
    assert.ok(place);
    return new Look(place, this.identity);
  }

  /** What the first destination holds, oldest first. */
  async held(): Promise<HeldSnapshot[]> {
    using look = await this.look();
    return await look.list();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Looks at one place, with workers that it keeps. */
export class Look implements Disposable {
  readonly place: Place;
  readonly reader: SnapshotReader;
  readonly #pool = new ReadingPool();

  constructor(place: Place, identity: string) {
    this.place = place;
    const options = { identities: [identity], signal: undefined };
    this.reader = new SnapshotReader(place, this.#pool, options);
  }

  async list(): Promise<HeldSnapshot[]> {
    return groupFiles(await filesAt(this.#pool.at(this.place), this.place.options, {}));
  }

  [Symbol.dispose](): void {
    this.#pool[Symbol.dispose]();
  }
}

const PROGRAM = [
  Deno.execPath(),
  ...["run", "-A", "--quiet", "--no-prompt", "--cached-only"],
  fileURLToPath(new URL("../../main.ts", import.meta.url)),
];

/** Files for a tree: small ones in folders, an empty one, and one that does not compress. */
export function treeOf(count: number, bulk = 300_000): Record<string, string> {
  const files: Record<string, string> = { "empty": "", "bulk.txt": noise(bulk) };
  for (let index = 0; index < count; index++) {
    files[`folder ${index % 7}/file ${index}.txt`] = `${CANARY} ${index}\n`.repeat(index * 5 + 1);
  }
  return files;
}

/** Text that does not compress to less than three quarters. */
export function noise(length: number): string {
  let text = "";
  while (text.length < length) {
    const bytes = crypto.getRandomValues(new Uint8Array(30_000));
    text += btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  }
  return text.slice(0, length);
}

/** One line for everything below a directory: path, kind, mode, and hash of the content. */
export function contentsOf(directory: string): string[] {
  const walk = (way: string): string[] => {
    const path = join(directory, way);
    const info = Deno.lstatSync(path);
    const mode = (info.mode ?? 0).toString(8);
    if (info.isSymlink) return [`${way} -> ${Deno.readLinkSync(path)}`];
    if (!info.isDirectory) return [`${way} ${mode} ${hashOf(path)}`];
    const names = Array.from(Deno.readDirSync(path), ({ name }) => name).sort();
    return [`${way} ${mode}`, ...names.flatMap((name) => walk(join(way, name)))];
  };
  return walk(".");
}

/** Paths and hashes of all files below a directory; none when it is not there. */
export function filesIn(directory: string): Map<string, string> {
  const files = new Map<string, string>();
  const walk = (way: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(join(directory, way))) {
      const path = join(way, name);
      if (isDirectory) walk(path);
      else files.set(path, hashOf(join(directory, path)));
    }
  };
  if (exists(directory)) walk("");
  return files;
}

/** Names of what stands in a directory, sorted. */
export function namesIn(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name }) => name).toSorted();
}

export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Expects that the files of a destination are archives and manifests, and that nothing is spooled. */
export function assertTidy({ state, destination }: { state: string; destination: string }): void {
  for (const path of filesIn(destination).keys()) {
    assert.match(path, /^[a-z-]+\/\d{8}T\d{6}Z-[0-9a-f]{12}\.(tar|json)(\.zst|\.gz)?(\.age)?$/);
  }
  assert.deepEqual([...filesIn(join(state, "spool")).keys()], []);
}

/** What went wrong in a run, in words. */
export function complaints({ stages, snapshots }: RunReport): string[] {
  return [
    ...stages.flatMap(({ id, status, message }) =>
      status === "failed" ? [`${id}: ${message}`] : []
    ),
    ...snapshots.flatMap(({ unreadable }) =>
      unreadable.map(({ path, reason }) => `${path}: ${reason}`)
    ),
  ];
}

/** A test with a step for every case, all at once: for what spends its time with waiting. */
export function together(
  name: string,
  cases: Readonly<Record<string, () => Promise<void>>>,
): void {
  const unguarded = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };
  Deno.test(name, async (test) => {
    const steps = Object.entries(cases).map(([name, fn]) => test.step({ name, fn, ...unguarded }));
    assert.ok((await Promise.all(steps)).every((passed) => passed));
  });
}

/** What a promise was rejected with, which is no bug. */
export async function rejection(promise: Promise<unknown>): Promise<BackupError> {
  const error = await promise.then(() => assert.fail("It did not fail"), (error) => error);
  if (error instanceof BackupError && error.code !== "bug") return error;
  throw error;
}

function hashOf(path: string): string {
  return createHash("sha256").update(Deno.readFileSync(path)).digest("hex").slice(0, 16);
}
