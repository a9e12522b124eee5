import assert from "node:assert/strict";
import { join } from "node:path";
import {
  directoryOf,
  filesOf,
  findHomes,
  findProjects,
} from "../../../../stages/formats/claude/conversations.ts";
import {
  decideSweep,
  readSweep,
  type Setting,
  settingIn,
} from "../../../../stages/formats/claude/sweep.ts";

const NONE: Setting = { kind: "none" };
const days = (file: string, days: number): Setting => ({ kind: "days", file, days });
const broken: Setting = { kind: "invalid", file: "broken", reason: "it is not JSON" };

Deno.test("the sweep goes by the organisation, then the shortest time that any session would use", () => {
  const sweep = (managed: Setting[], user: Setting, ...projects: [Setting, Setting][]) => {
    const settings = projects.map(([local, shared]) => ({ local, shared }));
    const { days, file, paused } = decideSweep("/home", managed, user, settings);
    return [days, file, paused?.path];
  };
  assert.deepEqual(sweep([], NONE), [30, undefined, undefined]);
  assert.deepEqual(sweep([], days("user", 365)), [365, "user", undefined]);
  assert.deepEqual(sweep([], days("user", 7)), [7, "user", undefined]);
  assert.deepEqual(sweep([days("managed", 90)], days("user", 7)), [90, "managed", undefined]);
  // A session in this project sweeps all projects; what it says privately holds before the shared.
  const project = [days("local", 20), days("shared", 3)] as [Setting, Setting];
  assert.deepEqual(sweep([], days("user", 365), project), [20, "local", undefined]);
  assert.deepEqual(sweep([], NONE, [NONE, days("shared", 3)]), [3, "shared", undefined]);
  // A session anywhere else sweeps by the user's.
  assert.deepEqual(sweep([], NONE, [NONE, days("shared", 99)]), [30, undefined, undefined]);
  assert.deepEqual(sweep([days("managed", 90)], NONE, project), [90, "managed", undefined]);
  assert.deepEqual(sweep([], broken), [30, undefined, "broken"]);
  assert.deepEqual(sweep([broken], days("user", 7)), [7, "user", "broken"]);
  // Settings that are broken in one project keep sessions elsewhere from nothing.
  assert.deepEqual(sweep([], NONE, [broken, NONE]), [30, undefined, undefined]);
});

Deno.test("a setting counts only as a whole number of days from 1 on", () => {
  const kinds = (...texts: string[]) => texts.map((text) => settingIn(text, "f").kind);
  assert.deepEqual(settingIn('{"cleanupPeriodDays": 14}', "f"), days("f", 14));
  assert.deepEqual(kinds("{}", "[]", "null", "7", '{"a":{"cleanupPeriodDays":1}}', "not json"), [
    ...["none", "none", "none", "none", "none", "none"],
  ]);
  const wrong = ["0", "-1", "1.5", '"30"', "null", "true"];
  assert.deepEqual(
    kinds(...wrong.map((value) => `{"cleanupPeriodDays": ${value}}`)),
    wrong.map(() => "invalid"),
  );
  assert.deepEqual(kinds('{"cleanupPeriodDays": 30,'), ["invalid"]);
  assert.deepEqual(settingIn('{"cleanupPeriodDays": 0}', "f"), {
    kind: "invalid",
    file: "f",
    reason: "its cleanupPeriodDays is no whole number of days from 1 on",
  });
});

Deno.test("settings of all scopes are read from their files", () => {
  const base = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    const write = (path: string, value: number) => {
      Deno.mkdirSync(join(base, path, ".."), { recursive: true });
      Deno.writeTextFileSync(join(base, path), JSON.stringify({ cleanupPeriodDays: value }));
    };
    const read = () => {
      const project = join(base, "work");
      const managed = [join(base, "managed.json")];
      const { days, file } = readSweep(join(base, "home"), [project, "/gone"], managed);
      return [days, file];
    };
    assert.deepEqual(read(), [30, undefined]);
    const steps = [
      ["home/settings.json", 25],
      ["work/.claude/settings.json", 20],
      ["work/.claude/settings.local.json", 15],
      ["home/remote-settings.json", 200],
      ["managed.json", 100],
    ] as const;
    for (const [path, days] of steps) {
      write(path, days);
      assert.deepEqual(read(), [days, join(base, path)]);
    }
  } finally {
    Deno.removeSync(base, { recursive: true });
  }
});

Deno.test("conversations are found with what lies beside them, and homes at, above and below a path", () => {
  const base = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    const home = join(base, ".claude");
    const project = join(home, "projects", "-work-x");
    const id = "0f0e0d0c-0000-4000-8000-000000000001";
    const gone = "0f0e0d0c-0000-4000-8000-000000000002";
    const write = (path: string, text: string, time: number) => {
      Deno.mkdirSync(join(path, ".."), { recursive: true });
      Deno.writeTextFileSync(path, text);
      Deno.utimeSync(path, time, time);
    };
    write(join(project, `${id}.jsonl`), '{"type":"mode"}\n{"cwd":"/work/x \\"y\\""}\n', 1000);
    write(join(project, id, "subagents", "agent-1.jsonl"), "", 900);
    write(join(project, gone, "tool-results", "1.txt"), "", 500);
    write(join(project, "memory", "MEMORY.md"), "", 1);
    assert.deepEqual(findHomes([base]), [home]);
    assert.deepEqual(findHomes([home, project, join(project, `${id}.jsonl`)]), [home]);
    assert.deepEqual(findHomes([join(base, "elsewhere")]), []);
    const [found] = findProjects(home);
    const conversations = found!.conversations.toSorted((a, b) => b.changed - a.changed);
    assert.deepEqual(conversations, [
      { path: join(project, `${id}.jsonl`), changed: 1_000_000 },
      { path: join(project, gone), changed: 500_000 },
    ]);
    assert.deepEqual(filesOf(conversations[0]!).map(({ changed }) => changed), [
      1_000_000,
      900_000,
    ]);
    assert.deepEqual(filesOf(conversations[1]!).map(({ changed }) => changed), [500_000]);
    assert.equal(directoryOf(found!), '/work/x "y"');
  } finally {
    Deno.removeSync(base, { recursive: true });
  }
});
