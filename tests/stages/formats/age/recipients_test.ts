import assert from "node:assert/strict";
import { bech32 } from "@scure/base";
import fc from "fast-check";
import { generateHybridIdentity, generateX25519Identity } from "age-encryption";
import {
  checkRecipient,
  looksLikeRecipient,
  parseIdentities,
  parseRecipients,
  recipientsOf,
} from "../../../../stages/formats/age/recipients.ts";

const identities = [await generateX25519Identity(), await generateHybridIdentity()] as const;
const [classic, postQuantum] = await recipientsOf(identities) as [string, string];

/** Encoded right, but of another kind. */
function encode(prefix: string, size: number): string {
  return bech32.encode(prefix, bech32.toWords(new Uint8Array(size).fill(7)), false);
}

Deno.test("checkRecipient takes both kinds of native recipient", async () => {
  assert.equal(await checkRecipient(classic), undefined);
  assert.equal(await checkRecipient(postQuantum), undefined);
});

Deno.test("checkRecipient says what is wrong in one sentence", async () => {
  const start = `"${classic.slice(0, 12)}…"`;
  const swapped = (at: number) =>
    classic.slice(0, at) + (classic[at] === "q" ? "p" : "q") + classic.slice(at + 1);
  const cases: [string, string, string][] = [
    ["", "this text", `it is no age public key, and passphrases are not supported`],
    [
      "correct horse battery staple",
      "this text",
      `it is no age public key, and passphrases are not supported`,
    ],
    ["age1", '"age1"', "it is cut short, 4 of 62 characters"],
    [classic.slice(0, -1), start, "it is cut short, 61 of 62 characters"],
    [`${classic}q`, start, "it is 63 characters long, not 62"],
    [postQuantum.slice(0, -4), '"age1pq1', "it is cut short, 1955 of 1959 characters"],
    [swapped(30), start, "it is misspelt, its checksum does not match"],
    [swapped(61), start, "it is misspelt, its checksum does not match"],
    [classic.replace(/.$/, "b"), start, "it has a character that no key has"],
    [classic.toUpperCase(), "this text", "it must be all lower-case"],
    [`${classic.slice(0, -1)}Q`, start, "it must be all lower-case"],
    [`${classic} ${classic}`, start, "it contains a space"],
    [
      encode("age1yubikey", 33),
      '"age1yubikey1…"',
      `it is misspelt or for a plugin, and plugins are not supported`,
    ],
    [
      encode("age1tag", 33),
      '"age1tag1',
      `it is misspelt or for a plugin, and plugins are not supported`,
    ],
    [
      encode("age1../../bin/sh", 33),
      '"age1../../bi…"',
      `it is misspelt or for a plugin, and plugins are not supported`,
    ],
    ["ssh-ed25519 AAAAC3NzaC1 me", "this text", `SSH keys are not supported`],
    ["ssh-rsa AAAAB3NzaC1", "this text", `SSH keys are not supported`],
    [
      identities[0],
      "this text",
      "it is a secret key",
    ],
    [
      identities[1].toLowerCase(),
      "this text",
      "it is a secret key",
    ],
    [
      `${classic} ${identities[0]}`,
      "this text",
      "it is a secret key",
    ],
    [
      encode("age-plugin-yubikey-", 8).toUpperCase(),
      "this text",
      "it is a secret key",
    ],
  ];
  for (const [text, subject, fault] of cases) {
    const { message = "none", hint = "" } = await checkRecipient(text) ?? {};
    assert.ok(message.startsWith(`Cannot use ${subject}`), message);
    assert.ok(message.endsWith(` as a recipient: ${fault}`), message);
    assert.match(hint, /^(Make|Copy|Write) [^\n]*[^.]$/, message);
  }
});

Deno.test("checkRecipient notices any one wrong character and repeats at most 12", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(classic, postQuantum),
      fc.nat(),
      fc.string({ minLength: 1, maxLength: 1 }),
      async (recipient, position, character) => {
        const at = position % recipient.length;
        fc.pre(recipient[at] !== character);
        const wrong = recipient.slice(0, at) + character + recipient.slice(at + 1);
        const fault = await checkRecipient(wrong);
        assert.ok(fault !== undefined);
        const said = JSON.stringify(fault);
        assert.ok(!said.includes(wrong.slice(0, 13)) && !said.includes(wrong.slice(-8)));
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("looksLikeRecipient tells keys from paths", () => {
  for (const key of [classic, postQuantum, "age1", "AGE1QQ", "ssh-rsa AAAA", identities[0]]) {
    assert.equal(looksLikeRecipient(key), true);
  }
  for (const path of ["~/.config/keepsake/recipients.txt", "keys.txt", "./age1.txt", "age.txt"]) {
    assert.equal(looksLikeRecipient(path), false);
  }
});

Deno.test("parseRecipients takes comments, empty lines, any line ends and repeated keys", async () => {
  const text = `\uFEFF# mine\r\n${classic}\r\n\r\n  # old\n  ${postQuantum}\t\n${classic}`;
  assert.deepEqual(await parseRecipients(text, "keys.txt"), {
    recipients: [classic, postQuantum],
    problems: [],
  });
});

Deno.test("parseRecipients reports every line that is wrong, with its number", async () => {
  const text = ["# mine", classic, "hunter2", identities[0], "", classic.slice(0, 20)].join("\n");
  const { recipients, problems } = await parseRecipients(text, "keys.txt");
  assert.deepEqual(recipients, [classic]);
  assert.deepEqual(problems.map(({ line }) => line), [3, 4, 6]);
  for (const { line, message } of problems) {
    assert.ok(message.startsWith(`Cannot use line ${line} of "keys.txt" as a recipient: it is `));
  }
  assert.ok(!/hunter2|AGE-SECRET/.test(JSON.stringify(problems)));
});

Deno.test("parseRecipients and parseIdentities refuse a file that holds none", async () => {
  for (const text of ["", "\n\n", "# nothing yet\n"]) {
    assert.deepEqual(await parseRecipients(text, "keys.txt"), {
      recipients: [],
      problems: [{
        line: 0,
        message: 'Cannot find a recipient in "keys.txt": it holds none',
        hint:
          'Write a recipient a line into it: each stands behind "public key" in its identity file',
      }],
    });
    const { problems } = await parseIdentities(text, "keys.txt");
    assert.equal(problems[0]?.message, 'Cannot find an identity in "keys.txt": it holds none');
  }
});

Deno.test("parseIdentities reads what age-keygen writes", async () => {
  const text = `# created: 2026-01-02T03:04:05Z\n# public key: ${classic}\n${identities[0]}\n`;
  assert.deepEqual(await parseIdentities(text + identities[1], "identity.txt"), {
    identities: [...identities],
    problems: [],
  });
});

Deno.test("parseIdentities says what is wrong with a line and does not repeat it", async () => {
  const [secret] = identities;
  const swapped = secret.slice(0, 40) + (secret[40] === "Q" ? "P" : "Q") + secret.slice(41);
  const cases: [string, string][] = [
    [swapped, "it is misspelt, its checksum does not match"],
    [secret.slice(0, -3), "it is cut short, 71 of 74 characters"],
    [secret + secret.slice(-2), "it is 76 characters long, not 74"],
    [secret.replace(/.$/, "B"), "it has a character that no key has"],
    [secret.toLowerCase(), "it must be all upper-case"],
    [encode("age-secret-key-x-", 32).toUpperCase(), "it is misspelt or of an unknown kind"],
    [classic, "it is a recipient"],
    [
      encode("age-plugin-yubikey-", 8).toUpperCase(),
      "plugins are not supported",
    ],
    ["hunter2", "it is no age identity"],
  ];
  for (const [line, fault] of cases) {
    const { identities, problems } = await parseIdentities(`# key\n${line}\n`, "identity.txt");
    assert.deepEqual(identities, []);
    const message = `Cannot use line 2 of "identity.txt" as an identity: ${fault}`;
    assert.deepEqual(problems.map(({ hint: _, ...problem }) => problem), [{ line: 2, message }]);
    assert.match(problems[0]!.hint, /^(Make|Copy|Name) [^\n]*[^.]$/);
    assert.ok(!JSON.stringify(problems).includes(line.slice(4)));
  }
});

Deno.test("parseIdentities says what to do about a file that is encrypted or for SSH", async () => {
  for (const text of ["age-encryption.org/v1\n-> scrypt", "-----BEGIN AGE ENCRYPTED FILE-----\n"]) {
    assert.deepEqual((await parseIdentities(text, "key.age")).problems, [{
      line: 0,
      message: 'Cannot use "key.age" as an identity file: it is encrypted itself',
      hint: "Have a shell hand it over decrypted: --identity <(age -d key.age)",
    }]);
  }
  for (const kind of ["OPENSSH", "RSA"]) {
    const text = `-----BEGIN ${kind} PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n`;
    assert.deepEqual((await parseIdentities(text, "id_rsa")).problems, [{
      line: 0,
      message: 'Cannot use "id_rsa" as an identity file: it is an SSH key, which is not supported',
      hint: 'Make an age identity with "keepsake keygen"',
    }]);
  }
});
