import assert from "node:assert/strict";
import { createdOf, fileName, LAST_MOMENT, parseKey, snapshotName } from "../../pipeline/names.ts";

const HASH = "0123456789ab".padEnd(64, "0");
const NAME = "20260102T030405Z-0123456789ab";

Deno.test("snapshotName() is the UTC time and the first twelve digits of the content hash", () => {
  assert.equal(snapshotName(new Date("2026-01-02T03:04:05.678Z"), HASH), NAME);
  assert.deepEqual(createdOf(NAME), new Date("2026-01-02T03:04:05Z"));
});

for (const kind of ["archive", "manifest"] as const) {
  for (const codec of ["zstd", "gzip", "none"] as const) {
    for (const transforms of [[], [".age"], [".age", ".par2"]]) {
      const name = fileName({ name: NAME, kind, codec, transforms });
      Deno.test(`parseKey() reads what fileName() wrote in "${name}"`, () => {
        const parsed = parseKey(`m-work/${name}`);
        assert.deepEqual(parsed, { id: "m-work", name: NAME, kind, codec, transforms });
      });
    }
  }
}

Deno.test("parseKey() knows nothing of files that are not keepsake's", () => {
  for (
    const key of [
      "notes.txt",
      `claude/${NAME}.tar.zst.age.part`.replace(".part", ".PART"),
      `claude/.${NAME}.tar.zst.age.1a2b.part`,
      `claude/${NAME}`,
      `claude/${NAME}.zip`,
      `Claude/${NAME}.tar`,
      `a/b/${NAME}.tar`,
      `${NAME}.tar`,
      `../${NAME}.tar`,
      "claude/2026-01-02-0123456789ab.tar",
      "claude/99999999T999999Z-0123456789ab.json.zst.age",
      "claude/20260230T000000Z-0123456789ab.tar",
    ]
  ) assert.equal(parseKey(key), undefined, key);
});

Deno.test("snapshotName() gives no name that parseKey() refuses", () => {
  for (const time of [Date.parse("0000-01-01T00:00:00Z"), LAST_MOMENT]) {
    assert.ok(parseKey(`claude/${snapshotName(new Date(time), HASH)}.tar`), `${time}`);
  }
  for (const time of [Date.parse("-000001-12-31T23:59:59Z"), LAST_MOMENT + 1, NaN]) {
    assert.throws(() => snapshotName(new Date(time), HASH), RangeError, `${time}`);
  }
});
