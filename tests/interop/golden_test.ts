/**
 * What keepsake wrote when format 1 was new, every keepsake reads: `format-1/` is never made anew.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readSnapshot } from "../../pipeline/list.ts";
import { restoreSnapshot } from "../../pipeline/restore.ts";
import { verifySnapshots } from "../../pipeline/verify.ts";

const GOLDEN = join(import.meta.dirname!, "format-1");
const NAME = "20261121T092358Z-2eddf95ea9ed";
const lookup = {
  pipeline: undefined,
  from: GOLDEN,
  identityFiles: [join(GOLDEN, "identity.txt")],
};

/** Contents by path; of a link, where it leads. */
const TREE: Readonly<Record<string, string>> = {
  "notes/a.txt": "one\n",
  "notes/deep/er/über 日本.md": "ü\n",
  "notes/deep/link": "../a.txt",
  "notes/deep/same.txt": "one\n",
  "notes/empty": "",
  "notes/large.txt": "x".repeat(3_000_000),
  "notes/run.sh": "#!/bin/sh\n",
};

Deno.test("an archive of the first days verifies, and its manifest is read", async () => {
  const { ok, verifications } = await verifySnapshots(lookup);
  assert.equal(ok, true);
  assert.equal(verifications.length, 1);
  const { manifest } = await readSnapshot(lookup, "latest");
  assert.equal(manifest.name, NAME);
  assert.equal(manifest.roots[0]?.path, "/home/me/notes");
  const paths = manifest.entries.filter(({ kind }) => kind !== "directory").map(({ path }) => path);
  assert.deepEqual(paths, Object.keys(TREE).toSorted());
});

Deno.test("an archive of the first days comes back as it was", async () => {
  const directory = await Deno.makeTempDir({ prefix: "keepsake-golden-" });
  try {
    await restoreSnapshot({ ...lookup, snapshot: NAME, target: { directory } });
    for (const [path, content] of Object.entries(TREE)) {
      const at = join(directory, path);
      const { isSymlink } = await Deno.lstat(at);
      assert.equal(
        isSymlink ? await Deno.readLink(at) : await Deno.readTextFile(at),
        content,
        path,
      );
    }
    const stat = (path: string) => Deno.stat(join(directory, path));
    assert.equal((await stat("notes/a.txt")).ino, (await stat("notes/deep/same.txt")).ino);
    assert.equal(((await stat("notes/run.sh")).mode ?? 0) & 0o777, 0o755);
    assert.equal(((await stat("notes/a.txt")).mode ?? 0) & 0o777, 0o600);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
