/** Files that are broken, or made to break what reads them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { loadPipeline, PipelineError } from "../../../pipeline/config/load.ts";
import { assertLinear } from "../../growth.ts";
import { refusal } from "./support.ts";

/** Not TOML, by the section of the specification that says so. */
const INVALID: Readonly<Record<string, readonly string[]>> = {
  "key-value pairs": [
    "key",
    "key =",
    "= 1",
    "key = # nothing",
    "a = 1 b = 2",
    'first = "a" second = "b"',
    "key = value",
    "key = 1\n= 2",
    "key 1",
    "key: 1",
    "key == 1",
    "[pipeline]\nname claude",
  ],
  "keys": [
    "a..b = 1",
    ".a = 1",
    "a. = 1",
    "a b = 1",
    'a"b" = 1',
    "ä = 1",
    "a@b = 1",
    '"""a""" = 1',
    '"a\nb" = 1',
    '"a = 1',
    "'a = 1",
    "a = 1\na = 2",
    '"a" = 1\na = 2',
    "a.b = 1\na = 2",
    "a = 1\na.b = 2",
  ],
  "strings": [
    'a = "',
    "a = '",
    'a = "b\nc"',
    "a = 'b\nc'",
    'a = """b',
    "a = '''b",
    'a = "\\q"',
    'a = "C:\\Users"',
    'a = "\\u12"',
    'a = "\\ud800"',
    'a = "\\U00110000"',
    'a = "\u0000"',
    'a = "\u0007"',
    "a = '\u007f'",
    'a = "b" c',
    'a = """b""""""',
  ],
  "numbers": [
    "a = 01",
    "a = +0x1",
    "a = 1_",
    "a = _1",
    "a = 1__2",
    "a = 1.",
    "a = .1",
    "a = 1e",
    "a = 1e+",
    "a = 0x",
    "a = 0b2",
    "a = 0o8",
    "a = 0xg",
    "a = +-1",
    "a = 1.2.3",
    "a = Inf",
    "a = 9007199254740993",
    "a = -9223372036854775808",
    "a = 0xffffffffffffffff",
  ],
  "booleans": ["a = True", "a = tru", "a = yes", "a = falsey"],
  "dates": [
    "a = 2024-13-01",
    "a = 2024-02-32T00:00:00Z",
    "a = 2024-1-1",
    "a = 25:00:00",
    "a = 12:60:00",
    "a = 2024-01-01T",
    "a = 2024-01-01T00:00:00+25:00",
  ],
  "arrays": ["a = [", "a = [1", "a = [1,,2]", "a = [,1]", "a = [1 2]", "a = ]", "a = [1}"],
  "inline tables": [
    "a = {",
    "a = { b = 1",
    "a = { b = 1 c = 2 }",
    "a = { b }",
    "a = { b = 1, b = 2 }",
    "a = { b = 1 }\na.c = 2",
    "a = { b = 1 }\n[a.c]",
    "a = { , }",
  ],
  "tables": [
    "[",
    "[]",
    "[a",
    "[a.]",
    "[.a]",
    "[a..b]",
    "[a] b = 1",
    "[a]\n[a]",
    "[a b]",
    "[[a]",
    "[[a]] ]",
    "[ [a] ]",
    "a = 1\n[a]",
    "[a.b]\n[a]\nb = 1",
    "[[a]]\n[a]",
    "[a]\n[[a]]",
    "a = []\n[[a]]",
    "[stage]\nuse = 'x'\n[[stage]]",
  ],
  "comments and white space": [
    "# \u0000",
    "# \u001b[2J",
    "a = 1 # \u0007",
    "a = 1\u000b",
    "\u00a0a = 1",
  ],
};

for (const [section, texts] of Object.entries(INVALID)) {
  Deno.test(`text that is not TOML in its ${section} is refused at its place`, async () => {
    for (const text of texts) {
      const { problems } = await refusal(`# comment\n${text}`);
      assert.equal(problems.length, 1, text);
      const [{ line, column, message, path }] = problems as [typeof problems[number]];
      assert.equal(path, "", text);
      assert.notEqual(message, "Cannot read this as TOML", text);
      assert.match(message, /^(Cannot|Expected) .*[^.]$/, text);
      assert.ok(line >= 2 && line <= 4 && column >= 1, `${text}: ${line}:${column}`);
    }
  });
}

/** Taken although TOML 1.0 forbids it: TOML 1.1 does not. */
const TAKEN =
  /(inline-table\/(linebreak|trailing-comma)|string\/basic-byte-escapes|datetime\/no-secs)/;
const CORPUS = "/usr/share/gocode/src/github.com/BurntSushi/toml/internal/toml-test/tests/invalid";
const PACKAGE = "golang-github-burntsushi-toml-dev";

const corpus = await filesBelow(CORPUS);

Deno.test(
  corpus.length > 0
    ? "the invalid files of toml-test are refused with a sentence of ours"
    : `the invalid files of toml-test are refused with a sentence of ours (needs ${PACKAGE})`,
  { ignore: corpus.length === 0 },
  async () => {
    assert.ok(corpus.length > 200);
    for (const file of corpus.filter((file) => !TAKEN.test(file))) {
      await assert.rejects(loadPipeline(file, { environment: {}, home: undefined }), (error) => {
        assert.ok(error instanceof PipelineError, file);
        assert.equal(error.problems.length, 1, file);
        const [{ path, message }] = error.problems as [typeof error.problems[number]];
        assert.equal(path, "", file);
        assert.notEqual(message, "Cannot read this as TOML", file);
        assert.notEqual(message, "Cannot find a stage: there is no [[stage]]", file);
        return true;
      });
    }
  },
);

async function filesBelow(directory: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(directory));
    const files = await Promise.all(entries.map((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory) return filesBelow(path);
      return path.endsWith(".toml") ? [path] : [];
    }));
    return files.flat();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

const ROOM = 250 * 1024;

/** As many of these as there is room for. */
function filled(room: number, start: string, part: (index: number) => string): string {
  let text = start;
  for (let index = 0; text.length < room; index++) text += part(index);
  return text;
}

/** How much of what is in a file, the file with so much of it, and one of its problems. */
type Huge = readonly [size: number, file: (size: number) => string, path: string, message: string];

const HUGE: Readonly<Record<string, Huge>> = {
  "20,000 unknown keys": [
    ROOM,
    (room) => filled(room, "", (index) => `k${index}=1\n`),
    "k0",
    "Unknown key",
  ],
  "20,000 unknown keys of a stage": [
    ROOM,
    (room) => filled(room, '[[stage]]\nuse = "local"\npath = "/x"\n', (index) => `k${index}=1\n`),
    "stage[1].k0",
    "Unknown key",
  ],
  "thousands of keys in one line": [
    60_000,
    (room) => `stage = [{ use = "local", ${filled(room, "k=1", (index) => `,k${index}=1`)} }]`,
    "stage[1].k",
    "Unknown key",
  ],
  "10,000 stages": [
    ROOM,
    (room) => filled(room, "", () => '[[stage]]\nuse = "hash-gate"\n'),
    "stage[201]",
    "Expected at most 200 stages",
  ],
  "50,000 ids in only": [
    50_000,
    (count) => `[[stage]]\nuse = "hash-gate"\nonly = [${'"q",'.repeat(count)}]\n`,
    "stage[1].only[5001]",
    "Expected at most 5000",
  ],
  "100,000 numbers in paths": [
    100_000,
    (count) => `[[stage]]\nuse = "snapshot"\npaths = [${"1,".repeat(count)}]\n`,
    "stage[1].paths[5001]",
    "Expected at most 5000",
  ],
  "50,000 recipients": [
    50_000,
    (count) => `[[stage]]\nuse = "encrypt"\nto = [${'"q",'.repeat(count)}]\n`,
    "stage[1].to[5001]",
    "Expected at most 5000",
  ],
  "5,000 recipients that are none": [
    5000,
    (count) => `[[stage]]\nuse = "encrypt"\nto = [${'"q",'.repeat(count)}]\n`,
    "stage[1].to[5000]",
    "Cannot use this text: it is neither a recipient nor a file that can be read",
  ],
  "50,000 brackets": [
    50_000,
    (count) => `a = ${"[".repeat(count)}${"]".repeat(count)}`,
    "",
    "Cannot read this value: its brackets are nested too deeply",
  ],
  "50,000 braces": [
    50_000,
    (count) => `a = ${"{a=".repeat(count)}1${"}".repeat(count)}`,
    "",
    "Cannot read this value: its brackets are nested too deeply",
  ],
  "brackets that are just not too deep": [
    900,
    (count) => `a = ${"[".repeat(count)}${"]".repeat(count)}`,
    "a",
    "Unknown key",
  ],
  "100,000 dots in a key": [100_000, (count) => `a${".a".repeat(count)} = 1`, "a", "Unknown key"],
  "30,000 dots in a header": [
    30_000,
    (count) => `[pipeline${".a".repeat(count)}]`,
    "pipeline.a",
    "Unknown key",
  ],
  "a key of 250,000 characters": [
    ROOM,
    (room) => `${"x".repeat(room)} = 1`,
    `${"x".repeat(47)}…`,
    "Unknown key",
  ],
  "text of 250,000 characters": [ROOM, (room) => `a = "${"x".repeat(room)}"`, "a", "Unknown key"],
  "a path of 200,000 dollars": [
    200_000,
    (count) => `[[stage]]\nuse = "local"\npath = "${"$".repeat(count)}\${"\n`,
    "stage[1].path",
    "Cannot expand this path: ${ must be followed by a name, or a name and a default, and }",
  ],
};

for (const [what, [size, file, path, message]] of Object.entries(HUGE)) {
  Deno.test(`a file with ${what} is refused in a time that grows with its length, not its square`, async () => {
    await assertLinear((size) => refusal(file(size)), size);
    const { problems } = await refusal(file(size));
    assert.ok(
      problems.some((problem) => problem.path === path && problem.message === message),
      JSON.stringify(problems.slice(0, 3)),
    );
  });
}

Deno.test("names that objects inherit are unknown like any other", async () => {
  const { problems } = await refusal(`
    [pipeline]
    __proto__ = 1
    toString = 2
    [[stage]]
    use = "constructor"
    [[stage]]
    use = "local"
    path = "/x"
    __proto__ = { path = "/y" }
    constructor.prototype.polluted = true
  `);
  assert.deepEqual(
    problems.map(({ path, message }) => `${path}: ${message.split(",")[0]}`),
    [
      "pipeline.__proto__: Unknown key",
      "pipeline.toString: Unknown key",
      "stage[1].use: Unknown stage",
      "stage[2].__proto__: Unknown key",
      "stage[2].constructor: Unknown key",
    ],
  );
  assert.ok(!("polluted" in {}));
});

Deno.test("an unknown top-level __proto__ is an unknown key too", async () => {
  const { problems } = await refusal("__proto__ = 1\n[constructor]\nx = 1\n");
  assert.deepEqual(problems.slice(0, 2).map(({ path }) => path).toSorted(), ["", "__proto__"]);
});
