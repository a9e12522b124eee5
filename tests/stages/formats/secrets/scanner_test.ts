/** Secrets are found and replaced whole, and little else is. */
import assert from "node:assert/strict";
import { cpuUsage } from "node:process";
import { rules } from "@secretlint/secretlint-rule-preset-recommend";
import fc from "fast-check";
import { OWN_RULES, PRESET_WORDS } from "../../../../stages/formats/secrets/rules.ts";
import { SecretScanner } from "../../../../stages/formats/secrets/scanner.ts";
import { Random } from "../../../../tools/sample/random.ts";
import { markdown, prose, sourceCode } from "../../../../tools/sample/text.ts";
import { assertLinear } from "../../../growth.ts";
import { behind, coloured, leaks, makeCanaries, spelled } from "./canaries.ts";

async function load(patterns: readonly string[] = []): Promise<SecretScanner> {
  const scanner = new SecretScanner(patterns);
  await scanner.load();
  return scanner;
}

const canaries = makeCanaries();

Deno.test("there are at least 25 kinds of canaries", () => {
  assert.ok(new Set(canaries.map(({ kind }) => kind)).size >= 25);
});

for (const canary of canaries) {
  Deno.test(`a secret is replaced whole: ${canary.kind}`, async () => {
    const scanner = await load();
    const text = `Some words before.\n${canary.text}\nAnd some words after.`;
    const told: string[] = [];
    const redacted = scanner.redact(text, ({ rule }) => told.push(rule));
    assert.ok(leaks(canary, text));
    assert.ok(!leaks(canary, redacted), redacted);
    assert.ok(told.length > 0);
    assert.match(redacted, /\[REDACTED:[a-z0-9-]+\]/);
    assert.ok(redacted.startsWith("Some words before.\n"));
    assert.ok(redacted.endsWith("And some words after."), redacted);
  });
}

Deno.test("what is called a secret, as programs are told it, is one", async () => {
  const scanner = await load();
  const names = ["SECRET_KEY=$", "secretKey: '$'", "DB_PASS=$", "MYSQL_PWD='$'", "passphrase: $"];
  for (const text of [...names, 'password := "$"', "x --password $", "x --api-key '$' y"]) {
    const value = "q7Zx9Qw8Er7Ty6Ui5";
    const kept = text.replace("$", "[REDACTED:assignment]");
    assert.equal(scanner.redact(text.replace("$", value)), kept);
  }
  const code =
    "first_pass = second_pass; --token FILE, --password-file /etc/x1y2z3w4, secretKey = config.key1";
  assert.equal(scanner.redact(code), code);
});

Deno.test("what stands for a user and a password is a secret, however short it is", async () => {
  const scanner = await load();
  for (const text of ["Authorization: Basic $", "auth='basic $'", '{"authorization":"Basic $"}']) {
    for (const value of ["ada:enigma", "a:bcd", "admin:admin", "user:pass"].map(btoa)) {
      const kept = text.replace("$", "[REDACTED:authorization]");
      assert.equal(scanner.redact(text.replace("$", value)), kept);
    }
  }
  const prose = "Basic authentication, basic Understanding of basic AdministrationPanel";
  assert.equal(scanner.redact(prose), prose);
});

/** What may stand right before a secret, as no space would. */
const BEFORE: Readonly<Record<string, string>> = {
  "a line feed": "\n",
  "a tab": "\tPORT=1\t",
  "a line's end of Windows": "\r\n",
  "a form feed": "\f",
  "a Chinese letter": "我的令牌是",
  "a Russian letter": "ключ",
  "a percent-encoded letter": "a%3D",
  "a name": "foo_",
  "a colour": "\x1b[1;31m",
};

/** Text within JSON, so many times. */
function asJson(text: string, times: number): string {
  for (let time = 0; time < times; time++) text = JSON.stringify({ content: text });
  return text;
}

/** The texts of JSON within JSON, and what a terminal shows of them. */
function shown(text: string): string {
  const plain = text.replace(
    /\\+u([0-9a-f]{4})/gi,
    (_, code) => String.fromCharCode(parseInt(code, 16)),
  )
    .replace(/\\+\//g, "/");
  // deno-lint-ignore no-control-regex
  return plain.replace(/\x1b\[[0-?]*[@-~]/g, "");
}

for (const [name, before] of Object.entries(BEFORE)) {
  Deno.test(`a secret is replaced whole behind ${name}, also within JSON`, async () => {
    const scanner = await load();
    for (const canary of canaries) {
      for (const times of [0, 1, 2, 3]) {
        const redacted = scanner.redact(asJson(behind(canary, before), times));
        assert.ok(!leaks(canary, shown(redacted)), `${canary.kind}, ${times}: ${redacted}`);
      }
    }
  });
}

Deno.test("a secret is replaced whole when a part of it has a colour", async () => {
  const scanner = await load();
  for (const canary of canaries) {
    for (const times of [0, 1, 2]) {
      const redacted = scanner.redact(asJson(coloured(canary), times));
      assert.ok(!leaks(canary, shown(redacted)), `${canary.kind}, ${times}: ${redacted}`);
    }
  }
});

Deno.test("a secret is replaced whole when JSON spells its letters by number", async () => {
  const scanner = await load();
  for (const canary of canaries) {
    for (const letters of [/[a-z]/i, /[g-z_=:/"]/, /[^]/]) {
      const text = spelled(behind(canary, "x=1\n"), letters);
      for (const times of [0, 1]) {
        const redacted = scanner.redact(asJson(text, times));
        assert.ok(!leaks(canary, shown(redacted)), `${canary.kind}, ${letters}: ${redacted}`);
      }
    }
  }
});

Deno.test("a secret is replaced whole when JSON writes its slashes with a backslash", async () => {
  const scanner = await load();
  const texts = ["AWS_SECRET_ACCESS_KEY=a1/b2c3d4/e5f6g7h8i9j0k1l2m3/n4o5p6q7r8"];
  texts.push("redis://ada:q7Rt2Zx9Lp4Vb8Nm@cache.example:6379/0");
  for (const text of texts) {
    const value = /[=a:]([^:=]{16,40})(?:@|$)/.exec(text)![1]!;
    const redacted = scanner.redact(JSON.stringify({ text }).replaceAll("/", "\\/"));
    assert.ok(!leaks({ kind: "", text, value }, shown(redacted)), redacted);
  }
});

Deno.test("a pattern of the user's sees what JSON writes with a backslash", async () => {
  const scanner = await load(["\\bACME-[0-9]{8}", "^key \\d+$"]);
  assert.equal(scanner.redact('{"a":"x\\nACME-12345678"}'), '{"a":"x\\n[REDACTED:pattern-1]"}');
});

Deno.test("what stands within a longer run of letters is no secret", async () => {
  const scanner = await load();
  const random = new Random(7);
  for (const canary of canaries.filter(({ text }) => text.startsWith("the key is "))) {
    // These need no mark of their own before them.
    if (/key|json|age|openai|webhook/.test(canary.kind)) continue;
    const text = `${random.hex(64)}a${canary.value.slice(0, 44)}`;
    const found = scanner.find(text).filter(({ rule }) => rule !== "private-key");
    assert.deepEqual(found, [], canary.kind);
  }
  for (const text of ["ERR_SG.value.next", "我SG.value.next", "C:\\new\\task-1", "disk_sk-1"]) {
    assert.deepEqual(scanner.find(text), [], text);
  }
});

/** What every rule finds in a text, tried without a search for its words. */
function findWithoutWords(text: string): (readonly [rule: string, start: number, end: number])[] {
  const ranges: (readonly [string, number, number])[] = [];
  for (const { meta, create } of rules) {
    if (/filter/.test(meta.id)) continue;
    const { file } = create({
      sharedOptions: {},
      createTranslator: () => () => ({}),
      report: ({ range: [start, end] }: { range: readonly [number, number] }) =>
        void ranges.push([meta.id, start, end]),
      ignore: () => {},
      // deno-lint-ignore no-explicit-any
    } as any, {});
    // deno-lint-ignore no-explicit-any
    void file?.({ content: text, filePath: "a.md", ext: ".md", contentType: "text" } as any);
  }
  for (const { name, pattern, accept = () => true } of OWN_RULES) {
    for (const match of text.matchAll(pattern)) {
      const [whole, value = whole] = match;
      if (value === "" || !accept(value)) continue;
      const start = match.index + whole.lastIndexOf(value);
      ranges.push([name, start, start + value.length]);
    }
  }
  return ranges;
}

function assertFindsAll(scanner: SecretScanner, text: string): number {
  const found = scanner.find(text);
  const ranges = findWithoutWords(text);
  for (const [rule, start, end] of ranges) {
    assert.ok(
      found.some((one) => one.start <= start && one.end >= end),
      `${rule} ${start}: ${text}`,
    );
  }
  return ranges.length;
}

Deno.test("the search for words hides nothing from a rule", async () => {
  const scanner = await load();
  for (const { kind, text } of makeCanaries(2)) {
    assert.ok(assertFindsAll(scanner, text) > 0, kind);
  }
});

const NUM_RUNS = Deno.env.get("KEEPSAKE_SLOW") === "1" ? 20_000 : 600;

Deno.test("the search for words hides nothing from a rule, however a secret is written", async () => {
  const scanner = await load();
  const flips = fc.func(fc.boolean());
  const edits = fc.array(
    fc.tuple(
      fc.nat(200),
      fc.nat(3),
      fc.constantFrom("", " ", "-", "_", ":", "=", '"', "\\", "\n", "A", "é", "→"),
    ),
    { maxLength: 3 },
  );
  const canary = fc.constantFrom(...canaries, ...makeCanaries(3));
  let found = 0;
  fc.assert(
    fc.property(
      canary,
      fc.boolean(),
      flips,
      edits,
      fc.string(),
      (canary, flipped, flip, edits, before) => {
        // Letters of the other case around the secret alone: within, it would be none.
        const [start, end] = [
          canary.text.indexOf(canary.value),
          canary.text.indexOf(canary.value) + canary.value.length,
        ];
        const letters = Array.from(canary.text, (letter, at) => {
          if (!flipped || (at >= start && at < end) || !flip(at)) return letter;
          return letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
        });
        for (const [at, count, letter] of edits) letters.splice(at, count, letter);
        found += assertFindsAll(scanner, before + letters.join(""));
      },
    ),
    { numRuns: NUM_RUNS },
  );
  assert.ok(found > NUM_RUNS / 2);
});

/** A private key as tools show it, with something before each of its lines. */
const BEFORE_LINES: Readonly<Record<string, (line: string, number: number) => string>> = {
  "a number and an arrow": (line, number) => `${String(number).padStart(6)}→${line}`,
  "a number and a tab": (line, number) => `${String(number).padStart(6)}\t${line}`,
  "a file's name and a number": (line, number) => `.ssh/id_ed25519:${number}:${line}`,
  "a minus": (line) => `-${line}`,
  "a hash": (line) => `# ${line}`,
  "a star": (line) => ` * ${line}`,
  "a letter and quotes": (line) => `b"${line}\\n"`,
};

for (const [name, write] of Object.entries(BEFORE_LINES)) {
  Deno.test(`a private key that is cut off is replaced whole behind ${name}`, async () => {
    const scanner = await load();
    const canary = canaries.find(({ kind }) => kind === "private key, cut off")!;
    const headers = `Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,${
      "0123456789ABCDEF".repeat(2)
    }\n\n`;
    const last = canary.value.slice(0, 24);
    for (const between of ["", headers]) {
      const key = canary.text.replace(canary.value, `${between}${canary.value}\n${last}`);
      for (const times of [0, 1, 2]) {
        const lines = key.split("\n").map(write).join("\n");
        const redacted = scanner.redact(asJson(`Before.\n${lines}\nAnd some words after.`, times));
        assert.ok(!leaks(canary, shown(redacted)), redacted);
        assert.match(redacted, /Before\..*And some words after\./s);
      }
    }
  });
}

Deno.test("a program that knows how a private key begins holds none", async () => {
  const scanner = await load();
  const begin = `-----BEGIN PRIVATE ${"KEY"}-----`;
  for (
    const rest of [
      `");\n  const key = createPrivateKeyFromSomethingElse(text);\n}\n// ${"=".repeat(60)}\n`,
      `"\n// ${"/".repeat(70)}\nimport { read } from "/home/ada/code/project/source/formats/keys";`,
      `${"\\".repeat(63)}");\n`,
      "…`, and so on: see the documentation of authentication.",
    ]
  ) {
    assert.deepEqual(scanner.find(`if (key.startsWith("${begin}${rest}`), [], rest);
  }
});

/** Letters in which what grows with the square shows. */
const LONG = 2 ** 14;

/** What repeats a part until it is so long. */
function fill(part: string, length: number): string {
  return part.repeat(Math.ceil(length / part.length));
}

Deno.test("what a search takes does not grow with the square of a text, nor beyond all bounds", async () => {
  const scanner = await load(["ACME-[0-9]{8}"]);
  const own = OWN_RULES.flatMap(({ words }) => words);
  const words = [
    ...new Set([...own, ...Object.values(PRESET_WORDS).flat(), "\\u004", "\x1b[0"]),
    ...[`-----BEGIN PRIVATE ${"KEY"}-----`, "authorization: basic ", "https://ada:"],
  ];
  const fillings = [" ", "\n", "\\", "\\n", "a", "0", "=", ".", "+", '\\"'];
  const texts: ((length: number) => string)[] = words.flatMap((word) => [
    ...fillings.map((one) => (length: number) => `x ${word}${fill(one, length)}!`),
    ...["", "-", " ", "\\"].map((one) => (length: number) => fill(one + word, length)),
  ]);
  for (const text of texts) {
    const name = `${JSON.stringify(text(50).slice(0, 50))}…`;
    for (let length = 8; length < LONG; length *= 2) {
      const start = cpuUsage();
      scanner.find(text(length));
      // What doubles with every letter would never come to an end.
      assert.ok(cpuUsage(start).user < 2e6, `${name}, ${length} letters long`);
    }
    await assertLinear((length) => scanner.find(text(length)), LONG, name);
  }
});

Deno.test("the names of secrets are known in whatever letters they are written", async () => {
  const scanner = await load();
  const value = "q7Rt2Zx9Lp4Vb8Nm";
  const names = ["access-key", "ACCESS-KEY", "Access_Key", "accesskey", "API-KEY", "Api_Key"];
  for (const name of [...names, "apiKEY", "PassWord", "ToKen", "client_SECRET"]) {
    assert.ok(!scanner.redact(`${name}: ${value}`).includes(value), name);
  }
});

Deno.test("every rule of the preset that words are named for is there", () => {
  const names = rules.map(({ meta }) => meta.id.replace(/^.*secretlint-rule-/, ""));
  for (const name of Object.keys(PRESET_WORDS)) assert.ok(names.includes(name), name);
});

Deno.test("prose, programs and hashes are left alone", async () => {
  const scanner = await load();
  const random = new Random(5);
  const text = [
    ...Array.from({ length: 200 }, () => `${prose(random, 3)}\n${markdown(random, 2)}`),
    ...Array.from({ length: 50 }, () => sourceCode(random, 30).join("\n")),
    `commit ${random.hex(40)}`,
    `sha256:${random.hex(64)}`,
    random.uuid(),
    "const token: string = readToken(process.env.API_TOKEN1);",
    "password: options.password ?? undefined",
    "See https://example.org/a/b?c=d and git@github.com:me/there.git",
    "/home/ada/code/project-1/src/core/tokens/secret_store.ts",
  ].join("\n");
  const found = scanner.find(text).map(({ start, end }) => text.slice(start, end));
  assert.ok(found.length <= 2, JSON.stringify(found));
});

Deno.test("patterns of the user's are redacted under numbers of their own", async () => {
  const scanner = await load(["ACME-[0-9]{8}", "x*", "é{3}"]);
  assert.equal(
    scanner.redact("ACME-12345678 and ééé."),
    "[REDACTED:pattern-1] and [REDACTED:pattern-3].",
  );
});

Deno.test("a text cannot switch the rules off", async () => {
  const scanner = await load();
  for (const canary of canaries.slice(0, 3)) {
    const text = `<!-- secretlint-disable -->\n// secretlint-disable-line ${canary.text}`;
    assert.ok(!leaks(canary, scanner.redact(text)));
  }
});

Deno.test("secrets that overlap are one, and those side by side are two", async () => {
  const scanner = await load(["abcdef", "defghi"]);
  assert.deepEqual(scanner.find("abcdefghi abcdef"), [
    { rule: "pattern-1", start: 0, end: 9 },
    { rule: "pattern-1", start: 10, end: 16 },
  ]);
});

Deno.test("secrets are found where they stand in a long text, whatever letters are before them", async () => {
  const scanner = new SecretScanner();
  await scanner.load();
  const token = `ghp_${"aB3dE5fG7h".repeat(4)}`;
  for (const letter of ["x ", "é ", "→ ", "😀 ", "\ud800 "]) {
    // Around the ends of the parts that a text is looked through in, byte by byte.
    for (let before = 21_845 - 70; before < 21_845 + 10; before++) {
      const text = letter.repeat(before).slice(-before - 1, -1) + ` ${token} ` +
        letter.repeat(20_000) + token;
      const places = scanner.find(text).map(({ start, end }) => text.slice(start, end));
      assert.deepEqual(places, [token, token], `${letter} ${before}`);
    }
  }
});
