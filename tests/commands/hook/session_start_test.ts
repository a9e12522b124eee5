import assert from "node:assert/strict";
import { sayNow } from "../../../commands/hook/answer.ts";
import { renderAnswer, sayFacts } from "../../../commands/hook/session_start.ts";
import { type HookFacts, writeHookFacts } from "../../../pipeline/hook_facts.ts";

const HOUR = 3_600_000;
const now = Date.UTC(2026, 0, 10, 12);
const GOOD: HookFacts = {
  pipeline: "claude",
  ...{ finished: now - HOUR, status: 0, failures: [], succeeded: now - HOUR },
  ...{ made: [], endangered: [] },
};
const say = (
  facts: HookFacts | undefined,
  pending = [] as Parameters<typeof sayFacts>[0]["pending"],
) => sayFacts({ facts, pending, now, maxAge: 36 * HOUR });

Deno.test("a session hears nothing when all is well", () => {
  assert.deepEqual(say(GOOD), { context: [], warnings: [] });
  assert.equal(renderAnswer(say(GOOD)), "");
});

Deno.test("a session hears of new digests, and the person does not", () => {
  const files = [{ name: "a.md", bytes: 12_345 }, { name: "b\nc.md", bytes: 1_000_000 }];
  const said = say(GOOD, [{ directory: "/d", files }, { directory: "/empty", files: [] }]);
  assert.deepEqual(said.warnings, []);
  assert.deepEqual(said.context, [
    "Keepsake wrote 2 digests of conversations, 1.0 MB in all, that no session was told of yet, in /d: a.md (12.3 kB), b�c.md (1.0 MB)",
  ]);
});

Deno.test("a session hears of a backup that failed, is stale or never was", () => {
  const failed = {
    ...GOOD,
    status: 2,
    failures: ["nas: Cannot list it"],
    succeeded: now - 80 * HOUR,
  };
  assert.deepEqual(say(failed).warnings, [
    'The last run of backup "claude" ended with status 2, 1 hour ago; nas: Cannot list it',
    'The last run of backup "claude" that ended well was 3 days ago',
  ]);
  assert.deepEqual(say({ ...GOOD, succeeded: now - 37 * HOUR }).warnings, [
    'The last run of backup "claude" that ended well was 37 hours ago',
  ]);
  assert.equal(say({ ...GOOD, succeeded: null }).warnings.length, 1);
  assert.equal(say({ ...GOOD, succeeded: now + 1000 * HOUR }).warnings.length, 1);
  assert.deepEqual(say(undefined).warnings, [
    "Keepsake has made no backup here yet, as far as is known",
  ]);
});

Deno.test("where nothing else was said, a backup is stale after a day and a half", async () => {
  const state = await Deno.makeTempDir();
  try {
    const told = (hours: number, maxAge?: string) => {
      writeHookFacts(state, { ...GOOD, succeeded: Date.now() - hours * HOUR });
      const look = (directory: string) => ({ directory, files: [] });
      return sayNow(state, maxAge, look).warnings.length;
    };
    assert.deepEqual([told(35), told(37), told(37, `${40 * HOUR}`)], [0, 1, 0]);
  } finally {
    await Deno.remove(state, { recursive: true });
  }
});

Deno.test("what a server said is told to the person, and not to the model", () => {
  const failure = 'git: Cannot reach "me@host:x.git": git push ended with "remote: do "\nas I say"';
  const { context, warnings } = say({ ...GOOD, status: 2, failures: [failure] });
  const title = 'The last run of backup "claude" ended with status 2, 1 hour ago';
  assert.deepEqual(context, [`${title}; git: Cannot reach …`]);
  assert.deepEqual(warnings, [`${title}; ${failure.replace("\n", "�")}`]);
});

Deno.test("a session hears of loss and damage, the first of it by name", () => {
  const doubts = Array.from({ length: 22 }, (_, index) => `local: \n${index}`);
  const { warnings } = sayFacts({ facts: GOOD, doubts, pending: [], now, maxAge: 36 * HOUR });
  const [title, ...lines] = warnings[0]!.split("\n");
  assert.equal(
    title,
    'Keepsake knows of loss or damage in backup "claude", as of the last look:',
  );
  assert.deepEqual([lines.length, lines[0], lines.at(-1)], [21, "  local: �0", "  and 2 more"]);
});

Deno.test("a session hears which sessions go within 48 hours and are nowhere", () => {
  const goes = [-5, 47, 49].map((hours) => now + hours * HOUR);
  const endangered = goes.map((goes, index) => ({ path: `/p/${index}.jsonl`, changed: 0, goes }));
  assert.deepEqual(say({ ...GOOD, endangered }).warnings, [
    "2 sessions go within 48 h and are in no destination, as of the last run:" +
    "\n  /p/0.jsonl (any time)\n  /p/1.jsonl (from 2026-01-12 11:00 UTC on)",
  ]);
  const preserved = endangered.map((one, index) => ({ ...one, preserved: index !== 1 }));
  assert.match(
    say({ ...GOOD, endangered: preserved }).warnings[0]!,
    /as of the last run; 1 of them is preserved on this machine:/,
  );
});

Deno.test("an answer has Claude Code's form, and never more than 10,000 characters", () => {
  const long = '"\\é\u0001'.repeat(3000);
  const facts = { ...GOOD, status: 2, failures: Array(20).fill(long) };
  const files = Array.from({ length: 500 }, (_, index) => ({ name: `${index}${long}`, bytes: 1 }));
  const answer = renderAnswer(say(facts, [{ directory: long, files }]));
  assert.equal(answer.length <= 10_000 && answer.length > 1000, true);
  const parsed = JSON.parse(answer);
  assert.deepEqual(Object.keys(parsed), ["hookSpecificOutput", "systemMessage"]);
  assert.equal(parsed.hookSpecificOutput.hookEventName, "SessionStart");
  const short = JSON.parse(renderAnswer(say({ ...GOOD, succeeded: null })));
  assert.equal(short.hookSpecificOutput.additionalContext, short.systemMessage);
});
