/** The digest stage, in its own worker with its own permissions. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import MarkdownIt from "markdown-it";
import { resolveOptions } from "../../pipeline/alone.ts";
import { runPrepare } from "../../pipeline/run/preparing.ts";
import { StageWorker } from "../../pipeline/worker/host.ts";
import type { PrepareResult } from "../../stages/contract.ts";
import digest from "../../stages/digest.ts";
import { makeDigests } from "../../stages/formats/digest/digesting.ts";
import type { DigestDetails } from "../../stages/formats/digest/run.ts";
import { CANARY, makeBenchHome, makeSampleHome } from "../../tools/sample_home.ts";
import { mayReadAll } from "../rights.ts";
import {
  behind,
  type Canary,
  coloured,
  leaking,
  leaks,
  makeCanaries,
} from "./formats/secrets/canaries.ts";
import { runStage } from "./harness.ts";

type Line = Readonly<Record<string, unknown>>;

const unlessRefused = mayReadAll() ? " (ignored: root may read all)" : "";

/** A directory with logs, and one for digests. */
class World implements Disposable {
  readonly base = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-digest-" }));
  readonly from = join(this.base, "projects");
  readonly to = join(this.base, "digests");
  #count = 0;

  constructor() {
    Deno.mkdirSync(this.from);
  }

  /** What every line of a conversation carries. */
  line(fields: Line, { session = "s1", cwd = "/home/ada/tide", time = Date.now() } = {}): Line {
    const uuid = `u-${session}-${++this.#count}`;
    const timestamp = new Date(time).toISOString();
    return {
      parentUuid: null,
      cwd,
      sessionId: session,
      gitBranch: "main",
      uuid,
      timestamp,
      ...fields,
    };
  }

  user(content: unknown, about: Parameters<World["line"]>[1] = {}, fields: Line = {}): Line {
    return this.line({ type: "user", message: { role: "user", content }, ...fields }, about);
  }

  assistant(content: unknown, about: Parameters<World["line"]>[1] = {}, fields: Line = {}): Line {
    const usage = { input_tokens: 1, output_tokens: 2 };
    return this.line(
      {
        type: "assistant",
        message: { id: `m${this.#count}`, role: "assistant", content, usage },
        ...fields,
      },
      about,
    );
  }

  write(path: string, lines: readonly (Line | string)[], append = false): string {
    const file = join(this.from, path);
    Deno.mkdirSync(dirname(file), { recursive: true });
    const text = lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`);
    Deno.writeTextFileSync(file, text.join(""), { append });
    return file;
  }

  /** What the newest run warned of. */
  readonly warnings: string[] = [];

  async digest(options: Line = {}): Promise<PrepareResult & { readonly details: DigestDetails }> {
    this.warnings.length = 0;
    const { result } = await runStage<PrepareResult>({
      use: "digest",
      operation: "run",
      call: { onLog: (level, message) => level === "warn" && this.warnings.push(message) },
      options: { from: this.from, to: this.to, days: 36500, ...options },
    });
    return result as PrepareResult & { readonly details: DigestDetails };
  }

  /** Digests by name. */
  digests(): Record<string, string> {
    const names = [...Deno.readDirSync(this.to)].map(({ name }) => name).filter((name) =>
      name.endsWith(".md") && !name.startsWith("_") && !name.includes(".before-")
    );
    return Object.fromEntries(names.sort().map((name) => [name, this.read(name)]));
  }

  /** Digests as they were before something was lost of them, by name. */
  setAside(): string[] {
    return [...Deno.readDirSync(this.to)].map(({ name }) => name).filter((name) =>
      name.includes(".before-")
    ).sort();
  }

  /** The one digest there is. */
  only(): string {
    const texts = Object.values(this.digests());
    assert.equal(texts.length, 1);
    return texts[0]!;
  }

  /** All that was written, and what is remembered. */
  everything(folder = this.to): string {
    return Array.from(
      Deno.readDirSync(folder),
      ({ name, isDirectory }) =>
        isDirectory
          ? this.everything(join(folder, name))
          : Deno.readTextFileSync(join(folder, name)),
    ).join("\n");
  }

  read(name: string): string {
    return Deno.readTextFileSync(join(this.to, name));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.base, { recursive: true });
  }
}

/** Options as a run hands them over. */
async function resolved(table: Line): Promise<Parameters<typeof digest.permissions>[0]> {
  const surroundings = { cwd: "/", home: "/", environment: {} };
  return await resolveOptions(digest, table, surroundings) as Parameters<
    typeof digest.permissions
  >[0];
}

const FOLDER = "-home-ada-tide";
const DAY = 86_400_000;

Deno.test("what was said, thought, done and shown stands in a digest", async () => {
  using world = new World();
  const { user, assistant, line } = {
    user: world.user.bind(world),
    assistant: world.assistant.bind(world),
    line: world.line.bind(world),
  };
  const image = {
    type: "image",
    source: { type: "base64", media_type: "image/png", data: "AAAA" },
  };
  world.write(`${FOLDER}/s1.jsonl`, [
    { type: "mode", mode: "normal", sessionId: "s1" },
    user([{ type: "text", text: "Fix the *tide* table" }, image]),
    assistant([{ type: "thinking", thinking: "Hm, the moon", signature: "x".repeat(400) }]),
    assistant([{ type: "text", text: "I look at it" }]),
    assistant([{ type: "tool_use", id: "t1", name: "Bash", input: { command: "deno test" } }]),
    user([{ type: "tool_result", tool_use_id: "t1", content: "2 failed", is_error: true }], {}, {
      toolUseResult: { stdout: "2 failed", nested: { uuid: "not me" } },
    }),
    { type: "queue-operation", operation: "enqueue", content: "also the docs", sessionId: "s1" },
    { type: "queue-operation", operation: "enqueue", content: "never shown twice" },
    line({
      type: "attachment",
      attachment: { type: "queued_command", prompt: "never shown twice" },
    }),
    line({
      type: "system",
      subtype: "compact_boundary",
      compactMetadata: { trigger: "auto", preTokens: 1234 },
    }),
    user("It went so and so", {}, { isCompactSummary: true }),
    user("<system-reminder>noise one</system-reminder>"),
    user(
      "<task-notification>noise two</task-notification>Go on<system-reminder>x</system-reminder>",
    ),
    user("<bash-input>git status</bash-input>"),
    user("<bash-stdout>clean</bash-stdout><bash-stderr></bash-stderr>"),
    user("<command-name>/model</command-name><command-args>opus</command-args>"),
    { type: "summary", summary: "Tide tables, mended" },
  ]);
  await world.digest();
  const text = world.only();
  const inOrder = [
    "## Tide tables, mended",
    "Fix the *tide* table",
    "*An image*",
    "<details><summary>Thinking</summary>",
    "Hm, the moon",
    "I look at it",
    "**Bash** `deno test` (failed)",
    "```\n2 failed\n```",
    "*Waited to be said:* `also the docs`",
    "### You, while Claude worked",
    "never shown twice",
    "*Compacted:* `auto, 1,234 tokens before`",
    "<summary>Summary of the conversation so far</summary>",
    "It went so and so",
    "Go on",
    "*Ran:* `git status`",
    "```\nclean\n```",
    "*Command:* `/model opus`",
  ];
  let at = 0;
  for (const part of inOrder) {
    const found = text.indexOf(part, at);
    assert.ok(found >= 0, `${part}\n---\n${text}`);
    at = found + part.length;
  }
  assert.ok(!text.includes("noise"));
  assert.equal(text.split("never shown twice").length, 2);
});

Deno.test("sub-agents stand below the call that started them, to any depth", async () => {
  using world = new World();
  const call = (id: string) => ({ type: "tool_use", id, name: "Task", input: { description: id } });
  const answer = (
    id: string,
  ) => [{ type: "tool_result", tool_use_id: id, content: `end of ${id}` }];
  world.write(`${FOLDER}/s1.jsonl`, [
    world.user("start"),
    world.assistant([call("outer")]),
    world.user(answer("outer")),
    world.assistant([{ type: "text", text: "afterwards" }]),
  ]);
  const agents = `${FOLDER}/s1/subagents`;
  world.write(`${agents}/agent-a1.jsonl`, [
    world.user("outer prompt", {}, { isSidechain: true, agentId: "a1" }),
    world.assistant([call("inner")]),
    world.user(answer("inner")),
    world.assistant([{ type: "text", text: "outer answer" }]),
  ]);
  world.write(`${agents}/agent-a1.meta.json`, ['{"toolUseId":"outer","agentType":"Explore"}']);
  world.write(`${agents}/workflows/w/agent-a2.jsonl`, [world.assistant("inner answer")]);
  world.write(`${agents}/workflows/w/agent-a2.meta.json`, ['{"toolUseId":"inner"}']);
  world.write(`${agents}/workflows/w/journal.jsonl`, ['{"type":"started"}']);
  world.write(`${agents}/agent-a3.jsonl`, [world.assistant("nobody called me")]);
  const { details } = await world.digest();
  const text = world.only();
  const at = [
    "start",
    "**Task**",
    "Sub-agent Explore",
    "outer prompt",
    "inner answer",
    "outer answer",
  ]
    .map((part) => text.indexOf(part));
  assert.deepEqual(at, at.toSorted((a, b) => a - b), text);
  assert.ok(at.every((one) => one > 0));
  assert.ok(text.indexOf("afterwards") > text.indexOf("outer answer"));
  assert.ok(text.indexOf("nobody called me") > text.indexOf("afterwards"));
  assert.equal(details.agents, 3);
  assert.equal(details.answers, 4);
});

Deno.test("what a resumed or forked conversation repeats stands once, where it was said first", async () => {
  using world = new World();
  const first = [1, 2, 3].map((n) =>
    world.user(`prompt ${n}`, { session: "z1", time: Date.UTC(2026, 0, n) })
  );
  world.write(`${FOLDER}/a9.jsonl`, [
    ...first.slice(0, 2),
    world.user("the fork", { session: "a9", time: Date.UTC(2026, 0, 5) }),
  ]);
  world.write(`${FOLDER}/z1.jsonl`, first);
  const { details } = await world.digest();
  const text = world.only();
  assert.equal(details.prompts, 4);
  assert.equal(details.conversations, 2);
  const [fork, origin] = text.split("<!-- keepsake end -->");
  assert.ok(fork!.includes("the fork") && !fork!.includes("\nprompt 1"));
  assert.ok(fork!.includes("\n`a9` · goes on from `z1` · "), fork);
  assert.ok(!origin!.includes("goes on from"), origin);
  for (const n of [1, 2, 3]) assert.ok(origin!.includes(`\nprompt ${n}\n`));
});

Deno.test("what is repeated in another project stands once, where it was said first, whenever it is read", async () => {
  using world = new World();
  const numbers = [1, 2, 3, 4, 5];
  const about = (session: string, place: string, day: number) => ({
    ...{ session, cwd: `/home/ada/${place}`, time: Date.UTC(2026, 0, day) },
  });
  const write = (place: string, session: string, lines: readonly Line[]) =>
    world.write(`-home-ada-${place}/${session}.jsonl`, lines);
  for (const n of numbers) {
    for (const place of [`app${n}`, `tree${n}`]) {
      write(place, `old-${place}`, [world.user("at first", about(`old-${place}`, place, 1))]);
    }
  }
  await world.digest();
  for (const n of numbers) {
    const origin = about(`z${n}`, `app${n}`, 2);
    const said = [world.user(`asked ${n}`, origin), world.user(`and asked ${n}`, origin)];
    write(`app${n}`, `z${n}`, [...said, world.user("went on", { ...origin })]);
    write(`tree${n}`, `a${n}`, [...said, world.user("forked", about(`a${n}`, `tree${n}`, 3))]);
  }
  await world.digest();
  const seen = () => Object.values(world.digests());
  const anew = join(world.base, "anew");
  await world.digest({ to: anew });
  for (const [name, text] of Object.entries(world.digests())) {
    assert.equal(text, readFileSync(join(anew, name), "utf8"));
  }
  const forget = (name: string) => rmSync(join(world.to, ".keepsake", name));
  for (const options of [{ tools: "full" }, { patterns: ["ACME-[0-9]{8}"] }, {}]) {
    if (Object.keys(options).length === 0) forget("index.json");
    await world.digest(options);
    for (const n of numbers) {
      const texts = seen().filter((text) => text.includes(`\nasked ${n}\n`));
      assert.deepEqual(texts.length, 1);
      assert.match(texts[0]!, new RegExp(`^\`/home/ada/app${n}\`$`, "m"));
      assert.equal(texts[0]!.split(`\nasked ${n}\n`).length, 2);
    }
    assert.ok(!seen().some((text) => text.includes("An earlier version")));
  }
});

Deno.test("what the fork of a fork repeats stands where it was said first", async () => {
  for (const isTold of [false, true]) {
    using world = new World();
    const [first, second, third] = ["m1", "z1", "a1"].map((session, day) =>
      world.user(`said in ${session}`, { session, time: Date.UTC(2026, 0, day + 1) })
    ) as [Line, Line, Line];
    // Some copies have the name of the log that they stand in, and say where they come from.
    const copy = (line: Line, sessionId: string, from: Line) =>
      isTold ? { ...line, sessionId, forkedFrom: { sessionId: from.sessionId } } : line;
    const mode = (sessionId: string) => ({ type: "mode", mode: "normal", sessionId });
    world.write(`${FOLDER}/m1.jsonl`, [mode("m1"), first]);
    world.write(`${FOLDER}/z1.jsonl`, [mode("z1"), copy(first, "z1", first), second]);
    const copies = [copy(first, "a1", second), copy(second, "a1", second)];
    world.write(`${FOLDER}/a1.jsonl`, [mode("a1"), ...copies, third]);
    for (const options of [{}, { tools: "full" }]) {
      await world.digest(options);
      const parts = world.only().split("<!-- keepsake conversation ").slice(1);
      for (const session of ["m1", "z1", "a1"]) {
        const having = parts.filter((part) => part.includes(`\nsaid in ${session}\n`));
        assert.equal(having.length, 1, world.only());
        assert.ok(having[0]!.includes(`/${session}"`), having[0]);
      }
    }
  }
});

Deno.test("what a fork repeats stands once although its origin is swept and options change", async () => {
  using world = new World();
  const first = [1, 2, 3].map((n) =>
    world.user(`ACME-1234567${n} prompt ${n}.`, { session: "z1", time: Date.UTC(2026, 0, n) })
  );
  const fork = world.user("the fork", { session: "a9", time: Date.UTC(2026, 0, 5) });
  world.write(`${FOLDER}/a9.jsonl`, [...first.slice(0, 2), fork]);
  const origin = world.write(`${FOLDER}/z1.jsonl`, first);
  await world.digest();
  rmSync(origin);
  const touch = () => {
    const [[name, text]] = Object.entries(world.digests()) as [[string, string]];
    writeFileSync(join(world.to, name), text.replaceAll("\n", "\r\n"));
  };
  const changes: [Line, (() => void)?][] = [
    [{ tools: "full" }],
    [{ patterns: ["ACME-[0-9]{8}"] }],
    [{ patterns: ["ACME-[0-9]{8}"] }, touch],
    [{}],
  ];
  for (const [options, change] of changes) {
    change?.();
    const { details } = await world.digest(options);
    const text = world.only();
    for (const n of [1, 2, 3]) {
      assert.equal(text.match(new RegExp(`^[^#\n]* prompt ${n}\\.$`, "gm"))?.length, 1, text);
    }
    assert.deepEqual([details.conversations, details.prompts], [2, 4]);
    if ("patterns" in options) {
      const [name] = readdirSync(join(world.to, ".keepsake"))
        .filter((name) => name.startsWith("tide"));
      assert.ok(!/ACME-\d/.test(world.read(`.keepsake/${name}`)));
    }
  }
  // Its log comes back, and is its own again.
  world.write(`${FOLDER}/z1.jsonl`, [
    ...first,
    world.user("prompt 4.", { session: "z1", time: Date.UTC(2026, 0, 6) }),
  ]);
  const { details } = await world.digest();
  assert.deepEqual([details.conversations, details.prompts], [2, 5]);
  // What the digest has no more is owned no more.
  rmSync(origin);
  const [name] = Object.keys(world.digests());
  const parts = world.only().split(/(?=\n<!-- keepsake conversation)/);
  const rest = parts.filter((part) => !part.includes("tide/z1"));
  writeFileSync(join(world.to, name!), rest.join(""));
  await world.digest();
  for (const n of [1, 2]) assert.ok(world.only().includes(` prompt ${n}.\n`), world.only());
});

Deno.test("projects are told apart by what the lines say, not by the folder", async () => {
  using world = new World();
  world.write(`${FOLDER}-x/s1.jsonl`, [world.user("one", { cwd: "/home/ada/tide/x" })]);
  world.write(`${FOLDER}-x/s2.jsonl`, [
    world.user("two", { cwd: "/home/ada/tide-x", session: "s2" }),
  ]);
  world.write(`other/s3.jsonl`, [world.user("three", { cwd: "/srv/x", session: "s3" })]);
  world.write(`other/s4.jsonl`, ['{"type":"user","message":{"content":"four"}}']);
  await world.digest();
  const texts = Object.entries(world.digests());
  assert.equal(texts.length, 4);
  for (
    const [cwd, said] of [["/home/ada/tide/x", "one"], ["/home/ada/tide-x", "two"], [
      "/srv/x",
      "three",
    ]]
  ) {
    const [, text] = texts.find(([, text]) => text.includes(`\`${cwd}\``))!;
    assert.ok(text.includes(`\n${said}\n`));
  }
});

Deno.test("a place on Windows is one project, whoever wrote its drive", async () => {
  using world = new World();
  for (const [n, cwd] of ["C:\\work\\tide", "c:\\work\\tide", "c:/work/tide"].entries()) {
    world.write(`w${n}/s${n}.jsonl`, [world.user(`said ${n}`, { cwd, session: `s${n}` })]);
  }
  await world.digest();
  const texts = Object.values(world.digests());
  assert.equal(texts.length, 2);
  const [text] = texts.filter((text) => text.includes("said 0"));
  assert.ok(text!.includes("said 1"), text);
});

Deno.test({
  name: `a project that may not be read is named, and its digest stays${unlessRefused}`,
  ignore: unlessRefused !== "",
  async fn() {
    using world = new World();
    const log = world.write(`${FOLDER}/s1.jsonl`, [world.user("a prompt")]);
    world.write("-other/s2.jsonl", [world.user("another", { session: "s2", cwd: "/other" })]);
    await world.digest();
    const before = world.digests();
    for (const [path, mode] of [[dirname(log), 0], [dirname(log), 0o400]] as const) {
      await Deno.chmod(path, mode);
      try {
        world.write(
          "-other/s2.jsonl",
          [world.user("more", { session: "s2", cwd: "/other" })],
          true,
        );
        const { unreadable } = await world.digest();
        const named = mode === 0 ? path : log;
        assert.deepEqual(unreadable, [{ path: named, reason: "permission denied" }]);
        const after = world.digests();
        assert.equal(Object.keys(after).length, 2);
        for (const [name, text] of Object.entries(before)) {
          assert.equal(after[name] === text, text.includes("a prompt"), name);
        }
      } finally {
        await Deno.chmod(path, 0o700);
      }
    }
  },
});

Deno.test({
  name: "a pipe that stands for what a sub-agent is called is not waited for",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    using world = new World();
    const agent = `${FOLDER}/s1/subagents/agent-a1`;
    world.write(`${FOLDER}/s1.jsonl`, [world.user("a prompt")]);
    const pipe = `${world.write(`${agent}.jsonl`, [world.user("go")]).slice(0, -6)}.meta.json`;
    const words = ['mkfifo "$0" && echo ready && echo \'{"agentType":"waited"}\' > "$0"', pipe];
    const writer = new Deno.Command("sh", { args: ["-c", ...words], stdout: "piped" }).spawn();
    const output = writer.stdout.getReader();
    await output.read();
    await world.digest();
    assert.ok(!world.only().includes("waited"));
    writer.kill();
    await output.cancel();
    await writer.status;
  },
});

Deno.test("a project that is a link to what is not there is named, and its digest stays", async () => {
  if (Deno.build.os === "windows") return; // It makes links for administrators alone.
  using world = new World();
  world.write("../disk/tide/s1.jsonl", [world.user("a prompt")]);
  const disk = join(world.base, "disk");
  const link = join(world.from, "-tide");
  await Deno.symlink(join(disk, "tide"), link);
  assert.deepEqual((await world.digest()).unreadable ?? [], []);
  const before = world.digests();
  await Deno.rename(disk, join(world.base, "gone"));
  await Deno.symlink("-loop", join(world.from, "-loop"));
  const { unreadable, unchanged } = await world.digest();
  assert.deepEqual(unreadable, [
    { path: join(world.from, "-loop"), reason: "its links lead in a circle" },
    { path: link, reason: "it is a link that leads nowhere" },
  ]);
  assert.equal(unchanged, true);
  assert.deepEqual(world.digests(), before);
  await Deno.rename(join(world.base, "gone"), disk);
  await Deno.remove(join(world.from, "-loop"));
  const after = await world.digest();
  assert.deepEqual([after.unreadable, after.unchanged, world.digests()], [[], true, before]);
});

Deno.test("a project's folder that is a link is read, once, and goes on", async () => {
  if (Deno.build.os === "windows") return; // It makes links for administrators alone.
  using world = new World();
  const lines = [world.user("elsewhere", { cwd: "/srv/tide" })];
  const log = world.write(`../elsewhere/s1.jsonl`, lines);
  world.write(`${FOLDER}/s2.jsonl`, [world.user("here", { session: "s2" })]);
  const link = (to: string, name: string) => Deno.symlinkSync(to, join(world.from, name));
  link(dirname(log), "-srv-tide");
  link(dirname(log), "-srv-tide-again");
  link(join(world.from, FOLDER), "-home-ada-renamed");
  link(world.base, "above");
  link(join(world.base, "nowhere"), "nowhere");
  link(log, "log.jsonl");
  const { details } = await world.digest();
  assert.deepEqual([details.conversations, details.lines, details.prompts], [2, 2, 2]);
  const texts = Object.values(world.digests());
  assert.ok(texts.some((text) => text.includes("`/srv/tide`") && text.includes("\nelsewhere\n")));
  world.write(`../elsewhere/s1.jsonl`, [world.user("more", { cwd: "/srv/tide" })], true);
  assert.equal((await world.digest()).details.written.length, 1);
});

Deno.test("logs and their folders that are links, or have names that cannot be read, are named", async () => {
  if (Deno.build.os === "windows") return; // It makes links for administrators alone.
  using world = new World();
  const [session, other] = [crypto.randomUUID(), crypto.randomUUID()];
  const log = world.write(`${FOLDER}/${session}.jsonl`, [world.user("here")]);
  world.write("../elsewhere/s2.jsonl", [world.user("elsewhere", { session: "s2" })]);
  world.write("../elsewhere/subagents/agent-a.jsonl", [world.user("below", { session: "s3" })]);
  const elsewhere = join(world.base, "elsewhere");
  const link = (to: string, name: string) => {
    Deno.symlinkSync(to, join(world.from, FOLDER, name));
    return join(world.from, FOLDER, name);
  };
  await Deno.mkdir(join(world.from, FOLDER, other));
  const named = [
    link(join(elsewhere, "s2.jsonl"), "s2.jsonl"),
    link(elsewhere, session),
    link(join(elsewhere, "subagents"), `${other}/subagents`),
  ];
  // What is read under another name, and what is no log.
  link(log, `${crypto.randomUUID()}.jsonl`);
  link(elsewhere, "memory");
  const unnamed: string[] = [];
  if (Deno.build.os === "linux") {
    const script = 'cp "$1" "$2$(printf "/\\377.jsonl")" && mkdir "$2$(printf "/\\376")"';
    const args = ["-c", script, "sh", log, dirname(log)];
    assert.ok((await new Deno.Command("sh", { args }).output()).success);
    unnamed.push(join(dirname(log), "\ufffd"), join(dirname(log), "\ufffd.jsonl"));
  }
  const { unreadable, details } = await world.digest();
  assert.deepEqual(
    unreadable!.toSorted((a, b) => a.path < b.path ? -1 : 1),
    [
      ...named.map((path) => ({
        path,
        reason: "it is a link, and only those of whole projects are followed",
      })),
      ...unnamed.map((path) => ({ path, reason: "its name is not UTF-8" })),
    ].sort((a, b) => a.path < b.path ? -1 : 1),
  );
  assert.equal(details.conversations, 1);
});

Deno.test("a conversation whose project was not known moves to it when it is", async () => {
  for (const isCut of [false, true]) {
    using world = new World();
    const queued = (content: string) => ({
      type: "queue-operation",
      operation: "enqueue",
      content,
    });
    const homeless = ["without a place", "once more"].map((said) => {
      const { cwd: _, ...line } = world.user(said);
      return line;
    });
    world.write(`${FOLDER}/s1.jsonl`, [queued("at first"), ...homeless]);
    world.write(`${FOLDER}/s2.jsonl`, [queued("nowhere yet")]);
    world.write(`${FOLDER}/s3.jsonl`, [world.user("elsewhere", { session: "s3" })]);
    await world.digest();
    const guess = () => Object.keys(world.digests()).find((name) => name.startsWith("home-"));
    const place = () => Object.keys(world.digests()).find((name) => name.startsWith("tide-"))!;
    assert.ok(world.read(guess()!).includes("at first"));
    world.write(`${FOLDER}/s1.jsonl`, [world.user("with a place")], !isCut);
    const { details } = await world.digest(isCut ? { tools: "full" } : {});
    for (const said of ["without a place", "with a place", "at first", "elsewhere"]) {
      assert.ok(world.read(place()).includes(said), `${said}\n${world.read(place())}`);
    }
    assert.ok(!/at first|without a place/.test(world.read(guess()!)));
    assert.ok(world.read(guess()!).includes("nowhere yet"));
    assert.deepEqual([details.projects, details.conversations], [2, 3]);
    world.write(`${FOLDER}/s2.jsonl`, [world.user("there", { session: "s2" })], true);
    const last = await world.digest();
    assert.deepEqual([last.details.projects, last.details.conversations], [1, 3]);
    assert.ok(world.only().includes("nowhere yet") && world.only().includes("\nthere\n"));
    const remembered = readdirSync(join(world.to, ".keepsake"));
    assert.ok(!remembered.some((name) => name.startsWith("home-")), remembered.join());
    assert.equal((await world.digest()).unchanged, true);
  }
});

Deno.test("a move that was cut off half-way is brought to its end", async () => {
  using world = new World();
  const queued = { type: "queue-operation", operation: "enqueue", content: "at first" };
  world.write(`${FOLDER}/s1.jsonl`, [queued]);
  await world.digest();
  const [guess, text] = Object.entries(world.digests())[0]!;
  const state = world.read(`.keepsake/${guess.replace(".md", ".json")}`);
  world.write(`${FOLDER}/s1.jsonl`, [world.user("with a place")], true);
  await world.digest();
  const moved = world.only();
  assert.ok(!(guess in world.digests()));
  for (const files of [{ [guess]: text }, {}]) {
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(world.to, name), text);
    }
    writeFileSync(join(world.to, ".keepsake", guess.replace(".md", ".json")), state);
    rmSync(join(world.to, "_manifest.md"));
    await world.digest();
    assert.equal(world.only(), moved);
  }
});

Deno.test("what has no time stands in a digest, also in one of the last days alone", async () => {
  for (const days of [36500, 30]) {
    using world = new World();
    const timeless = (line: Line): Line => {
      const { timestamp: _, ...rest } = line;
      return rest;
    };
    world.write(`${FOLDER}/s1.jsonl`, [
      timeless(world.user("asked at no time")),
      timeless(world.assistant([{ type: "text", text: "answered at no time" }])),
    ]);
    world.write(`${FOLDER}/s2.jsonl`, [
      world.user("asked today", { session: "s2" }),
      timeless(world.assistant([{ type: "text", text: "between times" }], { session: "s2" })),
      world.assistant([{ type: "text", text: "answered today" }], { session: "s2" }),
    ]);
    await world.digest({ days });
    const text = world.only();
    for (const said of ["asked at no time", "answered at no time", "between times"]) {
      assert.ok(text.includes(said), `${said}, ${days} days\n${text}`);
    }
    assert.ok(text.indexOf("asked today") < text.indexOf("between times"));
    assert.ok(text.indexOf("between times") < text.indexOf("answered today"));
  }
});

Deno.test("the newest summary is a conversation's title, whether all is read anew or goes on", async () => {
  using world = new World();
  const asked = world.user("asked");
  const summary = (summary: string) => ({ type: "summary", summary, leafUuid: asked.uuid });
  const title = (text: string) => assert.ok(world.only().includes(`## ${text}`), world.only());
  world.write(`${FOLDER}/s1.jsonl`, [asked, summary("the first title")]);
  await world.digest();
  title("the first title");
  world.write(`${FOLDER}/s1.jsonl`, [world.user("more"), summary("the second title")], true);
  await world.digest();
  title("the second title");
  const other = world.user("other", { session: "s2" });
  world.write(`${FOLDER}/s2.jsonl`, [other, summary("the third title")]);
  await world.digest();
  title("the third title");
  rmSync(world.to, { recursive: true });
  await world.digest();
  title("the third title");
});

Deno.test("a title that another log tells stays when its conversation is read anew", async () => {
  using world = new World();
  const asked = world.user("asked");
  world.write(`${FOLDER}/s1.jsonl`, [asked]);
  const told = { type: "summary", summary: "a title", leafUuid: asked.uuid };
  world.write(`${FOLDER}/s2.jsonl`, [world.user("other", { session: "s2" }), told]);
  await world.digest();
  // It is no call's, so that all is read.
  world.write(`${FOLDER}/s1/subagents/agent-a1.jsonl`, [world.user("go")]);
  await world.digest();
  assert.ok(world.only().includes("## a title"), world.only());
});

Deno.test("a conversation of today is shown although its last line is full of old times", async () => {
  for (const rows of [2_000, 20_000, 300_000]) {
    using world = new World();
    const messages = Array(rows).fill({ text: "a message", timestamp: "2020-01-01T10:00:00.000Z" });
    world.write(`${FOLDER}/s1.jsonl`, [
      world.user("said today"),
      world.user("ok", {}, { toolUseResult: { messages } }),
    ]);
    const time = Date.parse("2020-02-01T10:00:00.000Z");
    world.write(`${FOLDER}/s2.jsonl`, [
      world.user("said long ago", { session: "s2", time }, { toolUseResult: { messages } }),
      world.user("and later", { session: "s2", time }),
    ]);
    await world.digest({ days: 30 });
    assert.ok(world.only().includes("said today"), `${rows}`);
    assert.ok(!world.only().includes("said long ago"), `${rows}`);
  }
});

Deno.test("what a run whose clock was ahead passed over is shown when the clock is right", async () => {
  using world = new World();
  world.write(`${FOLDER}/s1.jsonl`, [world.user("said today")]);
  const options = {
    from: world.from,
    to: world.to,
    days: 30,
    tools: "short",
    redact: true,
  } as const;
  const { signal } = new AbortController();
  const run = (now: number) =>
    makeDigests(
      { ...options, all: false, patterns: [] },
      { signal, isEarly: false, log() {}, progress() {} },
      now,
    );
  await run(Date.now() + 400 * DAY);
  assert.deepEqual(world.digests(), {});
  // As if the log had been written some seconds before: then its look tells that it did not change.
  const index = JSON.parse(world.read(".keepsake/index.json"));
  const written = index.written + 5000;
  writeFileSync(join(world.to, ".keepsake/index.json"), JSON.stringify({ ...index, written }));
  await run(Date.now());
  assert.ok(world.only().includes("said today"));
});

Deno.test("a long name of a project is cut between letters, also between those of two units", async () => {
  using world = new World();
  const name = `${"a".repeat(39)}𠮷𠮷`;
  world.write(`${FOLDER}/s1.jsonl`, [world.user("asked", { cwd: `/home/ada/${name}` })]);
  await world.digest();
  const [file] = Object.keys(world.digests());
  assert.match(file!, /^a{39}𠮷-[0-9a-f]{8}\.md$/u);
  assert.ok(world.read("_manifest.md").includes(encodeURI(file!)));
  assert.equal((await world.digest()).unchanged, true);
});

Deno.test("a narrower run, or a sweep, takes nothing out of a digest", async () => {
  using world = new World();
  const old = world.write(`${FOLDER}/s1.jsonl`, [
    world.user("long ago", { time: Date.now() - 20 * DAY }),
  ]);
  const time = Date.now();
  world.write(`${FOLDER}/s2.jsonl`, [world.user("today", { session: "s2", time })]);
  await world.digest({ days: 1 });
  assert.ok(!world.only().includes("long ago"));
  await world.digest({ days: 30 });
  assert.ok(world.only().includes("long ago"));
  const before = world.only();
  assert.equal((await world.digest({ days: 1 })).details.written.length, 0);
  assert.equal(world.only(), before);
  rmSync(old);
  world.write(`${FOLDER}/s2.jsonl`, [world.user("later", { session: "s2", time })], true);
  const { details } = await world.digest({ days: 1 });
  assert.ok(world.only().includes("long ago") && world.only().includes("later"));
  assert.equal(details.prompts, 3);
  // Not even with nothing left to remember by.
  rmSync(join(world.to, ".keepsake"), { recursive: true });
  world.write(`${FOLDER}/s2.jsonl`, [world.user("latest", { session: "s2", time })], true);
  await world.digest({ days: 1 });
  for (const said of ["long ago", "today", "later", "latest"]) {
    assert.ok(world.only().includes(said));
  }
});

Deno.test("a conversation that a digest holds goes on in a narrow run although all else is forgotten", async () => {
  using world = new World();
  const old = { time: Date.now() - 90 * DAY };
  world.write(`${FOLDER}/s1.jsonl`, [world.user("old words", old)]);
  await world.digest();
  world.write(`${FOLDER}/s1.jsonl`, [world.user("more words", old)], true);
  rmSync(join(world.to, ".keepsake"), { recursive: true });
  await world.digest({ days: 30 });
  assert.ok(world.only().includes("more words"));
  assert.equal((await world.digest({ days: 30 })).unchanged, true);
});

Deno.test("a digest that was removed comes back with what its logs still hold, in a narrow run too", async () => {
  using world = new World();
  const old = { session: "s1", time: Date.now() - 20 * DAY };
  world.write(`${FOLDER}/s1.jsonl`, [world.user("long ago", old)]);
  const swept = world.write(`${FOLDER}/s2.jsonl`, [world.user("swept", { session: "s2" })]);
  world.write(`${FOLDER}/s3.jsonl`, [world.user("today", { session: "s3" })]);
  world.write(`-b/s4.jsonl`, [world.user("b", { session: "s4", cwd: "/b" })]);
  await world.digest();
  rmSync(swept);
  const name = Object.keys(world.digests()).find((name) => name.startsWith("tide-"))!;
  rmSync(join(world.to, name));
  const { details } = await world.digest({ days: 1 });
  for (const said of ["long ago", "today"]) assert.ok(world.read(name).includes(`\n${said}\n`));
  assert.deepEqual([details.projects, details.conversations], [2, 3]);
  // One of which nothing is left stays away, and nothing is looked for again and again.
  rmSync(join(world.from, FOLDER), { recursive: true });
  rmSync(join(world.to, name));
  const last = await world.digest({ days: 1 });
  assert.deepEqual([last.details.projects, last.details.conversations], [1, 1]);
  assert.equal((await world.digest({ days: 1 })).unchanged, true);
});

Deno.test("a log that was cut short or written anew takes nothing out of a digest", async () => {
  using world = new World();
  const lines = [1, 2, 3].map((n) => world.user(`prompt ${n}.`));
  world.write(`${FOLDER}/s1.jsonl`, lines);
  await world.digest();
  world.write(`${FOLDER}/s1.jsonl`, [lines[0]!, world.user("another")]);
  await world.digest();
  for (const said of ["prompt 1.", "prompt 2.", "prompt 3.", "another"]) {
    assert.ok(world.only().includes(said), said);
  }
  world.write(`${FOLDER}/s1.jsonl`, []);
  await world.digest();
  for (const said of ["prompt 3.", "another"]) assert.ok(world.only().includes(said), said);
});

Deno.test("a log whose lines have no uuid takes nothing out of a digest when it is cut short", async () => {
  using world = new World();
  const lines = [1, 2, 3].map((n) => {
    const { uuid: _, ...line } = world.user(`prompt ${n}.`);
    return line;
  });
  world.write(`${FOLDER}/s1.jsonl`, lines);
  await world.digest();
  world.write(`${FOLDER}/s1.jsonl`, lines.slice(0, 1));
  await world.digest();
  for (const n of [1, 2, 3]) assert.ok(world.only().includes(`\nprompt ${n}.\n`), world.only());
});

Deno.test("sub-agents whose logs are gone first stay where they stood, and count once", async () => {
  using world = new World();
  const call = (id: string) => ({ type: "tool_use", id, name: "Task", input: {} });
  world.write(`${FOLDER}/s1.jsonl`, [
    world.user("first"),
    world.assistant([call("t1")]),
    world.user("second"),
    world.assistant([call("t2")]),
    world.assistant([{ type: "text", text: "afterwards" }]),
  ]);
  const agents = `${FOLDER}/s1/subagents`;
  for (const n of [1, 2, 3]) {
    world.write(`${agents}/agent-a${n}.jsonl`, [
      world.user(`asked ${n}`),
      world.assistant([n === 2 ? call("t3") : { type: "text", text: `answered ${n}` }]),
    ]);
    world.write(`${agents}/agent-a${n}.meta.json`, [`{"toolUseId":"t${n}"}`]);
  }
  world.write(`${agents}/agent-stray.jsonl`, [world.user("a stray")]);
  await world.digest();
  const count = (text: string, part: string) => text.split(part).length - 1;
  rmSync(join(world.from, FOLDER, "s1"), { recursive: true });
  for (const said of ["go on", "and on"]) {
    world.write(`${FOLDER}/s1.jsonl`, [world.user(said)], true);
    const { details } = await world.digest();
    const text = world.only();
    for (const part of ["asked 1", "asked 2", "asked 3", "answered 3", "a stray", "afterwards"]) {
      assert.equal(count(text, `\n${part}\n`), 1, `${part}\n${text}`);
    }
    assert.ok(text.indexOf("answered 3") < text.indexOf("\nafterwards\n"));
    assert.ok(!text.includes("An earlier version"));
    assert.match(text, /· 4 sub-agents ·/);
    const { conversations, agents, prompts, calls } = details;
    const more = said === "go on" ? 1 : 2;
    assert.deepEqual([conversations, agents, prompts, calls], [1, 4, 6 + more, 3]);
  }
});

Deno.test("a conversation whose own log is gone first stays as it stood, and takes in what is new below it", async () => {
  using world = new World();
  const begin = world.user("begin");
  const call = { type: "tool_use", id: "t1", name: "Task", input: {} };
  const main = world.write(`${FOLDER}/s1.jsonl`, [
    ...[begin, world.assistant([call]), world.assistant([{ type: "text", text: "done" }])],
    world.user("and on"),
  ]);
  const agent = `${FOLDER}/s1/subagents/agent-a1`;
  world.write(`${agent}.jsonl`, [world.user("asked")]);
  world.write(`${agent}.meta.json`, [`{"toolUseId":"t1"}`]);
  await world.digest();
  rmSync(main);
  world.write(`${FOLDER}/s2.jsonl`, [begin, world.user("forked", { session: "s2" })]);
  const said = ["begin", "asked", "done", "and on", "forked"];
  const changes: [options: Line, said?: string][] = [
    [{}],
    [{ tools: "full" }],
    [{ tools: "full" }, "more"],
    [{ tools: "none" }],
    [{}, "and more"],
    [{ patterns: ["ACME-[0-9]{8}"] }, "and more yet"],
  ];
  for (const [options, more] of changes) {
    if (more !== undefined) {
      world.write(`${agent}.jsonl`, [world.user(more)], true);
      said.push(more);
    }
    const { details } = await world.digest(options);
    const text = world.only();
    for (const part of said) assert.equal(text.split(`\n${part}\n`).length, 2, `${part}\n${text}`);
    const { conversations, agents, prompts, answers, calls } = details;
    assert.deepEqual([conversations, agents, prompts, answers, calls], [
      2,
      1,
      said.length - 1,
      1,
      1,
    ]);
    assert.ok(text.includes("\n## begin\n") && !text.includes("An earlier version"), text);
    assert.equal((await world.digest(options)).unchanged, true);
  }
});

Deno.test("an earlier version of a conversation is found by a name of its own", async () => {
  using world = new World();
  const session = "0b5c1d2e-3f40-4a51-8b62-7c73d84e95fa";
  const lines = [1, 2, 3].map((n) => world.user(`prompt ${n}.`, { session }));
  for (const some of [lines, lines.slice(1), lines.slice(2)]) {
    world.write(`${FOLDER}/${session}.jsonl`, some);
    await world.digest();
  }
  const text = world.only();
  const links = [...text.matchAll(/\(#(c-\w+)\)/g)].map(([, name]) => name!);
  assert.equal(new Set(links).size, 3, links.join());
  for (const name of links) assert.equal(text.split(`<a id="${name}">`).length, 2, name);
});

Deno.test("an earlier version of a conversation is kept once, and no longer than it has what no other has", async () => {
  using world = new World();
  const lines = [1, 2, 3, 4].map((n) => world.user(`prompt ${n}`));
  const all = [lines, lines.slice(0, 1), lines, lines.slice(0, 2), lines.slice(1), lines];
  for (const tools of ["short", "full", "short"]) {
    const numbers: number[] = [];
    for (const some of all) {
      world.write(`${FOLDER}/s1.jsonl`, some);
      await world.digest({ tools });
      const text = world.only();
      for (const n of [1, 2, 3, 4]) assert.ok(text.includes(`\nprompt ${n}\n`), text);
      numbers.push(text.split("\n*An earlier version:").length - 1);
    }
    assert.deepEqual(numbers, [0, 1, 0, 1, 1, 0]);
  }
  // More of the same line is not the same line.
  for (const said of ["ask", "asked"]) {
    const time = Date.UTC(2026, 0, 1);
    world.write(`${FOLDER}/s2.jsonl`, [world.user(said, { session: "s2", time })]);
    await world.digest();
  }
  for (const said of ["ask", "asked"]) assert.ok(world.only().includes(`\n${said}\n`), said);
});

Deno.test("an earlier version of a conversation counts for nothing", async () => {
  using world = new World();
  const lines = [1, 2, 3].map((n) => world.user(`prompt ${n}.`));
  world.write(`${FOLDER}/s1.jsonl`, lines);
  const agent = `${FOLDER}/s1/subagents/agent-a1`;
  world.write(`${agent}.jsonl`, [world.user("asked")]);
  await world.digest();
  // What is shown has changed, so that nothing can be read on; and something is gone.
  rmSync(join(world.from, `${agent}.jsonl`));
  const { details } = await world.digest({ tools: "full" });
  assert.deepEqual([details.conversations, details.agents, details.prompts], [1, 0, 3]);
  const text = world.only();
  assert.match(text, /\n1 conversation ·/);
  assert.match(text, /\*An earlier version: it has what the logs have no more\.\*/);
  assert.ok(text.includes("\nasked\n"));
  assert.match(world.read("_manifest.md"), /\| \*\*All\*\* \| {2}\| {2}\| 1 \| 0 \| 3 \|/);
  // Nothing but that is left of it: then it is what counts.
  world.write(`${FOLDER}/s1.jsonl`, []);
  const { details: last } = await world.digest({ tools: "full" });
  assert.deepEqual([last.conversations, last.agents, last.prompts], [1, 1, 4]);
});

Deno.test("sub-agents that no call is known of stay when their conversation goes on", async () => {
  using world = new World();
  const call = { type: "tool_use", id: "t9", name: "Task", input: {} };
  world.write(`${FOLDER}/s1.jsonl`, [world.user("begin"), world.assistant("begun")]);
  const agents = `${FOLDER}/s1/subagents`;
  world.write(`${agents}/agent-acompact-1.jsonl`, [
    world.assistant([{ type: "text", text: "compacted" }]),
    world.assistant([call]),
  ]);
  world.write(`${agents}/agent-b2.jsonl`, [world.user("called by nobody")]);
  world.write(`${agents}/agent-b2.meta.json`, ['{"toolUseId":"unknown","agentType":"Explore"}']);
  world.write(`${agents}/agent-c3.jsonl`, [world.user("called by a stray")]);
  world.write(`${agents}/agent-c3.meta.json`, ['{"toolUseId":"t9"}']);
  await world.digest();
  for (const said of ["go on", "and on"]) {
    world.write(`${FOLDER}/s1.jsonl`, [world.user(said), world.assistant("done")], true);
    await world.digest();
    const text = world.only();
    for (const stray of ["compacted", "called by nobody", "called by a stray"]) {
      assert.equal(text.split(`\n${stray}\n`).length, 2, `${stray}\n${text}`);
      assert.ok(text.indexOf(stray) > text.indexOf(`\n${said}\n`), text);
    }
    assert.match(text, /Sub-agent Explore/);
  }
  // One of them that is called after all moves to the call.
  world.write(`${FOLDER}/s1.jsonl`, [
    world.assistant([{ ...call, id: "unknown" }]),
    world.user("the end"),
  ], true);
  await world.digest();
  const grown = world.only();
  assert.equal(grown.split("called by nobody").length, 2);
  assert.ok(grown.indexOf("called by nobody") < grown.indexOf("\nthe end\n"));
  rmSync(world.to, { recursive: true });
  await world.digest();
  assert.equal(world.only(), grown);
});

Deno.test("sub-agents that a damaged log has start each other stand at the end", async () => {
  using world = new World();
  const call = (id: string) => ({ type: "tool_use", id, name: "Task", input: {} });
  world.write(`${FOLDER}/s1.jsonl`, [world.user("begin")]);
  for (const [n, other] of [[1, 2], [2, 1]]) {
    const agent = `${FOLDER}/s1/subagents/agent-a${n}`;
    world.write(`${agent}.jsonl`, [world.user(`asked ${n}`), world.assistant([call(`t${n}`)])]);
    world.write(`${agent}.meta.json`, [`{"toolUseId":"t${other}"}`]);
  }
  for (const said of ["go on", "and on"]) {
    await world.digest();
    for (const n of [1, 2]) assert.equal(world.only().split(`\nasked ${n}\n`).length, 2);
    world.write(`${FOLDER}/s1.jsonl`, [world.user(said)], true);
  }
});

Deno.test("a log that was written anew takes nothing out of a digest when an option changes too", async () => {
  using world = new World();
  const [one, ...lines] = [1, 2, 3].map((n) => world.user(`prompt ${n}.`));
  world.write(`${FOLDER}/s1.jsonl`, [one!, ...lines]);
  await world.digest();
  world.write(`${FOLDER}/s1.jsonl`, [one!, world.user("another"), world.user("and more")]);
  await world.digest({ tools: "full" });
  for (const said of ["prompt 2.", "prompt 3.", "another", "and more"]) {
    assert.ok(world.only().includes(`\n${said}\n`), said);
  }
});

Deno.test("a sub-agent's log that was cut short takes nothing out of a digest", async () => {
  using world = new World();
  world.write(`${FOLDER}/s1.jsonl`, [
    world.user("begin"),
    world.assistant([{ type: "tool_use", id: "t1", name: "Task", input: {} }]),
  ]);
  const agent = `${FOLDER}/s1/subagents/agent-a1`;
  const lines = [1, 2].map((n) => world.user(`asked ${n}`));
  world.write(`${agent}.jsonl`, lines);
  world.write(`${agent}.meta.json`, ['{"toolUseId":"t1"}']);
  await world.digest();
  world.write(`${agent}.jsonl`, lines.slice(0, 1));
  await world.digest();
  for (const n of [1, 2]) assert.ok(world.only().includes(`\nasked ${n}\n`), world.only());
});

Deno.test("a sub-agent whose log is gone is missed although its conversation says more than it did", async () => {
  for (const isForgotten of [false, true]) {
    using world = new World();
    const line = (text: string) => world.user(text, {}, isForgotten ? {} : { uuid: undefined });
    world.write(`${FOLDER}/s1.jsonl`, [line("start")]);
    const gone = world.write(`${FOLDER}/s1/subagents/agent-a.jsonl`, [line("said below")]);
    await world.digest();
    rmSync(gone);
    if (isForgotten) rmSync(join(world.to, ".keepsake"), { recursive: true });
    else world.write(`${FOLDER}/s1/subagents/agent-b.jsonl`, [line("another")]);
    world.write(`${FOLDER}/s1.jsonl`, [line("more"), line("and more")], true);
    await world.digest();
    assert.ok(world.only().includes("said below"), `forgotten: ${isForgotten}`);
  }
});

Deno.test("a log without uuids is missed also when nothing of it was counted", async () => {
  for (const isGone of [false, true]) {
    using world = new World();
    const line = (text: string) => world.user(text, {}, { uuid: undefined });
    const thought = (thinking: string) =>
      world.assistant([{ type: "thinking", thinking }], {}, { uuid: undefined });
    world.write(`${FOLDER}/s1.jsonl`, [line("start")]);
    const path = `${FOLDER}/s1/subagents/agent-a.jsonl`;
    const file = world.write(path, [thought("a thought"), thought("a second")]);
    await world.digest();
    if (isGone) rmSync(file);
    else world.write(path, [thought("a thought")]);
    await world.digest({ tools: "full" });
    assert.ok(world.only().includes("a second"), `gone: ${isGone}`);
  }
});

Deno.test("sub-agents whose names are hashes stand in the same order whenever they are read", async () => {
  using world = new World();
  const values = [1, 2, 3, 4].flatMap((seed) => makeCanaries(seed))
    .filter(({ kind }) => kind === "github token" || kind === "npm token");
  const path = `${FOLDER}/s1.jsonl`;
  world.write(path, [world.user("start")]);
  for (const [n, { value }] of values.entries()) {
    world.write(`${FOLDER}/s1/subagents/agent-${value}.jsonl`, [world.assistant(`below ${n}`)]);
  }
  await world.digest();
  world.write(path, [world.user("more")], true);
  await world.digest();
  const grown = world.digests();
  rmSync(world.to, { recursive: true });
  await world.digest();
  assert.deepEqual(grown, world.digests());
});

Deno.test("what is new of a sub-agent stays when another, of before, has changed too", async () => {
  using world = new World();
  const call = (id: string) => ({ type: "tool_use", id, name: "Task", input: {} });
  const agents = `${FOLDER}/s1/subagents`;
  world.write(`${FOLDER}/s1.jsonl`, [
    world.user("first"),
    world.assistant([call("t1")]),
    world.user("second"),
    world.assistant([call("t2")]),
  ]);
  for (const n of [1, 2]) {
    world.write(`${agents}/agent-a${n}.jsonl`, [world.user(`prompt ${n}`)]);
    world.write(`${agents}/agent-a${n}.meta.json`, [`{"toolUseId":"t${n}"}`]);
  }
  await world.digest();
  for (const n of [1, 2]) {
    world.write(`${agents}/agent-a${n}.jsonl`, [world.user(`more ${n}`)], true);
  }
  await world.digest();
  for (const n of [1, 2]) assert.ok(world.only().includes(`\nmore ${n}\n`), world.only());
});

/** A digest of two conversations whose logs are gone, with something done to it. */
async function touched(world: World, touch: (text: string) => string): Promise<string> {
  for (const n of [1, 2]) {
    const about = { session: `s${n}`, time: Date.UTC(2026, 0, n) };
    world.write(`${FOLDER}/s${n}.jsonl`, [
      world.user(`question ${n}`, about),
      world.assistant([{ type: "text", text: `answer ${n}` }], about),
    ]);
  }
  await world.digest();
  for (const n of [1, 2]) rmSync(join(world.from, FOLDER, `s${n}.jsonl`));
  const [name] = Object.keys(world.digests());
  const text = touch(world.only());
  writeFileSync(join(world.to, name!), text);
  world.write(`${FOLDER}/s3.jsonl`, [world.user("question 3", { session: "s3" })]);
  await world.digest();
  return text;
}

Deno.test("a digest that an editor saved in its own way loses nothing", async () => {
  const ways: ((text: string) => string)[] = [
    (text) => text.replaceAll("\n", "\r\n"),
    (text) => `\uFEFF${text}`,
    (text) => text.trimEnd(),
    (text) => `${text}\n\n`,
  ];
  for (const way of ways) {
    for (const isForgotten of [false, true]) {
      using world = new World();
      await touched(world, (text) => {
        if (isForgotten) rmSync(join(world.to, ".keepsake"), { recursive: true });
        return way(text);
      });
      for (const n of [1, 2]) {
        assert.ok(world.only().includes(`\nquestion ${n}\n`), `${way}`);
        assert.ok(world.only().includes(`\nanswer ${n}\n`), `${way}`);
      }
      assert.ok(world.only().includes("question 3") && !world.only().includes("\r"));
      assert.deepEqual([world.setAside(), world.warnings], [[], []], `${way}`);
    }
  }
});

Deno.test("a damaged digest loses no conversation but the damaged one, and is set aside as it was", async () => {
  const END = "<!-- keepsake end -->\n";
  const damages: [damage: (text: string) => string, kept: readonly string[]][] = [
    [(text) => text.replace(END, ""), ["answer 1", "answer 2"]],
    [(text) => text.slice(0, -30), ["answer 2", "question 1"]],
    [(text) => text.replace("<!-- keepsake body -->", ""), ["answer 1"]],
    [(text) => text.replace('{"key"', '{"kee"'), ["answer 1"]],
    [(text) => text.replace("<!-- keepsake conversation ", "<!-- "), ["answer 1"]],
    [(text) => text.slice(text.indexOf(END) + END.length), ["answer 1"]],
    [(text) => text + text.slice(text.indexOf("\n<!-- keepsake conversation")), ["answer 2"]],
    [() => "something else\n", []],
  ];
  for (const [damage, kept] of damages) {
    using world = new World();
    const text = await touched(world, damage);
    for (const said of [...kept, "question 3"]) {
      assert.ok(world.only().includes(`\n${said}\n`), `${damage}\n${world.only()}`);
    }
    const [name, ...more] = world.setAside();
    assert.deepEqual(more, []);
    assert.equal(world.read(name!), text);
    assert.match(name!, /^tide-[0-9a-f]{8}\.before-\d{8}T\d{6}Z\.md$/);
    const slug = name!.replace(/\.before-.*/, "");
    assert.deepEqual(world.warnings, [
      `"${slug}.md" holds what keepsake did not write, or cannot be read whole any more: as it was, it is kept as "${name}"`,
    ]);
    // That is nobody's digest, and stays.
    world.write(`${FOLDER}/s3.jsonl`, [world.user("question 4", { session: "s3" })], true);
    await world.digest();
    assert.deepEqual([world.setAside(), world.warnings], [[name], []]);
    assert.equal(world.read(name!), text);
    assert.ok(world.only().includes("question 4"));
    assert.ok(!world.read("_digest-pending").includes(".before-"));
    assert.equal((await world.digest()).unchanged, true);
  }
});

Deno.test("notes by hand around conversations are set aside, each time", async () => {
  using world = new World();
  await touched(world, (text) => `My note\n\n${text}`);
  for (
    const note of [
      (text: string) => `${text}\nMy note\n`,
      (text: string) => text.replace("\n\n| Last", "\n\nMy note\n\n| Last"),
      (text: string) => text.replace("\n\n<!-- keepsake conv", "\n\nMy note\n\n<!-- keepsake conv"),
    ]
  ) {
    const before = world.setAside();
    const [name] = Object.keys(world.digests());
    const noted = note(world.only());
    writeFileSync(join(world.to, name!), noted);
    await world.digest();
    assert.ok(!world.only().includes("My note"));
    const [aside, ...more] = world.setAside().filter((name) => !before.includes(name));
    assert.deepEqual(more, []);
    assert.equal(world.read(aside!), noted);
    assert.ok(world.warnings[0]!.includes(aside!));
  }
  for (const n of [1, 2, 3]) assert.ok(world.only().includes(`question ${n}`));
});

Deno.test("a digest that nobody touched is not set aside, whatever is forgotten or asked for", async () => {
  using world = new World();
  await touched(world, (text) => text);
  world.write(`${FOLDER}/s3.jsonl`, [world.user("cut", { session: "s3" })]);
  await world.digest({ max_size: "2kB" });
  assert.match(world.only(), /Left out for their size/);
  for (const options of [{ max_size: "2kB" }, { tools: "full" }, {}]) {
    rmSync(join(world.to, ".keepsake"), { recursive: true });
    world.write(`${FOLDER}/s3.jsonl`, [world.user("more", { session: "s3" })], true);
    await world.digest(options);
    assert.deepEqual(world.setAside(), []);
  }
});

Deno.test("what is too big gives way oldest first, is named, and comes back", async () => {
  using world = new World();
  for (const n of [1, 2, 3]) {
    const [session, time] = [`s${n}`, Date.UTC(2026, 0, n)];
    world.write(`${FOLDER}/s${n}.jsonl`, [
      world.user(`Title ${n}`, { session, time }),
      world.assistant(`word${n} `.repeat(2000), { session, time }),
    ]);
  }
  await world.digest({ max_size: "32kB" });
  const text = world.only();
  assert.ok(text.length <= 32_000);
  assert.ok(!text.includes("word1") && text.includes("word2") && text.includes("word3"));
  assert.match(text, /Left out for their size, oldest first:\n\n- 2026-01-01 00:00 Title 1/);
  assert.match(world.read("_manifest.md"), /Left out for their size\n\n- .*Title 1/);
  // Its log is gone; it comes back all the same.
  rmSync(join(world.from, FOLDER, "s1.jsonl"));
  await world.digest({ max_size: "20kB" });
  assert.ok(!world.only().includes("word2"));
  await world.digest();
  for (const word of ["word1", "word2", "word3"]) assert.ok(world.only().includes(word));
});

Deno.test("nothing is parsed again that is as it was, whatever the times say", async () => {
  using world = new World();
  const file = world.write(`${FOLDER}/s1.jsonl`, [world.user("one")]);
  world.write(`-b/s2.jsonl`, [world.user("two", { session: "s2", cwd: "/b" })]);
  await world.digest();
  const files = () =>
    [...Deno.readDirSync(world.to)].filter(({ isFile }) => isFile).map(({ name }) =>
      `${name} ${statSync(join(world.to, name)).ino}`
    ).sort();
  const before = files();
  assert.equal((await world.digest()).unchanged, true);
  utimesSync(file, new Date(), new Date(0));
  utimesSync(dirname(file), new Date(), new Date(0));
  assert.match((await world.digest()).message, /nothing new/);
  assert.deepEqual(files(), before);
  // The same size and time, but another content.
  const { mtime } = statSync(file);
  writeFileSync(file, readFileSync(file, "utf8").replace('"one"', '"new"'));
  utimesSync(file, mtime, mtime);
  const { details } = await world.digest();
  assert.equal(details.written.length, 1);
});

Deno.test("a line more changes one digest, and gives what reading all anew would", async () => {
  using world = new World();
  const call = { type: "tool_use", id: "t1", name: "Bash", input: { command: "ls" } };
  world.write(`-b/s2.jsonl`, [world.user("two", { session: "s2", cwd: "/b" })]);
  const lines: (readonly Line[])[] = [
    [world.user("one"), world.assistant("first")],
    [world.user("two"), world.assistant([call])],
    [world.user([{ type: "tool_result", tool_use_id: "t1", content: "listing" }])],
    [world.assistant("second"), { type: "ai-title", aiTitle: "A title" }],
    [world.user("three")],
    [world.assistant("third")],
  ];
  for (const some of lines) {
    world.write(`${FOLDER}/s1.jsonl`, some, true);
    const { details } = await world.digest();
    assert.equal(
      details.written.filter((name) => name.startsWith("b-")).length,
      some === lines[0] ? 1 : 0,
    );
  }
  const grown = [world.digests(), world.read("_manifest.md")];
  rmSync(world.to, { recursive: true });
  await world.digest();
  assert.deepEqual(grown, [world.digests(), world.read("_manifest.md")]);
});

Deno.test("what has no time of its own has that of the line before, also in the next run", async () => {
  using world = new World();
  const queued = { type: "queue-operation", operation: "enqueue", content: "later" };
  world.write(`${FOLDER}/s1.jsonl`, [world.user("one")]);
  await world.digest();
  world.write(`${FOLDER}/s1.jsonl`, [queued], true);
  await world.digest();
  const grown = world.digests();
  rmSync(world.to, { recursive: true });
  await world.digest();
  assert.deepEqual(grown, world.digests());
});

Deno.test("a last line that is still being written waits until it is whole", async () => {
  using world = new World();
  const line = JSON.stringify(world.user("second"));
  const file = world.write(`${FOLDER}/s1.jsonl`, [world.user("first")]);
  appendFileSync(file, line.slice(0, 40));
  assert.equal((await world.digest()).details.broken, 1);
  appendFileSync(file, `${line.slice(40)}\n`);
  const { details } = await world.digest();
  assert.equal(details.broken, 0);
  assert.equal(details.prompts, 2);
});

Deno.test("a line counts once when its end comes later", async () => {
  using world = new World();
  const { text } = makeCanaries(19).find(({ kind }) => kind === "github token")!;
  const path = `${FOLDER}/s1.jsonl`;
  const file = world.write(path, [world.user("one"), world.user("two")]);
  for (const end of ["\n", "\r\n"]) {
    appendFileSync(file, JSON.stringify(world.user("without an end")));
    await world.digest();
    appendFileSync(file, `${end}${JSON.stringify(world.user(text))}\n`);
    await world.digest();
  }
  const { details: { redactions } } = await world.digest({ days: 36000 });
  assert.deepEqual(redactions.map(({ line }) => line), [4, 6]);
  const grown = world.digests();
  rmSync(world.to, { recursive: true });
  await world.digest();
  assert.deepEqual(grown, world.digests());
});

Deno.test("a prompt that waited stands once, also when others are said before it", async () => {
  using world = new World();
  const queued = (content: string) => ({ type: "queue-operation", operation: "enqueue", content });
  const path = `${FOLDER}/s1.jsonl`;
  world.write(path, [world.user("one"), queued("two"), queued("three"), world.user("two")]);
  await world.digest();
  assert.ok(world.only().includes("*Waited to be said:* `three`"));
  world.write(path, [world.user("three")], true);
  await world.digest();
  assert.ok(!world.only().includes("*Waited"), world.only());
});

Deno.test("whatever stands in a log, nothing throws, and what is not known is counted by shape", async () => {
  using world = new World();
  const deep = `${"[".repeat(60_000)}${"]".repeat(60_000)}`;
  world.write(`${FOLDER}/s1.jsonl`, [
    "not json",
    "[1,2]",
    "null",
    "",
    '{"type":"user","message":{"content":',
    '{"type":"user"}',
    '{"type":"user","message":null}',
    '{"type":"user","message":{"content":[null,1,{"type":5},{"type":"text","text":7}]}}',
    '{"type":"assistant","message":{"content":{"a":1},"usage":{"input_tokens":"x"}}}',
    `{"type":"assistant","message":{"content":[{"type":"tool_use","id":"d","name":"X","input":${deep}}]}}`,
    '{"type":"attachment"}',
    '{"type":"system","subtype":"new_thing","hidden":"value one"}',
    '{"type":"brand-new","secretValue":"value two","a b":1}',
    '{"type":"attachment","attachment":{"type":"odd","inner":"value three"}}',
    world.user([{ type: "hologram", data: "value four" }]),
    world.user("still here", {}, { timestamp: "yesterday" }),
    world.user("and here", {}, { timestamp: 12 }),
    '{"type":"__proto__"}',
    `{"type":"user","uuid":"x","__proto__":{"a":1},"message":{"content":"proto"}}`,
  ]);
  const { details, unreadable } = await world.digest();
  assert.deepEqual(unreadable, []);
  assert.equal(details.broken, 4);
  const shapes = Object.keys(details.unknown).join("\n");
  for (
    const shape of [
      "line brand-new {secretValue, type, …}",
      "attachment odd {inner, type}",
      "block hologram {data, type}",
      "system new_thing {hidden, subtype, type}",
    ]
  ) assert.ok(shapes.includes(shape), shapes);
  const all = [world.only(), world.read("_manifest.md"), JSON.stringify(details)].join("\n");
  assert.ok(!/value (one|two|three|four)/.test(all));
  assert.ok(world.only().includes("still here") && world.only().includes("and here"));
});

Deno.test("a canary of every kind, in every place, is in no digest and in no report", async () => {
  using world = new World();
  const canaries = makeCanaries(11);
  canaries.forEach(({ text }, index) => {
    const session = `c${index}`;
    const about = { session };
    const input = { command: `echo '${text}'`, other: text };
    world.write(`${FOLDER}/${session}.jsonl`, [
      { type: "custom-title", customTitle: `Title ${text}` },
      { type: "queue-operation", operation: "enqueue", content: `queued ${text}` },
      world.user(`Here: ${text}`, { session, cwd: `/home/ada/${text.replaceAll("\n", " ")}` }, {
        gitBranch: text.split("\n")[0],
      }),
      world.assistant([{ type: "thinking", thinking: text }, { type: "text", text }], about),
      world.assistant([{ type: "tool_use", id: "b", name: "Bash", input }], about),
      world.user([{ type: "tool_result", tool_use_id: "b", content: text }], about),
      world.assistant(
        [{ type: "tool_use", id: "o", name: "Odd", input: { deep: [input] } }],
        about,
      ),
      world.user(
        [{ type: "tool_result", tool_use_id: "o", content: [{ type: "text", text }] }],
        about,
      ),
      world.line(
        { type: "attachment", attachment: { type: "queued_command", prompt: text } },
        about,
      ),
      world.line({ type: "attachment", attachment: { type: "file", filename: text } }, about),
      world.line({
        type: "attachment",
        attachment: { type: "hook_non_blocking_error", stderr: text },
      }, about),
      world.line({ type: "system", subtype: "away_summary", content: text }, about),
      { type: "summary", summary: text, leafUuid: "nobody" },
    ]);
    world.write(`${FOLDER}/${session}/subagents/agent-a.meta.json`, [
      JSON.stringify({ toolUseId: "b", description: text, agentType: text }),
    ]);
    world.write(`${FOLDER}/${session}/subagents/agent-a.jsonl`, [world.user(text, about)]);
  });
  for (const tools of ["short", "full"]) {
    const result = await world.digest({ tools });
    assert.ok(result.details.secrets >= canaries.length * 8);
    const places = result.details.redactions.map(({ session }) => session);
    const all = JSON.stringify(result) + world.everything();
    for (const [index, canary] of canaries.entries()) {
      assert.ok(!leaks(canary, all), `${tools}: ${canary.kind}: ${around(canary, all)}`);
      assert.ok(places.some((place) => place.startsWith(`${FOLDER}/c${index}`)), canary.kind);
    }
  }
});

/** What may stand right before a secret, as no space would; and colours in it. */
const FORMS: readonly ((canary: Canary) => string)[] = [
  ...["PORT=1\n", "\t", "x\r\n", "print('foo\\n", "我的令牌是", "ключ", "a%3D", "foo_"].map(
    (before) => (canary: Canary) => behind(canary, before),
  ),
  (canary) => JSON.stringify({ text: behind(canary, "PORT=1\n") }),
  coloured,
  (canary) => `.env:GH=${coloured(canary)}`,
];

Deno.test("a canary of every kind is in no digest however it is written", async () => {
  using world = new World();
  const canaries: Canary[] = [];
  FORMS.forEach((form, number) => {
    for (const canary of makeCanaries(number + 40)) {
      const text = form(canary);
      const session = `c${canaries.length}`;
      const about = { session };
      canaries.push(canary);
      world.write(`${FOLDER}/${session}.jsonl`, [
        { type: "custom-title", customTitle: `Title ${text}` },
        world.user(`Here: ${text}`, about, { gitBranch: text.split("\n")[0] }),
        world.assistant([{ type: "thinking", thinking: text }, { type: "text", text }], about),
        world.assistant(
          [{ type: "tool_use", id: "b", name: "Bash", input: { command: text } }],
          about,
        ),
        world.user([{ type: "tool_result", tool_use_id: "b", content: text }], about),
        world.assistant(
          [{ type: "tool_use", id: "o", name: "mcp__x", input: { a: { b: text, c: [text] } } }],
          about,
        ),
        world.user(`<bash-stdout>${text}</bash-stdout><bash-input>${text}</bash-input>`, about),
        world.line({ type: "attachment", attachment: { type: "file", filename: text } }, about),
        { type: "summary", summary: text, leafUuid: "nobody" },
      ]);
      world.write(`${FOLDER}/${session}/subagents/agent-a.meta.json`, [
        JSON.stringify({ toolUseId: "b", description: text, agentType: text }),
      ]);
      world.write(`${FOLDER}/${session}/subagents/agent-a.jsonl`, [world.user(text, about)]);
    }
  });
  for (const tools of ["short", "full"]) {
    await world.digest({ tools });
    const all = world.everything();
    // deno-lint-ignore no-control-regex
    const seen = all.replace(/(?:\x1b|\\u001b)\[[0-9;]*[mK]/g, "");
    for (const text of [all, seen]) {
      const leaked = leaking(canaries, text).map((canary) =>
        `${canary.kind}: ${around(canary, text)}`
      );
      assert.deepEqual(leaked, [], tools);
    }
  }
});

Deno.test("a secret in the name of a log or its folder is in no digest, and its conversation goes on", async () => {
  using world = new World();
  const canaries = makeCanaries(16).filter(({ kind }) =>
    /github token|aws access|npm token/.test(kind)
  );
  const files: string[] = [];
  let count = 0;
  const say = (text: string, about: object) => world.user(text, about, { uuid: `n-${++count}` });
  for (const [index, { value }] of canaries.entries()) {
    const about = { session: value, cwd: `/home/ada/${value}/x` };
    files.push(
      world.write(`-home-ada-${value}-x/s${index}.jsonl`, [say("first", about)]),
      world.write(`${FOLDER}/${value}.jsonl`, [say("first", about)]),
    );
    world.write(`${FOLDER}/${value}/subagents/agent-a.jsonl`, [say("below", about)]);
    world.write(`${FOLDER}/agent-b${index}.jsonl`, [say("lost", about)]);
  }
  const first = await world.digest({ patterns: ["s0"] });
  assert.deepEqual(leaking(canaries, world.everything() + JSON.stringify(first)), []);
  assert.ok(Object.values(world.digests()).some((digest) => digest.includes("below")));
  assert.equal((await world.digest({ patterns: ["s0"] })).unchanged, true);
  for (const file of files) {
    const line = world.user("second", { session: "more", cwd: "/home/ada" });
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  }
  const second = await world.digest({ patterns: ["s0"] });
  assert.equal(second.details.conversations, first.details.conversations);
  const all = world.everything();
  assert.deepEqual(leaking(canaries, all + JSON.stringify(second)), []);
  const digests = Object.values(world.digests()).join("\n");
  assert.equal(digests.split("\n\nfirst\n").length, files.length + 1);
  assert.equal(digests.split("\n\nsecond\n").length, files.length + 1);
  assert.ok(digests.includes("redacted-"));
});

Deno.test("a sub-agent with a secret for a name stands below the call whose answer names it", async () => {
  using world = new World();
  const canaries = makeCanaries(17).filter(({ kind }) => kind === "github token");
  const [{ value }] = canaries as [Canary];
  const call = { type: "tool_use", id: "t1", name: "Task", input: {} };
  const answer = { type: "tool_result", tool_use_id: "t1", content: "done" };
  world.write(`${FOLDER}/s1.jsonl`, [
    world.user("start"),
    world.assistant([call]),
    world.user([answer], {}, { toolUseResult: { agentId: value } }),
    world.assistant([{ type: "text", text: "afterwards" }]),
  ]);
  world.write(`${FOLDER}/s1/subagents/agent-${value}.jsonl`, [world.assistant("below")]);
  const result = await world.digest();
  assert.deepEqual(leaking(canaries, world.everything() + JSON.stringify(result)), []);
  assert.match(world.only(), /Task[^]*below[^]*done[^]*afterwards/);
});

Deno.test("a name that is a secret by a later pattern is a hash in all that is remembered", async () => {
  using world = new World();
  for (const session of ["ACME-12345678", "s2"]) {
    world.write(`${FOLDER}/${session}.jsonl`, [world.user("said")]);
    world.write(`${FOLDER}/${session}/subagents/agent-ACME-87654321.jsonl`, [world.user("below")]);
  }
  const first = await world.digest();
  const changed = { patterns: ["ACME-[0-9]{8}"] };
  const second = await world.digest(changed);
  assert.ok(!/ACME-\d/.test(world.everything()), world.everything());
  assert.equal(second.details.conversations, first.details.conversations);
  rmSync(join(world.from, FOLDER, "ACME-12345678.jsonl"));
  rmSync(join(world.from, FOLDER, "ACME-12345678"), { recursive: true });
  await world.digest({});
  await world.digest(changed);
  assert.ok(!/ACME-\d/.test(world.everything()), world.everything());
});

Deno.test("a project's place that is a secret by a later rule is in nothing that is written", async () => {
  using world = new World();
  const { value } = makeCanaries(3).find(({ kind }) => kind === "github token")!;
  const places = ["ACME-12345678", "ACME-87654321", value];
  const logs = places.flatMap((place, n) =>
    ["swept", "kept"].map((session) => {
      const said = world.user(`${session} ${n}`, { session, cwd: `/home/ada/${place}` });
      const folder = `-home-ada-${place.replaceAll(/[^A-Za-z0-9]/g, "-")}`;
      return world.write(`${folder}/${session}.jsonl`, [said]);
    })
  );
  const { cwd: _, ...homeless } = world.user("without a place");
  const guess = `-home-${value.replace("_", "-")}`;
  world.write(`${guess}/s1.jsonl`, [homeless]);
  await world.digest({ redact: false });
  for (const log of logs.filter((log) => log.endsWith("swept.jsonl"))) rmSync(log);
  const options = { patterns: ["ACME-[0-9]{8}"] };
  const { details } = await world.digest(options);
  assert.deepEqual([details.projects, details.conversations], [3, 7]);
  const names = readdirSync(world.to, { recursive: true }).join("\n");
  const all = `${names}\n${world.everything()}`;
  assert.ok(!/ACME-\d/.test(all) && !all.includes(value.slice(4)), all);
  const text = Object.values(world.digests()).join("");
  for (const said of ["swept 0", "kept 0", "swept 1", "kept 1", "swept 2", "without a place"]) {
    assert.equal(text.split(`\n${said}\n`).length, 2, said);
  }
  assert.equal((await world.digest(options)).unchanged, true);
});

Deno.test("what was said while a project had another name comes to it, once", async () => {
  using world = new World();
  const cwd = "/home/ada/ACME-12345678";
  const folder = "-home-ada-ACME-12345678";
  const sessions = ["gone", "swept", "kept"];
  const said: string[] = [];
  const patterns = ["ACME-[0-9]{8}"];
  for (const [n, options] of [{ patterns }, {}, { patterns }, {}, { patterns }].entries()) {
    for (const session of n === 0 ? sessions : n === 1 ? sessions.slice(1) : ["kept"]) {
      said.push(`${session} ${n}`);
      const line = world.user(`${session} ${n}`, { session, cwd });
      world.write(`${folder}/${session}.jsonl`, [line], true);
    }
    await world.digest(options);
    const text = Object.values(world.digests()).join("");
    for (const one of said) assert.equal(text.split(`\n${one}\n`).length, 2, `${one}\n${text}`);
    if (n < 2) rmSync(join(world.from, folder, `${sessions[n]}.jsonl`));
  }
  assert.ok(!/ACME-\d/.test(world.everything()) && world.only() !== "");
});

Deno.test("what a fork repeats stands in its origin also where that has a secret for a name", async () => {
  for (const seed of [1, 2, 3, 4]) {
    using world = new World();
    const { value } = makeCanaries(seed).find(({ kind }) => kind === "github token")!;
    const [first, second] = ["one", "two"].map((text) => world.user(text, { session: value }));
    for (const fork of ["a", "z"]) {
      const own = world.user(`the fork ${fork}`, { session: fork });
      world.write(`${FOLDER}/${fork}.jsonl`, [first!, second!, own]);
    }
    world.write(`${FOLDER}/${value}.jsonl`, [first!, second!]);
    await world.digest();
    const origin = world.only().split("<!-- keepsake conversation ").find((part) =>
      part.includes("/redacted")
    );
    assert.ok(origin?.includes("\none\n"), world.only());
  }
});

Deno.test("what a terminal does not show of a secret does not hide it", async () => {
  using world = new World();
  const [canary] = makeCanaries(14).filter(({ kind }) => kind === "github token");
  const { value } = canary!;
  const parts = ["\x1b]8;;x\x07", "\x1b]8;;x\x1b\\", "\x1b[1;31m", "\x1bM"];
  parts.forEach((part, number) => {
    const text = value.slice(0, 2) + part + value.slice(2, 20) + part + value.slice(20);
    world.write(`${FOLDER}/s${number}.jsonl`, [
      world.user(text, { session: `s${number}` }, { gitBranch: text }),
      { type: "custom-title", customTitle: text },
    ]);
  });
  await world.digest();
  assert.ok(!leaks(canary!, world.everything()), around(canary!, world.everything()));
});

Deno.test("a secret that is cut does not come into view when another before it is replaced", async () => {
  using world = new World();
  const canaries = makeCanaries(15);
  const jwt = `eyJ${"aB3dE5fG7h".repeat(56)}`;
  // So many letters of each are left at the end of what is kept.
  for (const [index, canary] of canaries.entries()) {
    for (const length of [700, 800, 1000]) {
      for (const left of [14, canary.value.length - 1]) {
        const session = `s${index}-${length}-${left}`;
        const fill = "x ".repeat(length).slice(0, length - left - jwt.length - 1);
        const text = `${jwt} ${fill}${canary.value}${" tail".repeat(400)}`;
        const about = { session };
        world.write(`${FOLDER}/${session}.jsonl`, [
          { type: "custom-title", customTitle: text },
          { type: "summary", summary: text, leafUuid: "nobody" },
          world.user("go", about, { gitBranch: text }),
          world.assistant([
            { type: "tool_use", id: "b", name: "Bash", input: { command: text } },
            { type: "tool_use", id: "o", name: "mcp__x", input: { a: { b: text } } },
            { type: "tool_use", id: "p", name: "mcp__y", input: { a: text, b: text } },
          ], about),
          world.user([{ type: "tool_result", tool_use_id: "b", content: text }], about),
          world.user(`<bash-stdout>${text}</bash-stdout><bash-input>${text}</bash-input>`, about),
        ]);
      }
    }
  }
  await world.digest();
  const all = world.everything();
  const leaked = leaking(canaries, all).map((canary) => `${canary.kind}: ${around(canary, all)}`);
  assert.deepEqual(leaked, []);
});

/** What stands before a part of it, for whoever has to find the way it took. */
function around({ value }: { readonly value: string }, all: string): string {
  for (let at = 0; at + 12 <= value.length; at++) {
    const found = all.indexOf(value.slice(at, at + 12));
    if (found >= 0) return all.slice(Math.max(0, found - 150), found + 30);
  }
  return "";
}

Deno.test("secrets stay where that is asked for, and patterns added later hold for what is kept", async () => {
  using world = new World();
  const [canary] = makeCanaries(12);
  const file = world.write(`${FOLDER}/s1.jsonl`, [world.user(`${canary!.text} ACME-12345678`)]);
  await world.digest({ redact: false });
  assert.ok(leaks(canary!, world.only()));
  rmSync(file);
  await world.digest({ patterns: ["ACME-[0-9]{8}"] });
  assert.ok(!leaks(canary!, world.only()));
  assert.ok(world.only().includes("[REDACTED:pattern-1]"));
});

Deno.test("a secret at the edge of what is shown of an answer is seen whole", async () => {
  using world = new World();
  const [canary] = makeCanaries(13);
  for (let at = 340; at < 420; at += 7) {
    const content = `${"x ".repeat(at / 2)}${canary!.value}${" tail".repeat(2000)}`;
    world.write(`${FOLDER}/s${at}.jsonl`, [
      world.user([{ type: "tool_result", tool_use_id: "t", content }], { session: `s${at}` }, {
        toolUseResult: { stdout: content },
      }),
    ]);
  }
  await world.digest();
  assert.ok(!leaks(canary!, world.only()));
});

Deno.test("how much of tools is shown is a choice", async () => {
  using world = new World();
  const content = Array.from({ length: 50 }, (_, n) => `line ${n}.`).join("\n");
  world.write(`${FOLDER}/s1.jsonl`, [
    world.user("go"),
    world.assistant([{ type: "tool_use", id: "t", name: "Odd", input: { a: 1, b: "two" } }]),
    world.user([{ type: "tool_result", tool_use_id: "t", content }], {}, { toolUseResult: {} }),
  ]);
  await world.digest({ tools: "none" });
  assert.ok(!world.only().includes("Odd") && !world.only().includes("line 0."));
  await world.digest({ tools: "short" });
  assert.ok(world.only().includes("**Odd** `a: 1 · b: two`"));
  assert.ok(world.only().includes("line 0.") && !world.only().includes("line 9."));
  await world.digest({ tools: "full" });
  assert.ok(world.only().includes('"b": "two"') && world.only().includes("line 49."));
});

Deno.test("the numbers of the manifest are those of a count made another way", async () => {
  using world = new World();
  const now = Date.UTC(2026, 10, 20);
  makeSampleHome(world.base, { seed: 3, now });
  makeBenchHome(world.base, { bytes: 3e6, seed: 4 });
  const { details } = await world.digest({ from: join(world.base, ".claude/projects"), all: true });
  const expected = count(join(world.base, ".claude/projects"));
  const { conversations, agents, prompts, answers, calls, tokens } = details;
  assert.deepEqual({ conversations, agents, prompts, answers, calls, tokens }, expected);
  const rows = world.read("_manifest.md").split("\n").filter((line) =>
    line.startsWith("| **All**")
  );
  const numbers = rows.flatMap((row) => row.split("|").slice(2, -1))
    .filter((cell) => cell.trim() !== "")
    .map((cell) => Number(cell.replaceAll(",", "")));
  assert.deepEqual(numbers, [conversations, agents, prompts, answers, calls, ...tokens]);
  assert.ok(!JSON.stringify(world.digests()).includes(CANARY));
});

Deno.test("the manifest names projects in an order of their own, however they were come by", async () => {
  using world = new World();
  const { text } = makeCanaries(18).find(({ kind }) => kind === "github token")!;
  for (const [n, name] of ["moon", "ada", "tide", "sea", "harbour", "buoy"].entries()) {
    const about = { session: name, cwd: `/home/${name}`, time: Date.now() - n * 60_000 };
    world.write(`-home-${name}/${name}.jsonl`, [world.user(text, about)]);
  }
  await world.digest();
  const manifest = world.read("_manifest.md");
  rmSync(join(world.to, ".keepsake/index.json"));
  await world.digest();
  assert.equal(world.read("_manifest.md"), manifest);
});

Deno.test("a renderer sees a digest as it was meant, whatever was said in it", async () => {
  using world = new World();
  makeSampleHome(world.base, { seed: 5, now: Date.UTC(2026, 10, 20) });
  const hostile = "</details>\n# Mine\n<script>x</script>\n```\n<!-- keepsake end -->\n~~~";
  const folder = join("..", ".claude/projects", FOLDER);
  world.write(`${folder}/h1.jsonl`, [
    world.user(hostile),
    world.assistant([{ type: "thinking", thinking: hostile }, { type: "text", text: hostile }]),
    world.assistant([{
      type: "tool_use",
      id: hostile,
      name: hostile,
      input: { command: hostile },
    }]),
    world.user([{ type: "tool_result", tool_use_id: hostile, content: hostile }]),
    world.user('<teammate-message teammate_id="</summary>">x</teammate-message> and on'),
    { type: "custom-title", customTitle: hostile },
    world.user("the end"),
  ]);
  const { details } = await world.digest({ from: join(world.base, ".claude/projects") });
  const renderer = new MarkdownIt({ html: true });
  let conversations = 0;
  for (const text of [...Object.values(world.digests()), world.read("_manifest.md")]) {
    let depth = 0;
    const tokens = renderer.parse(text, {});
    for (const [at, { type, tag, content }] of tokens.entries()) {
      if (type === "heading_open") {
        const said = tokens[at + 1]!.content;
        if (tag === "h2" && depth === 0 && text.startsWith("<!--")) conversations++;
        if (tag === "h3") assert.match(said, /^(You|Claude)\b/);
        if (tag < "h4") assert.equal(depth, 0, said);
      }
      for (const html of content.match(/<\/?[a-z!][^>]*>/g) ?? []) {
        if (type !== "html_block" && type !== "html_inline") continue;
        if (html === "<details>") depth++;
        if (html === "</details>") depth--;
        assert.match(html, /^(<!-- keepsake |<a id="c-\w+">|<\/a>|<\/?details>|<\/?summary>)/);
      }
    }
    assert.equal(depth, 0);
  }
  assert.equal(conversations, details.conversations);
  assert.equal(Object.values(world.digests()).join("").split("the end").length, 2);
});

/** Reads everything in full, sorts it by what it is, and only then counts. */
function count(folder: string) {
  const files: string[] = [];
  const visit = (path: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      if (isDirectory) visit(join(path, name));
      else if (name.endsWith(".jsonl") && name !== "journal.jsonl") files.push(join(path, name));
    }
  };
  visit(folder);
  // deno-lint-ignore no-explicit-any
  const lines = new Map<string, any>();
  for (const file of files) {
    for (const text of Deno.readTextFileSync(file).split("\n")) {
      const line = text === "" ? {} : JSON.parse(text);
      if (line.uuid !== undefined) lines.set(line.uuid, line);
    }
  }
  const noise = /<(system-reminder|task-notification)>[^]*<\/\1>/g;
  const tags =
    /<(command-name|command-message|command-args|bash-\w+|local-command-\w+|teammate-message|user-memory-input|ide_\w+)[^]*?<\/\1>/g;
  const [all] = [[...lines.values()]];
  // deno-lint-ignore no-explicit-any
  const blocks = (line: any): any[] =>
    typeof line.message?.content === "string"
      ? [{ type: "text", text: line.message.content }]
      : line.message?.content ?? [];
  // deno-lint-ignore no-explicit-any
  const isPrompt = (line: any) => {
    if (line.type === "attachment") return line.attachment.type === "queued_command";
    if (line.type !== "user" || line.isMeta || line.isCompactSummary) return false;
    return blocks(line).some(({ type, text }) =>
      type === "image" ||
      (type === "text" && text.replace(noise, "").replace(tags, "").trim() !== "")
    );
  };
  const said = all.filter(({ type }) => type === "assistant");
  const usages = new Map(said.map(({ message }) => [message.id, message.usage]));
  const keys = ["input", "output", "cache_creation_input", "cache_read_input"];
  return {
    conversations: files.filter((file) => !file.includes("/agent-")).length,
    agents: files.filter((file) => file.includes("/agent-")).length,
    prompts: all.filter(isPrompt).length,
    answers: said.flatMap(blocks).filter(({ type, text }) => type === "text" && text.trim()).length,
    calls: said.flatMap(blocks).filter(({ type }) => type === "tool_use").length,
    tokens: keys.map((key) =>
      [...usages.values()].reduce((sum, usage) => sum + usage[`${key}_tokens`], 0)
    ),
  };
}

Deno.test("files are the user's own, and say which digests are new", async () => {
  using world = new World();
  world.write(`${FOLDER}/s1.jsonl`, [world.user("one")]);
  await world.digest();
  const [name] = Object.keys(world.digests());
  assert.equal(world.read("_digest-pending"), `${name}\n`);
  if (Deno.build.os === "windows") return;
  assert.equal(statSync(world.to).mode & 0o777, 0o700);
  for (const file of [name!, "_manifest.md", "_digest-pending", ".keepsake/index.json"]) {
    assert.equal(statSync(join(world.to, file)).mode & 0o777, 0o600, file);
  }
  writeFileSync(join(world.to, `${name}.01234567.part`), "left by a killed run");
  world.write(`${FOLDER}/s1.jsonl`, [world.user("two")], true);
  await world.digest();
  assert.ok(!readdirSync(world.to).some((name) => name.endsWith(".part")));
});

Deno.test("a directory of logs that is not there is named", async () => {
  using world = new World();
  const nowhere = join(world.base, "nowhere");
  await assert.rejects(world.digest({ from: nowhere }), {
    code: "source-missing",
    message: `Cannot read conversations in "${nowhere}": there is no such directory`,
  });
});

Deno.test("Claude Code's own folder is told from the one with the logs in it", async () => {
  using world = new World();
  world.write(`${FOLDER}/s1.jsonl`, [world.user("hello")]);
  const home = dirname(world.from);
  await assert.rejects(world.digest({ from: home }), {
    code: "source-missing",
    message: `Cannot read conversations in "${home}": they are in its folder "projects"`,
  });
});

Deno.test("two workers make the digests that one makes, also of what conversations share", async () => {
  using world = new World();
  makeBenchHome(world.base, { bytes: 3e6, seed: 6 });
  const from = join(world.base, ".claude/projects");
  // Enough to be worth two, at little cost, and conversations that go on from each other.
  const filler = `${JSON.stringify(world.line({ type: "progress", data: "x".repeat(9000) }))}\n`;
  for (const [place, folder] of readdirSync(from).sort().entries()) {
    const log = readdirSync(join(from, folder)).find((name) => name.endsWith(".jsonl"))!;
    const text = readFileSync(join(from, folder, log), "utf8");
    writeFileSync(join(from, folder, `${place}-resumed.jsonl`), text + filler.repeat(1400));
    writeFileSync(join(from, folder, `${place}-forked.jsonl`), text.slice(0, text.length / 2));
  }
  const options = await resolved({ from, to: world.to, all: true });
  const roles: string[] = [];
  {
    using workers = new DisposableStack();
    const workerFor = (role: string) => {
      roles.push(role);
      return workers.use(new StageWorker("digest", digest.permissions(options, "run")));
    };
    let most = 0;
    const onProgress = (done: number) => most = Math.max(most, done);
    const two = await runPrepare(digest, { options, workerFor }, { onProgress });
    assert.match(two!.message, /updated/);
    assert.ok(most > 16e6, `${most}`);
  }
  assert.deepEqual(roles, ["leader", "helper"]);
  const other = join(world.base, "by-one");
  const { result } = await runStage<PrepareResult>({
    ...{ use: "digest", operation: "run", options: { from, to: other, all: true } },
  });
  assert.ok((result.details as DigestDetails).calls > 100);
  for (const name of [...Object.keys(world.digests()), "_manifest.md"]) {
    assert.equal(world.read(name), readFileSync(join(other, name), "utf8"), name);
  }
  assert.equal(Object.keys(world.digests()).length, readdirSync(from).length);
});

Deno.test("a small or unchanged home asks for no second worker", async () => {
  using world = new World();
  makeBenchHome(world.base, { bytes: 1e6, seed: 7 });
  const from = join(world.base, ".claude/projects");
  const options = await resolved({ from, to: world.to, all: true });
  using workers = new DisposableStack();
  const workerFor = (role: string) => {
    assert.equal(role, "leader");
    return workers.use(new StageWorker("digest", digest.permissions(options, "run")));
  };
  const first = await runPrepare(digest, { options, workerFor }, {});
  assert.notEqual(first?.unchanged, true);
  const again = await runPrepare(digest, { options, workerFor }, {});
  assert.equal(again?.unchanged, true);
});

Deno.test("of an answer as much is shown as ever, however its letters are written", async () => {
  for (
    const [letter, escaped] of [["x", false], ["é", false], ["→", false], ["😀", false], [
      "é",
      true,
    ]] as const
  ) {
    using world = new World();
    const answer = `${letter.repeat(390 / letter.length)}${"end of it ".repeat(400)}`;
    const line = JSON.stringify(world.user(
      [{ type: "tool_result", tool_use_id: "t1", content: answer }],
      {},
      { toolUseResult: { stdout: answer } },
    ));
    const written = escaped ? line.replaceAll(letter, "\\u00e9") : line;
    const call = { type: "tool_use", id: "t1", name: "Bash", input: { command: "run" } };
    world.write(`${FOLDER}/s1.jsonl`, [world.assistant([call]), written]);
    await world.digest();
    assert.ok(world.only().includes(`${letter}end of it…\n`), `${letter} ${escaped}`);
  }
});

Deno.test("a log of progress is read in bounded memory", async () => {
  using world = new World();
  const megabytes = Deno.env.get("KEEPSAKE_SLOW") ? 5000 : 60;
  const line = JSON.stringify(world.line({ type: "progress", data: { output: "x".repeat(4000) } }));
  const block = new TextEncoder().encode(`${line}\n`.repeat(250));
  const path = world.write(`${FOLDER}/s1.jsonl`, []);
  {
    using file = await Deno.open(path, { write: true });
    for (let size = 0; size < megabytes * 1e6; size += block.length) {
      for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
    }
  }
  world.write(`${FOLDER}/s1.jsonl`, [world.user("at last")], true);
  const code = `
    import { makeDigests } from ${
    JSON.stringify(new URL("../../stages/formats/digest/digesting.ts", import.meta.url).href)
  };
    const signal = new AbortController().signal;
    await makeDigests({ from: Deno.args[0], to: Deno.args[1], days: 9, all: true, tools: "short", redact: true, patterns: [] },
      { signal, log() {}, progress() {} });
    const status = Deno.readTextFileSync("/proc/self/status");
    console.log(/VmHWM:\\s*(\\d+)/.exec(status)[1]);
  `;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", "--ext=ts", code, world.from, world.to],
    cwd: new URL("../../", import.meta.url),
  }).output();
  const peak = Number(new TextDecoder().decode(stdout)) * 1024;
  assert.ok(peak > 0, new TextDecoder().decode(stderr));
  assert.ok(peak < 200e6, `${peak}`);
  assert.ok(world.only().includes("at last"));
});
