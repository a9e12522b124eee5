/** Destinations that do not show what they hold: nothing that is hidden counts as absent. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { restoreSnapshot } from "../../pipeline/restore.ts";
import { encrypted, filesIn, Sandbox } from "./harness.ts";

/** Root may look into everything, unless it gives that up. */
const AS_MORTAL = Deno.uid() === 0 ? ["setpriv", "--bounding-set=-all"] : [];

Deno.test("a snapshot's folder that may not be read is a failure, and no empty one", async () => {
  using sandbox = await Sandbox.make(encrypted, { "a.txt": "one" });
  await sandbox.backUp();
  const stored = filesIn(sandbox.destination());
  const [folder] = [...stored.keys()].map((path) => join(sandbox.destination(), path, ".."));
  await Deno.chmod(folder!, 0);
  try {
    const target = join(sandbox.folder, "back");
    for (
      const words of [["run"], ["run", "--force"], ["list"], ["verify"], [
        "restore",
        "--to",
        target,
      ]]
    ) {
      const { code, stdout, stderr } = await sandbox.keepsake(words, AS_MORTAL);
      assert.equal(code, 2, `${words.join(" ")}: ${stdout}${stderr}`);
      assert.match(stderr, /permission denied/i, words.join(" "));
      assert.doesNotMatch(stdout + stderr, /bug|no snapshots/, words.join(" "));
    }
    const { code, stderr } = await sandbox.keepsake(
      ["list", "--from", sandbox.destination()],
      AS_MORTAL,
    );
    assert.equal(code, 2, stderr);
  } finally {
    await Deno.chmod(folder!, 0o700);
  }
  assert.deepEqual(filesIn(sandbox.destination()), stored);
  await sandbox.backUp();
});

Deno.test("a folder of somebody else's at a destination hinders nobody", async () => {
  using sandbox = await Sandbox.make(encrypted, { "a.txt": "one" });
  await sandbox.backUp();
  for (const name of ["others-notes", "lost+found"]) {
    await Deno.mkdir(join(sandbox.destination(), name), { mode: 0 });
  }
  for (const words of [["run"], ["list"], ["verify"]]) {
    const { code, stdout, stderr } = await sandbox.keepsake(words, AS_MORTAL);
    assert.equal(code, 0, `${words.join(" ")}: ${stdout}${stderr}`);
  }
  const from = ["list", "--from", sandbox.destination()];
  const { code, stdout, stderr } = await sandbox.keepsake(from, AS_MORTAL);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\d{8}T\d{6}Z-/);
  assert.match(stderr, /others-notes/);
  assert.doesNotMatch(stderr, /lost\+found/);
});

Deno.test("whoever asks for the latest hears of a destination that may hold a newer one", async () => {
  const two = (sandbox: Sandbox) =>
    [
      sandbox.stage("snapshot", { id: "tree", paths: [sandbox.tree] }),
      ...["a", "b"].map((id) =>
        sandbox.stage("local", { id, path: sandbox.destination(id), plaintext: true })
      ),
    ].join("\n");
  using sandbox = await Sandbox.make(two, { "a.txt": "old" });
  await sandbox.backUp({ clock: () => new Date("2026-03-01T00:00:00Z") });
  sandbox.write("a.txt", "new");
  await sandbox.run({ only: ["a"], clock: () => new Date("2026-03-02T00:00:00Z") });
  await Deno.rename(sandbox.destination("a"), join(sandbox.folder, "gone"));
  await Deno.writeTextFile(sandbox.destination("a"), "");

  const to = ["--to", join(sandbox.folder, "back")];
  const { code, stderr } = await sandbox.keepsake(["restore", ...to]);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /There may be a newer one at "a"/);
  assert.equal(await Deno.readTextFile(join(sandbox.folder, "back/tree/a.txt")), "old");

  const { pipeline } = sandbox;
  const target = { directory: join(sandbox.folder, "again") };
  const named = await restoreSnapshot({ pipeline, snapshot: "20260301T000000Z", target });
  assert.deepEqual(named.unanswered, []);

  const json = await sandbox.keepsake(["restore", "--json", "--dry-run", ...to]);
  assert.equal(json.code, 2);
  const { ok, unanswered } = JSON.parse(json.stdout);
  assert.equal(ok, false);
  assert.equal(unanswered[0].destination, "a");
});
