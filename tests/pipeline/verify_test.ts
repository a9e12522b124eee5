import assert from "node:assert/strict";
import type { Copy } from "../../pipeline/find_copies.ts";
import { groupFiles, type Place } from "../../pipeline/places.ts";
import { lostCopies } from "../../pipeline/verify.ts";

const DISK = { id: "disk" } as Place;
const NAMES = Array.from(
  { length: 500 },
  (_, number) => `20260101T000000Z-${String(number).padStart(12, "0")}`,
);

/** As they would be found on the disk. */
function copiesOf(names: readonly string[]): Copy[] {
  return names.map((name) => {
    const files = ["tar", "json"].map((kind) => ({ key: `m/${name}.${kind}`, size: 1 }));
    return { place: DISK, held: groupFiles(files)[0]! };
  });
}

for (
  const [what, held, all, lost] of [
    ["nothing where all is there", NAMES, true, []],
    ["the newest", NAMES.slice(0, -1), false, NAMES.slice(-1)],
    ["no other, where the newest is there", NAMES.slice(1), false, []],
    ["any, where all are meant", NAMES.slice(1), true, NAMES.slice(0, 1)],
    [
      "none that a newer one came after",
      [...NAMES.slice(0, -1), "20260102T000000Z-000000000000"],
      false,
      [],
    ],
  ] as const
) {
  Deno.test(`lostCopies() misses ${what}, and looks at each a few times`, () => {
    let looks = 0;
    const deliveries = NAMES.map((name) => ({
      id: "m",
      get name() {
        looks++;
        return name;
      },
    }));
    const found = lostCopies([{ place: DISK, deliveries }], copiesOf(held), all);
    assert.deepEqual(found.map(({ name }) => name), lost);
    assert.ok(looks < 10 * NAMES.length, `${looks} looks at ${NAMES.length}`);
  });
}

Deno.test("lostCopies() names the places that have it whole, and no others", () => {
  const stored = [{ place: DISK, deliveries: [{ id: "m", name: NAMES[0]! }] }];
  const [whole] = copiesOf(NAMES.slice(0, 1));
  const copies = [
    { place: { id: "usb" } as Place, held: whole!.held },
    { place: { id: "nas" } as Place, held: { ...whole!.held, archives: [] } },
  ];
  const hintOf = (copies: readonly Copy[]) => lostCopies(stored, copies, true)[0]!.failure!.hint!;
  assert.match(hintOf(copies), /^Use the one in "usb"; /);
  assert.match(hintOf(copies.slice(1)), /no other destination has it; /);
});
