/** `keepsake digest`, and the stage in a run, as a user has them. */
import assert from "node:assert/strict";
import { Home } from "./harness.ts";

const LINE = (text: string, time = new Date()) =>
  `${
    JSON.stringify({
      ...{ type: "user", uuid: crypto.randomUUID(), cwd: "/home/ada/tide", sessionId: "1" },
      timestamp: time.toISOString(),
      message: { role: "user", content: text },
    })
  }\n`;
const LOG = ".claude/projects/-home-ada-tide/1.jsonl";
const DIGESTS = ".local/share/keepsake/digests";
const TOKEN = `ghp_${"a1B2c3D4e5F6".repeat(3)}`;

Deno.test("digest makes Markdown without a pipeline file, and says what it did", async () => {
  await using home = await Home.make();
  await home.write(LOG, LINE(`Use ${TOKEN} for it`));
  const first = await home.keepsake(["digest"]);
  assert.equal(first.status, 0, first.stderr);
  assert.match(
    first.stdout,
    /digests: 1 of 1 digest updated, 1 secret redacted\n {2}tide-\w+\.md\n/,
  );
  assert.match(first.stdout, /redacted:\n {2}github: -home-ada-tide\/1, line 1\n/);
  const [digest] = (await home.list(DIGESTS)).filter((name) => name.includes("tide-"));
  const text = await Deno.readTextFile(home.at(digest!));
  assert.ok(text.includes("Use [REDACTED:github] for it"), text);
  for (const words of [["digest"], ["digest", "--days", "400"], ["digest", "--all"]]) {
    assert.match((await home.keepsake(words)).stdout, /1 digest, nothing new\b/, words.join(" "));
  }
});

Deno.test("digest takes its flags over what the pipeline says, and prints JSON alone", async () => {
  await using home = await Home.make();
  await home.furnish();
  const old = new Date(Date.now() - 40 * 86_400_000);
  await home.write("logs/-home-ada-tide/1.jsonl", LINE("long ago", old));
  const pipeline = ".config/keepsake/pipeline.toml";
  const before = await Deno.readTextFile(home.at(pipeline));
  const stage = `[[stage]]\nuse = "digest"\nfrom = "~/logs"\nto = "~/out"\ndays = 7\n\n`;
  await home.write(pipeline, before.replace("[[stage]]", `${stage}[[stage]]`));
  const none = await home.keepsake(["digest", "--json"]);
  assert.equal(none.status, 0, none.stderr);
  assert.equal(JSON.parse(none.stdout).conversations, 0);
  const all = await home.keepsake(["digest", "--all", "--to", "elsewhere", "--json"]);
  const { to, conversations, written } = JSON.parse(all.stdout);
  assert.equal(to, home.at("elsewhere"));
  assert.equal(conversations, 1);
  assert.equal(written.length, 1);
  const run = await home.keepsake(["run", "--json"]);
  assert.equal(run.status, 0, run.stderr);
  const [digest] = JSON.parse(run.stdout).stages;
  assert.deepEqual([digest.use, digest.status], ["digest", "unchanged"]);
  assert.match((await home.keepsake(["run"])).stderr, /^digest: 0 (of 0 )?digests/m);
});

Deno.test("digest makes what each of several stages makes, and one that fails keeps no other from it", async () => {
  await using home = await Home.make();
  await home.furnish();
  await home.write("a/-home-ada-tide/1.jsonl", LINE("one"));
  await home.write("b/-home-ada-tide/2.jsonl", LINE("two"));
  const pipeline = ".config/keepsake/pipeline.toml";
  const before = await Deno.readTextFile(home.at(pipeline));
  const stages = ["a", "b"].map((name) =>
    `[[stage]]\nuse = "digest"\nid = "of-${name}"\nfrom = "~/${name}"\nto = "~/out-${name}"\n\n`
  ).join("");
  await home.write(pipeline, before.replace("[[stage]]", `${stages}[[stage]]`));
  const both = await home.keepsake(["digest", "--days", "3"]);
  assert.equal(both.status, 0, both.stderr);
  assert.match(both.stdout, /out-a: 1 of 1 digest updated[^]*out-b: 1 of 1 digest updated/);
  const { digests } = JSON.parse((await home.keepsake(["digest", "--json"])).stdout);
  assert.deepEqual(
    digests.map(({ id, to }: { id: string; to: string }) => [id, to]),
    [["of-a", home.at("out-a")], ["of-b", home.at("out-b")]],
  );
  const aside = await home.keepsake(["digest", "--to", "x"]);
  assert.deepEqual([aside.status, aside.stderr], [
    3,
    'Error: Cannot use "--to": there are several digest stages, "of-a", "of-b"\n' +
    "  Leave it out: each has its own in the pipeline file\n",
  ]);
  await Deno.remove(home.at("out-a"), { recursive: true });
  await home.write("out-a", "in the way");
  await home.write("b/-home-ada-tide/3.jsonl", LINE("three"));
  const half = await home.keepsake(["digest"]);
  assert.equal(half.status, 2);
  assert.match(half.stderr, /^Error: Cannot write digests in ".*out-a": it is a file\n/);
  assert.match(half.stdout, /^\S*out-b: 1 of 1 digest updated/);
});

Deno.test("digest says what is in the way of its directory, alone and in a run", async () => {
  await using home = await Home.make();
  await home.furnish();
  await home.write(LOG, LINE("hello"));
  await home.write("file", "mine");
  await home.write("state/.keepsake", "mine");
  await home.write("left/.keepsake/left-out", "mine");
  await home.write("index/.keepsake/index.json/mine", "mine");
  for (
    const [to, said] of [
      ["file", /^Error: Cannot write digests in ".*\/file": it is a file\n/],
      ["file/below", /^Error: Cannot write digests in ".*": a part of its path is no directory\n/],
      ["state", /^Error: Cannot write digests in ".*\/state": its folder ".keepsake" is a file\n/],
      ["left", /: its folder ".keepsake\/left-out" is a file\n/],
      ["index", /: a directory stands where a file of its own goes\n/],
    ] as const
  ) {
    const { status, stderr } = await home.keepsake(["digest", "--to", to]);
    assert.equal(status, 2, to + stderr);
    assert.match(stderr, said);
    assert.match(stderr, /\n {2}Name another directory, or move away what is there\n$/);
  }
  const pipeline = ".config/keepsake/pipeline.toml";
  const before = await Deno.readTextFile(home.at(pipeline));
  const stage = `[[stage]]\nuse = "digest"\nto = "~/file"\n\n`;
  await home.write(pipeline, before.replace("[[stage]]", `${stage}[[stage]]`));
  const run = await home.keepsake(["run"]);
  assert.equal(run.status, 2, run.stderr);
  assert.match(run.stdout + run.stderr, /Cannot write digests in ".*\/file": it is a file/);
  assert.doesNotMatch(run.stdout + run.stderr, /bug/);
});

Deno.test("digest writes nothing where the logs are, alone and in a run", async () => {
  await using home = await Home.make();
  await home.furnish();
  const before = await home.list(".claude");
  for (
    const [to, state] of [
      [".claude/projects", "the logs are there"],
      [".claude/projects/", "the logs are there"],
      [".claude/projects/x", `it lies in "${home.at(".claude/projects")}", with the logs`],
      [".claude", "it is Claude Code's own folder"],
    ] as const
  ) {
    const { status, stderr } = await home.keepsake(["digest", "--to", to]);
    assert.equal(status, 3, to);
    const path = home.at(to.replace(/\/$/, ""));
    const [error, hint] = stderr.split("\n");
    assert.equal(error, `Error: Cannot write digests in "${path}": ${state}`);
    assert.equal(hint, "  Choose a directory outside of it");
  }
  const file = home.at(".config/keepsake/pipeline.toml");
  const stage = '[[stage]]\nuse = "digest"\nto = "~/.claude/projects"\n\n';
  await Deno.writeTextFile(
    file,
    (await Deno.readTextFile(file)).replace("[[stage]]", `${stage}[[stage]]`),
  );
  const run = await home.keepsake(["run"]);
  assert.equal(run.status, 2);
  assert.match(run.stderr, /Cannot write digests in ".*projects": the logs are there/);
  assert.deepEqual(await home.list(".claude"), before);
  assert.equal((await home.keepsake(["digest", "--to", "."])).status, 0);
});

Deno.test("digest refuses what it cannot mean", async () => {
  await using home = await Home.make();
  for (
    const [words, said] of [
      [["--days", "3", "--all"], 'Cannot use "--days" with "--all"'],
      [["--max-size", "big"], "Expected a size"],
      [
        ["--from", "/nowhere"],
        'Cannot read conversations in "/nowhere": there is no such directory',
      ],
      [["--config", "/nowhere.toml"], "/nowhere.toml"],
    ] as const
  ) {
    const { status, stderr } = await home.keepsake(["digest", ...words]);
    assert.equal(status, 3, stderr);
    assert.ok(stderr.includes(said), stderr);
  }
});
