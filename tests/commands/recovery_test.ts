/**
 * Getting things back: `list`, `restore` and `verify`, also where all else is lost.
 *
 * @module
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { stages } from "../../stages/mod.ts";
import { Home } from "./harness.ts";

const BACKUPS = ".local/share/keepsake/backups";

async function backedUp(): Promise<Home> {
  const home = await Home.make();
  await home.furnish();
  const { status, stderr } = await home.keepsake(["run", "--quiet"]);
  equal(status, 0, stderr);
  return home;
}

Deno.test("list shows snapshots as a table, as JSON, and what one holds", async () => {
  await using home = await backedUp();
  const { stdout, status } = await home.keepsake(["list"]);
  equal(status, 0);
  match(stdout, /^ID {6}SNAPSHOT .*\nclaude {2}\d{8}T\d{6}Z-[0-9a-f]{12} .* local\n$/);

  const [snapshot, ...more] = JSON.parse((await home.keepsake(["list", "--json"])).stdout);
  deepEqual(more, []);
  deepEqual(Object.keys(snapshot), [
    ...["id", "name", "created", "content_hash", "files", "bytes", "destinations", "encrypted"],
    ...["complete"],
  ]);
  deepEqual([snapshot.id, snapshot.files, snapshot.bytes], ["claude", 2, 809]);
  deepEqual([snapshot.destinations, snapshot.encrypted], [["local"], true]);
  equal(new Date(snapshot.created).toISOString(), snapshot.created);

  const held = (await home.keepsake(["list", "--files", "latest"])).stdout;
  match(held, /^0644 +9 B {2}[\d: -]{16} {2}\.claude\/CLAUDE\.md$/m);
  const files = JSON.parse((await home.keepsake(["list", "--files", "claude", "--json"])).stdout);
  equal(files.name, snapshot.name);
  equal(files.entries.filter(({ kind }: { kind: string }) => kind === "file").length, 2);
});

Deno.test("list, verify and restore need nothing but an address and the identity", async () => {
  await using home = await backedUp();
  await using bare = await Home.make();
  await Deno.rename(home.at(BACKUPS), bare.at("copy"));
  await Deno.rename(home.at(".config/keepsake/identity.txt"), bare.at("key"));
  const there = ["--from", bare.at("copy"), "--identity", bare.at("key")];
  const listed = await bare.keepsake(["list", ...there, "--json"]);
  equal(listed.status, 0, listed.stderr);
  const [snapshot] = JSON.parse(listed.stdout);
  deepEqual([snapshot.files, snapshot.bytes], [2, 809]);
  deepEqual(snapshot.destinations, [bare.at("copy")]);
  const held = await bare.keepsake(["list", ...there, "--files", snapshot.name]);
  match(held.stdout, /^0644 .* \.claude\/CLAUDE\.md$/m, held.stderr);
  const nothing = await bare.keepsake(["restore", ...there, "--to", "back", "--path", "none"]);
  match(nothing.stderr, /"keepsake list --files \S+ --from \S+\/copy" shows paths/);
  equal((await bare.keepsake(["verify", ...there])).status, 0);
  equal((await bare.keepsake(["restore", ...there, "--to", "back"])).status, 0);
  deepEqual(await bare.list("back"), [
    "back/.claude/CLAUDE.md",
    "back/.claude/projects/-tmp-a/1.jsonl",
  ]);
  deepEqual((await Array.fromAsync(Deno.readDir(bare.path))).map(({ name }) => name).sort(), [
    ...["back", "copy", "key"], // No state was made.
  ]);
});

Deno.test("an address of no destination is answered with the forms that destinations state", async () => {
  await using home = await Home.make();
  const forms = (await Promise.all(Object.values(stages).map((load) => load())))
    .flatMap(({ default: stage }) => stage.kind === "destination" ? [stage.addressForm] : []);
  for (const command of ["list", "verify", "restore --to x"]) {
    const words = [...command.split(" "), "--from", "ftp://host/x", "--json"];
    const { status, stdout } = await home.keepsake(words);
    equal(status, 3);
    const { error } = JSON.parse(stdout);
    equal(error.code, "usage");
    match(error.message, /^Cannot look in "ftp:\/\/host\/x": it is no address/);
    for (const form of forms) equal(error.hint.includes(form), true, `${error.hint} lacks ${form}`);
  }
  await home.furnish();
  const { status, stderr } = await home.keepsake(["list", "lokal"]);
  equal(status, 3);
  match(stderr, /no destination of the pipeline file, .*\n {2}Name "local", or a directory/);
  equal((await home.keepsake(["list", "local", "--from", "/x"])).status, 3);
});

Deno.test("list shows what no identity at hand could tell as unknown", async () => {
  await using home = await backedUp();
  await Deno.remove(home.at(".config"), { recursive: true });
  await Deno.remove(home.at(".local/state"), { recursive: true });
  const { stdout, stderr, status } = await home.keepsake(["list", home.at(BACKUPS), "--json"]);
  equal(status, 0, stderr);
  const [{ files, bytes, content_hash }] = JSON.parse(stdout);
  deepEqual([files, bytes, content_hash], [null, null, null]);
});

Deno.test("list ends with 2 and still lists the rest when a destination does not answer", async () => {
  await using home = await backedUp();
  const file = home.at(".config/keepsake/pipeline.toml");
  const usb = `\n[[stage]]\nuse = "local"\nid = "usb"\npath = "${home.at("usb")}"\n`;
  await Deno.writeTextFile(file, usb, { append: true });
  await home.write("usb", "a file, where a directory should be");
  const { stdout, stderr, status } = await home.keepsake(["list", "--json"]);
  equal(status, 2);
  equal(JSON.parse(stdout).length, 1);
  match(stderr, /^Error: usb: Cannot /);
});

Deno.test("restore brings everything back with nothing but the address and the identity", async () => {
  await using home = await backedUp();
  const key = home.at("key.txt");
  await Deno.rename(home.at(".config/keepsake/identity.txt"), key);
  await Deno.remove(home.at(".config"), { recursive: true });
  await Deno.remove(home.at(".local/state"), { recursive: true });
  const from = ["--from", home.at(BACKUPS)];
  const there = await home.keepsake(["restore", ...from, "--identity", key, "--to", "back"]);
  equal(there.status, 0, there.stderr);
  equal(there.stdout, "");
  match(there.stderr, /^Restored claude\/\S+ from .*: 2 files, 809 B\n {2}to ~\/back/m);
  equal(await Deno.readTextFile(home.at("back/.claude/CLAUDE.md")), "Be kind.\n");

  const named = await home.keepsake(["restore", ...from, "--to", "again", "--json"], {
    env: { KEEPSAKE_IDENTITY: key },
  });
  equal(named.status, 0, named.stderr);
  const report = JSON.parse(named.stdout);
  deepEqual(Object.keys(report), [
    ...["ok", "id", "name", "host", "from", "targets", "files", "bytes", "links", "dry_run"],
    ...["actions", "set_aside", "stray_links", "left_out", "special_bits", "unreadable"],
  ]);
});

Deno.test("restore tells what comes back without its setuid, setgid or sticky bit", async () => {
  await using home = await backedUp();
  await home.write(".claude/tool", "#!/bin/sh\n");
  await Deno.chmod(home.at(".claude/tool"), 0o4755);
  await Deno.mkdir(home.at(".claude/shared"));
  await Deno.chmod(home.at(".claude/shared"), 0o3775);
  equal((await home.keepsake(["run"])).status, 0);
  const { status, stderr } = await home.keepsake(["restore", "--to", "back"]);
  equal(status, 0, stderr);
  match(stderr, /^ {2}left out the setuid, setgid or sticky bits of 2 paths: "keepsake list --/m);
  equal((await Deno.stat(home.at("back/.claude/tool"))).mode! & 0o7777, 0o755);
  const rest = ["--to", "back", "--overwrite", "changed"];
  const again = await home.keepsake(["restore", ...rest, "--json"]);
  deepEqual(JSON.parse(again.stdout).special_bits, []); // Nothing was left to bring back.
  const whole = await home.keepsake(["restore", "--to", "other", "--dry-run", "--json"]);
  deepEqual(JSON.parse(whole.stdout).special_bits, [".claude/shared", ".claude/tool"]);
});

Deno.test("what a variable that is not set leaves of a name is not taken for the latest", async () => {
  await using home = await backedUp();
  for (
    const [words, named] of [[["restore", ""], ""], [["restore", "claude/"], "claude/"]] as const
  ) {
    const { status, stderr } = await home.keepsake([...words, "--to", "back"]);
    equal(status, 3, stderr);
    match(stderr, new RegExp(`^Error: Cannot find snapshot "${named}": its name is empty$`, "m"));
    equal(await Deno.stat(home.at("back")).then(() => true, () => false), false);
  }
  for (const words of [["verify", ""], ["list", "--files", ""]]) {
    const { status, stderr } = await home.keepsake(words);
    equal(status, 3, stderr);
    match(stderr, /^ {2}Write its name, or "latest"$/m);
  }
});

Deno.test("what goes on behind the name of a snapshot is not passed over", async () => {
  await using home = await backedUp();
  for (
    const words of [
      ["restore", "claude/latest/.claude/CLAUDE.md", "--to", "back"],
      ["verify", "claude/latest/"],
      ["list", "--files", "claude/latest/x"],
    ]
  ) {
    const { status, stderr } = await home.keepsake(words);
    equal(status, 3, stderr);
    match(stderr, /^Error: Cannot find snapshot ".*": its name ends at the second slash\n/);
    match(stderr, /^ {2}Write "claude\/latest"; what of it comes back is for "restore --path" to/m);
  }
  equal(await Deno.stat(home.at("back")).then(() => true, () => false), false);
});

Deno.test("a glob that would be compared for ever is refused", async () => {
  await using home = await backedUp();
  for (const glob of ["*a*a*a*a*a*z", "x".repeat(2000)]) {
    const { status, stderr } = await home.keepsake(["restore", "--path", glob, "--to", "back"]);
    equal(status, 3, stderr);
    match(stderr, /^Error: Cannot restore ".*": the glob is too (?:long|complicated)\n/);
  }
});

Deno.test("restore from an address goes on without a pipeline file that is wrong", async () => {
  await using home = await backedUp();
  await home.write(".config/keepsake/pipeline.toml", "[[[");
  const key = home.at(".config/keepsake/identity.txt");
  const words = ["restore", "--from", home.at(BACKUPS), "-i", key, "--to", "back"];
  const { status, stderr } = await home.keepsake(words);
  equal(status, 0, stderr);
  match(stderr, /^Warning: /);
  equal((await home.keepsake(["restore", "--to", "other"])).status, 3);
});

Deno.test("restore --dry-run lists what it would do, and does nothing", async () => {
  await using home = await backedUp();
  const { status, stdout } = await home.keepsake(["restore", "--to", "back", "--dry-run"]);
  equal(status, 0);
  match(stdout, /^create {3}\.claude\/CLAUDE\.md$/m);
  equal(await Deno.stat(home.at("back")).then(() => true, () => false), false);
  const nothing = await home.keepsake(["restore", "--in-place", "--dry-run"]);
  deepEqual([nothing.status, nothing.stdout], [0, ""]);
});

Deno.test("an address that holds nothing is told with what to name in its place", async () => {
  await using home = await backedUp();
  const above = home.at(BACKUPS, "..");
  for (const words of [["verify"], ["restore", "--to", "back"]]) {
    const { status, stderr } = await home.keepsake([...words, "--from", above]);
    equal(status, 4);
    match(stderr, /there are no snapshots at "\S+"\n {2}Name the very place that holds a folder /);
  }
  const listed = await home.keepsake(["list", "--from", above]);
  equal(listed.status, 0);
  equal(listed.stdout, "There are no snapshots yet\n");
  match(listed.stderr, /^Looked at \S+\n {2}Name the very place /);
});

Deno.test("an identity that is missing, unreadable or not named is told with what to do", async () => {
  await using home = await backedUp();
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  await home.write("empty.txt", "# none\n");
  await home.write("bad.txt", "hunter2\n");
  const cases = {
    'identity = "~/gone.txt"': /"\S+gone\.txt": there is no such file\n {2}Bring it back /,
    'identity = "~/.claude"': /"\S+\.claude": it is a directory\n {2}Name the file /,
    'identity = "~/empty.txt"': /"\S+empty\.txt": it holds none\n {2}Name the file /,
    'identity = "~/bad.txt"': /line 1 of "\S+bad\.txt" .* no age identity\n {2}Name the file /,
    "": /it is encrypted, and no identity is named\n {2}Name its file with --identity FILE, or as /,
  };
  for (const [line, told] of Object.entries(cases)) {
    await Deno.writeTextFile(file, text.replace(/^identity = .*$/m, line));
    for (const words of [["verify"], ["restore", "--to", "back"], ["list", "--files", "latest"]]) {
      const { status, stderr } = await home.keepsake(words);
      equal(status, 3, `${words}: ${stderr}`);
      match(stderr, told, words.join(" "));
    }
  }
  equal(await Deno.stat(home.at("back")).then(() => true, () => false), false);
  // Where there is no [pipeline] at all, an identity can still be named.
  await Deno.writeTextFile(file, text.replace(/^\[pipeline\]$|^name = .*$|^identity = .*$/gm, ""));
  equal((await home.keepsake(["verify"])).status, 3);
  equal((await home.keepsake(["verify", "-i", ".config/keepsake/identity.txt"])).status, 0);
});

Deno.test("restore --path fits paths as list shows them, names anywhere, and whole directories", async () => {
  await using home = await backedUp();
  await home.write(".claude/projects/-tmp-a/memory/notes.md", "Notes.\n");
  await home.keepsake(["run", "--quiet"]);
  const chosen = async (path: string) => {
    const words = ["restore", "--to", "back", "--dry-run", "--json", "--path", path];
    const { stdout, status } = await home.keepsake(words);
    if (status !== 0) return [status, JSON.parse(stdout).error.hint ?? ""];
    const { actions } = JSON.parse(stdout) as { actions: { path: string }[] };
    return actions.map(({ path }) => path).filter((path) => /\.(md|jsonl)$/.test(path));
  };
  const [memory, notes, log] = ["/memory", "/memory/notes.md", "/1.jsonl"].map((rest) =>
    `.claude/projects/-tmp-a${rest}`
  );
  deepEqual(await chosen(".claude/projects"), [log, notes]);
  deepEqual(await chosen(".claude/projects/*/memory/"), [notes]);
  deepEqual(await chosen(memory!), [notes]);
  deepEqual(await chosen(".claude/*.md"), [".claude/CLAUDE.md"]);
  deepEqual(await chosen("*.md"), [".claude/CLAUDE.md", notes]);
  deepEqual(await chosen("**/memory/**"), [notes]);
  const [odd, braces] = [".claude/app/[id]/page[1].md", ".claude/app/{a,b}.md"];
  for (const path of [odd, braces]) await home.write(path!, "x\n");
  await home.keepsake(["run", "--quiet"]);
  for (const path of [odd!, ".claude/app/[id]", ".claude/app/[id]/", "[id]", "page[1].md"]) {
    deepEqual(await chosen(path), [odd], path);
  }
  for (const path of [braces!, ".claude/app/\\{*"]) deepEqual(await chosen(path), [braces], path);
  const [status, hint] = await chosen(home.at(".claude/projects"));
  equal(status, 3);
  match(
    `${hint}`,
    /^Write it as "keepsake list --files claude\/\S+" shows paths: "\.claude\/\*\*"$/,
  );
  deepEqual(await chosen(""), [3, "Leave --path out for everything"]);
});

Deno.test("restore says what is missing when it is not told where to", async () => {
  await using home = await Home.make();
  for (const words of [["restore"], ["restore", "--to", "x", "--in-place"]]) {
    const { status, stderr } = await home.keepsake(words);
    equal(status, 3);
    match(stderr, /^Error: Cannot .*\n {2}[A-Z].*\n$/);
  }
});

Deno.test("restore ends with 3 for a wrong identity, with 4 for a snapshot that there is not", async () => {
  await using home = await backedUp();
  await home.keepsake(["keygen", "--output", "other.txt"]);
  const wrong = await home.keepsake(["restore", "-i", "other.txt", "--to", "back"]);
  equal(wrong.status, 3);
  match(wrong.stderr, /^Error: Cannot /);
  const missing = await home.keepsake(["restore", "2020", "--to", "back", "--json"]);
  equal(missing.status, 4);
  equal(JSON.parse(missing.stdout).error.code, "snapshot-missing");
  equal(await Deno.stat(home.at("back")).then(() => true, () => false), false);
});

Deno.test("verify proves what is well and names what is damaged", async () => {
  await using home = await backedUp();
  const well = await home.keepsake(["verify"]);
  equal(well.status, 0, well.stderr);
  match(well.stdout, /^RESULT .*\nok +claude /);
  deepEqual(await home.keepsake(["verify", "--quiet"]), { status: 0, stdout: "", stderr: "" });

  const stored = await home.list(BACKUPS);
  const archive = home.at(stored.find((path) => path.includes(".tar."))!);
  const bytes = await Deno.readFile(archive);
  bytes[bytes.length - 20]! ^= 1;
  await Deno.writeFile(archive, bytes);
  const damaged = await home.keepsake(["verify", "--all"]);
  equal(damaged.status, 4);
  match(damaged.stdout, /^DAMAGED +claude /m);
  match(damaged.stderr, /^Error: claude\/\S+ at local: Cannot /m);

  const json = await home.keepsake(["verify", "--json"]);
  equal(json.status, 4);
  const { ok, verifications } = JSON.parse(json.stdout);
  equal(ok, false);
  deepEqual(Object.keys(verifications[0]), [
    ...["id", "name", "destination", "status", "files", "bytes", "seconds", "complete"],
    ...["unreadable", "failure"],
  ]);
  deepEqual([verifications[0].files, verifications[0].bytes], [null, null]);
  equal((await home.keepsake(["verify", "latest", "--all"])).status, 3);
});

Deno.test("list and verify mark what could not be read in full, with the catalog and without", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  await Deno.writeTextFile(
    file,
    text.replace("claude = true", 'claude = true\npaths = ["~/gone"]'),
  );
  equal((await home.keepsake(["run"])).status, 2);
  const identity = home.at(".config/keepsake/identity.txt");
  await Deno.rename(identity, home.at("key"));
  match((await home.keepsake(["list"])).stdout, / 2, incomplete /); // From the catalog.
  await Deno.remove(home.at(".local/state"), { recursive: true });
  const isComplete = async () =>
    JSON.parse((await home.keepsake(["list", "--json"])).stdout)[0].complete;
  equal(await isComplete(), null);
  await Deno.rename(home.at("key"), identity);
  equal(await isComplete(), false); // From the manifest.
  const files = await home.keepsake(["list", "--files", "latest"]);
  match(
    files.stderr,
    /^Note: claude\/\S+ is incomplete\n.*1 path .*\n {4}~\/gone: it does not exist/,
  );

  const verified = await home.keepsake(["verify"]);
  deepEqual([verified.status, verified.stdout.includes("ok, incomplete ")], [0, true]);
  match(
    verified.stderr,
    /^Note: claude\/\S+ is incomplete\n.*1 path .*\n {4}~\/gone: it does not exist/,
  );
  const [one] = JSON.parse((await home.keepsake(["verify", "--json"])).stdout).verifications;
  deepEqual([one.status, one.complete, one.files, one.bytes], ["ok", false, 2, 809]);
  deepEqual(one.unreadable, [{ path: home.at("gone"), reason: "it does not exist" }]);
  deepEqual(await home.keepsake(["verify", "--quiet"]), { status: 0, stdout: "", stderr: "" });
});

Deno.test("list and verify mention an archive that has no manifest, and count it for nothing", async () => {
  await using home = await backedUp();
  const [archive = ""] = (await home.list(BACKUPS)).filter((path) => path.includes(".tar."));
  const name = "claude/20200102T030405Z-0123456789ab.tar.zst.age";
  await Deno.copyFile(home.at(archive), home.at(BACKUPS, name));
  const listed = await home.keepsake(["list", "--json"]);
  equal(JSON.parse(listed.stdout).length, 1);
  equal(listed.status, 0);
  match(
    listed.stderr,
    /^Note: local holds 1 archive without a manifest, .*\n {4}claude\/20200102T/,
  );
  const verified = await home.keepsake(["verify", "--all"]);
  equal(verified.status, 0);
  equal(verified.stdout.split("\n").length, 3);
  match(verified.stderr, /^Note: local holds 1 archive without a manifest/);
  const { archives_without_manifest } = JSON.parse(
    (await home.keepsake(["verify", "--json"])).stdout,
  );
  deepEqual(archives_without_manifest, [{ destination: "local", key: name }]);
});

Deno.test("restore warns when an archive is newer than the snapshot that is the latest", async () => {
  await using home = await backedUp();
  const before = await home.list(BACKUPS);
  await home.write(".claude/CLAUDE.md", "Be brave.\n");
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const added = (await home.list(BACKUPS)).filter((path) => !before.includes(path));
  const manifest = added.find((path) => path.includes(".json."))!;
  const archive = added.find((path) => path.includes(".tar."))!;
  await Deno.remove(home.at(manifest));
  const { status, stderr } = await home.keepsake(["restore", "--to", "back", "--quiet"]);
  equal(status, 0, stderr);
  const key = archive.slice(BACKUPS.length + 1);
  equal(
    stderr,
    `Warning: "${key}" at "local" is newer, and has no manifest: ` +
      "this is not the last state that was stored\n",
  );
  const [older = ""] = before.map((path) => /\d{8}T\d{6}Z-\w+/.exec(path)?.[0] ?? "");
  const named = await home.keepsake(["restore", older, "--to", "again", "--quiet"]);
  equal(named.status, 0, named.stderr);
  // What is newer of another id says nothing of this one.
  await home.write(`${BACKUPS}/other/20991231T000000Z-0123456789ab.tar.zst.age`, "newer");
  const there = [
    "--from",
    home.at(BACKUPS),
    "--identity",
    home.at(".config/keepsake/identity.txt"),
  ];
  const own = await home.keepsake(["restore", "claude", ...there, "--to", "own", "--quiet"]);
  deepEqual([own.status, own.stderr.match(/is newer, and has no manifest/g)?.length], [0, 1]);
});

Deno.test("restore warns of a snapshot that is not encrypted where those before it are", async () => {
  await using home = await backedUp();
  await home.write(
    "other.toml",
    `[pipeline]
name = "other"
[[stage]]
use = "snapshot"
id = "claude"
paths = [".claude"]
[[stage]]
use = "local"
path = "planted"
plaintext = true
`,
  );
  equal((await home.keepsake(["run", "--quiet", "--config", "other.toml"])).status, 0);
  for (const path of await home.list(BACKUPS)) {
    await Deno.rename(home.at(path), home.at(path.replace(/\d{8}T\d{6}Z/, "20200102T030405Z")));
  }
  for (const path of await home.list("planted")) {
    await Deno.copyFile(home.at(path), home.at(BACKUPS, path.slice("planted/".length)));
  }
  const { stderr } = await home.keepsake(["restore", "--to", "back", "--quiet"]);
  match(
    stderr,
    /^Warning: "claude\/.*" at "local" is not encrypted, and those before it are: .*\n$/,
  );
});

Deno.test("restore --in-place puts Claude Code's files back into a home that lost all of them", async () => {
  await using world = await Home.make();
  await world.write(
    "kept/pipeline.toml",
    `[pipeline]
name = "m"
state = "state"
[[stage]]
use = "snapshot"
id = "m"
claude = true
[[stage]]
use = "local"
path = "backups"
plaintext = true
`,
  );
  const files = {
    ".claude/CLAUDE.md": "Be kind.\n",
    ".claude/projects/-code/1.jsonl": "{}\n",
    ".claude/settings.json": '{"plansDirectory":"~/plans"}',
    ".claude.json": '{"projects":{}}',
    "plans/1.md": "# Plan\n",
  };
  for (const [path, text] of Object.entries(files)) await world.write(`me/${path}`, text);
  const keepsake = (...words: string[]) =>
    world.keepsake([...words, "--config", world.at("kept/pipeline.toml")], {
      env: { HOME: world.at("me") },
    });
  const run = await keepsake("run");
  equal(run.status, 0, run.stderr);
  await Deno.rename(world.at("me"), world.at("lost"));
  await Deno.mkdir(world.at("me"));
  const all = await keepsake("restore", "m", "--in-place");
  equal(all.status, 3);
  match(
    all.stderr,
    /"[^"]*\/me\/plans" in place: no snapshot "m" .*\n {2}Restore "plans" with --to DIRECTORY, and/,
  );
  deepEqual(await world.list("me"), []);
  for (const path of [".claude/**", ".claude.json"]) {
    const { status, stderr } = await keepsake("restore", "m", "--in-place", "--path", path);
    equal(status, 0, stderr);
  }
  const to = await keepsake("restore", "m", "--path", "plans/**", "--to", world.at("me"));
  equal(to.status, 0, to.stderr);
  deepEqual(await world.list("me"), Object.keys(files).map((path) => `me/${path}`).sort());
  // What is there again says itself what else is Claude Code's.
  await Deno.remove(world.at("me/.claude/CLAUDE.md"));
  equal((await keepsake("restore", "m", "--in-place")).status, 0);
  deepEqual(await world.list("me"), Object.keys(files).map((path) => `me/${path}`).sort());
});
