import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { acquireLock } from "../../pipeline/lock.ts";
import { Home } from "./harness.ts";

Deno.test("run says on stderr what it did, and nothing on stdout", async () => {
  await using home = await Home.make();
  await home.furnish();
  const first = await home.keepsake(["run"]);
  equal(first.status, 0, first.stderr);
  equal(first.stdout, "");
  match(first.stderr, /^claude: 2 files, 809 B, \d{8}T\d{6}Z-[0-9a-f]{12}$/m);
  match(first.stderr, /^ {2}ok {9}local {2}~\/\.local\/share\/keepsake\/backups/m);
  match(first.stderr, /^Note: "encrypt" encrypts for one recipient: .* keygen --output FILE, /m);
  match(first.stderr, /^Done in /m);

  const stored = await home.list(".local/share/keepsake/backups");
  const second = await home.keepsake(["run"]);
  equal(second.status, 0);
  match(second.stderr, /^claude: nothing had changed \(2 files, 809 B\)$/m);
  equal(second.stderr.includes("recipient"), false);
  deepEqual(await home.list(".local/share/keepsake/backups"), stored);

  await home.write(".claude/projects/-tmp-a/2.jsonl", "{}\n");
  const third = await home.keepsake(["run", "--quiet"]);
  deepEqual(third, { status: 0, stdout: "", stderr: "" });
});

Deno.test("run --json prints the document of the design and nothing else", async () => {
  await using home = await Home.make();
  await home.furnish();
  const { status, stdout, stderr } = await home.keepsake(["run", "--json"]);
  equal(status, 0);
  equal(stderr, "");
  const report = JSON.parse(stdout);
  deepEqual(Object.keys(report), [
    ...["ok", "run", "dry_run", "started", "finished", "stages", "snapshots", "horizon"],
  ]);
  equal(report.ok, true);
  equal(report.dry_run, false);
  equal(new Date(report.started).toISOString(), report.started);
  deepEqual(
    report.stages.map((stage: Record<string, unknown>) => Object.keys(stage)),
    Array(4).fill(["id", "use", "status", "message", "seconds"]),
  );
  const [snapshot] = report.snapshots;
  deepEqual(Object.keys(snapshot), [
    ...["id", "name", "content_hash", "files", "bytes", "unreadable", "destinations"],
  ]);
  match(snapshot.content_hash, /^[0-9a-f]{64}$/);
  equal(snapshot.name.endsWith(snapshot.content_hash.slice(0, 12)), true);
  deepEqual(snapshot.unreadable, []);
  deepEqual(Object.keys(snapshot.destinations[0]), ["id", "status", "location", "message"]);
});

Deno.test("run --dry-run stores nothing", async () => {
  await using home = await Home.make();
  await home.furnish();
  const { status, stderr } = await home.keepsake(["run", "--dry-run"]);
  equal(status, 0, stderr);
  match(stderr, /^Nothing was stored: a dry run/m);
  equal((await home.keepsake(["list", "--json"])).stdout, "[]\n");
});

Deno.test("run ends with 2 and names the destination when one fails, and the others get theirs", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const usb = `\n[[stage]]\nuse = "local"\nid = "usb"\npath = "${home.at("usb")}"\n`;
  await Deno.writeTextFile(file, usb, { append: true });
  await home.write("usb", "a file, where a directory should be");
  const failed = await home.keepsake(["run"]);
  equal(failed.status, 2);
  match(failed.stderr, /^ {2}ok {9}local {2}/m);
  match(failed.stderr, /^ {2}FAILED {5}usb {4}Cannot /m);
  match(failed.stderr, /^Not everything is safe: see above/m);

  const again = await home.keepsake(["run", "--json"]);
  equal(again.status, 2);
  equal(JSON.parse(again.stdout).ok, false);

  await Deno.remove(home.at("usb"));
  const mended = await home.keepsake(["run"]);
  equal(mended.status, 0, mended.stderr);
  match(mended.stderr, /^ {2}ok {9}usb {4}/m);
});

Deno.test("run ends with 2 and names what could not be read", async () => {
  await using home = await Home.make();
  await home.furnish();
  // A name that is no UTF-8: root can read everything else.
  await home.bash(`echo lost > .claude/$'bad\\xff'`);
  const { status, stderr } = await home.keepsake(["run"]);
  equal(status, 2);
  match(stderr, /could not read 1 path:\n {4}.*bad/);
});

Deno.test("run ends with 3 in one sentence when there is no Claude Code", async () => {
  await using home = await Home.make();
  await home.keepsake(["init", "--yes"]);
  const { status, stdout, stderr } = await home.keepsake(["run"]);
  equal(status, 3);
  equal(stdout, "");
  match(stderr, /^Error: Cannot [^\n]+\.claude[^\n]+\n {2}[A-Z][^\n]+\n$/);
});

Deno.test("run ends with 3 and every problem of the file, with its place", async () => {
  await using home = await Home.make();
  const file = await home.write("p.toml", '[[stage]]\nuse = "snapshot"\npth = ["x"]\n');
  const { status, stderr } = await home.keepsake(["run", "--config", "p.toml"]);
  equal(status, 3);
  const places = stderr.split("\n").filter((line) => line.startsWith(`  ${file}:`));
  match(places.join("\n"), /:3:1 {2}stage\[1\]\.pth: /);

  const json = await home.keepsake(["run", "-c", "p.toml", "--json"]);
  equal(json.status, 3);
  equal(json.stderr, "");
  const { ok, error } = JSON.parse(json.stdout);
  equal(ok, false);
  equal(error.code, "pipeline-invalid");
  equal(error.problems.length, places.length);
});

Deno.test("run ends with 3 and stores nothing when a key is misspelt, whatever the key is for", async () => {
  await using home = await Home.make();
  await home.furnish();
  const good = await Deno.readTextFile(home.at(".config/keepsake/pipeline.toml"));
  const misspelt = {
    exlude: good.replace("claude = true", '$&\nexlude = ["projects/"]'),
    encrypt_too: good.replace(/^to = /m, "encrypt_too = "),
    plain_text: good.replace(/use = "encrypt"\nto = .*\n/, 'use = "hash-gate"\n')
      .replace(/^path = .*$/m, "$&\nplain_text = true"),
    keep_lst: good.replace(/^path = .*$/m, "$&\nkeep_lst = 1"),
  };
  for (const [key, text] of Object.entries(misspelt)) {
    const file = await home.write("p.toml", text);
    const { status, stderr } = await home.keepsake(["run", "--config", file]);
    equal(status, 3, key);
    match(stderr, new RegExp(`^ {2}\\S+:\\d+:1 {2}stage\\[\\d\\]\\.${key}: Unknown key`, "m"));
    await rejects(home.list(".local/share/keepsake"), Deno.errors.NotFound);
  }
});

Deno.test("a backup into a directory needs no other program, and neither does what brings it back", async () => {
  await using home = await Home.make();
  await home.furnish();
  const env = { PATH: home.at("nothing") };
  const words = [["run"], ["list"], ["verify"], ["restore", "--to", "back"], ["drill"], ["run"]];
  for (const command of words) {
    const { status, stderr } = await home.keepsake(command, { env });
    equal(status, 0, stderr);
  }
  equal(await Deno.readTextFile(home.at("back/.claude/CLAUDE.md")), "Be kind.\n");
});

Deno.test("run ends with 3 and says where it looked when there is no file", async () => {
  await using home = await Home.make();
  const { status, stderr } = await home.keepsake(["run"]);
  equal(status, 3);
  match(stderr, /^Error: Cannot find a pipeline file: .*\n {2}Write one with "keepsake init"/);
});

Deno.test("run ends with 11 while another one is under way", async () => {
  await using home = await Home.make();
  await home.furnish();
  await Deno.mkdir(home.at(".local/state/keepsake/claude"), { recursive: true });
  const lock = await acquireLock(home.at(".local/state/keepsake/claude/lock"));
  try {
    const { status, stdout } = await home.keepsake(["run", "--json"]);
    equal(status, 11);
    equal(JSON.parse(stdout).error.code, "run-in-progress");
  } finally {
    lock[Symbol.dispose]();
  }
});

Deno.test("the example as it is makes a backup of a Claude Code that nobody has talked to yet", async () => {
  await using home = await Home.make();
  await home.furnish(); // For the identity and its recipient.
  await Deno.remove(home.at(".claude/projects"), { recursive: true });
  const example = new URL("../../pipeline.example.toml", import.meta.url);
  await home.write(".config/keepsake/pipeline.toml", await Deno.readTextFile(example));
  for (const time of ["first", "second"]) {
    const { status, stdout, stderr } = await home.keepsake(["run", "--json"]);
    equal(status, 0, `${time}: ${stdout}${stderr}`);
    const { stages, snapshots } = JSON.parse(stdout);
    const [digest, preserve] = stages;
    for (const { status, message } of [digest, preserve]) {
      deepEqual([status, message], ["unchanged", "nothing there yet"]);
    }
    deepEqual(snapshots[0].unreadable, []);
  }
  equal((await home.keepsake(["digest"])).status, 0);

  await home.write(".claude/projects/-tmp-a/1.jsonl", '{"type":"user"}\n');
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  // What was there and is gone is no beginning, and neither is a folder in none.
  await Deno.remove(home.at(".claude/projects"), { recursive: true });
  const gone = await home.keepsake(["run", "--json"]);
  equal(gone.status, 2, gone.stdout);
  const failed = JSON.parse(gone.stdout).stages.filter((one: { status: string }) =>
    one.status === "failed"
  );
  deepEqual(failed.map(({ use }: { use: string }) => use), ["digest", "preserve"]);
  const nowhere = ["digest", "--from", home.at("nowhere/projects"), "--to", home.at("to")];
  const other = ["digest", "--from", home.at(".claude/project"), "--to", home.at("to")];
  for (const words of [nowhere, other]) {
    match((await home.keepsake(words)).stderr, /there is no such directory/);
  }
  // A link that leads nowhere waits for a disk.
  await Deno.symlink("/nowhere/at/all", home.at(".claude/projects"));
  const link = ["digest", "--from", home.at(".claude/projects"), "--to", home.at("to")];
  match((await home.keepsake(link)).stderr, /there is no such directory/);
});

Deno.test("run stores what list shows beside a stray file from the end of all years", async () => {
  await using home = await Home.make();
  await home.furnish();
  await home.write(".local/share/keepsake/backups/claude/99991231T235959Z-000000000000.tar", "");
  for (const text of ["one", "two"]) {
    await home.write(".claude/CLAUDE.md", text);
    const { status, stderr } = await home.keepsake(["run"]);
    equal(status, 0, stderr);
  }
  equal(JSON.parse((await home.keepsake(["list", "--json"])).stdout).length, 2);
  const { status, stderr } = await home.keepsake(["verify", "--all"]);
  equal(status, 0, stderr);
});

Deno.test("a machine that lets nothing compile makes backups, and knows what has not changed", async () => {
  await using home = await Home.make();
  await home.furnish();
  const options = { env: { DENO_V8_FLAGS: "--jitless" } };
  for (const state of ["ok", "unchanged"]) {
    const { status, stdout, stderr } = await home.keepsake(["run", "--json"], options);
    equal(status, 0, stderr);
    equal(JSON.parse(stdout).snapshots[0].destinations[0].status, state);
  }
  const to = home.at("back");
  const { status, stderr } = await home.keepsake(["restore", "--to", to], options);
  equal(status, 0, stderr);
  equal(await Deno.readTextFile(`${to}/.claude/CLAUDE.md`), "Be kind.\n");
});
