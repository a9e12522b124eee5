/**
 * What the snapshots of this machine hold, path by path: so that retention can tell which of them is
 * the last to hold a file, without an identity to open them. A part of the catalog.
 *
 * Most files are in most snapshots: a path is noted with the stretch of snapshots that hold it.
 *
 * @module
 */
import type { Entry, Remark, Root } from "../stages/contract.ts";
import type { Database } from "./database.ts";
import type { OnlyCopies } from "./retention.ts";

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

/** The record. Whoever writes holds the pipeline's lock. */
export class Contents {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Notes what a snapshot holds, once: it never changes. */
  add(id: string, name: string, held: Held): void {
    if (this.known(id, name) !== undefined) return;
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
  const doubtful = new Set(
    unreadable.flatMap(({ path }) =>
      roots.flatMap((root) =>
        path === root.path || path.startsWith(`${root.path}/`)
          ? [root.name + path.slice(root.path.length)]
          : []
      )
    ),
  );
  const paths = entries.filter(({ kind }) => kind !== "directory").map(({ path }) => path);
  return {
    sure: paths.filter((path) => !doubtful.has(path)),
    unsure: paths.filter((path) => doubtful.has(path)),
  };
}
