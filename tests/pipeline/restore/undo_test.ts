import assert from "node:assert/strict";
import { join } from "node:path";
import { changeFault, Changes } from "../../../pipeline/restore/undo.ts";
import { Folder } from "../../platform/probe.ts";

/** Changes to a folder, with a file and a directory that wait to be moved. */
function changing(folder: Folder) {
  const at = (...names: string[]) => join(folder.path, ...names);
  Deno.mkdirSync(at("aside", "directory"), { recursive: true });
  for (const path of [at("aside", "file"), at("aside", "directory", "file")]) {
    Deno.writeTextFileSync(path, "restored");
  }
  return { at, changes: new Changes(at("aside")) };
}

const LATER = new Date(Date.now() + 60_000);

function writeLater(path: string, text: string): void {
  Deno.writeTextFileSync(path, text);
  Deno.utimeSync(path, LATER, LATER);
}

Deno.test("undo() takes back what was moved and made", () => {
  using folder = new Folder();
  const { at, changes } = changing(folder);
  changes.directories(at("new", "deep"));
  changes.move(at("aside", "file"), at("new", "file"));
  changes.moveDirectory(at("aside", "directory"), at("new", "directory"));
  changes.make(at("new", "link"), undefined, (path) => Deno.symlinkSync("file", path));
  assert.deepEqual(changes.undo(), []);
  assert.deepEqual(Array.from(Deno.readDirSync(folder.path), ({ name }) => name), ["aside"]);
});

Deno.test("moveDirectory() takes the place of no directory, be it empty", () => {
  using folder = new Folder();
  const { at, changes } = changing(folder);
  Deno.mkdirSync(at("directory"));
  assert.equal(changes.moveDirectory(at("aside", "directory"), at("directory")), false);
  assert.deepEqual(changes.undo(), []);
  assert.deepEqual([...Deno.readDirSync(at("directory"))], []);
});

Deno.test("undo() leaves what somebody wrote since, and says where", () => {
  using folder = new Folder();
  const { at, changes } = changing(folder);
  changes.move(at("aside", "file"), at("file"));
  changes.moveDirectory(at("aside", "directory"), at("directory"));
  changes.make(at("link"), undefined, (path) => Deno.symlinkSync("file", path));
  changes.directory(at("empty"));
  writeLater(at("file"), "written to");
  writeLater(at("directory", "file"), "mine");
  Deno.removeSync(at("link"));
  writeLater(at("link"), "mine");
  Deno.writeTextFileSync(at("empty", "mine"), "mine");
  assert.deepEqual(
    changes.undo().toSorted(),
    ["directory", "empty", "file", "link"].map((n) => at(n)),
  );
  assert.equal(Deno.readTextFileSync(at("file")), "written to");
  assert.equal(Deno.readTextFileSync(at("directory", "file")), "mine");
  assert.equal(Deno.readTextFileSync(at("link")), "mine");
});

Deno.test("undo() puts what was replaced in no place where something is by now", () => {
  using folder = new Folder();
  const { at, changes } = changing(folder);
  Deno.writeTextFileSync(at("file"), "replaced");
  changes.move(at("aside", "file"), at("file"), Deno.lstatSync(at("file")));
  Deno.removeSync(at("file"));
  writeLater(at("file"), "mine");
  assert.deepEqual(changes.undo(), [at("file")]);
  assert.equal(Deno.readTextFileSync(at("file")), "mine");
  assert.equal(Deno.readTextFileSync(at("aside", "replaced-0")), "replaced");
});

Deno.test("undo() names what is out of reach, without what holds it, and a message some of it", () => {
  using folder = new Folder();
  const { at, changes } = changing(folder);
  const paths = Array.from({ length: 50 }, (_, index) => at("new", "deep", `${index}`));
  changes.directories(at("new", "deep"));
  for (const path of paths) changes.directory(path);
  Deno.removeSync(at("new"), { recursive: true });
  const stuck = changes.undo();
  assert.deepEqual(stuck, paths.toReversed());
  const { message } = changeFault(new Error("gone"), "/to", stuck, "/aside") as Error;
  assert.match(message, /could not be taken back: "\S+"(, "\S+"){19} and 30 more; the rest/);
});
