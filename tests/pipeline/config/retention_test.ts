import assert from "node:assert/strict";
import { retentionKeys } from "../../../pipeline/config/retention.ts";
import { load, problems, stages } from "./support.ts";

const SOURCE = 'snapshot; paths = ["/data"]';
const TARGET = 'local; path = "/backups"; plaintext = true';

async function retentionOf(keys: string) {
  const { stages: [, target] } = await load(stages(SOURCE, `${TARGET}; ${keys}`));
  return target!;
}

Deno.test("the keep_ keys of a destination become its policy, and are no options of its stage", async () => {
  const { retention, options } = await retentionOf(
    'keep_last = 3; keep_daily = 7; keep_within = "2w"; forget_deleted = true',
  );
  const policy = { last: 3, daily: 7, within: 14 * 86_400_000, forgetDeleted: true };
  assert.deepEqual(retention, policy);
  assert.deepEqual(options, { path: "/backups" });
  assert.deepEqual(retentionKeys(policy), {
    keep_last: 3,
    keep_daily: 7,
    keep_within: "1209600s",
    forget_deleted: true,
  });
});

Deno.test("a destination without a keep_ key has no policy", async () => {
  assert.equal((await retentionOf("forget_deleted = false")).retention, undefined);
});

Deno.test("keep_ keys that make no sense are refused at their place", async () => {
  const keys = [
    "keep_last = 0",
    "keep_daily = -1",
    "keep_weekly = 1.5",
    'keep_monthly = "12"',
    "keep_yearly = true",
    'keep_within = "0d"',
    "keep_lst = 3",
    'forget_deleted = "yes"',
  ];
  assert.deepEqual(await problems(stages(SOURCE, `${TARGET}; ${keys.join("; ")}`)), [
    "9:13 stage[2].keep_last: Expected a whole number from 1 to 100000",
    "10:14 stage[2].keep_daily: Expected a whole number from 1 to 100000",
    "11:15 stage[2].keep_weekly: Expected a whole number from 1 to 100000",
    "12:16 stage[2].keep_monthly: Expected a number",
    "13:15 stage[2].keep_yearly: Expected a number",
    "14:15 stage[2].keep_within: Expected a duration longer than nothing",
    '15:1 stage[2].keep_lst: Unknown key, did you mean "keep_last"?',
    "16:18 stage[2].forget_deleted: Expected true or false",
  ]);
  assert.deepEqual(await problems(stages(SOURCE, `${TARGET}; keep_within = "1 month"`)), [
    '9:15 stage[2].keep_within: Expected a duration such as "90s", "36h" or "14d"',
  ]);
});

Deno.test("for words of other tools nothing is suggested that keeps less", async () => {
  const keys = ["keep_hourly = 24", "keep_minutely = 1", 'keep_tags = "x"'];
  assert.deepEqual(await problems(stages(SOURCE, `${TARGET}; ${keys.join("; ")}`)), [
    "9:1 stage[2].keep_hourly: Unknown key",
    "10:1 stage[2].keep_minutely: Unknown key",
    "11:1 stage[2].keep_tags: Unknown key",
  ]);
});

Deno.test("leave to forget is refused where nothing is ever removed", async () => {
  assert.deepEqual(await problems(stages(SOURCE, `${TARGET}; forget_deleted = true`)), [
    "9:1 stage[2].forget_deleted: Cannot forget what was deleted: nothing is ever removed without a keep_ key",
  ]);
});

Deno.test("what is no destination has no retention", async () => {
  assert.deepEqual(await problems(stages(`${SOURCE}; keep_last = 3`, TARGET)), [
    "4:1 stage[1].keep_last: Cannot use this key here: it has no meaning for a source stage",
  ]);
});
