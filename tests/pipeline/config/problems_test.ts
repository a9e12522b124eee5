import assert from "node:assert/strict";
import { PipelineError } from "../../../pipeline/config/load.ts";
import { quote, sayChoices, sayPath } from "../../../pipeline/config/problems.ts";
import { stages as builtin } from "../../../stages/mod.ts";
import { refusal, stages } from "./support.ts";

const TWELVE = `# Twelve mistakes
[pipeline]
nmae = "claude"
state = "$STATE_DIRECTORY/keepsake"

[[stage]]
use = "snapshot"
id = "claude"
paths = "~/.claude"
compress = "zstdd"

[[stage]]
use = "local"
path = "/mnt/spare/claude"

[[stage]]
use = "encrypt"
id = "claude"
to = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8q", "~/recipients.txt"]
encrypt_too = ["age1"]

[[stage]]
use = "webdav"
bucket = "backups"

[[stage]]
use = "local"
path = "~other/backups"
only = ["cluade"]
`;

Deno.test("twelve mistakes are told at once, each at its place", async (t) => {
  const error = await refusal(TWELVE);
  assert.equal(error.problems.length, 12);
  await t.assertSnapshot(
    error.message.replace(/"\/.*\/pipeline.toml"/, '"pipeline.toml"')
      .replace(sayChoices(Object.keys(builtin)), "(every stage)"),
  );
});

Deno.test("problems come in the order of the file, whatever found them", async () => {
  const { problems } = await refusal(TWELVE);
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  assert.deepEqual(problems, sorted);
});

Deno.test("an error for a file is a BackupError with status 3, and says one problem as one", async () => {
  const error = await refusal(stages('snapshot; paths = ["/a"]', 'local; path = "/b"'));
  assert.ok(error instanceof PipelineError);
  assert.equal(error.code, "pipeline-invalid");
  assert.match(error.message, /^Cannot use "\/.*pipeline\.toml": it has a problem\n {2}5:1 /);
});

Deno.test("a message shows fifty problems, and says how many there are more", async () => {
  const keys = Array.from({ length: 60 }, (_, index) => `key${index} = 1`).join("\n");
  const error = await refusal(`[pipeline]\n${keys}\n${stages("local; path = '/x'")}`);
  assert.equal(error.problems.length, 61);
  assert.equal(error.message.match(/^ {2}\d+:\d+ /gm)?.length, 50);
  assert.match(error.message, /\n {2}and 11 more$/);
});

Deno.test("a path is said as a user would write it, and can not move a terminal's cursor", () => {
  assert.equal(sayPath([]), "");
  assert.equal(sayPath(["stage", 1, "to", 0]), "stage[2].to[1]");
  assert.equal(sayPath(["pipeline", "a key"]), 'pipeline."a key"');
  assert.equal(sayPath(["\u001b[2J\n\u202e"]), '"\\u{1b}[2J\\u{a}\\u{202e}"');
  assert.equal(sayPath(["x".repeat(100)]), `${"x".repeat(47)}…`);
  assert.equal(sayPath(["\u001b".repeat(100)]).includes("\u001b"), false);
  assert.equal(quote("/a\r/b"), '"/a\\u{d}/b"');
});
