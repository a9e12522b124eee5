/** Databases that are not what they were while they are copied. */
import assert from "node:assert/strict";
import { Pace } from "../../../../stages/formats/pace.ts";
import type { Found } from "../../../../stages/formats/snapshot/walk.ts";
import { DatabaseCopies } from "../../../../stages/formats/sqlite/database.ts";
import { SourceTree } from "../snapshot/source_tree.ts";
import { makeDatabase } from "./busy_database.ts";

const { signal } = new AbortController();

function foundAt(source: string, { dev, ino, size }: Deno.FileInfo): Found {
  const names = { path: "app.db", source, shown: source, link: "" };
  return { kind: "file", ...names, mode: 0o644, mtime: 0, size, dev, ino, nlink: 1 };
}

/** Copies a database, and has something happen right before SQLite opens it by its name. */
async function copy(tree: SourceTree, found: Found, meanwhile: () => void): Promise<void> {
  const pace = new Pace({ signal, progress() {}, silence: meanwhile });
  const copies = new DatabaseCopies(tree.at("copies"), pace, () => Promise.resolve());
  await copies.with(found, () => Promise.resolve());
}

Deno.test("a database is not copied when another was put in its place after it was looked at", async () => {
  using tree = new SourceTree({ "copies/": "" });
  for (const name of ["app.db", "other.db"]) makeDatabase(tree.at(name), "delete");
  const found = foundAt(tree.at("app.db"), await Deno.lstat(tree.at("app.db")));
  let times = 0;
  const swap = () => {
    if (times++ === 0) Deno.renameSync(tree.at("other.db"), tree.at("app.db"));
  };
  await assert.rejects(copy(tree, found, swap), { name: "ReadFault", kind: "replaced" });
});

Deno.test("a database that cannot be looked at is none that was removed", async () => {
  using tree = new SourceTree({ "copies/": "", "app.db": "" });
  const found = foundAt(tree.at("app.db/below"), await Deno.lstat(tree.at("app.db")));
  await assert.rejects(copy(tree, found, () => {}), { name: "ReadFault", kind: "failed" });
});
