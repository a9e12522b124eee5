import assert from "node:assert/strict";
import { type Manifest, readManifest, writeManifest } from "../../pipeline/manifest.ts";
import { snapshotName } from "../../pipeline/names.ts";
import { totalsOf } from "../../pipeline/run/reading.ts";
import type { Entry } from "../../stages/contract.ts";
import { contentHash } from "../../stages/formats/snapshot/entries.ts";

const CREATED = new Date("2026-01-02T03:04:05.000Z");
const TIME = Date.parse("2025-12-31T23:59:59.123Z");

const ENTRIES: readonly Entry[] = [
  { path: ".claude", kind: "directory", mode: 0o755, mtime: TIME },
  {
    path: ".claude/a\nb",
    kind: "file",
    mode: 0o4755,
    mtime: TIME,
    size: 3,
    sha256: "ab".repeat(32),
    xxh64: "cd".repeat(8),
  },
  { path: ".claude/again", kind: "hardlink", mode: 0o644, mtime: TIME, link: ".claude/a\nb" },
  { path: ".claude/out", kind: "symlink", mode: 0o777, mtime: -1, link: '../"elsewhere"' },
];

async function manifestOf(entries: readonly Entry[]): Promise<Manifest> {
  const hash = await contentHash(entries);
  const { files, bytes } = totalsOf(entries, hash);
  return {
    pipeline: "claude",
    snapshot: "claude",
    name: snapshotName(CREATED, hash),
    created: CREATED,
    contentHash: hash,
    host: "laptop",
    source: "snapshot",
    roots: [{ name: ".claude", path: "/home/me/.claude" }],
    ...{ files, bytes },
    unreadable: [{ path: ".claude/locked", reason: "permission denied" }],
    skipped: [],
    archives: [{ name: "x.tar.zst.age", size: 10, sha256: "cd".repeat(32) }],
    entries,
  };
}

async function textOf(manifest: Manifest): Promise<string> {
  return await new Blob([...writeManifest(manifest)] as Uint8Array<ArrayBuffer>[]).text();
}

Deno.test("readManifest() gives back what writeManifest() wrote", async () => {
  for (const entries of [[], ENTRIES, manyEntries(2500)]) {
    const manifest = await manifestOf(entries);
    const text = await textOf(manifest);
    assert.deepEqual(await readManifest(text, "claude", manifest.name), manifest);
    assert.equal(JSON.parse(text).format, 1);
  }
});

Deno.test("readManifest() takes no manifest whose name is not that of its content", async () => {
  const manifest = await manifestOf(ENTRIES);
  const name = `${manifest.name.slice(0, -12)}${"0".repeat(12)}`;
  await assert.rejects(readManifest(await textOf({ ...manifest, name }), "claude", name), {
    code: "snapshot-damaged",
  });
});

Deno.test("a manifest has one line an entry, for people with grep", async () => {
  const text = await textOf(await manifestOf(ENTRIES));
  const lines = text.split("\n").filter((line) => line.startsWith('{"path"'));
  assert.equal(lines.length, ENTRIES.length);
});

Deno.test("readManifest() refuses a manifest under another snapshot's name or id", async () => {
  const manifest = await manifestOf(ENTRIES);
  const text = await textOf(manifest);
  await assert.rejects(readManifest(text, "work", manifest.name), /it belongs to "claude\//);
  const other = manifest.name.replace("2026", "2027");
  await assert.rejects(readManifest(text, "claude", other), /it belongs to "claude\/2026/);
});

Deno.test("readManifest() refuses entries that do not have the stated content hash", async () => {
  const manifest = await manifestOf(ENTRIES);
  const text = (await textOf(manifest)).replace("ab".repeat(32), "ac".repeat(32));
  await assert.rejects(readManifest(text, "claude", manifest.name), /do not have the content hash/);
});

Deno.test("readManifest() refuses entries that are not the stated files and bytes", async () => {
  const manifest = await manifestOf(ENTRIES);
  assert.deepEqual([manifest.files, manifest.bytes], [1, 3]); // Other names of a file are no files.
  for (const changes of [{ files: 2 }, { files: 0 }, { bytes: 2 }, { bytes: 4 }]) {
    const text = await textOf({ ...manifest, ...changes });
    const refused = { code: "snapshot-damaged", message: /not as many files or bytes/ };
    await assert.rejects(readManifest(text, "claude", manifest.name), refused);
  }
  // The content hash says nothing of sizes.
  const text = (await textOf(manifest)).replace('"size":3', '"size":2');
  await assert.rejects(readManifest(text, "claude", manifest.name), /not as many files or bytes/);
});

Deno.test("readManifest() refuses a manifest that names no archive", async () => {
  for (const entries of [ENTRIES, []]) {
    const manifest = await manifestOf(entries);
    const text = await textOf({ ...manifest, archives: [] });
    const refused = { code: "snapshot-damaged", message: /"claude\/.*": it names no archive$/ };
    await assert.rejects(readManifest(text, "claude", manifest.name), refused);
  }
});

Deno.test("readManifest() says which format it cannot read", async () => {
  const manifest = await manifestOf(ENTRIES);
  const text = (await textOf(manifest)).replace('"format": 1', '"format": 2');
  await assert.rejects(readManifest(text, "claude", manifest.name), /it has format 2/);
});

Deno.test("readManifest() refuses what is not JSON or lacks a field, without a crash", async () => {
  const manifest = await manifestOf(ENTRIES);
  const whole = JSON.parse(await textOf(manifest));
  const noText = { toString: 1, valueOf: 1 };
  const bad: unknown[] = [null, 1, "text", [], {}, { format: 1 }, { format: noText }];
  for (const key of Object.keys(whole)) {
    for (const value of [undefined, null, 1, "x", {}, [1], [{}], [null]]) {
      const changed = { ...whole, [key]: value };
      if (JSON.stringify(changed) !== JSON.stringify(whole)) bad.push(changed);
    }
  }
  for (const key of Object.keys(whole.entries[1])) {
    const entries = whole.entries.with(1, { ...whole.entries[1], [key]: {} });
    bad.push({ ...whole, entries });
  }
  // Free text can be any text: what matters is that nothing of another kind gets through.
  const isFree = (value: unknown) =>
    ["pipeline", "host", "source"].some((key) => (value as Record<string, unknown>)?.[key] === "x");
  for (const value of bad.filter((value) => !isFree(value))) {
    const text = JSON.stringify(value);
    const refused = { code: "snapshot-damaged" };
    await assert.rejects(readManifest(text, "claude", manifest.name), refused, text.slice(0, 300));
  }
  await assert.rejects(readManifest("{", "claude", manifest.name), /it is not JSON/);
});

function manyEntries(count: number): Entry[] {
  return Array.from({ length: count }, (_, index): Entry => ({
    path: `d/${String(index).padStart(6, "0")}`,
    kind: "file",
    mode: 0o644,
    mtime: TIME,
    size: index,
    sha256: "ef".repeat(32),
  }));
}
