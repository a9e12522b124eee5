/** Lines of a log are read in part only, and come out as if they were read in full. */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { type LogLine, LogReader } from "../../../../stages/formats/digest/log_reader.ts";

const NUM_RUNS = Deno.env.get("KEEPSAKE_SLOW") === "1" ? 20_000 : 500;

/** Letters of an answer that may be shown, or hold a part of a secret in what is shown. */
const OF_USE = 700;

/** What long answers are made of: all that may stand where one is cut. */
const FRAGMENTS = [
  "plain text, then more of it; ",
  '"quoted" and \\ and \\\\" ',
  "\n\t\r",
  "→é😀",
  "\u0001\u001f\ud83d",
  '{"type":"tool_result","content":"x"},"toolUseResult":{"a":1}',
  '","uuid":"none"}',
  "<system-reminder>not to be seen</system-reminder>",
  "<b>",
] as const;

Deno.test("a long answer is read to where it is of use, and all around it in full", () => {
  let cut = 0;
  const answer = fc.array(
    fc.tuple(fc.constantFrom(...FRAGMENTS), fc.integer({ min: 1, max: 90 })),
    {
      maxLength: 8,
    },
  ).map((parts) => parts.map(([text, times]) => text.repeat(times)).join(""));
  const block = answer.map((content) => ({ tool_use_id: "a", type: "tool_result", content }));
  const blocks = fc.array(block, { minLength: 1, maxLength: 3 });
  const noise = fc.boolean().map((is) => is ? "<task-notification>" : "");
  fc.assert(
    fc.property(fc.array(fc.tuple(noise, blocks, fc.boolean()), { maxLength: 4 }), (all) => {
      const lines = all.map(([noise, content, is_error]) => ({
        type: "user",
        message: {
          role: "user",
          content: content.map((one) => ({ ...one, content: noise + one.content, is_error })),
        },
        toolUseResult: { stdout: content[0]!.content },
        uuid: "u",
        timestamp: "2026-01-02T03:04:05.678Z",
      }));
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
      const read = readLog(text);
      assert.deepEqual(read.map(({ number }) => number), lines.map((_, index) => index + 1));
      for (const [index, { value }] of read.entries()) {
        const { toolUseResult: _, ...line } = lines[index]!;
        for (const [place, block] of line.message.content.entries()) {
          const message = value?.message as typeof line.message;
          const { content } = message.content[place]!;
          if (content === block.content) continue;
          cut++;
          assert.equal(content.slice(0, OF_USE), block.content.slice(0, OF_USE));
          assert.doesNotMatch(content, /<(system|task)-/);
          block.content = content;
        }
        assert.deepEqual(value, line);
      }
      const wholes = readLog(text, true).map(({ value }) => value?.toolUseResult);
      assert.deepEqual(wholes, lines.map(({ toolUseResult }) => toolUseResult));
    }),
    { numRuns: NUM_RUNS },
  );
  assert.ok(cut > 10, `${cut} were cut`);
});

Deno.test("lines that are cut off or no JSON have no value, with a long answer or without", () => {
  const line = JSON.stringify({
    type: "user",
    message: { content: [{ type: "tool_result", content: "x".repeat(5000) }] },
    toolUseResult: {},
    uuid: "u",
  });
  const lines = [line, line.slice(0, 4000), line.slice(0, -1), `${line}}`, line.slice(1), line];
  const read = readLog(lines.map((one) => `${one}\n`).join(""));
  assert.deepEqual(read.map(({ value }) => value !== undefined), [
    ...[true, false, false],
    ...[false, false, true],
  ]);
});

Deno.test("a line that was never finished does not hide the prompt that follows in its place", () => {
  const about = { parentUuid: "p", type: "user" };
  const after = { uuid: "u", timestamp: "2026-01-02T03:04:05.678Z" };
  const content = [{ type: "tool_result", content: "x".repeat(5000) }];
  const first = { ...about, message: { content }, ...after, toolUseResult: { stdout: "x" } };
  const prompt = { ...about, message: { content: "the question" }, ...after };
  const torn = JSON.stringify(first).slice(0, -3);
  const read = readLog(`${torn}${JSON.stringify(prompt)}\n`);
  assert.deepEqual(read, [{ number: 1, value: undefined }]);
});

Deno.test("lines of progress that are no JSON have no value", () => {
  const line = '{"type":"progress","data":{"text":"é→"},"uuid":"u"}';
  const lines = [
    ...[line, '{"type":"progress","data":{"x":}}', '{"type":"progress","data":{"x":},"uuid":"u"}'],
    ...[`${line}${line}`, `${line.slice(0, 30)}${line}`, `${line}\r`],
  ];
  const read = readLog(lines.map((one) => `${one}\n`).join(""));
  const kinds = read.map(({ value }) => value?.type);
  const none = undefined;
  assert.deepEqual(kinds, ["progress", none, none, none, none, "progress"]);
});

Deno.test("a long answer is read in full where it stands in no message, or noise comes first", () => {
  const answer = { type: "tool_result", content: "x".repeat(5000) };
  const noisy = { ...answer, content: `<system-reminder>${"x".repeat(5000)}</system-reminder>end` };
  const rest = { toolUseResult: {}, uuid: "u" };
  const lines = [
    { type: "user", content: [answer], ...rest },
    { type: "user", message: null, content: [answer], ...rest },
    { type: "user", message: { content: [noisy] }, ...rest },
    { type: "user", message: { content: [{ type: "text" }, noisy] }, ...rest },
  ];
  const read = readLog(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const withoutCopy = ({ toolUseResult: _, ...line }: Readonly<Record<string, unknown>>) => line;
  assert.deepEqual(read.map(({ value }) => withoutCopy(value!)), lines.map(withoutCopy));
});

Deno.test("what is of use in a line is read in whatever order its keys stand", () => {
  const parts = {
    cwd: "/c",
    toolUseResult: { a: 1, uuid: "none", message: "none" },
    timestamp: "2026-01-02T03:04:05.678Z",
    origin: { kind: "human" },
    isMeta: true,
    uuid: "u",
  };
  const results = [{ type: "tool_result", content: "x".repeat(5000) }];
  const content = fc.constantFrom(results, "said", [{ type: "text", text: "said" }], undefined);
  const keys = [...Object.keys(parts), "message"] as (keyof typeof parts | "message")[];
  fc.assert(
    fc.property(fc.shuffledSubarray(keys), content, (order, content) => {
      const all = { ...parts, message: { content } };
      const line = { type: "user", ...Object.fromEntries(order.map((key) => [key, all[key]])) };
      const [read] = readLog(`${JSON.stringify(line)}\n`);
      const used = ["uuid", "timestamp", "message", ...(content === results ? [] : ["isMeta"])];
      for (const key of used) {
        const [known, value] = [line, read!.value!].map((one) => Reflect.get(one, key));
        if (key !== "message" || value === undefined || content !== results) {
          assert.deepEqual(
            value,
            known === all.message ? JSON.parse(JSON.stringify(known)) : known,
          );
        } else assert.equal(value.content[0].content.slice(0, OF_USE), "x".repeat(OF_USE));
      }
    }),
    { numRuns: NUM_RUNS },
  );
});

Deno.test("a line that is too long to be held is told from one that is broken", () => {
  const line = `{"type":"user","data":"${"x".repeat(2 ** 26)}"}`;
  for (const end of ["\n{}\n", "\n", ""]) {
    const read = readLog(`{}\n${line}${end}`);
    assert.deepEqual(read.slice(0, 2), [
      { number: 1, value: {} },
      { number: 2, value: undefined, isOversized: true },
    ]);
    assert.deepEqual(read.slice(2), end === "\n{}\n" ? [{ number: 3, value: {} }] : []);
  }
});

Deno.test("a line that holds nothing but space is no line of a log", () => {
  const read = readLog("{}\n\n \r\n\t \n{}\n  ");
  assert.deepEqual(read, [{ number: 1, value: {} }, { number: 5, value: {} }]);
});

function readLog(text: string, whole = false): LogLine[] {
  const folder = Deno.makeTempDirSync({ prefix: "keepsake-log-" });
  try {
    const path = join(folder, "log.jsonl");
    Deno.writeTextFileSync(path, text);
    using file = Deno.openSync(path);
    return [...new LogReader(file, { whole }).blocks()].flat();
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
