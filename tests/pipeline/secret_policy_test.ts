import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { renderRun } from "../../commands/ui/run_summary.ts";
import type { Pipeline } from "../../pipeline/config/pipeline.ts";
import type { Event, RunReport } from "../../pipeline/events.ts";
import { runPipeline } from "../../pipeline/mod.ts";
import { fingerprintKey, SecretSearch } from "../../pipeline/secret_policy.ts";
import { watchRun } from "../../pipeline/watch/watcher.ts";
import { PLAIN, sendAll } from "../../pipeline/worker/channel.ts";
import { haveTools, World } from "../end_to_end/world.ts";
import { Hooks } from "../servers/hooks.ts";
import {
  behind,
  type Canary,
  coloured,
  makeCanaries,
  spelled,
} from "../stages/formats/secrets/canaries.ts";

/** The key that is cut off comes last: it would reach as far as the end of the next one. */
const CANARIES = makeCanaries().toSorted((a, b) =>
  Number(a.kind === "private key, cut off") - Number(b.kind === "private key, cut off")
);
const HAS_GIT = haveTools("git");

Deno.test("a search that could not read to the end has not found that there is nothing", async () => {
  const search = new SecretSearch(new Uint8Array(32));
  const { port1, port2 } = new MessageChannel();
  const { signal } = new AbortController();
  const broken = ReadableStream.from([new Uint8Array(1), Promise.reject(new Error("gone"))]);
  const sending = sendAll(broken, [port1], PLAIN, signal).catch(() => {});
  await assert.rejects(search.read({ port: port2, coding: PLAIN }, signal));
  await sending;
  await assert.rejects(search.found, { code: "worker-died" });
});

Deno.test("a key of fingerprints that was cut short is made anew", async () => {
  using world = await World.make();
  await Deno.writeFile(world.at("fingerprints.key"), new Uint8Array(5));
  const key = await fingerprintKey(world.at());
  assert.equal(key.length, 32);
  assert.deepEqual(await fingerprintKey(world.at()), key);
});

/** Runs, and answers the report with all that anybody could have been told. */
async function run(pipeline: Pipeline): Promise<{ report: RunReport; told: string }> {
  const events: Event[] = [];
  const listener = (event: Event) => void events.push(event);
  const { watch } = pipeline;
  const report = watch === undefined ? await runPipeline(pipeline, { listener }) : await watchRun(
    { ...pipeline, watch },
    { listener, extent: "all", home: pipeline.state },
    (listener) => runPipeline(pipeline, { listener }),
  );
  return {
    report,
    told: JSON.stringify([report, events]) + renderRun(report, undefined).join("\n"),
  };
}

/** Plants the canaries in a conversation, each on a line of its own from the third on. */
async function plant(world: World): Promise<void> {
  const log = join(world.source, "projects", "-home-me-work", "leak.jsonl");
  const lines = CANARIES.map(({ text }) => JSON.stringify({ message: { content: text } }));
  await Deno.writeTextFile(log, `{}\n{}\n${lines.join("\n")}\n`);
}

function snapshot({ source }: World): string {
  return `[[stage]]\nuse = "snapshot"\nid = "claude"\npaths = [${JSON.stringify(source)}]\n`;
}

function statuses({ snapshots: [first] }: RunReport): Record<string, string> {
  return Object.fromEntries(first!.destinations.map(({ id, status }) => [id, status]));
}

function assertNoCanary(text: string, where: string): void {
  for (const { kind, value } of CANARIES) {
    const part = JSON.stringify(value.slice(0, 60)).slice(1, -1);
    assert.equal(text.includes(value) || text.includes(part), false, `${kind} is in ${where}`);
  }
}

Deno.test({
  name: HAS_GIT
    ? "secrets of every kind never reach git, a log, an alert or an error; other destinations go on"
    : "secrets of every kind never reach git (ignored: git is not there)",
  ignore: !HAS_GIT,
  fn: async () => {
    using world = await World.make();
    await Deno.remove(join(world.source, "noise.bin")).catch(() => {});
    await plant(world);
    const repository = world.at("repository.git");
    await new Deno.Command("git", { args: ["init", "-q", "--bare", repository] }).output();
    const place = (path: string, more = "") =>
      `[[stage]]\nuse = "local"\nid = "${path}"\npath = ${
        JSON.stringify(world.at(path))
      }\n${more}\n`;
    await using hooks = new Hooks();
    const pipeline = await world.pipeline(`
      alert = ["${hooks.at("/alert")}"]
      heartbeat = "${hooks.at("/beat")}"
      log = ${JSON.stringify(world.at("log"))}
      ${snapshot(world)}
      [[stage]]
      use = "git"
      remote = ${JSON.stringify(repository)}
      layout = "files"
      plaintext = true
      ${place("near", "plaintext = true")}
      ${place("strict", 'plaintext = true\nsecrets = "block"')}
      [[stage]]
      use = "encrypt"
      to = ["${world.recipient}"]
      ${place("sealed")}
      ${place("wary", 'secrets = "block"')}`);
    const { report, told } = await run(pipeline);
    assert.equal(report.status, 2);
    assert.equal(hooks.received.filter(({ target }) => target === "/alert").length, 1);
    assertNoCanary(JSON.stringify(hooks.received), "an alert or a heartbeat");
    const logs = await Array.fromAsync(Deno.readDir(world.at("log")));
    assert.ok(logs.length > 0);
    for (const { name } of logs) {
      assertNoCanary(await Deno.readTextFile(join(world.at("log"), name)), name);
    }
    assert.deepEqual(statuses(report), {
      ...{ git: "failed", near: "ok", strict: "failed", sealed: "ok", wary: "failed" },
    });
    const secrets = report.snapshots[0]!.secrets!;
    const lines = new Set(secrets.map(({ line }) => line));
    const missed = CANARIES.filter((_, index) => !lines.has(index + 3)).map(({ kind }) => kind);
    assert.deepEqual(missed, []);
    assert.deepEqual(
      new Set(secrets.map(({ path }) => path)),
      new Set([
        ".claude/projects/-home-me-work/leak.jsonl",
      ]),
    );
    assert.equal(CANARIES.length >= 25, true);
    assertNoCanary(told, "what was told");
    const refs = await new Deno.Command("git", { args: ["-C", repository, "for-each-ref"] })
      .output();
    assert.equal(new TextDecoder().decode(refs.stdout), "");
    assert.deepEqual(await world.files("strict"), {});
    for (const name of ["catalog.db", "catalog.db-wal", "hook.json"]) {
      const bytes = await Deno.readFile(join(pipeline.state, name)).catch(() => new Uint8Array());
      assertNoCanary(new TextDecoder("latin1").decode(bytes), name);
    }
  },
});

/** Ways to write a secret in which its first letters are not the first of a word. */
const FORMS: readonly ((canary: Canary) => unknown)[] = [
  ...["PORT=1\n", "\t", "x\r\n", "我的令牌是", "ключ", "a%3D", "foo_"].map(
    (before) => (canary: Canary) => behind(canary, before),
  ),
  (canary) => JSON.stringify({ text: behind(canary, "PORT=1\n") }),
  (canary) => ({ input: { nested: { text: JSON.stringify([behind(canary, "\t")]) } } }),
  coloured,
];

Deno.test({
  name: HAS_GIT
    ? "a secret is seen and kept from a destination however a log writes what is around it"
    : "a secret is seen however a log writes what is around it (ignored: git is not there)",
  ignore: !HAS_GIT,
  fn: async () => {
    using world = await World.make();
    await Deno.remove(join(world.source, "noise.bin")).catch(() => {});
    const log = join(world.source, "projects", "-home-me-work", "leak.jsonl");
    const planted = [...FORMS, undefined].flatMap((form, number) =>
      makeCanaries(number + 20).filter(({ kind }) => kind !== "private key, cut off")
        .map((canary) => ({ canary, form, number }))
    );
    const lines = planted.map(({ canary, form }) =>
      form === undefined
        ? `{"content":"${spelled(behind(canary, "\n"), /[A-Za-z]/)}"}`
        : JSON.stringify({ content: form(canary) })
    );
    await Deno.writeTextFile(log, `${lines.join("\n")}\n`);
    const repository = world.at("repository.git");
    await new Deno.Command("git", { args: ["init", "-q", "--bare", repository] }).output();
    const pipeline = await world.pipeline(`
      ${snapshot(world)}
      [[stage]]
      use = "git"
      remote = ${JSON.stringify(repository)}
      layout = "files"
      plaintext = true`);
    const { report } = await run(pipeline);
    assert.deepEqual([report.status, statuses(report)], [2, { git: "failed" }]);
    const seen = new Set(report.snapshots[0]!.secrets!.map(({ line }) => line));
    const missed = planted.filter((_, index) => !seen.has(index + 1));
    assert.deepEqual(missed.map(({ canary, number }) => `${number} ${canary.kind}`), []);
    const refs = await new Deno.Command("git", { args: ["-C", repository, "for-each-ref"] })
      .output();
    assert.equal(new TextDecoder().decode(refs.stdout), "");
  },
});

Deno.test("a secret in the name of a file is told without its value, and blocked", async () => {
  using world = await World.make();
  const { value } = makeCanaries().find(({ kind }) => kind === "github token")!;
  const folder = join(world.source, "projects", "-home-me-work");
  const names = [`${value}.txt`, join(`of-${value}`, "notes.txt")];
  await Deno.mkdir(join(folder, `of-${value}`));
  const inside = makeCanaries(2).find(({ kind }) => kind === "npm token")!.text;
  for (const name of names) await Deno.writeTextFile(join(folder, name), `${inside}\n`);
  const pipeline = await world.pipeline(
    `${snapshot(world)}[[stage]]\nuse = "local"\nplaintext = true\nsecrets = "block"\npath = ${
      JSON.stringify(world.at("there"))
    }`,
  );
  const { report, told } = await run(pipeline);
  assert.equal(report.status, 2);
  assert.deepEqual(await world.files("there"), {});
  const secrets = report.snapshots[0]!.secrets!;
  assert.deepEqual(
    secrets.map(({ path, line }) => `${path.split("/").slice(3).join("/")}:${line}`).sort(),
    [
      "[REDACTED:github]:0",
      "[REDACTED:github]:1",
      "of-[REDACTED:github]/notes.txt:0",
      "of-[REDACTED:github]/notes.txt:1",
      "of-[REDACTED:github]:0",
    ],
  );
  assert.ok(!told.includes(value.slice(0, 20)));
  using database = new DatabaseSync(join(pipeline.state, "catalog.db"), { readOnly: true });
  for (const table of ["runs", "stages"]) {
    const rows = JSON.stringify(database.prepare(`SELECT * FROM ${table}`).all());
    assert.ok(rows.length > 2 && !rows.includes(value), rows);
  }
});

Deno.test("a secret in a text of UTF-16 is told, and blocked", async () => {
  using world = await World.make();
  const { text } = makeCanaries().find(({ kind }) => kind === "github token")!;
  const folder = join(world.source, "projects", "-home-me-work");
  const units = [...`\ufeffa\nb\n${text}\n`].map((letter) => letter.charCodeAt(0));
  const little = Uint8Array.from(units.flatMap((unit) => [unit & 0xff, unit >> 8]));
  const big = Uint8Array.from(units.flatMap((unit) => [unit >> 8, unit & 0xff]));
  await Deno.writeFile(join(folder, "little.txt"), little);
  await Deno.writeFile(join(folder, "big.txt"), big);
  // What begins so and is none is searched as ever.
  const other = new Uint8Array([0xff, 0xfe, ...new TextEncoder().encode(`\n${text}\n`)]);
  await Deno.writeFile(join(folder, "none.bin"), other);
  const pipeline = await world.pipeline(
    `${snapshot(world)}[[stage]]\nuse = "local"\nplaintext = true\nsecrets = "block"\npath = ${
      JSON.stringify(world.at("there"))
    }`,
  );
  const { report } = await run(pipeline);
  assert.equal(report.status, 2);
  const secrets = report.snapshots[0]!.secrets!;
  assert.deepEqual(
    secrets.map(({ path, line, count }) => `${path.split("/").at(-1)} ${line} ${count}`).sort(),
    ["big.txt 3 1", "little.txt 3 1", "none.bin 2 1"],
  );
  assert.equal(new Set(secrets.map(({ fingerprint }) => fingerprint)).size, 1);
});

Deno.test("secrets that were accepted are remembered, and new ones are not among them", async () => {
  using world = await World.make();
  await plant(world);
  const known = world.at("home", ".config", "keepsake", "known-secrets.txt");
  const pipeline = await world.pipeline(
    `${snapshot(world)}[[stage]]\nuse = "local"\nplaintext = true\nsecrets = "block"\npath = ${
      JSON.stringify(world.at("backups"))
    }\n`,
  );
  const first = await run(pipeline);
  assert.deepEqual(statuses(first.report), { local: "failed" });
  const secrets = first.report.snapshots[0]!.secrets!;
  const failure = first.report.snapshots[0]!.destinations[0]!.failure!;
  assert.equal(failure.code, "destination-refused");
  assert.equal(failure.hint!.includes(known), true);
  await Deno.mkdir(join(known, ".."), { recursive: true });
  const lines = secrets.map(({ fingerprint, rule }) => `  ${fingerprint}  ${rule} is a test\n`);
  await Deno.writeTextFile(known, `# accepted\n${lines.slice(1).join("")}`);
  const second = await run(pipeline);
  assert.deepEqual(second.report.snapshots[0]!.secrets, [secrets[0]]);
  assert.deepEqual(statuses(second.report), { local: "failed" });
  await Deno.writeTextFile(known, `# accepted\n${lines.join("")}`);
  const third = await run(pipeline);
  assert.deepEqual([third.report.status, third.report.snapshots[0]!.secrets], [0, undefined]);
});

Deno.test("a snapshot without secrets goes everywhere", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(
    `${snapshot(world)}[[stage]]\nuse = "local"\nplaintext = true\nsecrets = "block"\npath = ${
      JSON.stringify(world.at("backups"))
    }\n`,
  );
  const { report } = await run(pipeline);
  assert.deepEqual([report.status, report.snapshots[0]!.secrets], [0, undefined]);
});
