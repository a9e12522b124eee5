import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Decrypter, generateHybridIdentity, generateX25519Identity } from "age-encryption";
import { bech32 } from "@scure/base";
import { StageError, toRecord } from "../../../../stages/errors.ts";
import { recipientsOf } from "../../../../stages/formats/age/recipients.ts";
import { seal, wrapAnew } from "../../../../stages/formats/age/seal.ts";
import { type Engine, fastestEngine } from "../../../../stages/formats/age/stream.ts";
import {
  brokenSource,
  firstDifference,
  MemorySink,
  randomBytes,
  sourceOf,
} from "../byte_streams.ts";

const MIB = 1 << 20;
const ENGINES: readonly Engine[] = await fastestEngine() === "native"
  ? ["native", "library"]
  : ["library"];

const identity = await generateX25519Identity();
const [recipient] = await recipientsOf([identity]) as [string];

for (const engine of ENGINES) {
  Deno.test(`seal makes what age-encryption opens, at every edge of a chunk (${engine})`, async () => {
    for (const size of [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073]) {
      for (const step of [1, 4096, 65_536, 65_537, 100_003, MIB]) {
        if (step === 1 && size > 1) continue;
        const plain = randomBytes(size);
        const sealed = await sealed_(plain, { step, engine });
        assert.equal(firstDifference(await opened(sealed), plain), undefined, `${size} by ${step}`);
      }
    }
  });

  Deno.test(`seal counts on past chunk 256, at 16 MiB (${engine})`, async () => {
    for (const size of [16 * MIB, 16 * MIB + 1, 18 * MIB + 12_345]) {
      const plain = randomBytes(size);
      const sealed = await sealed_(plain, { step: 999_983, blockSize: 1_000_003, engine });
      assert.equal(firstDifference(await opened(sealed), plain), undefined, `${size} bytes`);
    }
  });

  Deno.test(`seal fills blocks of any size (${engine})`, async () => {
    const plain = randomBytes(200_000);
    for (const blockSize of [1, 7, 16, 65_536, 65_552, 100_000]) {
      const sealed = await sealed_(plain, { blockSize, engine });
      assert.equal(
        firstDifference(await opened(sealed), plain),
        undefined,
        `blocks of ${blockSize}`,
      );
    }
  });

  Deno.test(`seal passes a failure of its source on as it is (${engine})`, async () => {
    const failure = new Error("the disk is gone");
    await assert.rejects(
      seal(brokenSource(randomBytes(100_000), failure), [recipient], new MemorySink(), engine),
      (thrown) => thrown === failure,
    );
  });

  Deno.test(`seal passes a failure of its sink on and lets go of the source (${engine})`, async () => {
    const failure = new Error("nobody reads");
    const sink = new MemorySink();
    let written = 0;
    sink.write = () => ++written > 3 ? Promise.reject(failure) : Promise.resolve();
    const released = Promise.withResolvers<void>();
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* sourceOf(randomBytes(MIB), 10_000);
      } finally {
        released.resolve();
      }
    }
    await assert.rejects(seal(source(), [recipient], sink, engine), (thrown) => thrown === failure);
    await released.promise;
  });

  Deno.test(`seal never repeats a block of 16 bytes for the same input (${engine})`, async () => {
    for (let pair = 0; pair < 100; pair++) {
      const plain = new Uint8Array(pair * 5);
      const [first, second] = [
        blocksOf(payloadOf(await sealed_(plain, { engine }))),
        blocksOf(payloadOf(await sealed_(plain, { engine }))),
      ];
      assert.equal(first.size, Math.ceil((16 + plain.length + 16) / 16));
      // The last one may be a byte long, and one of 256 values repeats by chance.
      const whole = [...first].filter((block) => block.length === 32);
      assert.deepEqual(whole.filter((block) => second.has(block)), []);
    }
  });

  Deno.test(`seal lets each of several recipients open alone (${engine})`, async () => {
    const identities = [
      identity,
      await generateX25519Identity(),
      await generateHybridIdentity(),
      await generateHybridIdentity(),
    ];
    const to = await recipientsOf(identities);
    const plain = randomBytes(70_000);
    const sink = new MemorySink();
    await seal(sourceOf(plain), [...to, to[0]!], sink, engine);
    for (const one of identities) {
      assert.equal(firstDifference(await opened(sink.bytes(), one), plain), undefined);
    }
    const header = Buffer.from(sink.bytes()).toString("latin1").split("\n--- ")[0]!;
    const kinds = header.split("\n").filter((line) => line.startsWith("-> "));
    assert.deepEqual(kinds.map((line) => line.split(" ")[1]), [
      "X25519",
      "X25519",
      "mlkem768x25519",
      "mlkem768x25519",
    ]);
    await assert.rejects(opened(sink.bytes(), await generateX25519Identity()));
  });

  Deno.test(`seal refuses a well-formed recipient that is no key (${engine})`, async () => {
    const sink = new MemorySink();
    const lowOrder = bech32.encodeFromBytes("age", new Uint8Array(32));
    await assert.rejects(seal(sourceOf(randomBytes(10)), [recipient, lowOrder], sink, engine), {
      code: "recipient-invalid",
      message: "Cannot encrypt for the recipients: one of them is no usable key",
    });
    assert.equal(sink.bytes().length, 0);
  });
}

Deno.test("a key is wrapped for nobody as little as it is sealed", async () => {
  for (const to of [[], ["age1misspelt"]]) {
    await assert.rejects(wrapAnew(randomBytes(16), to), { code: "recipient-invalid" });
  }
});

Deno.test("seal writes nothing without a recipient, and repeats no secret", async () => {
  const sink = new MemorySink();
  for (const to of [[], ["correct horse"], [identity], [recipient, identity.toLowerCase()]]) {
    const thrown = await seal(sourceOf(randomBytes(10)), to, sink).catch((error) => error);
    assert.ok(thrown instanceof StageError);
    assert.equal(thrown.code, "recipient-invalid");
    const record = JSON.stringify(toRecord(thrown));
    assert.ok(!record.includes("horse") && !record.toUpperCase().includes(identity.slice(15)));
  }
  assert.equal(sink.bytes().length, 0);
});

async function sealed_(
  plain: Uint8Array,
  { step, blockSize, engine }: { step?: number; blockSize?: number; engine: Engine },
): Promise<Uint8Array> {
  const sink = new MemorySink(blockSize);
  await seal(sourceOf(plain, step), [recipient], sink, engine);
  return sink.bytes();
}

function opened(sealed: Uint8Array, by = identity): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(by);
  return decrypter.decrypt(sealed);
}

function payloadOf(sealed: Uint8Array): Uint8Array {
  const text = Buffer.from(sealed).toString("latin1");
  return sealed.subarray(text.indexOf("\n", text.indexOf("\n--- ") + 1) + 1);
}

function blocksOf(payload: Uint8Array): Set<string> {
  const blocks = new Set<string>();
  for (let at = 0; at < payload.length; at += 16) {
    blocks.add(Buffer.from(payload.subarray(at, at + 16)).toString("hex"));
  }
  return blocks;
}
