import { equal, match } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Home } from "./harness.ts";

Deno.test("log names all that was wrong with a run, with a log in the pipeline file and without", async () => {
  await using home = await Home.make();
  await home.furnish();
  const memory = await home.write(".claude/projects/-tmp-a/memory/MEMORY.md", "green\n");
  // No conversation, and a name that is no UTF-8.
  await home.write(".claude/projects/-tmp-a/2.jsonl", "{}\nno\n");
  await home.bash(`echo lost > .claude/$'bad\\xff'`);
  equal((await home.keepsake(["run", "--quiet"])).status, 2);
  const database = new DatabaseSync(home.at(".local/state/keepsake/claude/catalog.db"));
  database.exec("UPDATE proofs SET since = '2001-01-01T00:00:00.000Z'");
  database.close();
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  const drilled = `${text.replace("[pipeline]", '[pipeline]\ndrill_every = "1d"')}
    max_unproven = "1s"\n`;
  await Deno.writeTextFile(file, drilled.replace("[pipeline]", '[pipeline]\nlog = "~/log"'));
  await Deno.remove(memory);
  const run = await home.keepsake(["run"]);
  equal(run.status, 2, run.stderr);

  const { stdout } = await home.keepsake(["log"]);
  match(stdout, / 2 error claude: Cannot read ".*bad.*": .*UTF-8/);
  match(stdout, / 2 error the drill of claude at local: .*2\.jsonl.*keepsake drill local\n/);
  match(stdout, / 2 error the proof of claude at local: It is to be proven .*, and never was,/);
  match(stdout, / 2 warn claude\/.*MEMORY\.md \(perhaps lost\): .* is gone .*: keepsake restore /);
  match(stdout, / 2 error The run ended, and not everything is safe\n$/);
  // As the run said it.
  await Deno.writeTextFile(file, drilled);
  const summary = await home.keepsake(["log"]);
  match(summary.stdout, /^Run 2, /);
  for (const line of run.stderr.split("\n").filter((line) => !/^(Warning|Note):/.test(line))) {
    equal(summary.stdout.includes(line), true, `${line}\n${summary.stdout}`);
  }
});

Deno.test("the log of a run that ended well says so of the run, and not of what seems to be lost", async () => {
  await using home = await Home.make();
  await home.furnish();
  const memory = await home.write(".claude/projects/-tmp-a/memory/MEMORY.md", "green\n");
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, text.replace("[pipeline]", '[pipeline]\nlog = "~/log"'));
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  await Deno.remove(memory);
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  match(
    (await home.keepsake(["log"])).stdout,
    / 2 warn The run ended well, but something seems to be lost in claude\n$/,
  );
});

Deno.test("log refuses a number that no run has, with a log in the pipeline file and without", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  for (const [keys, state] of [["", "not known to have ended"], ['log = "~/log"', "in no log"]]) {
    await Deno.writeTextFile(file, text.replace("[pipeline]", `[pipeline]\n${keys}`));
    const { status, stdout, stderr } = await home.keepsake(["log", "--run", "999"]);
    equal(status, 3, stdout);
    match(stderr, new RegExp(`^Error: Cannot show run 999: it is ${state}\n {2}\\S`));
  }
  const { status, stderr } = await home.keepsake(["log", "--run", "9".repeat(20)]);
  equal(status, 3);
  match(stderr, /: --run: expected a smaller number, but got 9{20}\n {2}See /);
});
