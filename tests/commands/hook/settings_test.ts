import assert from "node:assert/strict";
import { join } from "node:path";
import {
  addHooks,
  entriesFor,
  findHooks,
  ownHooks,
  removeHooks,
} from "../../../commands/hook/install.ts";
import { areDisabled, holds, withHooks, withoutHooks } from "../../../commands/hook/settings.ts";

const wiring = (state: string, program = "/abs/keepsake") =>
  ({ program: [program], state, file: "/p.toml", maxAge: undefined }) as const;
const ENTRIES = entriesFor(wiring("/state/claude"));
const OWN = ownHooks("/state/claude");

/** Settings as people and programs write them. */
const OTHER = '{"type":"command","command":"fmt.sh","args":["hook","run","session-start"]}';
const TEXTS = [
  "{}",
  "{}\n",
  '{"model":"opus"}',
  '{\n  "model": "opus"\n}\n',
  '{\n\t"model": "opus",\n\t"env": {\n\t\t"A": "\\u00e9"\n\t}\n}',
  '{\r\n    "a": 1e3,\r\n    "hooks": {\r\n        "Stop": []\r\n    }\r\n}\r\n',
  `{\n  "hooks": {\n    "SessionStart": [\n      { "matcher": "", "hooks": [ ${OTHER} ] }\n    ]\n  },\n  "z": [1,2,   3]\n}\n`,
  `{"hooks":{"SessionStart":[{"hooks":[${OTHER}]},{"hooks":[]}],"SessionEnd":[{"hooks":[${OTHER}]}]}}`,
  '{\n  "hooks": {\n    "PostToolUse": [\n      {\n        "matcher": "Edit",\n        "hooks": []\n      }\n    ]\n  }\n}\n',
];

Deno.test("hooks come in beside everything else, and go out again to the byte", () => {
  for (const text of TEXTS) {
    const added = withHooks(text, ENTRIES, OWN);
    assert.equal(holds(added, ENTRIES), true, added);
    assert.equal(withHooks(added, ENTRIES, OWN), added, "a second time changes something");
    const [before, after] = [JSON.parse(text), JSON.parse(added)];
    for (const event of ["SessionStart", "SessionEnd"]) {
      const others = before.hooks?.[event] ?? [];
      assert.deepEqual(after.hooks[event].slice(0, -1), others);
    }
    assert.deepEqual({ ...after, hooks: null }, { ...before, hooks: null });
    assert.equal(withoutHooks(added, OWN), text);
    // Another pipeline's stay.
    const both = withHooks(added, entriesFor(wiring("/state/work")), ownHooks("/state/work"));
    assert.deepEqual(JSON.parse(withoutHooks(both, ownHooks("/state/work"))), after);
  }
});

Deno.test("hooks of a program that has moved are replaced, wherever somebody put them", () => {
  const old = entriesFor(wiring("/state/claude", "/old/keepsake"));
  const text = JSON.stringify({
    hooks: {
      SessionStart: [{ hooks: [old[0]!.hook, { type: "command", command: "x" }] }],
      Stop: [{ hooks: [old[1]!.hook] }],
    },
  });
  const added = JSON.parse(withHooks(text, ENTRIES, OWN));
  assert.deepEqual(added.hooks.SessionStart, [
    { hooks: [{ type: "command", command: "x" }] },
    { matcher: "startup|resume", hooks: [ENTRIES[0]!.hook] },
  ]);
  assert.deepEqual(added.hooks.SessionEnd, [{ hooks: [ENTRIES[1]!.hook] }]);
  assert.equal("Stop" in added.hooks, false);
});

Deno.test("hooks of a file that was renamed, or keeps its state elsewhere, are replaced and taken out", () => {
  const former = withHooks("{}", entriesFor(wiring("/state/former")), ownHooks("/state/former"));
  const own = ownHooks("/state/claude", "/p.toml");
  assert.equal(withHooks(former, ENTRIES, own), withHooks("{}", ENTRIES, OWN));
  assert.equal(withoutHooks(former, own), "{}");
  assert.equal(withoutHooks(former, ownHooks("/state/claude", "/other.toml")), former);
});

Deno.test("settings that Claude Code could not read are left alone", async () => {
  const folder = await Deno.makeTempDir();
  const file = join(folder, "settings.json");
  const wrong = [
    ["{", "it is not JSON at line 1, column 2"],
    ["[]", "it holds no object"],
    ["7", "it holds no object"],
    ['{\n  "a": 1,\n}\n', "it is not JSON at line 3, column 1"],
    ['{\r\n  "a": 1 "b": 2\r\n}\r\n', "it is not JSON at line 2, column 10"],
    ["\ufeff{}\n// x", "it is not JSON at line 2, column 1"],
    ['{"hooks":[]}', 'its "hooks" is no object'],
    ['{"hooks":{"SessionStart":{}}}', 'its "SessionStart" is no array'],
    // Claude Code goes by the last one.
    ['{"hooks":{"SessionStart":[]},"hooks":{}}', 'its "hooks" stands there twice'],
    ['{"hooks":{"Stop":[],"SessionStart":[],"Stop":[]}}', 'its "Stop" stands there twice'],
  ] as const;
  for (const [text, state] of wrong) {
    await Deno.writeTextFile(file, text);
    const message = `Cannot add hooks to "${file}": ${state}`;
    await assert.rejects(addHooks(file, ENTRIES, OWN), { code: "usage", message });
    assert.equal(
      new TextDecoder("utf-8", { ignoreBOM: true }).decode(await Deno.readFile(file)),
      text,
    );
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("settings that are not UTF-8 are left alone", async () => {
  const folder = await Deno.makeTempDir();
  const file = join(folder, "settings.json");
  const bytes = new Uint8Array([...new TextEncoder().encode('{"a":"'), 0xff, 0xfe, 0x22, 0x7d]);
  await Deno.writeFile(file, bytes);
  for (const work of [() => addHooks(file, ENTRIES, OWN), () => removeHooks(file, OWN)]) {
    const message = `Cannot read "${file}": it is not UTF-8`;
    await assert.rejects(work, { code: "usage", message });
    assert.deepEqual(await Deno.readFile(file), bytes);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a link to settings that leads nowhere stays one", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const file = join(folder, "settings.json");
  await Deno.symlink("dotfiles/settings.json", file);
  for (const work of [() => addHooks(file, ENTRIES, OWN), () => removeHooks(file, OWN)]) {
    const message =
      `Cannot change "${file}": it is a link to "dotfiles/settings.json", and nothing is there`;
    await assert.rejects(work, { code: "usage", message });
    assert.equal(await Deno.readLink(file), "dotfiles/settings.json");
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: "what is no regular file is neither waited for nor replaced",
  ignore: Deno.build.os === "windows", // There is no pipe with a name.
  async fn() {
    const folder = await Deno.realPath(await Deno.makeTempDir());
    const [file, pipe] = [join(folder, "settings.json"), join(folder, "pipe")];
    await new Deno.Command("mkfifo", { args: [pipe] }).output();
    await Deno.symlink(pipe, file);
    for (const work of [() => addHooks(file, ENTRIES, OWN), () => findHooks(pipe, OWN)]) {
      const message = `Cannot use "${pipe}": it is no regular file`;
      await assert.rejects(work, { code: "usage", message });
    }
    assert.equal((await Deno.stat(file)).isFifo, true);
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test("hooks that are there already are added to nothing, in whichever order they stand", () => {
  const texts = [
    '{"hooks":{"SessionStart":[]}}',
    '{"hooks":{"SessionEnd":[],"SessionStart":[]}}',
    `{"hooks":{"SessionEnd":[],"SessionStart":[{"hooks":[${OTHER}]}]},"z":1}`,
  ];
  for (const text of texts) {
    const added = withHooks(text, ENTRIES, OWN);
    assert.equal(withHooks(added, ENTRIES, OWN), added, text);
    // As a program writes it that sorts what it writes.
    const sorted = JSON.stringify(sort(JSON.parse(added)));
    assert.equal(withHooks(sorted, ENTRIES, OWN), sorted, text);
  }
  // A hook of ours that is there twice, or for other sessions, is put right.
  const added = JSON.parse(withHooks("{}", ENTRIES, OWN));
  const [group] = added.hooks.SessionStart;
  for (const groups of [[group, group], [{ ...group, matcher: "clear" }]]) {
    const wrong = JSON.stringify({ hooks: { ...added.hooks, SessionStart: groups } });
    assert.deepEqual(JSON.parse(withHooks(wrong, ENTRIES, OWN)), added);
  }
});

Deno.test("an empty list of hooks, which says nothing, goes with ours", () => {
  const texts = {
    '{"hooks":{}}': "{}",
    '{"hooks":{"SessionStart":[],"Stop":[]}}': '{"hooks":{"Stop":[]}}',
  };
  for (const [text, left] of Object.entries(texts)) {
    assert.equal(withoutHooks(withHooks(text, ENTRIES, OWN), OWN), left);
  }
});

function sort(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sort);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(entries.map(([key, inner]) => [key, sort(inner)]));
}

Deno.test("a file of settings keeps its mode, its mark and the link to it, and is made where there is none", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const [link, file] = [join(folder, "settings.json"), join(folder, "dotfile.json")];
  const text = '\ufeff{\n  "model": "opus"\n}\n';
  await Deno.writeTextFile(file, text, { mode: 0o640 });
  await Deno.chmod(file, 0o640);
  await Deno.symlink(file, link);
  assert.equal(await addHooks(link, ENTRIES, OWN), true);
  assert.equal(await addHooks(link, ENTRIES, OWN), false);
  assert.equal((await Deno.lstat(link)).isSymlink, true);
  assert.equal((await Deno.stat(file)).mode! & 0o777, 0o640);
  assert.equal(await removeHooks(link, OWN), true);
  assert.equal(await removeHooks(link, OWN), false);
  const bytes = await Deno.readFile(file);
  assert.equal(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), text);
  const fresh = join(folder, "fresh.json");
  assert.equal(await addHooks(fresh, ENTRIES, OWN), true);
  assert.equal(holds(await Deno.readTextFile(fresh), ENTRIES), true);
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  assert.deepEqual(names.sort(), ["dotfile.json", "fresh.json", "settings.json"]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("hooks are in the file at the end although somebody else writes it all the while", async () => {
  const folder = await Deno.makeTempDir();
  const file = join(folder, "settings.json");
  await Deno.writeTextFile(file, "{}");
  let writes = 0;
  // What a session does: it puts its own text in place, which knows nothing of ours.
  const entries = ENTRIES.map((entry) => ({
    ...entry,
    get event() {
      if (writes < 3) Deno.writeTextFileSync(file, JSON.stringify({ count: ++writes }));
      return entry.event;
    },
  }));
  assert.equal(await addHooks(file, entries, OWN), true);
  const text = await Deno.readTextFile(file);
  assert.equal(holds(text, ENTRIES), true);
  assert.equal(JSON.parse(text).count, 3);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("of a key that says twice whether hooks are started, the last one counts", () => {
  const twice = (first: boolean, last: boolean) =>
    areDisabled(`{"disableAllHooks": ${first}, "disableAllHooks": ${last}}`);
  assert.deepEqual([twice(true, false), twice(false, true)], [false, true]);
});
