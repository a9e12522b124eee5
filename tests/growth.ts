/** Tells what grows with the size of its task from what grows with its square, on any machine. */
import assert from "node:assert/strict";

/** As many small tasks take as long as the whole, or an eighth of that. */
const PARTS = 8;
const LIMIT = 5;

/** Further tries show whether it was the machine that was busy. */
const TRIES = 10;

/** Asserts that the time that `work` takes grows with `size`, and not with its square. */
export async function assertLinear(
  work: (size: number) => unknown,
  size: number,
  message = "",
): Promise<void> {
  const part = Math.ceil(size / PARTS);
  await work(part); // The first time, much is loaded and compiled.
  const best = { parts: Infinity, whole: Infinity };
  for (let tries = 0; tries < TRIES; tries++) {
    best.parts = Math.min(best.parts, await timeOf(work, Array(PARTS).fill(part)));
    best.whole = Math.min(best.whole, await timeOf(work, [size]));
    if (best.whole < LIMIT * best.parts) return;
  }
  assert.fail(`${message} ${best.parts} ms in ${PARTS} parts, ${best.whole} ms as a whole`);
}

async function timeOf(
  work: (size: number) => unknown,
  sizes: readonly number[],
): Promise<number> {
  const began = performance.now();
  for (const size of sizes) await work(size);
  return performance.now() - began;
}
