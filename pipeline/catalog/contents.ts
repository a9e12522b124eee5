/**
 * What the snapshots of this machine hold, path by path: so that retention can tell which of them is
 * the last to hold a file, without an identity to open them. A part of the catalog.
 *
 * Most files are in most snapshots: a path is noted with the stretch of snapshots that hold it.
 *
 * @module
 */
import type { Entry, Remark, Root } from "../../stages/contract.ts";
import { archivePaths } from "../../stages/formats/roots.ts";
import type { OnlyCopies } from "../retention.ts";
import type { Database } from "./database.ts";

/** Makes the tables. `seq` counts the snapshots as they were noted; an open `last` is the newest. */
export const CONTENTS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS contents (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, created TEXT NOT NULL,
    paths INTEGER NOT NULL, unreadable INTEGER NOT NULL, UNIQUE (id, name)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS spans (
    id TEXT NOT NULL, path TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER,
    sure INTEGER NOT NULL, PRIMARY KEY (id, path, first)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS origins (
    id TEXT NOT NULL, name TEXT NOT NULL, roots TEXT NOT NULL, seen TEXT NOT NULL,
    PRIMARY KEY (id, name)
  ) STRICT, WITHOUT ROWID;
`;

/** What a snapshot holds, as far as this record needs it. */
export interface Held {
  readonly created: Date;
  readonly roots: readonly Root[];
  readonly entries: readonly Entry[];
  readonly unreadable: readonly Remark[];
}

/** What is known of one snapshot. */
export interface Known {
  readonly created: Date;
  /** Whether something could not be read when it was made. */
  readonly incomplete: boolean;
}

/** A snapshot that is known to hold certain paths of this machine. */
export interface Origin {
  readonly id: string;
  readonly name: string;
  readonly seq: number;
  readonly roots: readonly Root[];
  /** It holds what was there at this time, if not later. */
  readonly seen: Date;
}

/** The snapshots that hold a path for certain: those from `first` to `last`, by their `seq`. */
export interface Span {
  readonly id: string;
  readonly path: string;
  readonly first: number;
  /** `null`: the newest too. */
  readonly last: number | null;
}

/** The record. Whoever adds to it holds the pipeline's lock; to forget, one need not. */
export class Contents {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Notes what a snapshot holds, once: it never changes. */
  add(id: string, name: string, held: Held): void {
    const origin = "INSERT OR IGNORE INTO origins VALUES (?, ?, ?, ?)";
    const values = [id, name, JSON.stringify(held.roots), held.created.toISOString()];
    if (this.known(id, name) !== undefined) {
      // One that was noted without them.
      if (held.roots.length > 0) this.#database.run(origin, ...values);
      return;
    }
    const { sure, unsure } = pathsOf(held);
    const seqs = "SELECT MAX(seq) AS last, MAX(CASE WHEN id = ? THEN seq END) AS own FROM contents";
    const { last, own } =
      this.#database.get<{ last: number | null; own: number | null }>(seqs, id) ??
        { last: null, own: null };
    const seq = (last ?? 0) + 1;
    const count = sure.length + unsure.length;
    const list = JSON.stringify(sure);
    this.#database.transaction((run) => {
      const created = held.created.toISOString();
      const sql = "INSERT INTO contents VALUES (?, ?, ?, ?, ?, ?)";
      run(sql, seq, id, name, created, count, held.unreadable.length);
      if (held.roots.length > 0) run(origin, ...values);
      const gone = `UPDATE spans SET last = ? WHERE id = ? AND last IS NULL
        AND path NOT IN (SELECT value FROM json_each(?))`;
      run(gone, own ?? seq, id, list);
      const come = `INSERT INTO spans SELECT ?1, value, ?2, NULL, 1 FROM json_each(?3)
        WHERE value NOT IN (SELECT path FROM spans WHERE id = ?1 AND last IS NULL)`;
      run(come, id, seq, list);
      const doubtful = "INSERT INTO spans SELECT ?1, value, ?2, ?2, 0 FROM json_each(?3)";
      run(doubtful, id, seq, JSON.stringify(unsure));
    });
  }

  /** Notes that a snapshot holds all that was there at this time: files may have newer times since. */
  confirm(id: string, name: string, seen: Date): void {
    // A clock that was ahead said too much: what it says now counts.
    const sql = "UPDATE origins SET seen = ? WHERE id = ? AND name = ?";
    this.#database.run(sql, seen.toISOString(), id, name);
  }

  /** The snapshots of which it is known where on this machine their files were. */
  origins(): readonly Origin[] {
    const sql = "SELECT id, name, seq, roots, seen FROM origins JOIN contents USING (id, name)";
    const rows = this.#database.all<Record<"id" | "name" | "roots" | "seen", string> & Origin>(sql);
    return rows.flatMap((row) => {
      try {
        return [{ ...row, roots: JSON.parse(row.roots) as Root[], seen: new Date(row.seen) }];
      } catch {
        return []; // Damaged: as good as unknown.
      }
    });
  }

  /** Where these paths of these snapshot stages are held for certain. */
  spans(paths: readonly Pick<Span, "id" | "path">[]): readonly Span[] {
    const sql = `SELECT s.id, s.path, s.first, s.last FROM json_each(?) wanted JOIN spans s
      ON s.id = wanted.value ->> 'id' AND s.path = wanted.value ->> 'path' WHERE s.sure = 1`;
    return this.#database.all<Span>(sql, JSON.stringify(paths));
  }

  /** What is known of a snapshot; `undefined`: nothing. */
  known(id: string, name: string): Known | undefined {
    const row = this.#database.get<{ created: string; unreadable: number }>(
      "SELECT created, unreadable FROM contents WHERE id = ? AND name = ?",
      id,
      name,
    );
    return row && { created: new Date(row.created), incomplete: row.unreadable > 0 };
  }

  /**
   * What a snapshot holds that none of the others is known to hold for certain; `undefined` when
   * that is not known.
   */
  onlyIn(id: string, name: string, others: readonly string[]): OnlyCopies | undefined {
    const row = this.#database.get<OnlyCopies & { paths: number | null; held: number }>(
      ONLY_IN,
      id,
      name,
      JSON.stringify(others),
    );
    // A record that has lost a part knows nothing.
    if (row === undefined || row.paths !== row.held) return undefined;
    return { count: row.count, example: row.example ?? undefined };
  }

  /** Forgets snapshots that are nowhere any more. */
  forget(id: string, names: readonly string[]): void {
    this.#database.transaction((run) => {
      // The newest is what the next one is compared with.
      const rows = `DELETE FROM contents WHERE id = ?1
        AND name IN (SELECT value FROM json_each(?2))
        AND seq < (SELECT MAX(seq) FROM contents WHERE id = ?1)`;
      run(rows, id, JSON.stringify(names));
      const origins = `DELETE FROM origins WHERE id = ?1
        AND NOT EXISTS (SELECT 1 FROM contents c WHERE c.id = ?1 AND c.name = origins.name)`;
      run(origins, id);
      const spans = `DELETE FROM spans WHERE id = ?1 AND last IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM contents c WHERE c.id = ?1 AND c.seq BETWEEN spans.first AND spans.last)`;
      run(spans, id);
    });
  }
}

const ONLY_IN = `
  WITH me AS (SELECT seq, paths FROM contents WHERE id = ?1 AND name = ?2),
    kept AS (
      SELECT seq FROM contents WHERE id = ?1 AND name IN (SELECT value FROM json_each(?3))
    ),
    own AS (
      SELECT path FROM spans, me
      WHERE id = ?1 AND first <= me.seq AND (last IS NULL OR last >= me.seq)
    )
  SELECT (SELECT paths FROM me) AS paths, (SELECT COUNT(*) FROM own) AS held,
    COUNT(*) AS count, MIN(path) AS example
  FROM own WHERE NOT EXISTS (
    SELECT 1 FROM spans s, kept k WHERE s.id = ?1 AND s.path = own.path AND s.sure = 1
      AND k.seq >= s.first AND (s.last IS NULL OR k.seq <= s.last)
  )`;

/**
 * Files and links; of a directory that is gone nobody misses the name. What changed while it was
 * read is there, but does not make up for another copy.
 */
function pathsOf({ roots, entries, unreadable }: Held): {
  readonly sure: readonly string[];
  readonly unsure: readonly string[];
} {
  const doubtful = new Set(unreadable.flatMap(({ path }) => archivePaths(roots, path)));
  const paths = entries.filter(({ kind }) => kind !== "directory").map(({ path }) => path);
  return {
    sure: paths.filter((path) => !doubtful.has(path)),
    unsure: paths.filter((path) => doubtful.has(path)),
  };
}
