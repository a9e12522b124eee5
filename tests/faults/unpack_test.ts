import { deepEqual as assertEquals, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { StageError } from "../../stages/errors.ts";
import {
  inDirectory,
  SAMPLE,
  start,
  treeOf,
  UNPACKED,
} from "../stages/formats/snapshot/unpacking.ts";
import { entriesOf, sealed, tarOf } from "../stages/formats/tar/tar_bytes.ts";

Deno.test("unpack refuses an archive that is cut short at any byte, or has one more", async () => {
  const archive = tarOf(SAMPLE);
  const entries = entriesOf(SAMPLE);
  for (let length = 0; length < archive.length; length++) {
    const input = once(archive.subarray(0, length));
    await rejects(start({ archive: input, entries }), isDamage, `cut at ${length}`);
  }
  for (const more of [1, 512, 1024]) {
    await rejects(start({ archive: tarOf(SAMPLE, new Uint8Array(1024 + more)) }), isDamage);
  }
});

Deno.test("unpack refuses an archive with any bit flipped, or the bit carries no meaning", () =>
  inDirectory(async (directory) => {
    const members = SAMPLE.filter(({ path }) => path !== "x/b/tool" && path !== "x/c");
    const archive = tarOf(members);
    const entries = entriesOf(members);
    const harmless = new Set<number>();
    for (let bit = 0; bit < archive.length * 8; bit++) {
      archive[bit >> 3]! ^= 1 << (bit & 7);
      try {
        await start({ archive: once(archive), entries });
        const home = join(directory, String(bit));
        await Deno.mkdir(home);
        await start({ archive: once(archive), entries, into: { x: join(home, "x") } });
        const { "x/b/tool": _, ...rest } = UNPACKED;
        assertEquals(treeOf(home), rest);
        const offset = (bit >> 3) % 512;
        harmless.add(offset);
        // NUL and space both end the checksum, which does not count itself.
        ok(offset === 154 || offset === 155, `byte ${bit >> 3}`);
      } catch (error) {
        if (!isDamage(error)) throw error;
      }
      archive[bit >> 3]! ^= 1 << (bit & 7);
    }
    assertEquals([...harmless], [154, 155]);
  }));

Deno.test("unpack refuses or restores alike when bytes are changed and checksums made right", () =>
  inDirectory(async (directory) => {
    const archive = tarOf(SAMPLE);
    const entries = entriesOf(SAMPLE);
    const headers: number[] = [];
    for (let at = 0; at < archive.length; at += 512) {
      if (new TextDecoder().decode(archive.subarray(at + 257, at + 262)) === "ustar") {
        headers.push(at);
      }
    }
    let round = 0;
    const change = fc.record({
      header: fc.constantFrom(...headers),
      offset: fc.nat(511),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const changed = archive.slice();
        for (const { header, offset, bytes } of changes) {
          changed.set(bytes.subarray(0, 512 - offset), header + offset);
          sealed(changed, undefined, header);
        }
        const home = join(directory, String(round++));
        await Deno.mkdir(home);
        try {
          await start({ archive: once(changed), entries, into: { x: join(home, "x") } });
        } catch (error) {
          ok(isDamage(error), String(error));
          return;
        }
        assertEquals(treeOf(home), UNPACKED);
      }),
      { numRuns: 1000, seed: 1 },
    );
  }));

function isDamage(error: unknown): boolean {
  return error instanceof StageError && error.code === "snapshot-damaged" &&
    /^Cannot read ("x.*" in the archive|the archive to its end): /.test(error.message);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
