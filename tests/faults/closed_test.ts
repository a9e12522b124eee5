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

  for (const [snapshot, status] of [["latest", 2], ["tree", 2], ["20260301T000000Z", 0]] as const) {
    const listed = await sandbox.keepsake(["list", "--files", snapshot]);
    assert.deepEqual([listed.code, listed.stderr.includes("a newer one")], [status, status === 2]);
    assert.match(listed.stdout, /a\.txt/);
  }

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

Deno.test("a catalog that may not be read is a failure of what rests on it, and no empty one", async () => {
  using sandbox = await Sandbox.make(encrypted, { "a.txt": "one" });
  await sandbox.backUp();
  const claude = join(sandbox.folder, "claude");
  await Deno.mkdir(claude);
  const asHook = ["env", `CLAUDE_CONFIG_DIR=${claude}`, ...AS_MORTAL];
  const day = new Date(Date.now() + 9 * 86_400_000).toISOString().slice(0, 10);
  const resting = [
    ...[["status"], ["status", "--json"], ["log"], ["accept"], ["accept", "--dry-run"]],
    ["plan", "--at", day],
  ];
  const catalog = join(sandbox.state, "catalog.db");
  const facts = join(sandbox.state, "hook.json");
  for (const closed of [sandbox.state, catalog, facts]) {
    const { mode } = await Deno.stat(closed);
    await Deno.chmod(closed, 0);
    try {
      const others = [["list"], ["verify"], ["restore", "--to", join(sandbox.folder, "back")]];
      for (const words of others) {
        const { code, stdout, stderr } = await sandbox.keepsake(words, AS_MORTAL);
        // They go by what is stored; what is gone, which verify is to tell, the catalog alone knows.
        const expected = words[0] === "verify" && closed !== facts ? 2 : 0;
        assert.equal(code, expected, `${closed} ${words.join(" ")}: ${stdout}${stderr}`);
        assert.equal(stderr.includes("what was stored before is not known here"), closed !== facts);
      }
      await Deno.remove(join(sandbox.folder, "back"), { recursive: true });
      const run = closed === facts ? undefined : await sandbox.keepsake(["run"], AS_MORTAL);
      for (const words of run === undefined ? [] : resting) {
        const { code, stdout, stderr } = await sandbox.keepsake(words, AS_MORTAL);
        const said = `${closed} ${words.join(" ")}: ${stdout}${stderr}`;
        assert.equal(code, run!.code, said);
        const sentence = `Cannot use the catalog ${JSON.stringify(catalog)}: permission denied`;
        const { message } = words.includes("--json")
          ? JSON.parse(stdout).error
          : { message: stderr };
        assert.ok(message.includes(sentence), said);
        if (closed === catalog) assert.ok(run!.stderr.includes(sentence), run!.stderr);
        assert.doesNotMatch(said, /No run is known|Nothing seems/);
      }
      if (closed === catalog) continue;
      const shown = await sandbox.keepsake(["hook", "show"], asHook);
      assert.equal(shown.code, 3, shown.stdout + shown.stderr);
      assert.match(shown.stderr, /^Error: Cannot read ".*hook\.json": permission denied$/m);
      // A session is told no more than that, and never kept from its work.
      const program = ["hook", "run", "session-start", "--state", sandbox.state];
      const told = await sandbox.keepsake(program, AS_MORTAL);
      assert.deepEqual([told.code, told.stderr], [0, ""]);
      const { systemMessage } = JSON.parse(told.stdout);
      assert.match(systemMessage, /^Keepsake cannot tell how the backup is: .* may not be read /);
    } finally {
      await Deno.chmod(closed, mode! & 0o777);
    }
  }
  // What is damaged is no empty one either, and is no failure of what rests on more.
  for (const rest of ["", "-wal", "-shm"]) {
    await Deno.remove(catalog + rest).catch(() => {});
  }
  await Deno.writeTextFile(catalog, "no database at all, of any kind that there is ".repeat(40));
  const { code, stderr } = await sandbox.keepsake(["status"]);
  assert.equal(code, 2);
  assert.match(stderr, /^Error: Cannot use the catalog ".*": it is damaged\n {2}\S.* keepsake run/);
  assert.equal((await sandbox.keepsake(["list"])).code, 0);
});
