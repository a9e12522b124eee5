import { deepEqual, doesNotMatch, equal, match } from "node:assert/strict";
import { Home } from "./harness.ts";

const BACKUPS = ".local/share/keepsake/backups";

Deno.test("list says why it knows nothing of what is encrypted", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  equal((await home.keepsake(["list"])).stderr, "");
  const bare = { env: { HOME: home.at("elsewhere") } };
  const listing = ["list", "--from", home.at(BACKUPS)];
  const without = await home.keepsake(listing, bare);
  equal(without.status, 0, without.stderr);
  match(without.stdout, / \? +\? /);
  match(
    without.stderr,
    /^Note: what 1 snapshot holds is unknown: no identity is at hand\n {2}Name /,
  );
  equal((await home.keepsake(["keygen", "--output", home.at("other/id.txt")])).status, 0);
  const other = await home.keepsake([...listing, "--identity", home.at("other/id.txt")], bare);
  match(other.stderr, /^Note: what 1 snapshot holds is unknown: no identity at hand fits\n/);
  const own = home.at(".config/keepsake/identity.txt");
  deepEqual((await home.keepsake([...listing, "--identity", own], bare)).stderr, "");
});

Deno.test("what is no place is told with what was meant, if that can be seen", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const id = await home.keepsake(["list", "claude"]);
  deepEqual([id.status, id.stdout], [3, ""]);
  match(id.stderr, /\n {2}Write "keepsake list --files claude" for what the newest snapshot/);
  await home.write("bk/file", "");
  const folder = await home.keepsake(["verify", "--from", "bk"], { cwd: home.path });
  equal(folder.status, 3);
  match(folder.stderr, /\n {2}Write "\.\/bk" for the folder of that name that is here\n/);
  for (const [variable, value] of [["AWS_REGION", "us east"], ["AWS_ENDPOINT_URL", "ftp://x"]]) {
    const env = { [variable!]: value! };
    const bucket = await home.keepsake(["list", "s3://backups/"], { env });
    deepEqual([bucket.status, bucket.stdout], [3, ""]);
    const expected = new RegExp(
      `"s3://backups/": ${variable} has to be .*\\n  Set ${variable} anew, or`,
    );
    match(bucket.stderr, expected);
  }
  match((await home.keepsake(["list", "other"])).stderr, /\n {2}Name "local", or a directory/);
  const config = await home.keepsake(["run", "--config", home.at("no/x.toml")]);
  equal(config.status, 3);
  match(config.stderr, /there is no such file\n {2}Correct its path, or write one with /);
  const gone = await home.keepsake(["list", "--from", home.at("gone")]);
  match(gone.stderr, /for a run to begin anew there, make the directory/);
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, text.replace(/^compress = .*$/m, 'compress = "lzma"'));
  const wrong = await home.keepsake(["config"]);
  match(wrong.stderr, /Expected "zstd", "gzip" or "none"\n +Write one of these\n/);
});

Deno.test("--quiet shows what is wrong alone, and rekey warns of nothing where nothing is due", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const plan = await home.keepsake(["rekey", "--plan"]);
  deepEqual([plan.status, plan.stderr], [0, ""]);
  const [first] = (await home.list(BACKUPS)).filter((path) => path.includes(".tar"));
  await home.write(".claude/CLAUDE.md", "Be kinder.\n");
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  await Deno.remove(home.at(first!));
  const listed = await home.keepsake(["list"]);
  equal(listed.status, 0);
  match(listed.stdout, /, archive missing .*local \(archive missing\)$/m);
  match(listed.stderr, /^Note: local has lost 1 archive, and holds the manifest alone$/m);
  const verified = await home.keepsake(["verify", "--quiet"]);
  equal(verified.status, 4);
  match(verified.stdout, /^DAMAGED {2}claude /m);
  doesNotMatch(verified.stdout, /^ok /m);
  match(verified.stderr, /: it is not there, though its manifest is$/m);
  const status = await home.keepsake(["status"]);
  equal(status.status, 4);
  match(status.stdout.replaceAll(/\s+/g, " "), /1 snapshot of claude was stored in local, and is/);
  const target = ["restore", "--to", home.at("back"), "--json"];
  deepEqual(JSON.parse((await home.keepsake(target)).stdout).unreadable, []);
});

Deno.test("what lies somewhere in plaintext is not said to be encrypted", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  const plain = '[[stage]]\nuse = "local"\nid = "plain"\nplaintext = true\npath = "~/plain"\n\n';
  await Deno.writeTextFile(file, text.replace(/^(?=\[\[stage\]\]\nuse = "encrypt")/m, plain));
  const encrypted = async (...from: readonly string[]) => {
    const snapshots = JSON.parse((await home.keepsake(["list", "--json", ...from])).stdout);
    return snapshots.map((one: { encrypted: boolean }) => one.encrypted);
  };
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  deepEqual(await encrypted(), [false]);
  deepEqual(await encrypted("--from", "local"), [true]);
});

Deno.test("list --json prints the error where no place answered, and what there is where one did", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const words = ["list", "--from", "./nope", "--json"];
  const { status, stdout, stderr } = await home.keepsake(words);
  deepEqual([status, stderr], [2, ""]);
  const { ok, error } = JSON.parse(stdout);
  deepEqual([ok, error.code], [false, "destination-unreachable"]);
  match(error.message, /nope/);
  const asText = await home.keepsake(words.slice(0, -1));
  deepEqual([asText.status, asText.stdout], [2, ""]);
  equal(asText.stderr.replaceAll(/\s+/g, " ").includes(error.message), true, asText.stderr);

  const file = home.at(".config/keepsake/pipeline.toml");
  await Deno.writeTextFile(
    file,
    `${await Deno.readTextFile(file)}\n[[stage]]\nuse = "local"\nid = "usb"\npath = "~/usb"\n`,
  );
  await home.write("usb", "no directory");
  const some = await home.keepsake(["list", "--json"]);
  deepEqual([some.status, JSON.parse(some.stdout).length], [2, 1]);
  match(some.stderr, /^Error: usb: /m);
  await Deno.remove(home.at(BACKUPS), { recursive: true });
  await home.write(BACKUPS, "no directory");
  const none = await home.keepsake(["list", "--json"]);
  equal(none.status, 2);
  const told = JSON.parse(none.stdout);
  deepEqual([told.ok, none.stderr], [false, ""]);
  match(told.error.message, /^local: .*backups.*; usb: /);
});

Deno.test("every destination that did not answer is named where nothing is known without them", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const usb = `[[stage]]\nuse = "local"\nid = "usb"\npath = "~/usb"\nkeep_last = 1\n`;
  await Deno.writeTextFile(file, `${await Deno.readTextFile(file)}\n${usb}`);
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  for (const path of [BACKUPS, "usb"]) {
    await Deno.rename(home.at(path), home.at(`${path}-away`));
    await home.write(path, "no directory");
  }
  const both = /^Error: local: Cannot list .*\n {2}.*\nError: usb: Cannot list .*\n {2}.*\n$/;
  const readers = [["verify"], ["restore", "--to", "back"], ["list", "--files", "latest"]];
  for (const words of [...readers, ["list"], ["rekey", "--plan"]]) {
    const { status, stdout, stderr } = await home.keepsake(words);
    deepEqual([status, stdout], [2, ""], words.join(" "));
    match(stderr, both);
  }
  for (const words of readers) {
    const { stdout } = await home.keepsake([...words, "--json"]);
    const { error: { code, failures } } = JSON.parse(stdout);
    deepEqual([code, failures.map(({ destination }: { destination: string }) => destination)], [
      "destination-unreachable",
      ["local", "usb"],
    ]);
  }
  const pruned = await home.keepsake(["prune"]);
  equal(pruned.status, 2);
  match(pruned.stdout, /^usb: keep_last = 1\nNothing was removed: what is there is not known$/m);
});

Deno.test("where one destination was asked, no other is said to hold nothing", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const file = home.at(".config/keepsake/pipeline.toml");
  const usb = `[[stage]]\nuse = "local"\nid = "usb"\npath = "~/usb"\n`;
  await Deno.writeTextFile(file, `${await Deno.readTextFile(file)}\n${usb}`);
  const only = 'Only "usb" was asked: see "keepsake list" for what all destinations hold';
  const ask = async (...words: string[]) => (await home.keepsake(words)).stderr;
  const files = ["list", "usb", "--files", "claude"];
  const none = `Error: Cannot find snapshot "claude": there are no snapshots at "usb"\n  ${only}\n`;
  equal(await ask(...files), none);
  equal(await ask("restore", "claude", "--from", "usb", "--to", "back"), none);
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  equal(
    await ask("list", "usb", "--files", "other"),
    `Error: Cannot find snapshot "other": "usb" holds none\n  ${only}\n`,
  );
  equal(
    await ask("verify", "other/latest", "--from", "usb"),
    `Error: Cannot find snapshot "other/latest": "usb" has none of "other"\n  ${only}\n`,
  );
});

Deno.test("what was stored and is gone is told where nothing at all is left", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  await home.write(".claude/CLAUDE.md", "Be kinder.\n");
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  await Deno.remove(home.at(BACKUPS, "claude"), { recursive: true });
  const listed = await home.keepsake(["list"]);
  deepEqual([listed.status, listed.stdout], [0, "There are no snapshots any more\n"]);
  match(listed.stderr, /^Note: 2 snapshots that were stored in local are gone\n {2}See .*verify/);
  const restored = await home.keepsake(["restore", "--to", home.at("new")]);
  equal(restored.status, 4);
  match(restored.stderr, /everything that was stored in "local" is gone\n {2}See .*verify/);
  const verified = await home.keepsake(["verify", "--json"]);
  equal(verified.status, 4, verified.stderr);
  const { ok, verifications } = JSON.parse(verified.stdout);
  deepEqual([ok, verifications.length], [false, 2]);
  match(verifications[0].failure.message, /It was stored there, and its manifest is gone/);
  equal((await home.keepsake(["status"])).status, 4);
  equal((await home.keepsake(["verify", "--forget-missing", "--quiet"])).status, 0);
  equal((await home.keepsake(["list"])).stdout, "There are no snapshots yet\n");
  match((await home.keepsake(["verify"])).stderr, /there are no snapshots\n {2}Make one/);
});
