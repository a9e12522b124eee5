import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import {
  armor,
  Decrypter,
  Encrypter,
  generateHybridIdentity,
  generateX25519Identity,
  type Recipient,
} from "age-encryption";
import * as cctv from "cctv-age";
import { StageError, toRecord } from "../../../../stages/errors.ts";
import { open, type Unlock } from "../../../../stages/formats/age/open.ts";
import { recipientsOf } from "../../../../stages/formats/age/recipients.ts";
import { type Engine, fastestEngine } from "../../../../stages/formats/age/stream.ts";
import { unlockWith } from "../../../../stages/formats/age/unlock.ts";
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

/** SHA-256 of the first chunk of plaintext in those CCTV vectors that are longer. */
const FIRST_CHUNK = "a68cb6fa0b2e2a8d1abd54fcb26ff31fe16166ed38688bffa681e617813b781a";

/** CCTV vectors with a good first chunk and damage behind it. */
const STREAMED: readonly string[] = [
  "stream_bad_tag_second_chunk",
  "stream_bad_tag_second_chunk_full",
  "stream_last_chunk_empty",
  "stream_no_final_two_chunks",
  "stream_no_final_two_chunks_full",
  "stream_short_second_chunk",
  "stream_two_final_chunks_second",
];

const identity = await generateX25519Identity();
const [recipient] = await recipientsOf([identity]) as [string];
const unlock = unlockWith([identity]);

for (const engine of ENGINES) {
  Deno.test(`open reads what age-encryption makes, at every edge of a chunk (${engine})`, async () => {
    for (const size of [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073]) {
      const plain = randomBytes(size);
      const sealed = await encrypted(plain);
      for (const step of [1, 4096, 65_536, 65_552, 65_553, 100_003, MIB]) {
        if (step === 1 && size > 1) continue;
        const { bytes } = await opened(sealed, { step, engine });
        assert.equal(firstDifference(bytes, plain), undefined, `${size} by ${step}`);
      }
    }
  });

  Deno.test(`open counts on past chunk 256, at 16 MiB (${engine})`, async () => {
    for (const size of [16 * MIB, 16 * MIB + 1, 18 * MIB + 12_345]) {
      const plain = randomBytes(size);
      const { bytes } = await opened(await encrypted(plain), { step: 999_983, engine });
      assert.equal(firstDifference(bytes, plain), undefined, `${size} bytes`);
    }
  });

  Deno.test(`open notices each flipped bit of a small file and hands nothing out (${engine})`, async () => {
    const sealed = await encrypted(randomBytes(100));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = sealed.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const { bytes, failure } = await opened(flipped, { engine });
      assert.ok(failure instanceof StageError, `bit ${bit}: ${failure}`);
      assert.match(failure.code, /^(snapshot-damaged|identity-wrong)$/);
      assert.equal(bytes.length, 0, `bit ${bit}`);
    }
  });

  Deno.test(`open notices every truncation and any extension of a small file (${engine})`, async () => {
    const sealed = await encrypted(randomBytes(100));
    for (let length = 0; length < sealed.length; length++) {
      const { bytes, failure } = await opened(sealed.subarray(0, length), { engine });
      assert.equal((failure as StageError).code, "snapshot-damaged", `${length} bytes`);
      assert.equal(bytes.length, 0, `${length} bytes`);
    }
    for (const more of [new Uint8Array(1), randomBytes(16), randomBytes(70_000), sealed]) {
      const { failure } = await opened(new Uint8Array([...sealed, ...more]), { engine });
      assert.equal((failure as StageError).code, "snapshot-damaged", `${more.length} bytes more`);
    }
  });

  Deno.test(`open hands out no byte of a chunk that is damaged, missing or moved (${engine})`, async () => {
    const plain = randomBytes(3 * 65_536);
    const sealed = await encrypted(plain);
    const at = sealed.length - 3 * 65_552;
    const chunk = (index: number) =>
      sealed.subarray(at + index * 65_552, at + (index + 1) * 65_552);
    const head = sealed.subarray(0, at);
    const flipped = chunk(1).slice();
    flipped[40_000]! ^= 1;
    const cases: [string, Uint8Array[], number][] = [
      ["second damaged", [head, chunk(0), flipped, chunk(2)], 1],
      ["last missing", [head, chunk(0), chunk(1)], 1],
      ["second missing", [head, chunk(0), chunk(2)], 1],
      ["swapped", [head, chunk(1), chunk(0), chunk(2)], 0],
      ["repeated", [head, chunk(0), chunk(0), chunk(1), chunk(2)], 1],
      ["only the last", [head, chunk(2)], 0],
      ["last cut by one byte", [sealed.subarray(0, -1)], 2],
      ["one byte more", [sealed, new Uint8Array(1)], 2],
      ["half of the second", [head, chunk(0), chunk(1).subarray(0, 30_000)], 1],
    ];
    for (const [name, parts, good] of cases) {
      const file = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
      const { bytes, failure } = await opened(file, { step: 50_000, engine });
      assert.equal((failure as StageError).code, "snapshot-damaged", name);
      assert.match((failure as StageError).message, /^Cannot decrypt the file: it is damaged/);
      assert.ok(bytes.length <= good * 65_536 && bytes.length % 65_536 === 0, name);
      assert.equal(firstDifference(bytes, plain.subarray(0, bytes.length)), undefined, name);
    }
  });

  Deno.test(`open does with each CCTV vector what age should (${engine})`, async () => {
    const early: string[] = [];
    for (const [name, file] of Object.entries(cctv)) {
      const vector = parseVector(file);
      const { bytes, failure } = await opened(vector.file(), { engine, unlock: vector.unlock });
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      if (vector.expect === "success") {
        assert.equal(failure, undefined, `${name}: ${failure}`);
        assert.equal(sha256, vector.payload, name);
        continue;
      }
      assert.ok(failure instanceof StageError, `${name}: ${failure}`);
      const code = vector.expect === "no match" ? "identity-wrong" : "snapshot-damaged";
      if (vector.expect !== "armor failure") assert.equal(failure.code, code, name);
      if (bytes.length === 0) continue;
      early.push(name);
      // The good first chunk, and nothing of what is wrong behind it.
      assert.equal(sha256, FIRST_CHUNK, name);
    }
    assert.equal(Object.keys(cctv).length, 143);
    assert.deepEqual(early, STREAMED);
  });

  Deno.test(`open passes a failure of its source on as it is (${engine})`, async () => {
    const sealed = await encrypted(randomBytes(100_000));
    for (const length of [10, 180, 300, 90_000, sealed.length]) {
      const failure = new Error("the disk is gone");
      const source = brokenSource(sealed.subarray(0, length), failure);
      const thrown = await open(source, unlock, new MemorySink(), engine).catch((error) => error);
      assert.equal(thrown, failure, `after ${length} bytes`);
    }
  });

  Deno.test(`open passes a failure of its sink on and lets go of the source (${engine})`, async () => {
    const failure = new Error("nobody reads");
    const sink = new MemorySink();
    sink.write = () => Promise.reject(failure);
    const sealed = await encrypted(randomBytes(MIB));
    const released = Promise.withResolvers<void>();
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* sourceOf(sealed, 10_000);
      } finally {
        released.resolve();
      }
    }
    await assert.rejects(open(source(), unlock, sink, engine), (thrown) => thrown === failure);
    await released.promise;
  });
}

Deno.test("open says in which way a file is no age file", async () => {
  const header = new TextEncoder().encode("age-encryption.org/v1\n");
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(0), "it is empty"],
    [new TextEncoder().encode("age-encryption"), "it is cut short"],
    [header, "it is cut short"],
    [randomBytes(5 * MIB), "it is no age file"],
    [new TextEncoder().encode("-----BEGIN AGE ENCRYPTED FILE-----\n"), "it is no age file"],
    [new Uint8Array([...header, ...new Uint8Array(2 * MIB)]), "its header has no end"],
    [
      new TextEncoder().encode("age-encryption.org/v1\n--- \n0123456789abcdef"),
      "its header is damaged",
    ],
  ];
  for (const [file, state] of cases) {
    const { failure } = await opened(file, {});
    assert.equal((failure as StageError).message, `Cannot decrypt the file: ${state}`);
    assert.equal((failure as StageError).code, "snapshot-damaged");
  }
});

Deno.test("open tells which identity a file takes when none fits", async () => {
  const hybrid = await generateHybridIdentity();
  const [postQuantum] = await recipientsOf([hybrid]) as [string];
  const stanza = (type: string): Recipient => ({
    wrapFileKey: () => [{ args: [type, "argument"], body: new Uint8Array(32) }],
  });
  const flag = "with --identity FILE";
  const cases: [(string | Recipient)[], string][] = [
    [[recipient], `Name the file of its identity (AGE-SECRET-KEY-1…) ${flag}`],
    [[postQuantum], `Name the file of its identity (AGE-SECRET-KEY-PQ-1…) ${flag}`],
    [
      [stanza("grease"), recipient, postQuantum],
      `Name the file of its identity (AGE-SECRET-KEY-1 or AGE-SECRET-KEY-PQ-1…) ${flag}`,
    ],
    [[stanza("ssh-ed25519")], "Decrypt it with stock age and the SSH key: age -d -i KEY FILE"],
    [[stanza("scrypt")], "Decrypt it with stock age, which asks for its passphrase"],
    [[stanza("yubikey")], "Decrypt it with stock age and the plugin that it was made with"],
  ];
  const strangers = [await generateX25519Identity(), await generateHybridIdentity()];
  for (const [to, hint] of cases) {
    const sealed = await encrypted(randomBytes(10), to);
    for (
      const [identities, state] of [
        [[], "there is no identity at hand"],
        [strangers.slice(1), "the identity does not fit"],
        [strangers, "none of 2 identities fits"],
      ] as const
    ) {
      const { failure } = await opened(sealed, { unlock: unlockWith(identities) });
      assert.ok(failure instanceof StageError);
      assert.equal(failure.code, "identity-wrong");
      assert.equal(failure.message, `Cannot decrypt the file: ${state}`);
      const damage = "; if that was it, use another copy: this one is damaged";
      const tried = identities.length > 0 && hint.endsWith(flag);
      assert.equal(failure.hint, tried ? hint + damage : hint);
    }
  }
});

Deno.test("open finds the identity that fits among several", async () => {
  const plain = randomBytes(1000);
  const others = [await generateHybridIdentity(), await generateX25519Identity()];
  const sealed = await encrypted(plain);
  const { bytes } = await opened(sealed, { unlock: unlockWith([...others, identity]) });
  assert.equal(firstDifference(bytes, plain), undefined);
});

Deno.test("open names a misspelt identity by its number and does not repeat it", async () => {
  const sealed = await encrypted(randomBytes(10));
  const misspelt = identity.slice(0, -1) + (identity.endsWith("Q") ? "P" : "Q");
  for (const wrong of [misspelt, identity.toLowerCase(), "hunter2"]) {
    const { failure } = await opened(sealed, { unlock: unlockWith([identity, wrong]) });
    assert.equal((failure as StageError).code, "identity-wrong");
    assert.equal((failure as StageError).message, "Cannot use identity 2: it is misspelt");
    assert.ok(!JSON.stringify(toRecord(failure)).includes(wrong.slice(3)));
  }
});

async function encrypted(
  plain: Uint8Array,
  to: readonly (string | Recipient)[] = [recipient],
): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  for (const one of to) encrypter.addRecipient(one);
  return await encrypter.encrypt(plain);
}

async function opened(
  file: Uint8Array,
  options: { step?: number; engine?: Engine; unlock?: Unlock },
): Promise<{ bytes: Uint8Array; failure: unknown }> {
  const sink = new MemorySink();
  const failure = await open(
    sourceOf(file, options.step),
    options.unlock ?? unlock,
    sink,
    options.engine,
  ).catch((thrown: unknown) => thrown);
  return { bytes: sink.bytes(), failure };
}

interface Vector {
  readonly expect: string;
  /** SHA-256 of all that may come out, even when it fails. */
  readonly payload: string | undefined;
  readonly unlock: Unlock;
  /** The age file; armor is not ours to read, so it is removed here. */
  file(): Uint8Array;
}

/** https://c2sp.org/CCTV/age: lines of `key: value`, an empty line, the file. */
function parseVector(bytes: Uint8Array): Vector {
  const text = new TextDecoder("latin1").decode(bytes);
  const end = text.indexOf("\n\n");
  const lines = text.slice(0, end).split("\n").map((line) => line.split(": ") as [string, string]);
  const all = (key: string) => lines.filter(([name]) => name === key).map(([, value]) => value);
  const body = bytes.subarray(end + 2);
  const passphrases = all("passphrase");
  return {
    expect: all("expect")[0]!,
    payload: all("payload")[0],
    unlock: passphrases.length > 0 ? unlockByPassphrase(passphrases) : unlockWith(all("identity")),
    file() {
      const file = all("compressed")[0] === "zlib" ? new Uint8Array(inflateSync(body)) : body;
      if (all("armored")[0] !== "yes") return file;
      try {
        return armor.decode(new TextDecoder().decode(file));
      } catch {
        return file;
      }
    },
  };
}

/** The stage takes no passphrases; the rest of the way is the same. */
function unlockByPassphrase(passphrases: readonly string[]): Unlock {
  return async (header) => {
    const decrypter = new Decrypter();
    for (const passphrase of passphrases) decrypter.addPassphrase(passphrase);
    let unmatched = false;
    decrypter.addIdentity({
      unwrapFileKey() {
        unmatched = true;
        return null;
      },
    });
    try {
      return await decrypter.decryptHeader(header);
    } catch (cause) {
      const code = unmatched ? "identity-wrong" : "snapshot-damaged";
      throw new StageError(code, "Cannot unlock", { cause });
    }
  };
}
