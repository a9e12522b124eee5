import { deepEqual, equal, match } from "node:assert/strict";
import fc from "fast-check";
import {
  judgeShrinkage,
  newShrinkages,
  restoreCommand,
  sayShrinkage,
} from "../../../pipeline/run/tripwire.ts";
import type { Watched } from "../../../stages/contract.ts";

function watched(kind: Watched["kind"], size: number, more: Partial<Watched> = {}): Watched {
  return { path: `p/${kind}`, kind, size, sha256: "", ...more };
}

Deno.test("what counts as a loss, and what does not", () => {
  const cases: readonly [before: Watched, after: Watched | undefined, what: string | undefined][] =
    [
      [watched("memory", 10), undefined, "memory-gone"],
      [watched("memory", 10), watched("memory", 1), undefined],
      [watched("index", 10), undefined, "memory-gone"],
      [watched("index", 10), watched("index", 5), "index-halved"],
      [watched("index", 10), watched("index", 6), undefined],
      [watched("index", 1), watched("index", 0), "index-halved"],
      [watched("index", 0), watched("index", 0), undefined],
      [watched("settings", 9, { hooks: 2 }), watched("settings", 9, { hooks: 0 }), "hooks-lost"],
      [watched("settings", 9, { hooks: 2 }), watched("settings", 9), "hooks-lost"],
      [watched("settings", 9, { hooks: 2 }), undefined, "hooks-lost"],
      [watched("settings", 9, { hooks: 2 }), watched("settings", 9, { hooks: 1 }), undefined],
      [watched("settings", 9, { hooks: 0 }), undefined, undefined],
      [watched("settings", 9), watched("settings", 2), undefined],
      [watched("log", 9), undefined, undefined], // Claude Code removes old ones.
      [watched("log", 9), watched("log", 12, { grew: true }), undefined],
      [watched("log", 9), watched("log", 12, { grew: false }), "log-rewritten"],
      [watched("log", 9), watched("log", 3, { grew: false }), "log-rewritten"],
      [watched("log", 9), watched("log", 12), undefined], // It could not be compared.
      [watched("files", 30), watched("files", 0), "files-gone"],
      [watched("files", 30), watched("files", 3), "files-gone"],
      [watched("files", 30), watched("files", 4), undefined],
      [watched("files", 1), watched("files", 0), "files-gone"],
      [watched("files", 0), watched("files", 0), undefined],
    ];
  for (const [before, after, what] of cases) {
    const { shrinkages } = judgeShrinkage([before], after ? [after] : []);
    deepEqual(
      shrinkages.map((one) => one.what),
      what ? [what] : [],
      JSON.stringify([before, after]),
    );
    for (const one of shrinkages) {
      match(sayShrinkage(one), /^(p\/\w+ [a-z]|\d+ of \d+ files).*[^.]$/);
    }
  }
});

Deno.test("what could not be read is not missed, and not forgotten either", () => {
  const before = [watched("memory", 10), { ...watched("memory", 3), path: "p/memory2" }];
  const { shrinkages, baseline } = judgeShrinkage(before, [], ["p/memory"]);
  deepEqual(shrinkages.map(({ path }) => path), ["p/memory2"]);
  deepEqual(baseline, before);
  deepEqual(judgeShrinkage(before, [], ["p"]).shrinkages, []);
});

const KINDS = ["memory", "index", "settings", "log"] as const;

/** Files by path, so that two states have some of them in common. */
const state = fc.uniqueArray(
  fc.record({
    path: fc.constantFrom(..."abcdefgh"),
    size: fc.nat(50),
    hooks: fc.nat(2),
    grew: fc.boolean(),
  }),
  { selector: ({ path }) => path },
).map((files) =>
  files.map(({ path, size, hooks, grew }): Watched => {
    const kind = KINDS[path.charCodeAt(0) % 4]!;
    const more = kind === "settings" ? { hooks } : kind === "log" ? { grew } : {};
    return { path, kind, size, sha256: "", ...more };
  })
);
const whole = state.map((files) => files.map(({ grew: _, ...file }): Watched => file));

Deno.test("nothing is lost when nothing changed, and all that is told was there before", () => {
  fc.assert(fc.property(whole, state, (before, after) => {
    deepEqual(judgeShrinkage(before, before).shrinkages, []);
    deepEqual(judgeShrinkage([], after).shrinkages, []);
    for (const { path, before: size } of judgeShrinkage(before, after).shrinkages) {
      equal(before.some((one) => one.path === path && one.size === size), true);
    }
  }));
});

Deno.test("a loss stays in view until it is made good, and is news once", () => {
  fc.assert(fc.property(whole, state, (before, after) => {
    const first = judgeShrinkage(before, after);
    // A log that was rewritten differs from the same baseline again.
    const second = judgeShrinkage(first.baseline, after);
    const lost = (list: typeof first.shrinkages) => list.map(({ path, what }) => `${path} ${what}`);
    const logs = after.filter(({ grew }) => grew === false).map(({ path }) => path);
    const settled = first.shrinkages.filter(({ path }) => !logs.includes(path));
    for (const one of lost(settled)) equal(lost(second.shrinkages).includes(one), true, one);
    const fresh = newShrinkages(first.shrinkages, second.shrinkages);
    deepEqual(fresh.filter(({ path }) => !logs.includes(path)), []);
    // What is back is as it was: none of it is missing then.
    const healed = judgeShrinkage(first.baseline, before).shrinkages;
    const were = first.shrinkages.map(({ path }) => path);
    deepEqual(healed.filter(({ path }) => were.includes(path)), []);
  }));
});

Deno.test("the baseline knows every file that is there, each once", () => {
  fc.assert(fc.property(whole, state, (before, after) => {
    const paths = judgeShrinkage(before, after).baseline.map(({ path }) => path);
    equal(new Set(paths).size, paths.length);
    for (const { path } of after) equal(paths.includes(path), true);
  }));
});

Deno.test("the command that brings back how it was names a snapshot, where one is known", () => {
  equal(restoreCommand("claude", "n"), "keepsake restore claude/n --to restored");
  equal(restoreCommand("claude", null), undefined);
});
