/**
 * What keepsake encrypts, stock age opens, and the other way round.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Decrypter } from "age-encryption";
import { open } from "../../stages/formats/age/open.ts";
import { parseIdentities, recipientsOf } from "../../stages/formats/age/recipients.ts";
import { seal } from "../../stages/formats/age/seal.ts";
import { type Engine, fastestEngine } from "../../stages/formats/age/stream.ts";
import { unlockWith } from "../../stages/formats/age/unlock.ts";
import {
  firstDifference,
  MemorySink,
  randomBytes,
  sourceOf,
} from "../stages/formats/byte_streams.ts";

const MIB = 1 << 20;
const SIZES: readonly number[] = [
  ...[0, 1, 65_535, 65_536, 65_537, 131_072],
  ...[10 * MIB, 16 * MIB, 16 * MIB + 1, 40 * MIB],
];
const ENGINES: readonly Engine[] = await fastestEngine() === "native"
  ? ["native", "library"]
  : ["library"];

const missing = await Promise.all(["age", "age-keygen"].map(lacks)).then((all) =>
  all.includes(true)
);
const needs = missing ? " (needs age, which is not installed)" : "";

for (const engine of ENGINES) {
  for (const size of SIZES) {
    Deno.test({
      name: `stock age and keepsake (${engine}) open each other's ${size} bytes${needs}`,
      ignore: missing,
      fn: () =>
        withKeys(async ({ directory, identityFile, recipient, identity }) => {
          const plain = randomBytes(size);
          const ours = new MemorySink(1_000_003);
          await seal(sourceOf(plain, 77_777), [recipient], ours, engine);
          const file = join(directory, "ours.age");
          await Deno.writeFile(file, ours.bytes());
          const opened = await age(["-d", "-i", identityFile, file]);
          assert.equal(firstDifference(opened, plain), undefined);

          const plainFile = join(directory, "plain");
          await Deno.writeFile(plainFile, plain);
          const theirs = await age(["-r", recipient, plainFile]);
          const sink = new MemorySink();
          await open(sourceOf(theirs, 88_889), unlockWith([identity]), sink, engine);
          assert.equal(firstDifference(sink.bytes(), plain), undefined);

          const decrypter = new Decrypter();
          decrypter.addIdentity(identity);
          assert.equal(firstDifference(await decrypter.decrypt(ours.bytes()), plain), undefined);
        }),
    });
  }
}

Deno.test({
  name: `stock age opens what keepsake makes of a hundred random sizes${needs}`,
  ignore: missing,
  fn: () =>
    withKeys(async ({ directory, identityFile, recipient }) => {
      const file = join(directory, "ours.age");
      for (let round = 0; round < 100; round++) {
        const plain = randomBytes(Math.floor(Math.random() * 300_000));
        const sink = new MemorySink();
        await seal(sourceOf(plain, 1 + Math.floor(Math.random() * 100_000)), [recipient], sink);
        await Deno.writeFile(file, sink.bytes());
        const opened = await age(["-d", "-i", identityFile, file]);
        assert.equal(firstDifference(opened, plain), undefined, `${plain.length} bytes`);
      }
    }),
});

Deno.test({
  name: `stock age opens for each of several recipients, one of them post-quantum${needs}`,
  ignore: missing,
  fn: () =>
    withKeys((first) =>
      withKeys(async (second) => {
        const { generateHybridIdentity } = await import("age-encryption");
        const [hybrid] = await recipientsOf([await generateHybridIdentity()]) as [string];
        const plain = randomBytes(100_000);
        const sink = new MemorySink();
        await seal(sourceOf(plain), [hybrid, first.recipient, second.recipient], sink);
        const file = join(first.directory, "ours.age");
        await Deno.writeFile(file, sink.bytes());
        for (const { identityFile } of [first, second]) {
          const opened = await age(["-d", "-i", identityFile, file]);
          assert.equal(firstDifference(opened, plain), undefined);
        }
      })
    ),
});

Deno.test({
  name: `stock age refuses what keepsake made when one bit is wrong${needs}`,
  ignore: missing,
  fn: () =>
    withKeys(async ({ directory, identityFile, recipient }) => {
      const sink = new MemorySink();
      await seal(sourceOf(randomBytes(1000)), [recipient], sink);
      const bytes = sink.bytes();
      bytes[bytes.length - 1]! ^= 1;
      const file = join(directory, "ours.age");
      await Deno.writeFile(file, bytes);
      await assert.rejects(age(["-d", "-i", identityFile, file]), /failed to decrypt/);
    }),
});

interface Keys {
  readonly directory: string;
  readonly identityFile: string;
  readonly identity: string;
  readonly recipient: string;
}

async function withKeys(use: (keys: Keys) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "keepsake-" });
  try {
    const identityFile = join(directory, "identity.txt");
    await output("age-keygen", ["-o", identityFile]);
    const text = await Deno.readTextFile(identityFile);
    const { identities: [identity], problems } = await parseIdentities(text, identityFile);
    assert.deepEqual(problems, []);
    assert.ok(identity);
    const [recipient] = await recipientsOf([identity]);
    assert.ok(recipient && text.includes(`# public key: ${recipient}\n`));
    await use({ directory, identityFile, identity, recipient });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function age(args: readonly string[]): Promise<Uint8Array> {
  return output("age", args);
}

async function output(command: string, args: readonly string[]): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return stdout;
}

async function lacks(command: string): Promise<boolean> {
  try {
    await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" })
      .output();
    return false;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return true;
    throw thrown;
  }
}
