import assert from "node:assert/strict";
import { systemFault } from "../../../stages/errors.ts";
import { writeAll } from "../../../stages/formats/write_all.ts";

Deno.test("what a disk takes in parts is written whole, and one that takes nothing is full", () => {
  const written: number[] = [];
  const taking = (...counts: number[]) => ({
    writeSync(bytes: Uint8Array) {
      const count = Math.min(counts.shift() ?? 0, bytes.length);
      written.push(...bytes.subarray(0, count));
      return count;
    },
  });
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  const took: number[] = [];
  writeAll(taking(2, 1, 9), bytes, (count) => took.push(count));
  assert.deepEqual([written, took], [[1, 2, 3, 4, 5], [2, 1, 2]]);
  try {
    writeAll(taking(2), bytes);
    assert.fail("It would never end");
  } catch (error) {
    assert.equal(systemFault(error)?.kind, "full");
  }
});
