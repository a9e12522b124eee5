import assert from "node:assert/strict";
import { join } from "node:path";
import { cron } from "../../../commands/schedule/cron.ts";
import { isOf, refuseNamesake, troubleOf } from "../../../commands/schedule/installed.ts";

Deno.test("a schedule whose program or pipeline file is gone starts nothing, and keeps no name", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "keepsake-installed-" }));
  try {
    const [file, other, program] = ["a.toml", "b.toml", "keepsake"].map((name) =>
      join(folder, name)
    ) as [string, string, string];
    for (const path of [file, other, program]) await Deno.writeTextFile(path, "");
    const starts = { file, program: [program] };
    const installed = { installer: cron, name: "x", text: "", starts };
    assert.equal(troubleOf(installed, { name: "x", file }), undefined);
    assert.equal(troubleOf(installed, { name: "x", file: other }), `cron starts ${file}`);
    assert.equal(isOf(installed, { name: "renamed", file }), true);
    assert.throws(() => refuseNamesake([installed], { name: "x", file: other }), { code: "usage" });
    await Deno.remove(program);
    assert.equal(
      troubleOf(installed, { name: "x", file }),
      `cron starts ${program}, which is gone`,
    );
    await Deno.remove(file);
    refuseNamesake([installed], { name: "x", file: other });
    assert.equal(
      troubleOf(installed, { name: "x", file: other }),
      `cron starts ${file}, which is gone`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
