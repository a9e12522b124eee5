/**
 * The local record of runs and snapshots, in SQLite. A cache of what destinations hold: when it is
 * lost, the next run does without it and fills it again.
 *
 * @module
 */
import type { Entry } from "../stages/contract.ts";
import { BackupError } from "../stages/errors.ts";
import { Contents, CONTENTS_SCHEMA } from "./catalog/contents.ts";
import { Database, putAside } from "./catalog/database.ts";
import { MISSING_SCHEMA, MissingRecord } from "./catalog/missing.ts";
import { Proofs, PROOFS_SCHEMA } from "./catalog/proofs.ts";
import { PruneRecord, REMOVALS_SCHEMA } from "./catalog/prune_record.ts";
import { RekeyRecord, REKEYS_SCHEMA } from "./catalog/rekey_record.ts";
import { RunRecords, RUNS_SCHEMA } from "./catalog/runs.ts";
import { Suspicions, SUSPICIONS_SCHEMA } from "./catalog/suspicions.ts";
import type { Changes } from "./events.ts";
import { catalogFile, hasCatalog } from "./state_directory.ts";
import { stateFault } from "./state_fault.ts";
import { WATCH_SCHEMA, WatchRecord } from "./watch/record.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS snapshots (
    id TEXT NOT NULL, name TEXT NOT NULL, created TEXT NOT NULL, content_hash TEXT NOT NULL,
    files INTEGER NOT NULL, bytes INTEGER NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (id, name)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS deliveries (
    id TEXT NOT NULL, name TEXT NOT NULL, location TEXT NOT NULL, way TEXT NOT NULL,
    bytes INTEGER NOT NULL, delivered TEXT NOT NULL, run INTEGER NOT NULL,
    PRIMARY KEY (id, name, location)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS verifications (
    id TEXT NOT NULL, name TEXT NOT NULL, location TEXT NOT NULL, verified TEXT NOT NULL,
    status TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS verified ON verifications (id, name);
  CREATE TABLE IF NOT EXISTS source_states (
    id TEXT PRIMARY KEY, signature TEXT NOT NULL, fingerprint TEXT NOT NULL,
    content_hash TEXT NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL, entries TEXT NOT NULL
  ) STRICT;
  ${RUNS_SCHEMA}
  ${CONTENTS_SCHEMA}
  ${REMOVALS_SCHEMA}
  ${PROOFS_SCHEMA}
  ${SUSPICIONS_SCHEMA}
  ${WATCH_SCHEMA}
  ${REKEYS_SCHEMA}
  ${MISSING_SCHEMA}
`;

/** What a source was like when it was last delivered. */
export interface SourceState extends KnownSnapshot {
  /** Names, sizes and times, as one hash. */
  readonly signature: string;
  /** All that the snapshot holds, as one hash that a scan finds again. */
  readonly fingerprint: string;
}

/** A snapshot as the catalog knows it. */
export interface KnownSnapshot {
  readonly contentHash: string;
  readonly files: number;
  readonly bytes: number;
}

/** A snapshot with what the report of its run says of it. */
export interface RememberedSnapshot extends KnownSnapshot {
  /** How many paths could not be read; `null` when no report of the run that made it is there. */
  readonly unreadable: number | null;
}

/** A snapshot's copy at one destination. */
export interface Delivery {
  readonly id: string;
  readonly name: string;
  /** The destination's location: it, not the stage's id, says which place this is. */
  readonly location: string;
  /** What was done to the archive on its way there, as {@linkcode Catalog.delivery} answers. */
  readonly way: string;
  /** Of archive and manifest. */
  readonly bytes: number;
}

/** What is remembered of a source, to tell what changed: path and fingerprint of each entry. */
type Remembered = readonly (readonly [path: string, fingerprint: string])[];

/** What a person is told of a catalog that {@linkcode Catalog.open} put aside. */
export function sayPutAside(aside: string): string {
  return `The catalog was damaged and begun anew; the old one is "${aside}"`;
}

/** The catalog of one pipeline. */
export class Catalog {
  readonly #database: Database;
  /** How runs went. */
  readonly runs: RunRecords;
  /** What snapshots hold, path by path. */
  readonly contents: Contents;
  /** What pruning needs to know of the past. */
  readonly pruning: PruneRecord;
  /** How destinations were proven. */
  readonly proofs: Proofs;
  /** Which snapshots look as if something had been lost. */
  readonly suspicions: Suspicions;
  /** What those need to know who watch. */
  readonly watch: WatchRecord;
  /** Which snapshots are being given other keys. */
  readonly rekeys: RekeyRecord;
  /** What destinations were given, and have no more. */
  readonly missing: MissingRecord;

  private constructor(database: Database) {
    this.#database = database;
    this.contents = new Contents(database);
    this.pruning = new PruneRecord(database);
    this.proofs = new Proofs(database);
    this.suspicions = new Suspicions(database);
    this.watch = new WatchRecord(database);
    this.runs = new RunRecords(database, this.watch);
    this.rekeys = new RekeyRecord(database);
    this.missing = new MissingRecord(database);
  }

  /**
   * Opens the catalog in a state directory. One that is damaged, as may show only later, is put
   * aside under another name, which `onDamaged` is told, and a new one begun.
   *
   * @throws {BackupError} What the disk has against it; so do all other methods.
   */
  static open(state: string, onDamaged: (aside: string) => void, now: Date): Catalog {
    const path = catalogFile(state);
    const database = new Database(path, SCHEMA, () => {
      const aside = `${path}.damaged-${now.getTime()}`;
      putAside(path, aside);
      onDamaged(aside);
    });
    return new Catalog(database);
  }

  /**
   * Opens what there is, or nothing: for commands that must work without a state. What is damaged
   * is as good as empty, and what may not be read as good as not there.
   */
  static openIfThere(state: string): Catalog | undefined {
    if (!hasCatalog(state)) return undefined;
    try {
      return new Catalog(new Database(catalogFile(state), SCHEMA));
    } catch {
      return undefined;
    }
  }

  /**
   * Opens what there is, for answers that rest on nothing else: `undefined` only where there is none.
   *
   * @throws {BackupError} What the disk has against it: it may be another user's; and, at any time,
   *   that it is damaged.
   */
  static openToTell(state: string): Catalog | undefined {
    const path = catalogFile(state);
    try {
      Deno.lstatSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw stateFault(error, `Cannot use the catalog "${path}"`);
    }
    const refuse = () => {
      throw new BackupError("stage-failed", `Cannot use the catalog "${path}": it is damaged`, {
        hint:
          "Begin a new one with keepsake run: it puts this one aside, and asks the destinations what they hold",
      });
    };
    return new Catalog(new Database(path, SCHEMA, refuse));
  }

  /** A random name for this installation, the same for as long as the catalog lives. */
  get owner(): string {
    const row = this.#database.get<{ value: string }>(
      "SELECT value FROM facts WHERE key = 'owner'",
    );
    if (row) return row.value;
    const owner = crypto.randomUUID().slice(0, 8);
    this.#database.run("INSERT INTO facts VALUES ('owner', ?)", owner);
    return owner;
  }

  /** Notes a snapshot that was made. */
  addSnapshot(
    id: string,
    name: string,
    created: Date,
    { contentHash, files, bytes }: KnownSnapshot,
    run: number,
  ): void {
    this.#database.run(
      "INSERT OR IGNORE INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?)",
      id,
      name,
      created.toISOString(),
      contentHash,
      files,
      bytes,
      run,
    );
  }

  /** What is known of a snapshot. */
  snapshot(id: string, name: string): RememberedSnapshot | undefined {
    return this.#database.get(
      `SELECT content_hash AS contentHash, files, bytes, (
        SELECT json_array_length(told.value, '$.unreadable')
        FROM runs, json_each(runs.report, '$.snapshots') AS told
        WHERE runs.id = snapshots.run AND told.value ->> 'id' = snapshots.id
          AND told.value ->> 'name' = snapshots.name
      ) AS unreadable FROM snapshots WHERE id = ? AND name = ?`,
      id,
      name,
    );
  }

  /** Notes that a destination confirmed a snapshot. */
  addDelivery(delivery: Delivery, delivered: Date, run: number): void {
    this.#database.run(
      "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)",
      delivery.id,
      delivery.name,
      delivery.location,
      delivery.way,
      delivery.bytes,
      delivered.toISOString(),
      run,
    );
    this.proofs.begin(delivery.id, delivery.location, delivered);
  }

  /** The delivery of this very snapshot to this place, if it is known. */
  delivery(id: string, name: string, location: string): Delivery | undefined {
    return this.#database.get(
      "SELECT * FROM deliveries WHERE id = ? AND name = ? AND location = ?",
      id,
      name,
      location,
    );
  }

  /** In which ways a snapshot of this size was made, whatever the place. */
  waysOf(id: string, name: string, bytes: number): string[] {
    const sql = "SELECT DISTINCT way FROM deliveries WHERE id = ? AND name = ? AND bytes = ?";
    return this.#database.all<{ way: string }>(sql, id, name, bytes).map(({ way }) => way);
  }

  /** Every snapshot that is known to be at a place, and meant to be, oldest first. */
  deliveriesTo(location: string): Pick<Delivery, "id" | "name" | "bytes">[] {
    const sql = `SELECT id, name, bytes FROM deliveries d WHERE location = ? AND NOT EXISTS (
      SELECT 1 FROM removals r WHERE r.id = d.id AND r.name = d.name AND r.location = d.location
    ) ORDER BY name`;
    return this.#database.all(sql, location);
  }

  /** Notes how many bytes a place takes up in all. */
  notePlaceBytes(location: string, bytes: number): void {
    const sql = "INSERT OR REPLACE INTO facts VALUES (?, ?)";
    this.#database.run(sql, `bytes at ${location}`, String(bytes));
  }

  /** How many bytes a place took up in all, the last time that anything was stored there. */
  placeBytes(location: string): number | undefined {
    const sql = "SELECT value FROM facts WHERE key = ?";
    const row = this.#database.get<{ value: string }>(sql, `bytes at ${location}`);
    return row && Number(row.value);
  }

  /** Notes how a verification ended. */
  addVerification(
    { id, name, location }: Pick<Delivery, "id" | "name" | "location">,
    verified: Date,
    status: string,
  ): void {
    this.#database.run(
      "INSERT INTO verifications VALUES (?, ?, ?, ?, ?)",
      id,
      name,
      location,
      verified.toISOString(),
      status,
    );
  }

  /** The last delivered state of a source, if it is known. */
  state(id: string): SourceState | undefined {
    const sql = `SELECT signature, fingerprint, content_hash AS contentHash, files, bytes
      FROM source_states WHERE id = ?`;
    return this.#database.get(sql, id);
  }

  /** Remembers the state of a source. */
  remember(
    id: string,
    { signature, fingerprint, totals }: Omit<SourceState, keyof KnownSnapshot> & {
      readonly totals: KnownSnapshot;
    },
    entries: readonly Entry[],
  ): void {
    const remembered: Remembered = entries
      .filter(({ kind }) => kind !== "directory")
      .map((entry) => [entry.path, hashOf(entry)]);
    const { contentHash, files, bytes } = totals;
    const list = JSON.stringify(remembered);
    const sql = "INSERT OR REPLACE INTO source_states VALUES (?, ?, ?, ?, ?, ?, ?)";
    this.#database.run(sql, id, signature, fingerprint, contentHash, files, bytes, list);
  }

  /** What is different from the state that was remembered. */
  changes(id: string, entries: readonly Entry[]): Changes | undefined {
    const row = this.#database.get<{ entries: string }>(
      "SELECT entries FROM source_states WHERE id = ?",
      id,
    );
    const before = row && recall(row.entries);
    if (before === undefined) return undefined;
    let added = 0;
    let changed = 0;
    for (const entry of entries) {
      if (entry.kind === "directory") continue; // People count files.
      const known = before.get(entry.path);
      if (known === undefined) added++;
      else if (known !== hashOf(entry)) changed++;
      before.delete(entry.path);
    }
    return { added, changed, removed: before.size };
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function hashOf(entry: Entry): string {
  const mode = entry.mode.toString(8);
  if (entry.kind === "file") return `${mode} ${entry.sha256.slice(0, 16)}`;
  return entry.kind === "directory" ? `${mode} directory` : `${entry.kind} ${entry.link}`;
}

/** The paths and fingerprints that were remembered; `undefined` when the text is damaged. */
function recall(text: string): Map<string, string> | undefined {
  try {
    return new Map(JSON.parse(text) as Remembered);
  } catch {
    return undefined;
  }
}
