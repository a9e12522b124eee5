import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import {
  ChannelReader,
  ChannelWriter,
  type Coding,
  PLAIN,
  sendAll,
} from "../../../pipeline/worker/channel.ts";
import { loadDecoder } from "../../../stages/formats/codec.ts";

const ENCODE: Coding = { way: "encode", codec: "zstd" };
const DECODE: Coding = { way: "decode", codec: "zstd" };
const GZIP: Coding = { way: "encode", codec: "gzip" };
const GUNZIP: Coding = { way: "decode", codec: "gzip" };

/** Sends bytes through one channel and answers what arrives. */
async function pass(bytes: Uint8Array, coding: Coding, step = 100_000): Promise<Uint8Array> {
  const { signal } = new AbortController();
  const { port1, port2 } = new MessageChannel();
  const received = drain(new ChannelReader(port2, coding, signal));
  const writer = await ChannelWriter.open([port1], coding, signal);
  for (let at = 0; at < bytes.length; at += step) await writer.write(bytes.subarray(at, at + step));
  const sent = await writer.finish();
  assert.equal(sent.bytes, bytes.length);
  return await received;
}

async function drain(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of source) parts.push(piece.slice());
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function text(length: number): Uint8Array {
  return new TextEncoder().encode("what Claude Code leaves behind ".repeat(length / 31 + 1))
    .slice(0, length);
}

for (const size of [0, 1, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 20_000_000]) {
  Deno.test(`a plain channel carries ${size} bytes unchanged`, async () => {
    const bytes = randomBytes(size);
    assert.ok(bytes.equals(await pass(bytes, PLAIN)));
  });

  for (const [encode, decode] of [[ENCODE, DECODE], [GZIP, GUNZIP]] as const) {
    Deno.test(`${encode.codec} gives ${size} bytes back after encoding and decoding`, async () => {
      const bytes = text(size);
      const encoded = await pass(bytes, encode);
      assert.ok(size < 100 || encoded.length < size / 5);
      assert.ok(Buffer.from(bytes).equals(await pass(encoded, decode)));
    });
  }
}

Deno.test("whichever end of a channel is to hash what passes does, and the other one does not", async () => {
  const bytes = randomBytes(1_000_000);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const size = bytes.length;
  for (const hashedBy of [undefined, "writer", "reader", "nobody"] as const) {
    const { signal } = new AbortController();
    const { port1, port2 } = new MessageChannel();
    const coding: Coding = { ...PLAIN, ...(hashedBy && { hashedBy }) };
    const reader = new ChannelReader(port2, coding, signal);
    const draining = drain(reader);
    const sent = await sendAll([bytes], [port1], coding, signal);
    await draining;
    const isByReader = hashedBy === "reader";
    const isByWriter = hashedBy === "writer" || hashedBy === undefined;
    assert.deepEqual(sent, { bytes: size, sha256: isByWriter ? sha256 : undefined });
    assert.deepEqual(reader.passed, { bytes: size, sha256: isByReader ? sha256 : undefined });
  }
});

Deno.test("a writer makes a quick hash as well where it is asked for, and hashes at all", async () => {
  const { signal } = new AbortController();
  for (const hashedBy of ["writer", "nobody"] as const) {
    const { port1, port2 } = new MessageChannel();
    const coding: Coding = { ...PLAIN, hashedBy, isQuickToo: true };
    const draining = drain(new ChannelReader(port2, coding, signal));
    const sent = await sendAll([new TextEncoder().encode("first")], [port1], coding, signal);
    await draining;
    // xxhsum -H1 of "first".
    assert.equal(sent.xxh64, hashedBy === "writer" ? "cc98257fe4be8f5a" : undefined);
  }
});

Deno.test("a writer that is to decompress leaves none of that to the reader", async () => {
  const bytes = text(30_000_000);
  const encoded = await pass(bytes, ENCODE);
  const { signal } = new AbortController();
  const { port1, port2 } = new MessageChannel();
  const coding: Coding = { ...DECODE, decodedBy: "writer" };
  // A reader that can decompress nothing.
  const received = drain(new ChannelReader(port2, PLAIN, signal));
  await sendAll([encoded], [port1], coding, signal);
  assert.ok(Buffer.from(bytes).equals(await received));
  assert.ok(Buffer.from(bytes).equals(await pass(encoded, coding)));
});

Deno.test("a channel with two readers gives both the same compressed bytes", async () => {
  const { signal } = new AbortController();
  const [a, b] = [new MessageChannel(), new MessageChannel()];
  const received = [a, b].map(({ port2 }) => drain(new ChannelReader(port2, ENCODE, signal)));
  const writer = await ChannelWriter.open([a.port1, b.port1], ENCODE, signal);
  await writer.write(text(5_000_000));
  await writer.finish();
  const [first, second] = await Promise.all(received);
  assert.ok(Buffer.from(first!).equals(second!));
  assert.ok(Buffer.from(text(5_000_000)).equals(await pass(first!, DECODE)));
});

Deno.test("a reader fails when what is sent fails in the middle", async () => {
  const { signal } = new AbortController();
  const { port1, port2 } = new MessageChannel();
  const reading = drain(new ChannelReader(port2, PLAIN, signal));
  function* pieces(): Generator<Uint8Array> {
    yield text(3_000_000);
    throw new Error("The disk is gone");
  }
  const sending = sendAll(pieces(), [port1], PLAIN, signal);
  await Promise.all([
    assert.rejects(sending, /The disk is gone/),
    assert.rejects(reading, { code: "stream-broken", message: /The disk is gone/ }),
  ]);
});

Deno.test("a channel goes on for one reader when the other is detached", async () => {
  const { signal } = new AbortController();
  const [a, b] = [new MessageChannel(), new MessageChannel()];
  const received = drain(new ChannelReader(b.port2, PLAIN, signal));
  const writer = await ChannelWriter.open([a.port1, b.port1], PLAIN, signal);
  const writing = writer.write(text(20_000_000)); // More than the credits of the silent reader.
  writer.detach(0, "its worker died");
  await writing;
  await writer.finish();
  assert.equal((await received).length, 20_000_000);
  a.port2.close();
});

Deno.test("a reader fails when the writer gives up", async () => {
  const { signal } = new AbortController();
  const { port1, port2 } = new MessageChannel();
  const received = drain(new ChannelReader(port2, PLAIN, signal));
  const writer = await ChannelWriter.open([port1], PLAIN, signal);
  await writer.write(text(3_000_000));
  writer.abort("the disk was pulled out");
  await assert.rejects(received, /Cannot read on: the disk was pulled out/);
});

Deno.test("a writer fails when the reader gives up", async () => {
  const { signal } = new AbortController();
  const { port1, port2 } = new MessageChannel();
  const reader = new ChannelReader(port2, PLAIN, signal);
  const writer = await ChannelWriter.open([port1], PLAIN, signal);
  reader.abort("the disk is full");
  await assert.rejects(
    async () => {
      await writer.write(text(20_000_000));
      await writer.finish();
    },
    /Cannot hand bytes on: the disk is full/,
  );
  writer.abort("over");
});

Deno.test("a writer is not done before its reader has taken all", async () => {
  const signal = AbortSignal.timeout(10_000);
  const { port1, port2 } = new MessageChannel();
  const reader = new ChannelReader(port2, PLAIN, signal);
  const sending = sendAll([text(1000)], [port1], PLAIN, signal);
  for await (const _ of reader) break;
  await assert.rejects(sending, { code: "stream-broken", message: /stopped reading/ });
});

Deno.test("a reader refuses an end whose totals do not add up", async () => {
  const { port1, port2 } = new MessageChannel();
  const received = drain(new ChannelReader(port2, PLAIN, new AbortController().signal));
  const { buffer } = new Uint8Array(10);
  port1.postMessage({ type: "data", encoded: true, buffer, length: 10 }, [buffer]);
  port1.postMessage({ type: "end", frames: 2, bytes: 20 });
  await assert.rejects(received, /10 of 20 bytes arrived/);
  port1.close();
});

Deno.test("a waiting reader and a waiting writer end when their signal aborts", async () => {
  const controller = new AbortController();
  const [a, b] = [new MessageChannel(), new MessageChannel()];
  const received = drain(new ChannelReader(a.port2, PLAIN, controller.signal));
  const writer = await ChannelWriter.open([b.port1], PLAIN, controller.signal);
  const writing = writer.write(text(20_000_000));
  controller.abort(new Error("enough"));
  await assert.rejects(received, /enough/);
  await assert.rejects(writing, /enough/);
  for (const port of [a.port1, b.port2]) port.close();
});

Deno.test("a zstd frame that holds more than any of ours is refused before it is unpacked", async () => {
  const { default: zlib } = await import("node:zlib");
  const bomb = zlib.zstdCompressSync(new Uint8Array(64 << 20));
  const decoder = await loadDecoder("zstd");
  assert.throws(() => decoder.decode(bomb), /does not decompress/);
});

Deno.test("a zstd frame has a checksum, by which stock tools tell damage", async () => {
  const frame = await pass(randomBytes(1000), ENCODE); // Which are stored as they are.
  frame[frame.length - 1]! ^= 1;
  const { decode } = await loadDecoder("zstd");
  assert.throws(() => decode(frame), /a zstd frame does not decompress/);
});

Deno.test("a zstd frame that has no end is refused before it fills the memory", async () => {
  const head = [0x28, 0xb5, 0x2f, 0xfd, 0, 0];
  const block = new Uint8Array(3 + 0x20000); // Not the last one, and 128 KiB of content.
  block[2] = 0x10;
  const frame = Buffer.concat([Buffer.from(head), ...Array<Uint8Array>(40).fill(block)]);
  await assert.rejects(pass(frame, DECODE), /a zstd frame is longer than any of ours/);
});

Deno.test("a compressed stream that ends inside a frame is refused", async () => {
  const encoded = await pass(text(3_000_000), ENCODE);
  await assert.rejects(pass(encoded.subarray(0, -5), DECODE), /ends inside a zstd frame|gave up/);
});
