import assert from "node:assert/strict";
import { chooseCopy } from "../../pipeline/choose_copy.ts";
import type { Copy } from "../../pipeline/find_copies.ts";
import { groupFiles, type Place } from "../../pipeline/places.ts";

/** Copies as they would be found, oldest first, at places in their order. */
function copiesOf(...found: readonly (readonly [place: string, snapshot: string])[]): Copy[] {
  return found.map(([id, snapshot]) => {
    const files = ["tar", "json"].map((kind) => ({ key: `${snapshot}.${kind}.zst.age`, size: 1 }));
    return { place: { id } as Place, held: groupFiles(files)[0]! };
  });
}

const OLD = "20260101T000000Z-aaaaaaaaaaaa";
const NEW = "20260102T000000Z-bbbbbbbbbbbb";
const COPIES = copiesOf(["disk", `claude/${OLD}`], ["disk", `claude/${NEW}`], [
  "usb",
  `claude/${NEW}`,
]);
const TWO_IDS = copiesOf(["disk", `m/${OLD}`], ["disk", `m-work/${NEW}`]);

for (
  const [wanted, name] of [
    ["latest", NEW],
    ["claude", NEW],
    ["claude/latest", NEW],
    [OLD, OLD],
    ["20260101", OLD],
    [`claude/${OLD}`, OLD],
    ["aaaa", OLD],
  ] as const
) {
  Deno.test(`chooseCopy() takes "${wanted}" for the snapshot that it names`, () => {
    const { held, place } = chooseCopy(COPIES, wanted);
    assert.equal(held.name, name);
    assert.equal(place.id, "disk");
  });
}

Deno.test("chooseCopy() tells snapshots apart whose ids begin alike", () => {
  assert.equal(chooseCopy(TWO_IDS, "m").held.name, OLD);
  assert.equal(chooseCopy(TWO_IDS, "m-work").held.name, NEW);
  assert.throws(() => chooseCopy(TWO_IDS, "m-"), { code: "snapshot-missing" });
});

Deno.test("chooseCopy() prefers a place that has the archive as well", () => {
  const [torn, whole] = copiesOf(["disk", `claude/${NEW}`], ["usb", `claude/${NEW}`]);
  const copies = [{ ...torn!, held: { ...torn!.held, archives: [] } }, whole!];
  for (const wanted of ["latest", "claude", NEW]) {
    assert.equal(chooseCopy(copies, wanted).place.id, "usb", wanted);
  }
});

Deno.test("chooseCopy() asks which one when several may be meant", () => {
  assert.throws(() => chooseCopy(TWO_IDS, "latest"), /there are "m", "m-work"/);
  assert.throws(() => chooseCopy(COPIES, "2026"), /2 match/);
});

Deno.test("chooseCopy() says when there is none", () => {
  assert.throws(() => chooseCopy([], "latest"), /there are no snapshots$/);
  assert.throws(
    () => chooseCopy([], "latest", { pipeline: undefined, from: "/mnt" }),
    /there are no snapshots at "\/mnt"$/,
  );
  assert.throws(() => chooseCopy(COPIES, "1999"), { code: "snapshot-missing" });
  assert.throws(() => chooseCopy(COPIES, "other/latest"), { code: "snapshot-missing" });
  const from = "s3://b/?endpoint=http://x&region=y";
  assert.throws(() => chooseCopy(COPIES, "1999", { pipeline: undefined, from }), {
    hint: `See what there is with "keepsake list --from '${from}'"`,
  });
});

Deno.test("groupFiles() lists no snapshot without a manifest and no stranger's files", () => {
  const held = groupFiles([
    { key: `claude/${OLD}.tar.zst.age`, size: 5 },
    { key: "claude/notes.txt", size: 5 },
    { key: `claude/${NEW}.json.zst.age`, size: 5 },
    { key: `claude/${NEW}.tar.zst.age`, size: 5 },
  ]);
  assert.deepEqual(held.map(({ name }) => name), [NEW]);
  assert.deepEqual(held[0]!.transforms, [".age"]);
});
