/** What lines of a log come to in a digest, whatever shape Claude Code gives them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { PrepareResult } from "../../../../stages/contract.ts";
import type { DigestDetails } from "../../../../stages/formats/digest/run.ts";
import { assertLinear } from "../../../growth.ts";
import { runStage } from "../../harness.ts";

type Line = Readonly<Record<string, unknown>> | string;

/** A project with one log, and its digests. */
class Project implements Disposable {
  readonly #base = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-digest-" }));
  readonly #folder = join(this.#base, "projects/-home-ada-tide");
  readonly #to = join(this.#base, "digests");
  #count = 0;

  constructor() {
    Deno.mkdirSync(this.#folder, { recursive: true });
  }

  /** A line, with what each of its kind carries. */
  line(type: string, message: unknown, fields: Readonly<Record<string, unknown>> = {}): Line {
    const second = ++this.#count;
    const timestamp = new Date(Date.UTC(2026, 0, 2, 3, 0, second)).toISOString();
    const about = { cwd: "/home/ada/tide", sessionId: "s1", uuid: `u${second}`, timestamp };
    return { type, ...about, ...(message === undefined ? {} : { message }), ...fields };
  }

  user(content: unknown, fields: Readonly<Record<string, unknown>> = {}): Line {
    return this.line("user", { role: "user", content }, fields);
  }

  assistant(content: unknown): Line {
    return this.line("assistant", { role: "assistant", content });
  }

  call(id: string, name = "Bash", input: unknown = { command: id }): Line {
    return this.assistant([{ type: "tool_use", id, name, input }]);
  }

  answer(id: string, content: unknown, fields: Readonly<Record<string, unknown>> = {}): Line {
    return this.user([{ type: "tool_result", tool_use_id: id, content, ...fields }]);
  }

  /** Adds lines to a log. */
  write(lines: readonly Line[], name = "s1.jsonl"): void {
    const texts = lines.map((line) =>
      `${typeof line === "string" ? line : JSON.stringify(line)}\n`
    );
    const path = join(this.#folder, name);
    Deno.mkdirSync(join(path, ".."), { recursive: true });
    Deno.writeTextFileSync(path, texts.join(""), { append: true });
  }

  /** Brings the digest up to date, in a folder of its own where that is asked for. */
  async digest(
    options: Readonly<Record<string, unknown>> = {},
    folder = this.#to,
  ): Promise<{ result: PrepareResult; details: DigestDetails; text: string; manifest: string }> {
    const { result } = await runStage<PrepareResult>({
      use: "digest",
      operation: "run",
      options: { from: join(this.#folder, ".."), to: folder, all: true, ...options },
    });
    const name = [...Deno.readDirSync(folder)].map(({ name }) => name).find((name) =>
      /^[^_.].*\.md$/.test(name)
    );
    return {
      result,
      details: result.details as DigestDetails,
      text: name === undefined ? "" : Deno.readTextFileSync(join(folder, name)),
      manifest: Deno.readTextFileSync(join(folder, "_manifest.md")),
    };
  }

  /** The digest as one that knows of no earlier run makes it. */
  async digestAnew(options: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const folder = join(this.#base, `anew-${++this.#count}`);
    return (await this.digest(options, folder)).text;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#base, { recursive: true });
  }
}

Deno.test("what stands behind a tag that nobody closes is shown, as is the tag", async () => {
  using project = new Project();
  const reminder = "<system-reminder>\nnoise\n</system-reminder>";
  project.write([
    project.user("What does <system-reminder> mean? First question"),
    project.user("<task-notification> is what? Second question"),
    project.user([
      { type: "text", text: "And <system-reminder> here? Third question" },
      { type: "text", text: reminder },
    ]),
    project.user(`Where does <system-reminder> end? Fourth question\n\n${reminder}`),
    project.user(`${reminder}Fifth question <task-notification>noise</task-notification>`),
    project.user("<task-notification>noise <system-reminder> noise</task-notification>Sixth one"),
    project.call("t1"),
    project.answer("t1", `grep says <system-reminder> in a.ts\nand in b.ts ${reminder}`),
    project.call("t2"),
    project.user(
      [{
        type: "tool_result",
        tool_use_id: "t2",
        content: `<system-reminder> ${"x".repeat(5000)}`,
      }],
      { toolUseResult: { stdout: "x".repeat(5000) } },
    ),
  ]);
  const { text, details } = await project.digest();
  for (
    const said of [
      ...["What does &lt;system-reminder> mean? First question", "Second question"],
      ...["And &lt;system-reminder> here? Third question", "Fourth question", "Fifth question"],
      ...["Sixth one", "grep says <system-reminder> in a.ts\nand in b.ts", "<system-reminder> xxx"],
    ]
  ) assert.ok(text.includes(said), `${said}\n---\n${text}`);
  assert.ok(!text.includes("noise"), text);
  assert.equal(details.prompts, 6);
});

Deno.test("tags without end, or in each other, cost no more than their length", async () => {
  await assertLinear(async (count) => {
    using project = new Project();
    const many = "<system-reminder><task-notification>".repeat(count);
    const ends = "</task-notification></system-reminder>".repeat(count);
    project.write([
      project.user(`${many} the question`),
      project.user(`${many}noise${ends}the end`),
    ]);
    const { text } = await project.digest();
    assert.ok(text.includes("the question") && text.includes("the end"));
  }, 20_000);
});

Deno.test("a message is read also where what a tool answered stands before it", async () => {
  using project = new Project();
  const message = { role: "user", content: "the question" };
  project.write([
    project.line("user", undefined, { toolUseResult: { a: 1 }, message, uuid: "late" }),
    project.line("user", undefined, { isMeta: true, toolUseResult: {}, message, uuid: "meta" }),
  ]);
  const { text, details } = await project.digest();
  assert.ok(text.includes("\nthe question\n"), text);
  assert.ok(text.includes("<details><summary>Handed to Claude</summary>"), text);
  assert.equal(details.prompts, 1);
});

Deno.test("text is shown where it plainly is, and what else is not known is counted by shape", async () => {
  using project = new Project();
  project.write([
    project.user(["a plain string"]),
    project.assistant(["a plain answer"]),
    project.user({ type: "text", text: "one block alone" }),
    project.assistant({ type: "text", text: "one block as an answer" }),
    project.line("user", "a message that is a string"),
    project.line("assistant", "an answer that is a string"),
    project.user({ type: "text", text: "the summary" }, { isCompactSummary: true }),
    project.call("t1"),
    project.answer("t1", ["a plain result"]),
    project.call("t2"),
    project.answer("t2", { type: "text", text: "one result alone" }),
    project.line("attachment", undefined, {
      attachment: { type: "queued_command", prompt: ["said meanwhile"] },
    }),
  ]);
  const { text, details } = await project.digest();
  for (
    const said of [
      ...["a plain string", "a plain answer", "one block alone", "one block as an answer"],
      ...["a message that is a string", "an answer that is a string", "the summary"],
      ...["```\na plain result\n```", "```\none result alone\n```", "said meanwhile"],
    ]
  ) assert.ok(text.includes(`\n${said}\n`), `${said}\n---\n${text}`);
  assert.deepEqual(details.unknown, {});
  assert.equal(details.prompts, 4);
  assert.equal(details.answers, 3);
});

Deno.test("no shape that is not known goes uncounted, and none of its values is told", async () => {
  using project = new Project();
  project.write([
    project.user("hello"),
    project.line("user", undefined, { text: "hidden" }),
    project.line("assistant", undefined, { text: "hidden" }),
    project.line("user", { role: "user", parts: ["hidden"] }),
    project.user([{ type: "text", text: { hidden: 1 } }]),
    project.assistant([{ type: "text", words: "hidden" }, { type: "thinking", thinking: 7 }]),
    project.user([7, null, ["hidden"]]),
    project.user([{ type: "recap", words: "hidden" }], { isCompactSummary: true }),
    project.user(7),
    project.call("t1"),
    project.answer("t1", { value: "hidden" }),
    project.call("t2"),
    project.answer("t2", 7),
    project.line("attachment", undefined, {
      attachment: { type: "queued_command", prompt: { words: "hidden" } },
    }),
  ]);
  const { details, manifest } = await project.digest();
  const about = "cwd, sessionId, ";
  assert.deepEqual(details.unknown, {
    [`line user {${about}text, timestamp, type, uuid}`]: 1,
    [`line assistant {${about}text, timestamp, type, uuid}`]: 1,
    "message user {parts, role}": 1,
    "block text {text, type}": 1,
    "block text {type, words}": 1,
    "block thinking {thinking, type}": 1,
    "block recap {type, words}": 1,
    "block (no name) {}": 5,
    "block (no name) {value}": 1,
    "attachment queued_command {prompt, type}": 1,
  });
  assert.ok(manifest.includes("- 5 × `block (no name) {}`"), manifest);
});

Deno.test("what holds nothing, as Claude Code writes it, counts as known", async () => {
  using project = new Project();
  project.write([
    project.user("hello"),
    project.user(""),
    project.user([]),
    project.assistant([{ type: "text", text: "" }]),
    project.assistant([{ type: "thinking", thinking: "", signature: "x" }]),
    project.assistant([{ type: "redacted_thinking", data: "x" }]),
    project.call("t1"),
    project.answer("t1", undefined),
    project.call("t2"),
    project.answer("t2", null),
    project.line("attachment", undefined, {
      attachment: {
        type: "queued_command",
        prompt: "<task-notification>done</task-notification>",
      },
    }),
    { type: "queue-operation", operation: "dequeue", content: null },
  ]);
  assert.deepEqual((await project.digest()).details.unknown, {});
});

Deno.test("what Claude Code hands over at every turn counts as known, and what it says is shown", async () => {
  using project = new Project();
  const attach = (type: string, fields: Readonly<Record<string, unknown>>) =>
    project.line("attachment", undefined, { attachment: { type, ...fields } });
  const tokens = { type: "text", text: "51203 tokens left" };
  project.write([
    project.user("hello"),
    attach("total_tokens_reminder", { content: [tokens] }),
    attach("deferred_tools_delta", { addedNames: ["Read"], addedLines: [], removedNames: [] }),
    attach("mcp_instructions_delta", { addedNames: ["m"], addedBlocks: ["# m"], removedNames: [] }),
    attach("skill_listing", { content: "- ship: it", skillCount: 1, isInitial: true }),
    attach("nested_memory", { path: "/home/ada/CLAUDE.md", content: { content: "Be kind" } }),
    attach("date_change", { newDate: "2026-01-03" }),
    attach("plan_mode", { reminderType: "full", isSubAgent: false }),
    attach("hook_system_message", { content: "Remember the tide", hookName: "Stop" }),
    attach("hook_stopped_continuation", { message: "Not at night", hookName: "Stop" }),
    attach("opened_file_in_ide", { filename: "/home/ada/tide/moon.ts" }),
    attach("mcp_resource", { server: "wiki", uri: "wiki://moon", name: "Moon" }),
    attach("teammate_mailbox", { messages: [{ from: "pilot", text: "The **berth** is free" }] }),
    { type: "tag", tag: "tides", sessionId: "s1" },
  ]);
  const { text, details } = await project.digest();
  assert.deepEqual(details.unknown, {});
  for (
    const said of [
      "*A hook says:* `Remember the tide`",
      "*A hook stopped this:* `Not at night`",
      "*Open in the editor:* `/home/ada/tide/moon.ts`",
      "*Attached:* `wiki://moon`",
      "<details><summary>Message from pilot</summary>\n\nThe **berth** is free",
    ]
  ) assert.ok(text.includes(`\n${said}\n`), `${said}\n---\n${text}`);
  for (const silent of ["51203", "ship", "Be kind"]) assert.ok(!text.includes(silent), text);
});

Deno.test("a command is shown once, wherever its message stands and although it waited", async () => {
  using project = new Project();
  const message = "<command-message>ship is running…</command-message>";
  const command = "<command-name>/ship</command-name>\n<command-args>the tide</command-args>";
  project.write([
    { type: "queue-operation", operation: "enqueue", content: "/ship the tide" },
    { type: "queue-operation", operation: "dequeue" },
    project.user(`${message}\n${command}\n<skill-format>true</skill-format>`),
    { type: "queue-operation", operation: "enqueue", content: "git log" },
    project.user("<bash-input>git log</bash-input>"),
    project.user("<command-message>alone</command-message>"),
  ]);
  const { text, details } = await project.digest();
  const [, body = ""] = text.split("<!-- keepsake body -->\n");
  assert.deepEqual(body.split("\n").filter((line) => line !== ""), [
    "*Command:* `/ship the tide`",
    "*Ran:* `git log`",
    "*Command:* `alone`",
    "<!-- keepsake end -->",
  ]);
  assert.equal(details.prompts, 0);
});

Deno.test("a plan is shown whole, and lists are said in words", async () => {
  using project = new Project();
  const plan = `# The tide\n\n${"Look at the moon. ".repeat(60)}\n\n## At last\n\nSail.`;
  const todos = [
    { content: "Find the moon", status: "completed", activeForm: "Finding the moon" },
    { content: "Sail", status: "pending", activeForm: "Sailing" },
  ];
  const questions = [{ question: "Ebb or flood?", header: "Tide", options: [] }];
  project.write([
    project.user("hello"),
    project.call("t1", "ExitPlanMode", { plan, planFilePath: "/home/ada/.claude/plans/tide.md" }),
    project.answer("t1", "User has approved your plan."),
    project.call("t2", "TodoWrite", { todos }),
    project.call("t3", "AskUserQuestion", { questions }),
    project.call("t4", "TodoWrite", { todos: [{ words: "odd" }] }),
  ]);
  const { text } = await project.digest();
  for (
    const said of [
      "<details><summary>Plan</summary>\n\n#### The tide\n",
      "\n##### At last\n\nSail.\n\n</details>\n\n**ExitPlanMode**\n\n```\nUser has approved",
      "\n**TodoWrite** `completed: Find the moon · pending: Sail`\n",
      "\n**AskUserQuestion** `Ebb or flood?`\n",
      '\n**TodoWrite** `todos: [{"words":"odd"}]`\n',
    ]
  ) assert.ok(text.includes(said), `${said}\n---\n${text}`);
  assert.ok((await project.digestAnew({ tools: "none" })).includes("\nSail.\n"));
});

Deno.test("what Claude Code writes in somebody's place is not said by them", async () => {
  using project = new Project();
  const synthetic = (text: string, fields: Readonly<Record<string, unknown>> = {}) =>
    project.line("assistant", {
      role: "assistant",
      model: "<synthetic>",
      content: [{ type: "text", text }],
    }, fields);
  const overloaded = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
  project.write([
    project.user("<bash-input>ls</bash-input>"),
    project.user("<bash-stdout>moon.ts</bash-stdout><bash-stderr></bash-stderr>"),
    project.user("Instructions of a skill", { isMeta: true }),
    project.user("How is the tide?"),
    project.assistant("I look"),
    project.user([{ type: "text", text: "[Request interrupted by user for tool use]" }]),
    synthetic("API Error: 529 Overloaded", { isApiErrorMessage: true }),
    synthetic("No response requested."),
    project.line("system", undefined, {
      subtype: "api_error",
      error: { status: 529, error: overloaded },
    }),
    project.line("system", undefined, {
      subtype: "api_error",
      error: {},
      cause: { code: "ECONNRESET" },
    }),
  ]);
  const { text, details } = await project.digest();
  const [, body = ""] = text.split("<!-- keepsake body -->\n");
  assert.deepEqual(body.split("\n").filter((line) => line !== ""), [
    "*Ran:* `ls`",
    "```",
    "moon.ts",
    "```",
    "<details><summary>Handed to Claude</summary>",
    "Instructions of a skill",
    "</details>",
    "### You · 2026-01-02 03:00",
    "How is the tide?",
    "### Claude · 2026-01-02 03:00",
    "I look",
    "*You interrupted*",
    "*API error:* `529 Overloaded`",
    "*API error:* `overloaded_error`",
    "*API error:* `ECONNRESET`",
    "<!-- keepsake end -->",
  ]);
  assert.deepEqual([details.prompts, details.answers], [1, 1]);
});

Deno.test("what is not understood is told also of conversations with nothing to show", async () => {
  using project = new Project();
  project.write([{ type: "weird-new-type", key: 1 }, "{broken", "{broken"]);
  const first = await project.digest();
  assert.equal(
    first.result.message,
    "0 of 0 digests updated, 2 broken lines, 1 unknown item",
  );
  assert.deepEqual(first.details.unknown, { "line weird-new-type {key, type}": 1 });
  assert.equal(first.details.lines, 3);
  assert.match(
    first.manifest,
    /## Not understood\n\n2 broken lines\.\n\n- 1 × `line weird-new-type \{key, type\}`\n/,
  );
  // Beside one that has something to show, and again in later runs.
  project.write([project.user("hello")], "s2.jsonl");
  for (const said of ["later", "latest"]) {
    const { details, manifest } = await project.digest();
    assert.deepEqual([details.projects, details.conversations, details.broken], [1, 1, 2], said);
    assert.match(manifest, /\n2 broken lines\.\n/);
    project.write([project.user(said)], "s2.jsonl");
  }
  // It has something to show now, elsewhere, and counts once.
  project.write([project.line("user", "at last", { cwd: "/home/ada/other" })]);
  const { details } = await project.digest();
  assert.deepEqual([details.projects, details.conversations, details.broken], [2, 2, 2]);
});

Deno.test("a log with ends of line that are none counts as broken", async () => {
  using project = new Project();
  const lines = [project.user("one"), project.user("two")].map((line) => JSON.stringify(line));
  project.write([lines.join("\r")]);
  const { result, manifest } = await project.digest();
  assert.equal(result.message, "0 of 0 digests updated, 1 broken line");
  assert.match(manifest, /\n1 broken line\.\n/);
});

Deno.test("a line is read that zeros stand before, as after a crash, and counts as broken too", async () => {
  using project = new Project();
  const hole = "\0".repeat(5000);
  const user = (text: string) => hole + JSON.stringify(project.user(text));
  project.write([project.user("before"), user("after ü"), hole, "\0{broken", project.user("on")]);
  const { text, details } = await project.digest();
  for (const said of ["before", "after ü", "on"]) assert.ok(text.includes(`\n${said}\n`), text);
  assert.deepEqual([details.lines, details.broken, details.prompts], [5, 3, 3]);
  project.write([user("at last")]);
  assert.ok((await project.digest()).text.includes("\nat last\n"));
});

Deno.test("what a sub-agent's answer ends with for Claude alone is not shown", async () => {
  using project = new Project();
  const usage = "<usage>total_tokens: 24000\ntool_uses: 1\nduration_ms: 4200</usage>";
  const note = `agentId: a7c0 (use SendMessage to continue this agent)\n${usage}`;
  const answer = (...texts: string[]) => texts.map((text) => ({ type: "text", text }));
  project.write([
    project.call("t1", "Agent", { description: "scout", subagent_type: "x" }),
    project.answer("t1", answer("The sea is wide", note)),
    project.call("t2"),
    project.answer("t2", answer("agentId: b1 (alone)")),
  ]);
  const { text } = await project.digest();
  assert.ok(text.includes("```\nThe sea is wide\n```"), text);
  assert.ok(text.includes("```\nagentId: b1 (alone)\n```"), text);
});

Deno.test("a title that another log tells later takes its place", async () => {
  using project = new Project();
  project.write([project.user("hello", { uuid: "leaf" })], "s1.jsonl");
  project.write([project.user("once"), { type: "custom-title", customTitle: "Mine" }], "s2.jsonl");
  await project.digest();
  project.write([
    { type: "summary", summary: "The tide", leafUuid: "leaf" },
    { type: "summary", summary: "Of nobody", leafUuid: "gone" },
    project.user("again"),
  ], "s3.jsonl");
  const { text, details } = await project.digest();
  assert.equal(details.written.length, 1);
  assert.ok(text.includes("\n## The tide\n") && text.includes("\n## Mine\n"), text);
  assert.equal(text, await project.digestAnew());
  await project.digest({ tools: "none" });
  assert.ok((await project.digest()).text.includes("\n## The tide\n"));
});

Deno.test("a sub-agent that only the answer of its call names stands below the call", async () => {
  const prompt = 'look for "agentId":"a9" → there';
  const content = [{ type: "text", text: "found ".repeat(500) }];
  for (
    const answered of [
      { agentId: "a1" },
      { isAsync: true, status: "async_launched", agentId: "a1", description: "d" },
      { status: "completed", prompt, agentId: "a1", content, usage: { agentId: "a9" } },
      { content, usage: { input_tokens: 1 }, agentId: "a1" },
    ]
  ) {
    for (const [tools, inOrder] of [["short", true], ["short", false], ["full", true]] as const) {
      using project = new Project();
      const result = { type: "tool_result", tool_use_id: "t1", content: "found ".repeat(500) };
      const message = { role: "user", content: [result] };
      const [before, after] = inOrder ? [{}, { origin: {} }] : [{ toolUseResult: answered }, {}];
      project.write([
        project.user("start"),
        project.call("t1", "Task", { description: "look" }),
        project.line("user", undefined, { ...before, message, toolUseResult: answered, ...after }),
        project.call("t2"),
        project.user([{ ...result, tool_use_id: "t2" }], { toolUseResult: { usage: answered } }),
        project.assistant("the end"),
      ]);
      project.write([project.assistant("what the sub-agent said")], "s1/subagents/agent-a1.jsonl");
      const { text } = await project.digest({ tools });
      const at = ["**Task**", "Sub-agent", "what the sub-agent said", "**Bash**", "the end"]
        .map((part) => text.indexOf(part));
      assert.deepEqual(at, at.toSorted((a, b) => a - b), text);
      assert.ok(at.every((one) => one > 0), text);
    }
  }
});

Deno.test("a sub-agent that stands in its conversation's log is shown below its call, also line by line", async () => {
  using project = new Project();
  const side = (uuid: string, parentUuid: string | null) => ({
    uuid,
    parentUuid,
    isSidechain: true,
  });
  const task = (id: string, prompt: string) =>
    project.call(id, "Task", { description: id, prompt, subagent_type: "scout" });
  const line = (type: string, content: unknown, fields: Readonly<Record<string, unknown>>) =>
    project.line(type, { role: type, content }, fields);
  const tool = [{ type: "tool_use", id: "b1", name: "Bash", input: { command: "rg moon" } }];
  const lines = [
    line("user", "Warmup", side("w1", null)),
    project.user("Scout the tide"),
    task("t1", "Find the moon"),
    task("t2", "Find the sea"),
    line("user", "Find the moon", side("m1", null)),
    line("user", "Find the sea", side("s1", null)),
    line("assistant", tool, side("m2", "m1")),
    line("assistant", [{ type: "text", text: "The sea is wide" }], side("s2", "s1")),
    line(
      "user",
      [{ type: "tool_result", tool_use_id: "b1", content: "3 moons" }],
      side("m3", "m2"),
    ),
    line("assistant", [{ type: "text", text: "It is up" }], side("m4", "m3")),
    project.answer("t1", "up"),
    project.answer("t2", "wide"),
    project.assistant([{ type: "text", text: "All is found" }]),
  ];
  for (const line of lines.slice(0, 6)) {
    project.write([line]);
    await project.digest();
  }
  project.write(lines.slice(6));
  const { text, details } = await project.digest();
  assert.equal(text, await project.digestAnew());
  const [, body = ""] = text.split("<!-- keepsake body -->\n");
  assert.deepEqual(body.split("\n").filter((line) => line !== ""), [
    "<details><summary>Sub-agent (0 answers, 0 tool calls)</summary>",
    "**Prompt**",
    "Warmup",
    "</details>",
    "### You · 2026-01-02 03:00",
    "Scout the tide",
    "### Claude · 2026-01-02 03:00",
    "**Task** `scout · t1`",
    "<details><summary>Sub-agent (1 answer, 1 tool call)</summary>",
    "**Prompt**",
    "Find the moon",
    "**Bash** `rg moon`",
    ...["```", "3 moons", "```"],
    "It is up",
    "</details>",
    ...["```", "up", "```"],
    "**Task** `scout · t2`",
    "<details><summary>Sub-agent (1 answer, 0 tool calls)</summary>",
    "**Prompt**",
    "Find the sea",
    "The sea is wide",
    "</details>",
    ...["```", "wide", "```"],
    "All is found",
    "<!-- keepsake end -->",
  ]);
  assert.ok(text.includes("\n## Scout the tide\n"), text);
  assert.deepEqual([details.prompts, details.answers, details.calls], [4, 3, 3]);
});

Deno.test("an answer that comes after a newer prompt stands below its call", async () => {
  using project = new Project();
  project.write([
    project.user("first"),
    project.assistant("I look"),
    project.call("t0"),
    project.answer("t0", "done before"),
    project.call("t1"),
    project.user("second"),
    project.assistant("meanwhile"),
    project.user("third"),
  ]);
  await project.digest();
  project.write([project.answer("t1", "too late", { is_error: true }), project.assistant("end")]);
  const { text } = await project.digest();
  assert.ok(text.includes("**Bash** `t1` (failed)\n\n```\ntoo late\n```"), text);
  assert.equal(text, await project.digestAnew());
  project.write([project.user("fourth"), project.call("t2"), project.answer("t2", "in time")]);
  assert.equal((await project.digest()).text, await project.digestAnew());
});

Deno.test("a very late answer says what it answers, and whether that failed", async () => {
  using project = new Project();
  project.write([
    project.user("first"),
    project.call("t1", "Task", { description: "look" }),
    ...Array.from({ length: 1500 }, (_, n) => project.user(`prompt ${n}`)),
  ]);
  await project.digest();
  project.write([project.answer("t1", "far too late", { is_error: true })]);
  const { text } = await project.digest();
  assert.ok(text.includes("*A late answer of* **Task** (failed)\n\n```\nfar too late\n```"), text);
  // Of a call that no log has, nothing is known.
  project.write([project.answer("t9", "of nobody", { is_error: true })]);
  const later = await project.digest();
  assert.ok(later.text.includes("*A late answer* (failed)\n\n```\nof nobody\n```"));
});

Deno.test("lines that are too long are told apart, by log and line", async () => {
  using project = new Project();
  project.write([project.user("hello"), project.user("x".repeat(2 ** 26)), "  ", "{broken"]);
  const { result, details, manifest } = await project.digest();
  assert.match(result.message, /updated, 1 broken line, 1 line too long$/);
  assert.equal(details.broken, 1);
  assert.deepEqual(details.oversized, [{ session: "-home-ada-tide/s1", line: 2 }]);
  assert.ok(
    manifest.includes(
      "1 broken line.\n\nToo long to be read:\n\n- `-home-ada-tide/s1`, line 2\n",
    ),
    manifest,
  );
  project.write([project.user("later")]);
  const later = await project.digest();
  assert.deepEqual([later.details.broken, later.details.oversized], [1, details.oversized]);
});
