import assert from "node:assert/strict";
import { join } from "node:path";
import type { Place } from "../../../pipeline/places.ts";
import { findIn } from "../../../pipeline/programs.ts";
import { Equipment } from "../../../pipeline/worker/equipment.ts";
import { stages } from "../../../stages/mod.ts";
import { Home } from "../../commands/harness.ts";
import { Folder } from "../../platform/probe.ts";

async function placeWith(folder: string | undefined): Promise<Place> {
  const { default: stage } = await stages["git"]!();
  assert.ok(stage.kind === "destination");
  const options = stage.fromAddress("/srv/backup.git")!;
  return { id: "git", use: "git", stage, options, location: "", folder };
}

Deno.test("a destination that keeps a folder works in the state directory", async () => {
  using folder = new Folder();
  const equipment = new Equipment();
  const path = join(folder.path, "work", "git");
  const { grants, given } = equipment.at(await placeWith(path));
  assert.deepEqual(grants, { read: [path], write: [path] });
  assert.deepEqual(given["folder"], { path, temporary: false });
  equipment.remove();
  assert.ok((await Deno.stat(path)).isDirectory);
});

Deno.test("a destination without a state directory works in a folder that is removed", async () => {
  using folder = new Folder();
  await Deno.writeTextFile(join(folder.path, "file"), "");
  for (const path of [undefined, join(folder.path, "file", "work")]) {
    const equipment = new Equipment();
    const { given } = equipment.at(await placeWith(path));
    const { path: there, temporary } = given["folder"] as { path: string; temporary: boolean };
    assert.ok(temporary);
    await Deno.writeTextFile(join(there, "clone"), "");
    equipment.remove();
    await assert.rejects(Deno.stat(there), Deno.errors.NotFound);
  }
});

Deno.test("a temporary directory that cannot be made is told in words, at its destination", async () => {
  await using home = await Home.make();
  await home.furnish();
  const env = { TMPDIR: home.at("nowhere") };
  const { status, stderr } = await home.keepsake(["list", "--from", "git+/srv/x.git"], { env });
  assert.equal(status, 2);
  assert.match(
    stderr,
    /^Error: .*: Cannot make a temporary directory: there is no such file or dir.*\n/,
  );
});

Deno.test("programs are found in absolute directories of the path alone", async () => {
  using folder = new Folder();
  const [here, there] = [join(folder.path, "here"), join(folder.path, "there")];
  for (const directory of [here, there]) await Deno.mkdir(directory);
  await Deno.writeTextFile(join(here, "tool"), "", { mode: 0o644 });
  await Deno.writeTextFile(join(there, "tool"), "", { mode: 0o755 });
  await Deno.mkdir(join(here, "other"));
  assert.equal(findIn(`.::here:${here}:${there}`, "tool"), join(there, "tool"));
  assert.equal(findIn(`${here}:${there}`, "other"), undefined);
});
