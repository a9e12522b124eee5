import assert from "node:assert/strict";
import { join } from "node:path";
import { publish } from "../../pipeline/publish.ts";
import type { PlannedEntry } from "../../pipeline/restore_plan.ts";
import { Folder } from "../platform/probe.ts";

const BASE = { mode: 0o755, mtime: 0 };

/** A plan that puts roots into a directory, each a directory of its own. */
function planFor(base: string, roots: readonly string[]) {
  const placements = roots.map((root) => ({ root, base, target: join(base, root) }));
  const entries = roots.map((root): PlannedEntry => ({
    entry: { ...BASE, kind: "directory", path: root },
    target: join(base, root),
    action: "create",
  }));
  return { placements, entries };
}

Deno.test("publish() says in words what the system has against a place", async () => {
  using folder = new Folder();
  const [base, staged] = [join(folder.path, "back"), join(folder.path, "staged")];
  await Deno.mkdir(base);
  await Deno.writeTextFile(join(base, "a"), "a file where a directory has to go");
  await Deno.mkdir(staged);
  await assert.rejects(publish(planFor(base, ["a"]), { a: staged }, false), {
    code: "target-refused",
    message: new RegExp(`^Cannot restore to "${base}": [a-z ]+$`),
    hint: "Choose a directory that you may write to",
  });
  assert.deepEqual((await Array.fromAsync(Deno.readDir(base))).map(({ name }) => name), ["a"]);
});

Deno.test("publish() says when a part is in its place already", async () => {
  using folder = new Folder();
  const [base, first, second] = [
    join(folder.path, "back"),
    join(folder.path, "1"),
    join(folder.path, "2"),
  ];
  await Deno.mkdir(base);
  await Deno.writeTextFile(join(base, "b"), "");
  await Promise.all([first, second].map((path) => Deno.mkdir(path)));
  await assert.rejects(publish(planFor(base, ["a", "b"]), { a: first, b: second }, false), {
    code: "target-refused",
    hint: "Put that right and restore again: a part is in its place already",
  });
});
