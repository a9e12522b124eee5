/**
 * Commits to a database without a rest, thousands of times a second. Every commit keeps three
 * promises, by which a copy of some moment is told from a mixture of moments.
 *
 * Run as a program with a path, it goes on until it is ended, and prints a line when it has begun.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";

const ACCOUNTS = 200;

/** Makes a database with what the promises are about. */
export function makeDatabase(path: string, journal: "wal" | "delete" = "wal"): void {
  using database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = ${journal}`);
  database.exec(`
    PRAGMA synchronous = OFF;
    BEGIN;
    CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER, note TEXT);
    CREATE TABLE entry(id INTEGER PRIMARY KEY, account INTEGER, amount INTEGER);
    CREATE INDEX entry_account ON entry(account);
    CREATE TABLE counter(commits INTEGER);
    INSERT INTO counter VALUES(0);
  `);
  const insert = database.prepare("INSERT INTO account VALUES(?, 1000, ?)");
  for (let id = 0; id < ACCOUNTS; id++) insert.run(id, "x".repeat(2000));
  database.exec("COMMIT");
}

/** What of the promises a database breaks; `undefined` when it keeps them. */
export function brokenPromise(path: string): string | undefined {
  // To write as well: what a program left unfinished is undone first.
  using database = new DatabaseSync(path);
  const one = (query: string) => Number(Object.values(database.prepare(query).get() ?? {})[0]);
  const [check] = database.prepare("PRAGMA integrity_check").all();
  if (check?.["integrity_check"] !== "ok") return `integrity_check: ${check?.["integrity_check"]}`;
  const sum = one("SELECT sum(balance) FROM account");
  if (sum !== ACCOUNTS * 1000) return `the accounts hold ${sum}`;
  const commits = one("SELECT commits FROM counter");
  const entries = one("SELECT count(*) FROM entry");
  if (entries !== 2 * commits) return `${entries} entries for ${commits} commits`;
  const wrong = one(
    "SELECT count(*) FROM account a WHERE balance <> 1000 + " +
      "(SELECT coalesce(sum(amount), 0) FROM entry WHERE account = a.id)",
  );
  return wrong === 0 ? undefined : `${wrong} accounts are not what their entries say`;
}

/** How many commits a database has seen. */
export function commitsIn(path: string): number {
  using database = new DatabaseSync(path, { readOnly: true });
  return Number(database.prepare("SELECT commits FROM counter").get()?.["commits"]);
}

/** A program that writes to a database until it is disposed of. */
export class BusyWriter implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  /** Starts one, and waits until it is at work. */
  static async start(path: string): Promise<BusyWriter> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-prompt", "--no-check", import.meta.filename!, path],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    reader.releaseLock();
    if (done) throw new Error("The writer did not begin");
    return new BusyWriter(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.stdout.cancel();
    await this.#child.status;
  }
}

/** Moves amounts from account to account, a commit each, and starts over when there are many. */
function write(path: string): void {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA busy_timeout = 60000; PRAGMA synchronous = OFF");
  const move = database.prepare("UPDATE account SET balance = balance + ? WHERE id = ?");
  const enter = database.prepare("INSERT INTO entry(account, amount) VALUES(?, ?)");
  const count = database.prepare("UPDATE counter SET commits = commits + 1");
  for (let round = 0;; round++) {
    const [from, to, amount] = [round % ACCOUNTS, (round * 7 + 1) % ACCOUNTS, round % 13];
    database.exec("BEGIN IMMEDIATE");
    for (const [id, change] of [[from, -amount], [to, amount]] as const) {
      move.run(change, id);
      enter.run(id, change);
    }
    count.run();
    database.exec("COMMIT");
    if (round === 100) Deno.stdout.writeSync(new TextEncoder().encode("begun\n"));
    if (round % 20_000 === 19_999) {
      database.exec("BEGIN; DELETE FROM entry; UPDATE counter SET commits = 0;");
      database.exec("UPDATE account SET balance = 1000; COMMIT");
    }
  }
}

if (import.meta.main) write(Deno.args[0]!);
