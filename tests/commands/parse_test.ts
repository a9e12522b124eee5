import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { hintFor } from "../../commands/did_you_mean.ts";
import { commands } from "../../commands/mod.ts";
import { parseWords } from "../../commands/parse.ts";
import { pipelineOptions } from "../../pipeline/config/common.ts";
import { BackupError } from "../../pipeline/errors.ts";
import { fakeTerminal } from "./ui/fake_terminal.ts";

async function fails(...words: readonly string[]): Promise<BackupError> {
  let caught: unknown;
  await rejects(parseWords(words), (error) => {
    caught = error;
    return error instanceof BackupError;
  });
  equal((caught as BackupError).code, "usage");
  return caught as BackupError;
}

async function prints(...words: readonly string[]): Promise<string> {
  const { terminal, out, err } = fakeTerminal();
  const invocation = await parseWords(words);
  equal(await invocation({ terminal, takeSignal: () => new AbortController().signal }), 0);
  equal(err(), "");
  return out();
}

Deno.test("a misspelt command is told what was meant", async () => {
  for (
    const [written, meant] of [["rnu", "run"], ["restor", "restore"], ["ver", "verify"]] as const
  ) {
    const { message, hint } = await fails(written);
    equal(message, `Cannot do "${written}": there is no such command`);
    equal(hint, `Did you mean "${meant}"?`);
  }
  equal((await fails("frobnicate")).hint, 'See "keepsake help" for those there are');
});

Deno.test("a misspelt flag is told what was meant", async () => {
  const { message, hint } = await fails("run", "--dry-rn");
  equal(message, 'Cannot understand "keepsake run": unexpected option or argument: --dry-rn');
  equal(hint, "Did you mean --dry-run?");
});

Deno.test("the words of a person are said as they are, and nothing in them becomes a hint", async () => {
  const told = 'Cannot understand "keepsake run": unexpected option or argument: ';
  const words = ["Foo", "`a`", "--bad\n\nDo as I say: rm -rf ~", "Ends: With. A dot.", ": Foo"];
  for (const word of words) {
    const { message, hint } = await fails("run", word);
    deepEqual([message, hint], [told + word, 'See "keepsake run --help"']);
  }
  match((await fails("run", "--json=Yes")).message, /flag, but got a value: Yes$/);
});

Deno.test("a flag that is known, and not taken for one, is told why", async () => {
  for (
    const words of [
      ["restore", "--", "s", "--to", "x"],
      ["run", "--", "-n"],
      ["run", "--", "-m", "x"],
      ["run", "--", "--config", "F"],
      ["run", "--", "--config=F"],
    ]
  ) {
    const { hint } = await fails(...words);
    equal(hint, 'Leave out "--", or put it behind the flags: what follows it is none');
  }
  equal((await fails("run", "-m=x")).hint, 'Leave out "=": "-m" and its value are two words');
  equal((await fails("run", "--", "--dry-rn")).hint, "Did you mean --dry-run?");
});

Deno.test("a flag is not taken for the value of the flag before it", async () => {
  for (
    const [words, value, flag] of [
      [["restore", "--to", "--dry-run"], "--dry-run", "--to"],
      [["restore", "claude", "--to", "--json"], "--json", "--to"],
      [["restore", "--to", "--from=usb"], "--from=usb", "--to"],
      [["restore", "--to", "x", "--path", "-n"], "-n", "--path"],
      [["run", "--message", "--dry-run"], "--dry-run", "--message"],
      [["run", "-c", "--dry-run"], "--dry-run", "-c"],
      [["run", "--if-missed", "--json"], "--json", "--if-missed"],
      [["digest", "--to", "--json"], "--json", "--to"],
      [["list", "--from", "--json"], "--json", "--from"],
      [["keygen", "--output", "--pq"], "--pq", "--output"],
      [["schedule", "install", "--at", "--print"], "--print", "--at"],
    ] as const
  ) {
    const { message, hint } = await fails(...words);
    equal(
      message,
      `Cannot use "${value}" as the value of "${flag}": it is a flag of "keepsake ${words[0]}"`,
    );
    match(hint ?? "", /^Write a [A-Z]+ after "/);
  }
  match((await fails("restore", "--to", "--json")).hint!, /or "\.\/--json" if it has that very/);
  match((await fails("run", "-m", "--json")).hint!, /or "--message=--json" if it has that very/);
  for (const to of [["--to=--json"], ["--to", "./--json"], ["--to", "--jsonx"], ["--to", "-"]]) {
    equal(typeof await parseWords(["restore", ...to]), "function", to.join(" "));
  }
  equal(typeof await parseWords(["restore", "--to", "x", "--path", "a", "--json"]), "function");
  match(await prints("restore", "--to", "--help"), /brings a snapshot back/i);
});

Deno.test("every mistake on the command line is one sentence and a hint", async () => {
  const cases = [
    ["run", "extra"],
    ["run", "--only"],
    ["run", "--json", "--json"],
    ["run", "--json=yes"],
    ["restore", "--overwrite", "sometimes"],
    ["completion"],
    ["completion", "tcsh"],
    ["--config", "x", "run"],
    ["__proto__"],
  ];
  for (const words of cases) {
    const { message, hint } = await fails(...words);
    match(message, /^Cannot [^\n`]*[^\n`.]$/, words.join(" "));
    match(hint ?? "", /^[A-Z]/, words.join(" "));
  }
});

Deno.test("the name of an argument is said as help has it", async () => {
  equal(
    (await fails("completion", "tcsh")).message,
    'Cannot understand "keepsake completion": ' +
      "SHELL: expected one of bash, zsh, fish, and powershell, but got tcsh",
  );
  equal(
    (await fails("completion")).message,
    'Cannot understand "keepsake completion": ' +
      "SHELL is missing: one of bash, zsh, fish or powershell",
  );
  const none = "ACTION is missing: one of install, remove, show or run";
  for (const name of ["schedule", "hook"]) {
    for (const words of [[name], [name, "--config", "x"]]) {
      const { message } = await fails(...words);
      const told = `Cannot understand "keepsake ${name}": ${none}`;
      equal(message, name === "hook" ? told : `${told}-now`, words.join(" "));
    }
  }
  equal(
    (await fails("run", "--only")).message,
    'Cannot understand "keepsake run": --only requires STAGE',
  );
  equal(
    (await fails("restore", "--overwrite", "Sometimes")).message,
    'Cannot understand "keepsake restore": ' +
      "--overwrite: expected one of never, changed, and always, but got Sometimes",
  );
});

Deno.test("a flag before the command is told to come after it", async () => {
  equal((await fails("--json", "run")).message, 'Cannot use "--json" here: a command comes first');
});

Deno.test("help is given wherever it is asked for", async () => {
  const overview = await prints();
  match(overview, /^Usage: keepsake COMMAND/m);
  equal(await prints("help"), overview);
  equal(await prints("--help"), overview);
  equal(await prints("-h"), overview);
  const run = await prints("help", "run");
  match(run, /--dry-run/);
  equal(await prints("run", "--help"), run);
  equal(await prints("run", "--jsno", "-h"), run);
  equal(await prints("--help", "run"), run);
  equal(await prints("--help", "--json"), overview);
  equal(await prints("-h", "--json", "run"), run);
});

Deno.test("help of every command names its flags and says what each is for", async (t) => {
  const names = ["run", "plan", "list", "restore", "verify", "init", "keygen", "config"];
  for (const name of [...names, "digest", "completion", "help"]) {
    await t.assertSnapshot(await prints("help", name), name);
  }
});

Deno.test("help is given on a terminal of any width", async () => {
  for (const width of [1, 10, 20, 30]) {
    for (const words of [[], ...Object.keys(commands).map((name) => [name])]) {
      const { terminal, out } = fakeTerminal(true, width);
      const invocation = await parseWords(["help", ...words]);
      await invocation({ terminal, takeSignal: () => new AbortController().signal });
      match(out(), /^Usage: keepsake/m, `${words} at ${width}`);
    }
  }
});

Deno.test("help names what there is to choose from once, and breaks no line before a comma", async () => {
  for (const name of ["schedule", "hook", "completion", "restore"]) {
    const help = await prints("help", name);
    equal(/^ *,/m.test(help), false, help);
    equal(help.match(/choices/), null);
  }
  const schedule = await prints("help", "schedule");
  match(
    schedule.replaceAll(/\s+/g, " "),
    /best that is there\. One of cron, systemd, launchd or task-/,
  );
  match(schedule, /^ {2}ACTION +install, remove, show or run-now\.$/m);
});

Deno.test("help of the program lists every command and every exit status", async (t) => {
  await t.assertSnapshot(await prints("help"));
});

Deno.test("help of a stage explains its options", async () => {
  const help = await prints("help", "snapshot");
  match(help, /^snapshot: /);
  match(help, /^ {2}paths /m);
  equal(await prints("snapshot", "--help"), help);
});

Deno.test("help of the pipeline explains the keys that belong to no stage", async () => {
  const page = await prints("help", "pipeline");
  match(page, /^\[pipeline\]: /);
  for (const key of Object.keys(pipelineOptions.entries)) {
    match(page, new RegExp(`^  ${key} \\(`, "m"));
  }
  match(await prints("help"), /"keepsake help pipeline"/);
});

Deno.test("help of what there is not says what was meant", async () => {
  const invocation = await parseWords(["help", "snapsot"]);
  const { terminal } = fakeTerminal();
  await rejects(invocation({ terminal, takeSignal: () => new AbortController().signal }), {
    code: "usage",
    message: 'Cannot explain "snapsot": there is no such command or stage',
    hint: 'Did you mean "snapshot"?',
  });
});

Deno.test("the version is that of deno.json", async () => {
  const { version } = JSON.parse(
    await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
  );
  equal(await prints("--version"), `keepsake ${version}\n`);
  equal(await prints("-V"), `keepsake ${version}\n`);
});

Deno.test("what follows -- is no flag", async () => {
  const { message } = await fails("run", "--", "--help");
  equal(message, 'Cannot understand "keepsake run": unexpected option or argument: --help');
});

Deno.test("hintFor knows misspellings, beginnings and swapped letters", () => {
  const known = ["run", "restore", "verify"];
  deepEqual(["rum", "rest", "rnu", "r", "zzz"].map((word) => hintFor(word, known)), [
    'Did you mean "run"?',
    'Did you mean "restore"?',
    'Did you mean "run"?',
    'See "keepsake help" for those there are',
    'See "keepsake help" for those there are',
  ]);
});
