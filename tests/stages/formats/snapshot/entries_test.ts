import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import type { Entry } from "../../../../stages/contract.ts";
import { compareUtf8, contentHash, tarName } from "../../../../stages/formats/snapshot/entries.ts";
import { compareBytes } from "./source_tree.ts";

const HASH = "a".repeat(64);
const ENTRIES: readonly Entry[] = [
  { path: "x", kind: "directory", mode: 0o755, mtime: 1 },
  { path: "x/a", kind: "file", mode: 0o4644, mtime: 2, size: 3, sha256: HASH },
  { path: "x/b", kind: "hardlink", mode: 0o4644, mtime: 2, link: "x/a" },
  { path: "x/ç\n", kind: "symlink", mode: 0o777, mtime: 4, link: "../\u{1f511}" },
];

type Named = Pick<Entry, "path" | "kind">;

const compareArchiveOrder = (a: Named, b: Named) =>
  compareUtf8(tarName(a.path, a.kind), tarName(b.path, b.kind));

Deno.test("archive order is that of the UTF-8 bytes of names in the tar", () => {
  const entry = fc.record({
    path: fc.string({ unit: "binary", minLength: 1, maxLength: 4 }),
    kind: fc.constantFrom<Entry["kind"]>("file", "directory"),
  });
  const name = ({ path, kind }: Named) => kind === "directory" ? `${path}/` : path;
  fc.assert(fc.property(entry, entry, (a, b) => {
    const order = Math.sign(compareArchiveOrder(a, b));
    assert.equal(order, compareBytes(name(a), name(b)));
    assert.equal(order + Math.sign(compareArchiveOrder(b, a)), 0);
  }));
});

Deno.test("archive order puts characters above U+FFFF behind all others, unlike strings do", () => {
  const paths = ["\u{10000}", "\u{ffff}", "\u{e000}", "\u{d7ff}", "\u{10ffff}"];
  const entries = paths.map((path) => ({ path, kind: "file" as const }));
  assert.deepEqual(
    entries.sort(compareArchiveOrder).map(({ path }) => path.codePointAt(0)?.toString(16)),
    ["d7ff", "e000", "ffff", "10000", "10ffff"],
  );
});

Deno.test("archive order counts a directory's slash", () => {
  const entries = [
    { path: "a0", kind: "file" },
    { path: "a/b", kind: "file" },
    { path: "a", kind: "directory" },
    { path: "a.", kind: "directory" },
    { path: "a-", kind: "file" },
  ] as const;
  assert.deepEqual(
    entries.toSorted(compareArchiveOrder).map(({ path }) => path),
    ["a-", "a.", "a", "a/b", "a0"],
  );
});

Deno.test("the content hash is SHA-256 over one line of JSON an entry", async () => {
  const lines = [
    '["x","directory","755","",""]',
    `["x/a","file","4644","","${HASH}"]`,
    '["x/b","hardlink","4644","x/a",""]',
    '["x/ç\\n","symlink","777","../\u{1f511}",""]',
  ];
  const expected = createHash("sha256").update(lines.map((line) => `${line}\n`).join(""));
  assert.equal(await contentHash(ENTRIES), expected.digest("hex"));
});

Deno.test("the content hash of nothing is that of no bytes", async () => {
  assert.equal(await contentHash([]), createHash("sha256").digest("hex"));
});

Deno.test("the content hash stays when times or sizes alone differ", async () => {
  const later = ENTRIES.map((entry) => ({ ...entry, mtime: entry.mtime + 1, size: 9 } as Entry));
  assert.equal(await contentHash(later), await contentHash(ENTRIES));
});

Deno.test("the content hash changes with every path, kind, mode, link and content", async () => {
  const change = (index: number, changes: object) =>
    ENTRIES.map((entry, at) => (at === index ? { ...entry, ...changes } : entry) as Entry);
  const hashes = await Promise.all([
    ENTRIES,
    ENTRIES.slice(1),
    change(1, { path: "x/A" }),
    change(1, { mode: 0o644 }),
    change(1, { sha256: "b".repeat(64) }),
    change(2, { kind: "symlink" }),
    change(2, { link: "x/c" }),
    change(3, { path: "x/c\u0327\n" }),
  ].map(contentHash));
  assert.equal(new Set(hashes).size, hashes.length);
});

Deno.test("the content hash of many entries is that of all their lines", async () => {
  const many = Array.from({ length: 25_001 }, (_, index): Entry => ({
    path: `x/${index}`,
    kind: "directory",
    mode: 0o700,
    mtime: 0,
  }));
  const expected = createHash("sha256");
  for (const { path } of many) expected.update(`["${path}","directory","700","",""]\n`);
  assert.equal(await contentHash(many), expected.digest("hex"));
});
