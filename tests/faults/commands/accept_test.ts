import { deepEqual, equal, match } from "node:assert/strict";
import { Home } from "../../commands/harness.ts";

Deno.test("run tells of what seems to be lost, list marks it, and accept ends it", async () => {
  await using home = await Home.make();
  await home.furnish();
  const memory = ".claude/projects/-tmp-a/memory/tea.md";
  await home.write(memory, "green\n");
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  equal((await home.keepsake(["accept"])).stderr, "Nothing seems to be lost\n");
  await Deno.remove(home.at(memory));
  const told = await home.keepsake(["run", "--quiet"]);
  equal(told.status, 0);
  match(told.stderr, /^SUSPECT claude: something seems to be lost since \d{8}T\d{6}Z-\w{12}$/m);
  match(told.stderr, /^ {4}\.claude\/projects\/-tmp-a\/memory\/tea\.md is gone \(6 bytes\)$/m);
  const [, command = ""] = /How it was before: keepsake (.*)/.exec(told.stderr) ?? [];
  const restored = await home.keepsake(command.split(" "));
  equal(restored.status, 0, restored.stderr);
  equal(await Deno.readTextFile(home.at("restored", memory)), "green\n");

  deepEqual(await home.keepsake(["run", "--quiet"]), { status: 0, stdout: "", stderr: "" });
  const { snapshots: [snapshot] } = JSON.parse((await home.keepsake(["run", "--json"])).stdout);
  deepEqual(snapshot.suspect.missing.map(({ what }: { what: string }) => what), ["memory-gone"]);
  match((await home.keepsake(["list"])).stdout, /^claude {2}\S+-\w{12}, suspect {2}/m);
  const { stderr: warned } = await home.keepsake(["restore", "--to", "back"]);
  match(
    warned,
    /^Warning: "(\S+)" is suspect: something was lost before it was made; "(?!\1)\S+" may/m,
  );
  const day = new Date(Date.now() + 40 * 86_400_000).toISOString().slice(0, 10);
  const file = home.at(".config/keepsake/pipeline.toml");
  await Deno.writeTextFile(file, `${await Deno.readTextFile(file)}keep_last = 1\n`);
  const ahead = async () => (await home.keepsake(["plan", "--at", day])).stdout;
  const during = await ahead();
  match(
    during,
    /^Nothing of claude is removed as things are\. Pruning is paused: something seems to be lost since \S+, see "keepsake accept"$/m,
  );
  match(during, /^Of 2 snapshots now, 2 would stay; and 40 that are to come$/m);
  const json = JSON.parse((await home.keepsake(["plan", "--at", day, "--json"])).stdout);
  deepEqual([json.paused[0].id, json.destinations[0].snapshots[0].keep], ["claude", true]);
  match(json.destinations[0].snapshots[0].reasons[0], /^paused: something seems to be lost/);
  match((await home.keepsake(["accept", "--dry-run"])).stderr, /^Nothing was accepted/);
  const { accepted, suspicions } = JSON.parse((await home.keepsake(["accept", "--json"])).stdout);
  deepEqual([accepted, suspicions[0].restore], [true, `keepsake ${command}`]);
  equal((await home.keepsake(["list"])).stdout.includes("suspect"), false);
  match(await ahead(), /^Of 2 snapshots now, [01] would stay; and 1 that is to come$/m);
});

Deno.test("what run, status and accept say to type next names the pipeline file they were given", async () => {
  await using home = await Home.make();
  await home.furnish();
  await Deno.rename(home.at(".config/keepsake/pipeline.toml"), home.at("my file.toml"));
  const words = ["--config", "my file.toml"];
  const memory = ".claude/projects/-tmp-a/memory/tea.md";
  await home.write(memory, "green\n");
  equal((await home.keepsake(["run", "--quiet", ...words])).status, 0);
  await Deno.remove(home.at(memory));
  const told = await home.keepsake(["run", "--quiet", ...words]);
  match(
    told.stderr,
    /^ {2}How it was before: keepsake restore --config 'my file\.toml' claude\/\S+ --to restored$/m,
  );
  match(told.stderr, /"keepsake accept --config 'my file\.toml' claude" says that it may be gone/);
  const { stdout } = await home.keepsake(["status", ...words]);
  match(stdout, /Bring back how it was: keepsake restore --config 'my file\.toml' claude\//);
  match(stdout, /If it may be gone: keepsake accept --config 'my file\.toml' claude$/m);
  const dry = await home.keepsake(["accept", "--dry-run", ...words]);
  match(dry.stdout, /How it was before: keepsake restore --config 'my file\.toml' claude\//);
  match(dry.stderr, /"keepsake accept --config 'my file\.toml'" does that/);
  match(dry.stdout, /nothing is pruned$/m);
  const accepted = await home.keepsake(["accept", ...words]);
  match(accepted.stdout, /tea\.md is gone .*\n {2}How it was before: .* --to restored\n$/);
  match(accepted.stderr, /^Accepted: .*, and pruning goes on$/m);
  const [, snapshot = ""] = /restore --config 'my file\.toml' (\S+) /.exec(told.stderr) ?? [];
  const back = ["restore", ...words, snapshot, "--to", "restored"];
  equal((await home.keepsake(back)).status, 0);
  const none = await home.keepsake(["list", "--config", "none.toml"]);
  match(none.stderr, /write one with "keepsake init --config none\.toml"\n$/);
});

Deno.test("memory that settings have lie elsewhere is missed, and its only copy stays", async () => {
  await using home = await Home.make();
  await home.write(".claude/settings.json", '{"autoMemoryDirectory":"~/notes/memory"}');
  for (const name of ["MEMORY", "people", "decisions"]) {
    await home.write(`notes/memory/${name}.md`, `# ${name}\n`);
  }
  equal((await home.keepsake(["init", "--yes"])).status, 0);
  const file = home.at(".config/keepsake/pipeline.toml");
  const keys = "keep_last = 1\nforget_deleted = true\n";
  await Deno.writeTextFile(file, `${await Deno.readTextFile(file)}${keys}`);
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  for (const name of ["people", "decisions"]) await Deno.remove(home.at(`notes/memory/${name}.md`));
  const told = await home.keepsake(["run", "--quiet"]);
  equal(told.status, 0);
  match(told.stderr, /^SUSPECT claude: /m);
  match(told.stderr, /^ {4}memory\/people\.md is gone \(9 bytes\)$/m);
  const list = await home.keepsake(["list", "--json"]);
  equal(JSON.parse(list.stdout).length, 2);
});
