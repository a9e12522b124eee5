import { deepEqual, equal, match } from "node:assert/strict";
import { FileError } from "../../../commands/pipeline_file.ts";
import { failureJson, renderFailure, tell } from "../../../commands/ui/errors.ts";
import { PLAIN } from "../../../commands/ui/style.ts";
import { BackupError, FAILURES } from "../../../pipeline/errors.ts";
import { fakeTerminal } from "./fake_terminal.ts";

Deno.test("a failure is one sentence and what to do", () => {
  const error = new BackupError("storage-full", 'Cannot store "a\x1b[2J": full', { hint: "Free" });
  deepEqual(renderFailure(error, PLAIN), ['Error: Cannot store "a\\u{1b}[2J": full', "  Free"]);
});

Deno.test("a wrong pipeline file shows every problem with its place", () => {
  const cause = new BackupError("pipeline-invalid", 'Cannot use "/p.toml": it has 2 problems\n  …');
  const error = new FileError("/p.toml", [
    { line: 3, column: 1, path: "stage[1].pth", message: "Unknown key", hint: 'Write "path"' },
    { line: 9, column: 5, path: "", message: "Expected a value", hint: "Write one" },
  ], cause);
  deepEqual(renderFailure(error, PLAIN), [
    'Error: Cannot use "/p.toml": it has 2 problems',
    "  /p.toml:3:1  stage[1].pth: Unknown key",
    '      Write "path"',
    "  /p.toml:9:5  Expected a value",
    "      Write one",
  ]);
  equal((failureJson(error) as { error: { problems: unknown[] } }).error.problems.length, 2);
});

Deno.test("a file's only problem is not said twice", () => {
  const message = 'Cannot read "/p.toml": it is a directory';
  const hint = "Name the file in it";
  const problems = [{ line: 1, column: 1, path: "", message, hint }];
  const cause = new BackupError("pipeline-invalid", message, { hint });
  const error = new FileError("/p.toml", problems, cause);
  deepEqual(renderFailure(error, PLAIN), [`Error: ${message}`, `  ${hint}`]);
});

Deno.test("what nobody foresaw is a bug: its stack, where to report it, status 1", () => {
  const { terminal, out, err } = fakeTerminal();
  equal(tell(new TypeError("x is not a function"), terminal, false), 1);
  match(err(), /^This is a bug in keepsake:\n {2}TypeError: x is not a function\n {6}at /);
  match(err(), /\n {2}Please report this with the lines above\n$/);
  equal(out(), "");
});

Deno.test("with --json a bug is a document too, and its stack goes where people look", () => {
  const { terminal, out, err } = fakeTerminal();
  equal(tell(new TypeError("x"), terminal, true), 1);
  deepEqual(JSON.parse(out()), {
    ok: false,
    error: { code: "bug", message: "x", hint: "Please report this with the lines above" },
  });
  match(err(), /TypeError: x/);
});

Deno.test("with --json a failure is a document and nothing else", () => {
  for (const [code, { status }] of Object.entries(FAILURES)) {
    if (code === "bug") continue;
    const { terminal, out, err } = fakeTerminal();
    equal(tell(new BackupError(code as "usage", "No"), terminal, true), status);
    deepEqual(JSON.parse(out()), { ok: false, error: { code, message: "No", hint: null } });
    equal(err(), "");
  }
});

Deno.test("no failure tells a password in an address, or an identity", () => {
  const error = new BackupError("destination-refused", "Cannot push to https://me:pw@h/x", {
    hint: "Look for AGE-SECRET-KEY-1ABC in https://t@h/",
  });
  const bug = new Error("at https://me:pw@h/x");
  for (const thrown of [error, bug]) {
    const told = [...renderFailure(thrown, PLAIN), JSON.stringify(failureJson(thrown))].join("\n");
    equal(/pw|1ABC|t@/.test(told), false, told);
    equal(told.includes("https://(hidden)@h/x"), true);
  }
});
