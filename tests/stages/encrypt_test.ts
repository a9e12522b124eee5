import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Decrypter, generateHybridIdentity, generateX25519Identity } from "age-encryption";
import * as v from "valibot";
import encrypt from "../../stages/encrypt.ts";
import { recipientsOf } from "../../stages/formats/age/recipients.ts";
import { firstDifference, randomBytes } from "./formats/byte_streams.ts";
import { runStage, type StageJob, type StageOutcome } from "./harness.ts";

const MIB = 1 << 20;
const identities = [await generateX25519Identity(), await generateHybridIdentity()] as const;
const [classic, postQuantum] = await recipientsOf(identities) as [string, string];

Deno.test("encrypt asks for no permission at all", () => {
  const options = v.parse(encrypt.options, { to: [classic] });
  assert.deepEqual(encrypt.permissions(options, "run"), {});
  assert.deepEqual(encrypt.permissions(options, "restore"), {});
});

Deno.test("encrypt makes an age file in its worker, and undoes it there", async () => {
  for (const size of [0, 65_536, 17 * MIB + 1]) {
    const plain = randomBytes(size);
    const sealed = await seal([classic, postQuantum], plain);
    const payload = size + 16 * Math.max(1, Math.ceil(size / 65_536));
    assert.ok(sealed.output.length > payload);
    assert.equal(sealed.sent?.bytes, sealed.output.length);
    assert.equal(sealed.sent.sha256, createHash("sha256").update(sealed.output).digest("hex"));

    const decrypter = new Decrypter();
    decrypter.addIdentity(identities[0]);
    const opened = await decrypter.decrypt(sealed.output);
    assert.equal(firstDifference(opened, plain), undefined, `${size} bytes`);
    for (const identity of identities) {
      const { output } = await unseal([identity], sealed.output);
      assert.equal(firstDifference(output, plain), undefined, `${size} bytes`);
    }
  }
});

Deno.test("encrypt warns when only some recipients are post-quantum", async () => {
  const warnings = async (to: readonly string[]) => {
    const messages: string[] = [];
    const onLog = (level: string, message: string) => messages.push(`${level}: ${message}`);
    await seal(to, randomBytes(10), { call: { onLog } });
    return messages;
  };
  assert.deepEqual(await warnings([classic]), []);
  assert.deepEqual(await warnings([postQuantum, postQuantum]), []);
  assert.deepEqual(await warnings([classic, postQuantum]), [
    "warn: Some recipients are not post-quantum, so what is encrypted is not either",
  ]);
});

Deno.test("encrypt fails without repeating the value when a recipient cannot be used", async () => {
  await assert.rejects(seal([classic, "hunter2"], randomBytes(10)), {
    code: "recipient-invalid",
    message: "Cannot use this text as a recipient: it is no age public key, " +
      "and passphrases are not supported",
    hint: 'Make an age identity with "keepsake keygen"',
  });
});

Deno.test("encrypt says which identity is needed when none at hand fits", async () => {
  const sealed = (await seal([postQuantum], randomBytes(100_000))).output;
  const hint = "Name the file of its identity (AGE-SECRET-KEY-PQ-1…) with --identity FILE";
  await assert.rejects(unseal([], sealed), {
    code: "identity-wrong",
    message: "Cannot decrypt the file: there is no identity at hand",
    hint,
  });
  await assert.rejects(unseal([identities[0]], sealed), {
    code: "identity-wrong",
    message: "Cannot decrypt the file: the identity does not fit",
    hint: `${hint}; if that was it, use another copy: this one is damaged`,
  });
});

Deno.test("encrypt fails to restore what is damaged, cut short or too long", async () => {
  const { output } = await seal([classic], randomBytes(200_000));
  const flipped = output.slice();
  flipped[150_000]! ^= 1;
  const files = [
    flipped,
    output.subarray(0, -1),
    output.subarray(0, 100),
    output.subarray(0, output.length - (200_000 - 3 * 65_536) - 16),
    new Uint8Array([...output, 0]),
    randomBytes(1000),
    new Uint8Array(0),
  ];
  for (const [index, file] of files.entries()) {
    await assert.rejects(unseal([identities[0]], file), (thrown: Error & { code?: string }) => {
      assert.equal(thrown.code, "snapshot-damaged", `file ${index}`);
      assert.match(thrown.message, /^Cannot decrypt the file: it is /);
      return true;
    });
  }
});

function seal(
  to: readonly string[],
  plain: Uint8Array,
  more: Partial<StageJob> = {},
): Promise<StageOutcome<void>> {
  const input = [plain];
  return runStage({
    use: "encrypt",
    operation: "run",
    options: { to },
    input,
    output: true,
    ...more,
  });
}

function unseal(
  identities: readonly string[],
  sealed: Uint8Array,
): Promise<StageOutcome<void>> {
  return runStage({
    use: "encrypt",
    operation: "restore",
    options: { to: [classic] },
    context: { identities },
    input: [sealed],
    output: true,
  });
}
