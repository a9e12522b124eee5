/**
 * Archives that are small and become large: ten GiB of zeros in every form, claims that nothing
 * backs, and a million entries. A restore refuses them, or takes what they really are, within
 * bounds of memory and disk.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { constants, crc32, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import type { Codec, Entry } from "../../stages/contract.ts";
import { works } from "../platform/probe.ts";
import { HONEST, X } from "../security/hostile_archives.ts";
import {
  bytesOf,
  concat,
  END,
  entriesOf,
  memberBytes,
  octal,
  sealed,
  tarOf,
} from "../stages/formats/tar/tar_bytes.ts";
import { note, SLOW } from "./harness.ts";
import { HostilePlace, type Planted } from "./hostile_place.ts";
import type { Told } from "./restore_child.ts";

const MIB = 2 ** 20;
/** What each becomes where nobody stops it. */
const SIZE = 10 * 2 ** 30;
/** Most memory that a restore may hold meanwhile, in bytes. */
const MEMORY = 200e6;
/** The same where a manifest is what becomes large: it is read as a whole. */
const MANIFEST_MEMORY = 2e9;
/**
 * Largest file that it may write, in bytes. The system ends what goes past it; Deno's own caches,
 * which it writes to as well, stay below.
 */
const FILE = 256 * MIB;

const hasLimits = Deno.build.os === "linux" && await works("prlimit", "--version");
const unless = hasLimits ? "" : " (ignored: there is no prlimit)";

/** An honest beginning. */
const START = concat(...HONEST.map(memberBytes));
/** The manifest speaks of seven bytes, the archive of ten GiB. */
const CLAIM = concat(
  memberBytes(X),
  memberBytes({ path: "x/file", pax: { size: String(SIZE) }, fields: { 124: "77777777777\0" } }),
);

const BOMBS: Readonly<
  Record<string, { readonly codec: Codec; bytes(): Uint8Array; readonly says: RegExp }>
> = {
  "zeros behind the end, in frames of the largest size": {
    codec: "zstd",
    bytes: () => concat(zstdCompressSync(START), repeated(zeroFrame(2 * MIB), SIZE / (2 * MIB))),
    says: /^Cannot read the archive to its end: bytes stand after its end/,
  },
  "zeros behind the end, in one frame": {
    codec: "zstd",
    bytes: () => concat(zstdCompressSync(START), zeroFrame(SIZE)),
    says: /^Cannot decompress the archive: a zstd frame /,
  },
  "zeros in a frame that says how many": {
    codec: "zstd",
    bytes: () => concat(zstdCompressSync(CLAIM), zeroFrame(SIZE, { told: true })),
    says: /^Cannot (decompress the archive: a zstd frame|read "x\/file" in the archive)/,
  },
  "zeros in a frame that wants a window of two GiB": {
    codec: "zstd",
    bytes: () => concat(zstdCompressSync(START), zeroFrame(SIZE, { window: 31 })),
    says: /^Cannot decompress the archive: a zstd frame /,
  },
  "zeros in a file that the manifest calls small, in frames": {
    codec: "zstd",
    bytes: () => concat(zstdCompressSync(CLAIM), repeated(zeroFrame(2 * MIB), SIZE / (2 * MIB))),
    says: /^Cannot read "x\/file" in the archive: it has \d+ bytes in the archive and 7 in/,
  },
  "zeros behind the end, in members of gzip": {
    codec: "gzip",
    bytes: () => concat(gzipSync(START), repeated(gzipSync(new Uint8Array(8 * MIB)), 1280)),
    says: /^Cannot read the archive to its end: bytes stand after its end/,
  },
  "zeros behind the end, in one member of gzip": {
    codec: "gzip",
    bytes: () => zeroMember(START),
    says: /^Cannot read the archive to its end: bytes stand after its end/,
  },
  "zeros in a file that the manifest calls small, in one member of gzip": {
    codec: "gzip",
    bytes: () => zeroMember(CLAIM),
    says: /^Cannot read "x\/file" in the archive: it has \d+ bytes in the archive and 7 in/,
  },
};

for (const [what, { codec, bytes, says }] of Object.entries(BOMBS)) {
  Deno.test({
    name: `restore is not blown up by ten GiB of ${what}${unless}`,
    ignore: !hasLimits,
    async fn() {
      const archive = bytes();
      assert.ok(archive.length < SIZE / 900, `${archive.length} bytes`);
      await assertDefused({ codec, archive, entries: entriesOf(HONEST) }, says);
    },
  });
}

Deno.test({
  name: `restore refuses a manifest that becomes ten GiB${unless}`,
  ignore: !hasLimits,
  async fn() {
    const endless = concat(
      zstdCompressSync(bytesOf("{")),
      repeated(zeroFrame(2 * MIB), SIZE / (2 * MIB)),
    );
    const planted = { archive: tarOf(HONEST), entries: entriesOf(HONEST), manifest: endless };
    await assertDefused(
      planted,
      /^Cannot trust ".*\.json\.zst\.age": it is longer than any manifest$/,
      MANIFEST_MEMORY,
    );
  },
});

Deno.test({
  name: `restore leaves nothing of a large file whose content is not what it should be${unless}`,
  ignore: !hasLimits,
  async fn() {
    const size = SLOW ? SIZE : 2 ** 30;
    const members = [X, {
      path: "x/file",
      pax: { size: String(size) },
      fields: { 124: octal(Math.min(size, 8 ** 11 - 1), 12) },
    }];
    const entries = entriesOf(members).with(1, { ...entriesOf(members)[1]!, size } as Entry);
    const archive = concat(
      zstdCompressSync(concat(...members.map(memberBytes))),
      repeated(zeroFrame(2 * MIB), size / (2 * MIB)),
      zstdCompressSync(END),
    );
    const says = /^Cannot read "x\/file" in the archive: its content is not what the manifest says/;
    await assertDefused({ archive, entries }, says, MEMORY, 2 * SIZE);
  },
});

/** How many entries make a bomb. */
const MANY = SLOW ? 1_000_000 : 20_000;

Deno.test({
  name:
    `restore brings back ${MANY} entries, and refuses as many that only one side names${unless}`,
  ignore: !hasLimits,
  async fn() {
    const { archive, entries } = manyEntries();
    const few = { archive: zstdCompressSync(tarOf([X])), entries: entriesOf([X]) };
    // A manifest is read as a whole.
    const memory = MEMORY + MANY * 2000;
    const missing = /^Cannot read "x\/0000000" in the archive: it is in the manifest and not in/;
    const strange = /^Cannot read "x\/0000000" in the archive: it is in the archive and not in/;
    await assertDefused({ archive: few.archive, entries }, missing, memory);
    await assertDefused({ archive, entries: few.entries }, strange);
    using place = await HostilePlace.make();
    await place.plant({ archive, entries, isCompressed: true });
    const before = place.outside();
    const { message, peak } = await restoreApart(place);
    assert.equal(message, "");
    if (SLOW) note(`${MANY} entries: at most ${(peak / 1e6).toFixed()} MB`);
    assert.ok(peak < memory, `${peak} bytes of memory`);
    assert.equal(readdirSync(place.target, { recursive: true }).length, entries.length);
    assert.deepEqual(place.outside(), before);
  },
});

/** Empty files in one directory. */
function manyEntries(): Pick<Planted, "archive" | "entries"> {
  const paths = Array.from({ length: MANY }, (_, index) => `x/${String(index).padStart(7, "0")}`);
  const [root, empty] = entriesOf([X, { path: "x/0" }]);
  const block = memberBytes({ path: paths[0]! });
  const frames = [zstdCompressSync(memberBytes(X))];
  for (let at = 0; at < paths.length; at += 4000) {
    const members = paths.slice(at, at + 4000).map((path) => {
      block.set(bytesOf(path));
      return sealed(block).slice();
    });
    frames.push(zstdCompressSync(concat(...members)));
  }
  const entries = [root!, ...paths.map((path): Entry => ({ ...empty!, path }))];
  return { archive: concat(...frames, zstdCompressSync(END)), entries };
}

/** Restores it within the limits, and expects a refusal in one sentence. */
async function assertDefused(
  planted: Planted,
  says: RegExp,
  memory = MEMORY,
  file = FILE,
): Promise<void> {
  using place = await HostilePlace.make();
  await place.plant({ ...planted, isCompressed: true });
  const before = place.outside();
  const told = await restoreApart(place, file);
  assert.match(told.message, says);
  assert.match(told.message, /^Cannot [^\p{Cc}]{1,999}$/u);
  assert.equal(told.code, "snapshot-damaged");
  assert.ok(told.hint);
  assert.ok(told.peak < memory, `${told.peak} bytes of memory`);
  assert.deepEqual(readdirSync(place.yard), []);
  assert.deepEqual(place.outside(), before);
}

/** Restores in a process of its own, which may write no large file. */
async function restoreApart(
  { backups, identityFile, target }: HostilePlace,
  file = FILE,
): Promise<Told> {
  const child = fileURLToPath(new URL("./restore_child.ts", import.meta.url));
  const deno = [Deno.execPath(), "run", "-A", "--quiet", "--cached-only", child];
  // A restore that never ends is ended, too.
  const { code, stdout, stderr } = await new Deno.Command("prlimit", {
    args: [
      `--fsize=${file}`,
      `--cpu=${SLOW ? 600 : 60}`,
      "--core=0",
      ...deno,
      backups,
      identityFile,
      target,
    ],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(code, 0, text(stderr));
  return JSON.parse(text(stdout));
}

/** One frame of zstd that becomes so many zeros (RFC 8878 §3.1.1): blocks of one repeated byte. */
function zeroFrame(
  size: number,
  { told = false, window = 23 }: { readonly told?: boolean; readonly window?: number } = {},
): Uint8Array {
  const block = 2 ** 17;
  const blocks = size / block;
  const head = told ? 13 : 6;
  const frame = new Uint8Array(head + 4 * blocks);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 0xfd2fb528, true);
  view.setUint8(4, told ? 0xe0 : 0);
  if (told) view.setBigUint64(5, BigInt(size), true);
  else view.setUint8(5, (window - 10) << 3);
  for (let index = 0; index < blocks; index++) {
    const last = index === blocks - 1 ? 1 : 0;
    view.setUint32(head + 4 * index, (block << 3) | (1 << 1) | last, true);
  }
  return frame;
}

/** One member of gzip: these bytes, and zeros up to ten GiB. */
function zeroMember(start: Uint8Array): Uint8Array {
  // What ends with a full flush stands for itself, however often it is repeated.
  const flushed = (bytes: Uint8Array) =>
    new Uint8Array(deflateRawSync(bytes, { finishFlush: constants.Z_FULL_FLUSH }));
  const zeros = flushed(new Uint8Array(8 * MIB));
  const head = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3);
  const end = new Uint8Array(deflateRawSync(new Uint8Array()));
  const trailer = new Uint8Array(8);
  new DataView(trailer.buffer).setUint32(0, crc32(start), true);
  return concat(head, flushed(start), repeated(zeros, SIZE / (8 * MIB)), end, trailer);
}

function repeated(bytes: Uint8Array, times: number): Uint8Array {
  const all = new Uint8Array(bytes.length * times);
  for (let index = 0; index < times; index++) all.set(bytes, index * bytes.length);
  return all;
}
