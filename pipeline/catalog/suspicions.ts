/**
 * Which snapshots look as if something had been lost before they were made. A part of the catalog.
 *
 * A suspicion is open until what is missing is back, or somebody accepts that it is gone. As long,
 * nothing of that snapshot id is pruned.
 *
 * @module
 */
import type { Watched } from "../../stages/contract.ts";
import type { Judgement, Shrinkage } from "../run/tripwire.ts";
import type { Database } from "./database.ts";

/** Makes the tables. */
export const SUSPICIONS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS watched (
    id TEXT PRIMARY KEY, baseline TEXT NOT NULL, newest TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS suspicions (
    id TEXT PRIMARY KEY, since TEXT NOT NULL, good TEXT, shrinkages TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS suspects (
    id TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (id, name)
  ) STRICT;
`;

/** What is open of one snapshot id. */
export interface Suspicion {
  /** Name of the first snapshot that lacks something. */
  readonly since: string;
  /** Name of the last one before it; `null`: none is known. */
  readonly good: string | null;
  readonly shrinkages: readonly Shrinkage[];
}

/** A suspicion, and whose it is. */
export interface OpenSuspicion extends Suspicion {
  /** The snapshot stage's id. */
  readonly id: string;
}

/** The record. Whoever writes holds the pipeline's lock. */
export class Suspicions {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** What the next snapshot of an id is to be compared with; nothing of one that is not known. */
  baseline(id: string): readonly Watched[] {
    const sql = "SELECT baseline FROM watched WHERE id = ?";
    const row = this.#database.get<{ baseline: string }>(sql, id);
    return row === undefined ? [] : recall<Watched>(row.baseline);
  }

  /** The open suspicion of an id, if there is one. */
  open(id: string): Suspicion | undefined {
    const row = this.#database.get<{ since: string; good: string | null; shrinkages: string }>(
      "SELECT since, good, shrinkages FROM suspicions WHERE id = ?",
      id,
    );
    if (row === undefined) return undefined;
    return { since: row.since, good: row.good, shrinkages: recall(row.shrinkages) };
  }

  /** All that are open. */
  all(): OpenSuspicion[] {
    return this.#database.all<{ id: string }>("SELECT id FROM suspicions ORDER BY id")
      .map(({ id }) => ({ id, ...this.open(id)! }));
  }

  /** Whether a snapshot is marked. */
  isSuspect(id: string, name: string): boolean {
    const sql = "SELECT 1 FROM suspects WHERE id = ? AND name = ?";
    return this.#database.get(sql, id, name) !== undefined;
  }

  /** Why nothing of an id is pruned; `undefined`: it may be. */
  pause(id: string): string | undefined {
    const suspicion = this.open(id);
    if (suspicion === undefined) return undefined;
    return `paused: something seems to be lost since ${suspicion.since}, see "keepsake accept"`;
  }

  /** Notes what a snapshot that was stored was found to lack, or that it lacks nothing. */
  note(
    id: string,
    name: string,
    { shrinkages, baseline }: Judgement,
    newest: readonly Watched[],
  ): void {
    const before = this.open(id);
    const sql = "SELECT name FROM snapshots WHERE id = ? AND name < ? ORDER BY name DESC LIMIT 1";
    const good = before?.good ?? this.#database.get<{ name: string }>(sql, id, name)?.name;
    this.#database.transaction((run) => {
      run(
        "INSERT OR REPLACE INTO watched VALUES (?, ?, ?)",
        id,
        JSON.stringify(baseline),
        JSON.stringify(newest),
      );
      run("DELETE FROM suspicions WHERE id = ?", id);
      if (shrinkages.length === 0) return;
      const values = [id, before?.since ?? name, JSON.stringify(shrinkages)];
      run("INSERT INTO suspicions (id, since, shrinkages) VALUES (?, ?, ?)", ...values);
      if (good !== undefined) run("UPDATE suspicions SET good = ? WHERE id = ?", good, id);
      run("INSERT OR IGNORE INTO suspects VALUES (?, ?)", id, name);
    });
  }

  /** A snapshot has another name now. */
  rename(id: string, before: string, after: string): void {
    this.#database.transaction((run) => {
      run(
        "INSERT OR IGNORE INTO suspects SELECT id, ? FROM suspects WHERE id = ? AND name = ?",
        after,
        id,
        before,
      );
      run("UPDATE suspicions SET since = ? WHERE id = ? AND since = ?", after, id, before);
      run("UPDATE suspicions SET good = ? WHERE id = ? AND good = ?", after, id, before);
    });
  }

  /** Ends a suspicion: what is gone may be gone. Its snapshots are not marked any more. */
  accept(id: string): void {
    this.#database.transaction((run) => {
      run("UPDATE watched SET baseline = newest WHERE id = ?", id);
      run("DELETE FROM suspicions WHERE id = ?", id);
      run("DELETE FROM suspects WHERE id = ?", id);
    });
  }
}

/** What was noted; nothing when the text is damaged. */
function recall<T>(text: string): readonly T[] {
  try {
    return JSON.parse(text) as T[];
  } catch {
    return [];
  }
}
