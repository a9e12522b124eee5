import assert from "node:assert/strict";
import { load, problems, RECIPIENT, refusal, stages } from "./support.ts";

const SOURCE = 'snapshot; paths = ["/data"]';
const GATE = "hash-gate";
const ENCRYPT = `encrypt; to = ["${RECIPIENT}"]`;
const LOCAL = 'local; path = "/backups"';
const OPEN = `${LOCAL}; plaintext = true`;

/** What is said of stages, without the places. */
async function said(...lines: readonly string[]): Promise<string[]> {
  return (await problems(stages(...lines))).map((line) => line.replace(/^\d+:\d+ /, ""));
}

const ACCEPTED: Readonly<Record<string, readonly string[]>> = {
  "a destination called latest": [SOURCE, ENCRYPT, `${LOCAL}; id = "latest"`],
  "everything below encrypt": [SOURCE, GATE, ENCRYPT, LOCAL],
  "plaintext that was asked for, above encrypt": [
    SOURCE,
    `${OPEN}; id = "a"`,
    ENCRYPT,
    'local; path = "/other"',
  ],
  "a destination that gets one snapshot open and the other encrypted": [
    'snapshot; id = "a"; paths = ["/a"]',
    'snapshot; id = "b"; paths = ["/b"]',
    `${ENCRYPT}; only = ["a"]`,
    OPEN,
  ],
  "two destinations with recipients of their own": [
    SOURCE,
    `${ENCRYPT}; id = "mine"`,
    LOCAL,
    `${ENCRYPT}; id = "theirs"; input = "snapshot"`,
    'local; path = "/theirs"; input = "theirs"',
  ],
  "two snapshots of different places at one place": [
    'snapshot; id = "a"; paths = ["/a"]',
    'snapshot; id = "b"; paths = ["/b"]',
    ENCRYPT,
    `${LOCAL}; only = ["a"]`,
    `${LOCAL}; only = ["b"]`,
  ],
  "two digests in directories of their own": [
    ...['digest; to = "/x"', 'digest; from = "/more"; to = "/y"', SOURCE, OPEN],
  ],
  "secrets in a snapshot of which every copy is encrypted": [
    `${SOURCE}; include_secrets = true`,
    ENCRYPT,
    LOCAL,
  ],
};

for (const [what, lines] of Object.entries(ACCEPTED)) {
  Deno.test(`a pipeline with ${what} is accepted`, async () => {
    assert.equal((await load(stages(...lines))).stages.length, lines.length);
  });
}

const REFUSED: Readonly<
  Record<string, readonly [lines: readonly string[], ...problems: readonly string[]]>
> = {
  "two stages of one id": [
    [`${SOURCE}; id = "a"`, `${ENCRYPT}; id = "a"`, LOCAL],
    'stage[2].id: Cannot use "a" as an id twice: stage[1] has it',
  ],
  "a snapshot called as the newest one is": [
    [`${SOURCE}; id = "latest"`, ENCRYPT, `${LOCAL}; only = ["latest"]`],
    'stage[1].id: Cannot use "latest" as the id of a snapshot: commands take it for the newest',
  ],
  "no source": [
    [ENCRYPT, LOCAL],
    "Cannot make a backup without a source: no stage is one",
  ],
  "no destination": [
    [SOURCE, ENCRYPT],
    "Cannot make a backup without a destination: no stage is one",
  ],
  "a destination above any source": [
    [LOCAL, SOURCE],
    'stage[1]: Stage "local" stands above every source: nothing reaches it',
  ],
  "a gate and a transform above any source": [
    [GATE, ENCRYPT, SOURCE, OPEN],
    'stage[1]: Stage "hash-gate" stands above every source: nothing reaches it',
    'stage[2]: Stage "encrypt" stands above every source: nothing reaches it',
  ],
  "a source below the last destination": [
    [SOURCE, OPEN, 'snapshot; id = "late"; paths = ["/x"]'],
    'stage[3]: Snapshot "late" reaches no destination',
  ],
  "a snapshot that no destination takes": [
    [
      'snapshot; id = "a"; paths = ["/a"]',
      'snapshot; id = "b"; paths = ["/b"]',
      `${OPEN}; only = ["b"]`,
    ],
    'stage[1]: Snapshot "a" reaches no destination',
  ],
  "encrypt with nothing below": [
    [SOURCE, OPEN, ENCRYPT],
    'stage[3]: Stage "encrypt" is of no use: no destination below takes what it makes',
  ],
  "a gate with nothing below": [
    [SOURCE, OPEN, GATE],
    'stage[3]: Stage "hash-gate" is of no use: no destination below gets what it lets through',
  ],
  "a destination that would get plaintext unasked": [
    [SOURCE, LOCAL],
    'stage[2]: Destination "local" would get snapshot "snapshot" as plaintext: nothing above it encrypts',
  ],
  "a destination that goes around encrypt unasked": [
    [SOURCE, ENCRYPT, LOCAL, 'local; id = "usb"; path = "/usb"; input = "snapshot"'],
    'stage[4]: Destination "usb" would get snapshot "snapshot" as plaintext: nothing above it encrypts',
  ],
  "one snapshot of two that would arrive as plaintext": [
    [
      'snapshot; id = "a"; paths = ["/a"]',
      'snapshot; id = "b"; paths = ["/b"]',
      `${ENCRYPT}; only = ["a"]`,
      LOCAL,
    ],
    'stage[4]: Destination "local" would get snapshot "b" as plaintext: nothing above it encrypts',
  ],
  "plaintext = true where all is encrypted": [
    [SOURCE, ENCRYPT, OPEN],
    'stage[3].plaintext: Destination "local" gets no plaintext: all that reaches it is encrypted',
  ],
  "secrets that would arrive as plaintext, asked for or not": [
    [
      `${SOURCE}; include_secrets = true`,
      OPEN,
      'local; id = "b"; path = "/b"',
      ENCRYPT,
      'local; path = "/c"',
    ],
    'stage[2].plaintext: Destination "local" would get snapshot "snapshot" as plaintext, although include_secrets = true takes credentials',
    'stage[3].plaintext: Destination "b" would get snapshot "snapshot" as plaintext, although include_secrets = true takes credentials',
  ],
  "only that names what is not there": [
    ['snapshot; id = "claude"; paths = ["/a"]', ENCRYPT, `${LOCAL}; only = ["claud", "nobody"]`],
    'stage[3].only[1]: Cannot find a snapshot of this id above, did you mean "claude"?',
    "stage[3].only[2]: Cannot find a snapshot of this id above",
  ],
  "only that names no snapshot": [
    [SOURCE, ENCRYPT, `${LOCAL}; only = ["encrypt"]`],
    'stage[3].only[1]: Cannot use "encrypt" here: a transform stage is no snapshot',
  ],
  "only that names nothing": [
    [SOURCE, ENCRYPT, `${LOCAL}; only = []`],
    "stage[3].only: Expected at least one id",
  ],
  "only and input that name what stands below": [
    [
      SOURCE,
      `${LOCAL}; only = ["late"]; input = "encrypt"`,
      'snapshot; id = "late"; paths = ["/x"]',
      ENCRYPT,
      'local; path = "/y"',
    ],
    'stage[2].only[1]: Cannot use "late" here: it stands below',
    'stage[2].input: Cannot use "encrypt" here: it stands below',
  ],
  "input that names what is not there": [
    [SOURCE, ENCRYPT, `${LOCAL}; input = "encrpyt"`],
    'stage[3].input: Cannot find a stage of this id above, did you mean "encrypt"?',
  ],
  "input that names a stage that makes no archive": [
    [SOURCE, ENCRYPT, `${LOCAL}; id = "a"`, 'local; path = "/b"; input = "a"'],
    'stage[4].input: Cannot use "a" here: a destination stage makes no archive',
  ],
  "input that names the stage itself": [
    [SOURCE, `${ENCRYPT}; input = "encrypt"`, LOCAL],
    "stage[2].input: Cannot name the stage itself",
  ],
  "input and only that leave nothing": [
    [
      'snapshot; id = "a"; paths = ["/a"]',
      'snapshot; id = "b"; paths = ["/b"]',
      `${ENCRYPT}; only = ["a"]`,
      `${OPEN}; id = "all"`,
      'local; path = "/c"; only = ["b"]; input = "encrypt"',
    ],
    'stage[5]: Nothing reaches destination "local": its input and its only leave nothing',
  ],
  "two digests in one directory": [
    ['digest; to = "~/x"', 'digest; from = "/more"; to = "/home/user/y/../x"', SOURCE, OPEN],
    'stage[2]: Stage "digest-2" would write to the same directory as "digest"',
  ],
  "two destinations at one place": [
    [SOURCE, ENCRYPT, 'local; path = "~/x"', 'local; path = "/home/user/y/../x"'],
    'stage[4]: Destination "local-2" would keep snapshot "snapshot" at the same place as "local"',
  ],
};

for (const [what, [lines, ...expected]] of Object.entries(REFUSED)) {
  Deno.test(`a pipeline with ${what} is refused`, async () => {
    assert.deepEqual(await said(...lines), expected);
  });
}

Deno.test("a destination above any source is refused with its line", async () => {
  assert.match((await problems(stages(LOCAL, SOURCE)))[0]!, /^1:1 /);
  assert.match((await problems(stages(GATE, LOCAL, SOURCE)))[1]!, /^4:1 /);
});

Deno.test("a plaintext destination is refused with both ways out", async () => {
  const error = await refusal(stages(SOURCE, LOCAL));
  assert.equal(
    error.problems[0]?.hint,
    "Put a stage that encrypts above it, or say plaintext = true",
  );
});

Deno.test("nothing is held against what stands below a stage that is not known", async () => {
  assert.deepEqual(
    await said(
      SOURCE,
      LOCAL,
      "encrpyt",
      'local; id = "b"; path = "/b"',
      'local; path = "/c"; input = "encrypt"',
    ),
    [
      'stage[2]: Destination "local" would get snapshot "snapshot" as plaintext: nothing above it encrypts',
      'stage[3].use: Unknown stage, did you mean "encrypt"?',
    ],
  );
});

Deno.test("nothing is held against what stands below a stage that names a stage in vain", async () => {
  assert.deepEqual(
    await said(SOURCE, `${ENCRYPT}; only = ["snapshat"]`, LOCAL),
    ['stage[2].only[1]: Cannot find a snapshot of this id above, did you mean "snapshot"?'],
  );
});

Deno.test("a stage that names one whose id is wrong gives no second problem", async () => {
  assert.deepEqual(
    await said('snapshot; id = "Mine"; paths = ["/a"]', ENCRYPT, `${LOCAL}; only = ["Mine"]`),
    ["stage[1].id: Expected at most 32 lower-case letters, digits and hyphens"],
  );
});

Deno.test("a pattern that repeats nothing but a repeat is refused, and no ordinary one is", async () => {
  const patterns = (...written: string[]) => `digest; patterns = [${written.map((w) => `'${w}'`)}]`;
  const endless = [
    "(a+)+$",
    "x(?:[)\\]]*)*y",
    "(?<n>\\p{L}+?)+",
    "((a+))+",
    "(a|b+)*c",
    "(a{2,}){3,}",
  ];
  for (const pattern of endless) {
    const [problem] = await said(patterns(pattern), SOURCE, ENCRYPT, LOCAL);
    assert.match(problem ?? "", /Expected no repeat of a repeat, which can take for ever/, pattern);
  }
  const ordinary = [
    ...["(?:[A-Z]{4}-)+[0-9]+", "(a+)?b", "(a+){2}", "\\(a+\\)+", "[(]a+[)]+", "(a+b)+", "(a{2})+"],
    ...["(?:x|y)+z*", "(?<=a+)b+", "(\\.[a-z]+)+", "(a+)b*"],
  ];
  await load(stages(patterns(...ordinary), SOURCE, ENCRYPT, LOCAL));
});
