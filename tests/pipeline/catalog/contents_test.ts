/** What the catalog knows of the paths that snapshots hold, against sets that hold the same. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { Catalog } from "../../../pipeline/catalog.ts";
import type { Contents } from "../../../pipeline/catalog/contents.ts";
import type { Entry } from "../../../stages/contract.ts";

/** Runs with the contents of a new catalog. */
function withContents<T>(body: (contents: Contents) => T): T {
  const state = Deno.makeTempDirSync({ prefix: "keepsake-contents-" });
  const catalog = Catalog.open(state, () => assert.fail("It was damaged"), new Date(0));
  try {
    return body(catalog.contents);
  } finally {
    catalog[Symbol.dispose]();
    Deno.removeSync(state, { recursive: true });
  }
}

function file(path: string): Entry {
  return { kind: "file", path, mode: 0o644, mtime: 0, size: 0, sha256: "" };
}

function add(
  contents: Contents,
  name: string,
  paths: readonly string[],
  unreadable: readonly string[] = [],
  id = "m",
): void {
  contents.add(id, name, {
    created: new Date(0),
    roots: [{ name: ".claude", path: "/home/me/.claude" }],
    entries: paths.map(file),
    unreadable: unreadable.map((path) => ({ path, reason: "it changed" })),
  });
}

Deno.test("contents tell which files are in one snapshot alone", () => {
  withContents((contents) => {
    add(contents, "1", ["a", "b"]);
    add(contents, "2", ["b", "c"]);
    add(contents, "3", ["a", "c"]);
    assert.deepEqual(contents.onlyIn("m", "1", ["2"]), { count: 1, example: "a" });
    assert.deepEqual(contents.onlyIn("m", "1", ["2", "3"]), { count: 0, example: undefined });
    assert.deepEqual(contents.onlyIn("m", "2", ["3"]), { count: 1, example: "b" });
    assert.deepEqual(contents.onlyIn("m", "1", []), { count: 2, example: "a" });
  });
});

Deno.test("contents know nothing of what was never noted, nor of another id", () => {
  withContents((contents) => {
    add(contents, "1", ["a"]);
    add(contents, "2", ["a"], [], "m-work");
    assert.equal(contents.onlyIn("m", "2", ["1"]), undefined);
    assert.deepEqual(contents.onlyIn("m", "1", ["2", "unknown"]), { count: 1, example: "a" });
    assert.equal(contents.known("m-work", "1"), undefined);
    assert.deepEqual(contents.known("m", "1"), { created: new Date(0), incomplete: false });
  });
});

Deno.test("a file that changed while it was read is held, and makes up for no other copy", () => {
  withContents((contents) => {
    add(contents, "1", [".claude/a"]);
    add(contents, "2", [".claude/a", ".claude/b"], ["/home/me/.claude/a", "/home/me/.claude/gone"]);
    add(contents, "3", []);
    assert.deepEqual(contents.onlyIn("m", "1", ["2"]), { count: 1, example: ".claude/a" });
    assert.deepEqual(contents.onlyIn("m", "2", ["3"]), { count: 2, example: ".claude/a" });
    assert.equal(contents.known("m", "2")?.incomplete, true);
  });
});

Deno.test("directories are no files that somebody could miss", () => {
  withContents((contents) => {
    const held = { created: new Date(0), roots: [], unreadable: [] };
    const directory = { kind: "directory", path: "d", mode: 0o755, mtime: 0 } as const;
    const link = { kind: "symlink", path: "l", mode: 0o777, mtime: 0, link: "x" } as const;
    contents.add("m", "1", { ...held, entries: [directory, link] });
    assert.deepEqual(contents.onlyIn("m", "1", []), { count: 1, example: "l" });
  });
});

const odd: fc.Arbitrary<string> = fc.constantFrom(
  "a",
  "b",
  "c/d",
  "c/d ",
  "'; DROP TABLE spans",
  "é",
  "e\u0301",
  "\ufffd",
  '"',
);
const history = fc.array(
  fc.record({
    paths: fc.uniqueArray(odd, { maxLength: 9 }),
    /** Whether it is forgotten as soon as others have followed. */
    forgotten: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);

Deno.test("contents answer what sets would, also when some were forgotten", () => {
  withContents((contents) => {
    let run = 0;
    fc.assert(
      fc.property(history, fc.array(fc.nat(7), { maxLength: 5 }), (history, chosen) => {
        const id = `m${run++}`;
        for (const [index, { paths }] of history.entries()) {
          add(contents, `${index}`, paths, [], id);
        }
        const left = history.map(({ forgotten }, index) =>
          index === history.length - 1 || !forgotten
        );
        contents.forget(id, history.flatMap((_, index) => left[index] ? [] : [`${index}`]));
        const others = chosen.filter((index) => left[index]);
        for (const [index, { paths }] of history.entries()) {
          const answer = contents.onlyIn(id, `${index}`, others.map(String));
          if (!left[index]) {
            assert.equal(answer, undefined);
            continue;
          }
          const lost = paths.filter((path) =>
            !others.some((other) => history[other]!.paths.includes(path))
          );
          assert.equal(answer?.count, lost.length);
          assert.equal(lost.length === 0 || lost.includes(answer?.example ?? ""), true);
        }
      }),
      { numRuns: 60 },
    );
  });
});

Deno.test("contents go on from the newest, also where it was forgotten", () => {
  withContents((contents) => {
    add(contents, "1", [".claude/a"]);
    add(contents, "2", [".claude/a", ".claude/b"]);
    contents.forget("m", ["2"]);
    add(contents, "3", [".claude/b"], ["/home/me/.claude/b"]);
    assert.deepEqual(contents.onlyIn("m", "1", ["3"]), { count: 1, example: ".claude/a" });
    assert.deepEqual(contents.onlyIn("m", "3", ["1"]), { count: 1, example: ".claude/b" });
  });
});

Deno.test("contents that lost a part know nothing", () => {
  const state = Deno.makeTempDirSync({ prefix: "keepsake-contents-" });
  const catalog = Catalog.open(state, () => {}, new Date(0));
  try {
    add(catalog.contents, "1", ["a", "b"]);
    add(catalog.contents, "2", ["a", "b"]);
    assert.equal(catalog.contents.onlyIn("m", "1", ["2"])?.count, 0);
    catalog[Symbol.dispose]();
    loseASpan(`${state}/catalog.db`);
    assert.equal(catalog.contents.onlyIn("m", "1", ["2"]), undefined);
  } finally {
    catalog[Symbol.dispose]();
    Deno.removeSync(state, { recursive: true });
  }
});

function loseASpan(path: string): void {
  const database = new DatabaseSync(path);
  database.exec("DELETE FROM spans WHERE path = 'b'");
  database.close();
}
