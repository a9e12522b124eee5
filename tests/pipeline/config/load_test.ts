import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { loadPipeline } from "../../../pipeline/config/load.ts";
import { sayChoices } from "../../../pipeline/config/problems.ts";
import { stages as builtin } from "../../../stages/mod.ts";
import { inDirectory, load, problems, RECIPIENT, refusal, stages } from "./support.ts";

const OTHER = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";
const TARGET = 'local; path = "/backups"';
const SOURCE = 'snapshot; paths = ["/data"]';

Deno.test("a whole file becomes a pipeline, with defaults, absolute paths and recipients", async () => {
  const pipeline = await load(
    `[pipeline]
     name = "mine"
     state = "$STATE/keepsake"
     identity = "keys/identity.txt"
     ${
      stages(
        'snapshot; id = "claude"; paths = ["\${CLAUDE_CONFIG_DIR:-~/.claude}", "../data/"]',
        "hash-gate",
        'local; id = "disk"; path = "~/disk"; plaintext = true; only = ["claude"]',
        'encrypt; to = ["recipients.txt"]',
        'local; path = "backups"; input = "encrypt"',
      )
    }`,
    { environment: { STATE: "/var/state" }, files: { "recipients.txt": `# me\n${RECIPIENT}\n` } },
  );
  const directory = dirname(pipeline.file);
  const { state, name, identity } = pipeline;
  assert.deepEqual({ state, name, identity }, {
    name: "mine",
    state: "/var/state/keepsake/mine",
    identity: join(directory, "keys/identity.txt"),
  });
  assert.deepEqual(pipeline.stages.map(({ stage: { name }, ...rest }) => ({ name, ...rest })), [
    {
      name: "snapshot",
      id: "claude",
      use: "snapshot",
      at: "stage[1]",
      options: {
        paths: ["/home/user/.claude", join(dirname(directory), "data")],
        exclude: [],
        compress: "zstd",
        include_secrets: false,
        include_caches: false,
      },
      only: undefined,
      input: undefined,
      plaintext: false,
    },
    {
      name: "hash-gate",
      id: "hash-gate",
      use: "hash-gate",
      at: "stage[2]",
      options: {},
      only: undefined,
      input: undefined,
      plaintext: false,
    },
    {
      name: "local",
      id: "disk",
      use: "local",
      at: "stage[3]",
      options: { path: "/home/user/disk" },
      only: ["claude"],
      input: undefined,
      plaintext: true,
    },
    {
      name: "encrypt",
      id: "encrypt",
      use: "encrypt",
      at: "stage[4]",
      options: { to: [RECIPIENT] },
      only: undefined,
      input: undefined,
      plaintext: false,
    },
    {
      name: "local",
      id: "local",
      use: "local",
      at: "stage[5]",
      options: { path: join(directory, "backups") },
      only: undefined,
      input: "encrypt",
      plaintext: false,
    },
  ]);
});

Deno.test("[pipeline] may be left out: name, state and identity have defaults", async () => {
  const { name, state, identity } = await load(stages(SOURCE, `${TARGET}; plaintext = true`));
  assert.deepEqual({ name, state, identity }, {
    name: "claude",
    state: "/home/user/.local/state/keepsake/claude",
    identity: undefined,
  });
});

Deno.test("ids that are left out are numbered around those that are given", async () => {
  const pipeline = await load(stages(
    SOURCE,
    'local; path = "/a"; plaintext = true',
    'local; path = "/b"; plaintext = true; id = "local"',
    'local; path = "/c"; plaintext = true',
    'local; path = "/d"; plaintext = true',
  ));
  assert.deepEqual(
    pipeline.stages.map(({ id }) => id),
    ["snapshot", "local-2", "local", "local-3", "local-4"],
  );
});

Deno.test("nothing but paths is expanded", async () => {
  const { stages: [snapshot] } = await load(
    stages(`${SOURCE}; exclude = ["$HOME", "~/x"]`, `${TARGET}; plaintext = true`),
  );
  assert.deepEqual(snapshot!.options["exclude"], ["$HOME", "~/x"]);
});

Deno.test("only the modules of the stages that a file names are loaded", async () => {
  const loaded: string[] = [];
  const registry = Object.fromEntries(
    Object.entries(builtin).map(([name, module]) => [name, () => {
      loaded.push(name);
      return module();
    }]),
  );
  await inDirectory(async (directory) => {
    const file = join(directory, "pipeline.toml");
    await Deno.writeTextFile(file, stages(SOURCE, `${TARGET}; plaintext = true`, "nothing"));
    await assert.rejects(
      loadPipeline(file, { environment: {}, home: "/home/user", stages: registry }),
    );
  });
  assert.deepEqual(loaded, ["snapshot", "local"]);
});

Deno.test("recipients come from the file, from files and from the environment, each once", async () => {
  const { stages: [, encrypt] } = await load(
    stages(
      SOURCE,
      `encrypt; to = ["${RECIPIENT}", "a.txt", "./b.txt", "$DIRECTORY/\${NAME:-b}.txt"]`,
      TARGET,
    ),
    {
      environment: { DIRECTORY: "." },
      files: { "a.txt": `# two\r\n\r\n${OTHER}\r\n${RECIPIENT}\r\n`, "b.txt": OTHER },
    },
  );
  assert.deepEqual(encrypt!.options, { to: [RECIPIENT, OTHER] });
});

Deno.test("recipients that cannot be used are refused, without what may be secret", async () => {
  const secret = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQSPWMY2P";
  const entries = [
    `${RECIPIENT.slice(0, -1)}q`,
    "ssh-ed25519 AAAAC3Nz",
    secret.toLowerCase(),
    "correct horse battery",
    "missing/recipients.txt",
    "~/recipients.txt",
    "./empty.txt",
    "./identity.txt",
    "$NOWHERE/recipients.txt",
  ];
  const files = { "empty.txt": "# nobody\n", "identity.txt": `${secret}\n` };
  const error = await refusal(
    stages(SOURCE, `encrypt; to = ${JSON.stringify(entries)}`, TARGET),
    { files },
  );
  assert.deepEqual(
    error.problems.map(({ path, message, hint }) =>
      [path, message.replace(/"\/tmp\/.*\//, '"/'), hint].join(" | ")
    ),
    [
      `stage[2].to[1] | Cannot use "age1ql3z7hjy…" as a recipient: it is misspelt, its checksum does not match | Copy the whole of it anew: it stands behind "public key" in the identity file`,
      `stage[2].to[2] | Cannot use this text as a recipient: SSH keys are not supported | Make an age identity with "keepsake keygen"`,
      `stage[2].to[3] | Cannot use this text as a recipient: it is a secret key | Write the recipient that belongs to it: it stands behind "public key" in the identity file`,
      `stage[2].to[4] | Cannot use this text: it is neither a recipient nor a file that can be read | Write the recipient into it that stands behind "public key" in the identity file, or make both with "keepsake keygen"`,
      `stage[2].to[5] | Cannot use this text: it is neither a recipient nor a file that can be read | Write the recipient into it that stands behind "public key" in the identity file, or make both with "keepsake keygen"`,
      `stage[2].to[6] | Cannot read recipients from "/home/user/recipients.txt": there is no such file | Write the recipient into it that stands behind "public key" in the identity file, or make both with "keepsake keygen"`,
      `stage[2].to[7] | Cannot find a recipient in "/empty.txt": it holds none | Write a recipient a line into it: each stands behind "public key" in its identity file`,
      `stage[2].to[8] | Cannot use line 1 of "/identity.txt" as a recipient: it is a secret key | Write the recipient that belongs to it: it stands behind "public key" in the identity file`,
      "stage[2].to[9] | Cannot expand $NOWHERE: it is not set | Set it, or write a default: ${NOWHERE:-…}",
    ],
  );
  for (const word of ["QQQQ", "qqqq", "horse", "AAAAC3Nz"]) {
    assert.ok(!JSON.stringify(error).includes(word) && !error.message.includes(word), word);
  }
});

Deno.test("a message never repeats a value, which may be a secret", async () => {
  const canary = "hunter2";
  const file = `
    [pipeline]
    name = "${canary}!"
    identity = ["${canary}"]
    [[stage]]
    use = "${canary}"
    id = ["${canary}"]
    [[stage]]
    use = "snapshot"
    paths = "${canary}"
    compress = "${canary}"
    exclude = { key = "${canary}" }
    include_secrets = "${canary}"
    [[stage]]
    use = "encrypt"
    to = ["${canary}", "~${canary}", "\${X:-${canary}"]
    only = ["${canary}"]
    input = "${canary}"
    [[stage]]
    use = "local"
    path = "$${canary}!/x"
    plaintext = "${canary}"`;
  const error = await refusal(file, { environment: { hunter2: "" } });
  assert.ok(error.problems.length >= 12, error.message);
  // The name of a variable is said, as that is what is to be set.
  const said = error.message.replaceAll(/\$\{?hunter2/g, "");
  assert.ok(!said.includes(canary), said);
});

Deno.test("broken TOML is refused at its place, without the line, which may hold a secret", async () => {
  const error = await refusal('[pipeline]\nname = "claude"\nidentity = "hunter2\nstate = "x"\n');
  assert.deepEqual(error.problems, [{
    line: 3,
    column: 20,
    path: "",
    message: "Cannot read this text: it has a control character, or no closing quote in its line",
    hint: "Close the quote, or put text of several lines between three quotes",
  }]);
  assert.equal(error.cause, undefined);
  assert.ok(!`${error.message}${error.stack}`.includes("hunter2"));
});

/** What `use` can be. */
const USES = sayChoices(Object.keys(builtin));

const MISTAKES: Readonly<Record<string, readonly [file: string, ...problems: string[]]>> = {
  "an unknown key of a stage": [
    stages(SOURCE, `encrypt; encrypt_too = ["${RECIPIENT}"]; to = ["${RECIPIENT}"]`, TARGET),
    '7:1 stage[2].encrypt_too: Unknown key, did you mean "to"?',
  ],
  "an unknown key of [pipeline]": [
    `[pipeline]\nnmae = "x"\n${stages(SOURCE, `${TARGET}; plaintext = true`)}`,
    '2:1 pipeline.nmae: Unknown key, did you mean "name"?',
  ],
  "a key of [pipeline] above it": [
    `name = "x"\n${stages(SOURCE, `${TARGET}; plaintext = true`)}`,
    "1:1 name: Unknown key",
  ],
  "keys that are not there yet": [
    `[pipeline]\nquota = 3\n${stages(SOURCE, `${TARGET}; plaintext = true; storage_class = "x"`)}`,
    "2:1 pipeline.quota: Unknown key",
    "11:1 stage[2].storage_class: Unknown key",
  ],
  "[[stages]]": [
    stages(SOURCE, TARGET).replaceAll("[[stage]]", "[[stages]]"),
    '1:1 stages: Unknown key, did you mean "stage"?',
  ],
  "no stage at all": ["[pipeline]", "1:1 Cannot find a stage: there is no [[stage]]"],
  "a list of no stages": ["stage = []", "1:1 Cannot find a stage: there is no [[stage]]"],
  "[stage] in place of [[stage]]": [
    `[stage]\n${SOURCE.replaceAll("; ", "\n").replace("snapshot", 'use = "snapshot"')}`,
    "1:1 stage: Expected a list of tables: [[stage]]",
  ],
  "stages that are no tables": ['stage = ["local"]', "1:10 stage[1]: Expected a table"],
  "[[pipeline]]": [
    `[[pipeline]]\n${stages(SOURCE, `${TARGET}; plaintext = true`)}`,
    "1:1 pipeline: Expected a table: [pipeline]",
  ],
  "a stage that does not exist": [
    stages(SOURCE, `encrpyt; to = ["${RECIPIENT}"]`, TARGET),
    '6:7 stage[2].use: Unknown stage, did you mean "encrypt"?',
  ],
  "a stage like none that exists": [
    stages(SOURCE, "./stages/redact.ts", `${TARGET}; plaintext = true`),
    `6:7 stage[2].use: Unknown stage, expected ${USES}`,
  ],
  "a stage without use": [
    `${stages(SOURCE, `${TARGET}; plaintext = true`)}[[stage]]\nid = "x"`,
    `9:1 stage[3].use: Missing key, expected ${USES}`,
  ],
  "a missing option": [
    stages("snapshot", `${TARGET}; plaintext = true`),
    "1:1 stage[1].paths: Missing key",
  ],
  "wrong types": [
    `pipeline = { name = 1, state = ["x"] }\n${
      stages(
        'snapshot; paths = "/data"; exclude = [1, ""]; compress = "zst"',
        'local; path = ["/x"]; plaintext = "yes"; only = "snapshot"; input = 1979-05-27',
      )
    }`,
    "1:21 pipeline.name: Expected text",
    "1:32 pipeline.state: Expected text, not a list or a table",
    "4:9 stage[1].paths: Expected a list",
    "5:12 stage[1].exclude[1]: Expected text",
    "5:15 stage[1].exclude[2]: Expected some text",
    '6:12 stage[1].compress: Expected "zstd", "gzip" or "none", did you mean "zstd"?',
    "10:8 stage[2].path: Expected text, not a list or a table",
    "11:13 stage[2].plaintext: Expected true or false",
    "12:8 stage[2].only: Expected a list",
    "13:9 stage[2].input: Expected text",
  ],
  "names that are none": [
    `[pipeline]\nname = "My Backup"\n${
      stages(`${SOURCE}; id = "../x"`, `${TARGET}; plaintext = true; id = "${"x".repeat(33)}"`)
    }`,
    "2:8 pipeline.name: Expected at most 32 lower-case letters, digits and hyphens",
    "6:6 stage[1].id: Expected at most 32 lower-case letters, digits and hyphens",
    "12:6 stage[2].id: Expected at most 32 lower-case letters, digits and hyphens",
  ],
  "keys that have no meaning for a stage": [
    stages(
      `${SOURCE}; only = ["snapshot"]; plaintext = true`,
      `encrypt; to = ["${RECIPIENT}"]; plaintext = true`,
      TARGET,
    ),
    "4:1 stage[1].only: Cannot use this key here: it has no meaning for a source stage",
    "5:1 stage[1].plaintext: Cannot use this key here: it has no meaning for a source stage",
    "10:1 stage[2].plaintext: Cannot use this key here: it has no meaning for a transform stage",
  ],
};

for (const [mistake, [file, ...expected]] of Object.entries(MISTAKES)) {
  Deno.test(`a file with ${mistake} is refused at its place`, async () => {
    assert.deepEqual(await problems(file), expected);
  });
}

for (const use of Object.keys(builtin)) {
  Deno.test(`a key that stage "${use}" does not know is refused at its place`, async () => {
    const { problems } = await refusal(stages(`${use}; exlude = ["x"]`));
    const [unknown, ...more] = problems.filter(({ path }) => path === "stage[1].exlude");
    assert.deepEqual(more, []);
    assert.match(unknown?.message ?? "", /^Unknown key/);
    assert.equal(unknown?.line, 3);
  });
}

Deno.test("a key of [pipeline] that stands above it is said to belong below", async () => {
  const error = await refusal(`state = "x"\n${stages(SOURCE, `${TARGET}; plaintext = true`)}`);
  assert.equal(error.problems[0]?.hint, "Put it below [pipeline]");
});

Deno.test("a file that writes all its paths in full needs no home directory", async () => {
  const lines = [
    '[pipeline]\nstate = "/state"\n[[stage]]\nuse = "snapshot"\npaths = ["/data"]\n',
    '[[stage]]\nuse = "local"\npath = "/backups"\nplaintext = true\n',
  ];
  const pipeline = await load(lines.join(""), { home: undefined });
  assert.equal(pipeline.state, "/state/claude");
  assert.equal(pipeline.knownSecrets, undefined);
});

Deno.test("what is wrong with the other entries of a list is told along with those that are none", async () => {
  const said = await problems(
    `[pipeline]
command = ["~foo/notify", 5]
alert = ["file:$NOPE1", "nowhere", { url = "file:~bar", shape = "slack" }]
${
      stages(
        'snapshot; paths = ["$NOPE2/a", "", "~foo", 5, "/fine"]',
        'encrypt; to = ["age1abc", "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1QQQ", "/nonexistent", ""]',
        'local; path = "/backups"',
      )
    }`,
  );
  const tilde = "Cannot expand this path: only ~ and ~/ stand for a home directory";
  assert.deepEqual(said, [
    `2:12 pipeline.command[1]: ${tilde}`,
    "2:27 pipeline.command[2]: Expected text",
    "3:10 pipeline.alert[1]: Cannot expand $NOPE1: it is not set",
    '3:25 pipeline.alert[2]: Expected an address such as "https://example.org/…", or where it stands: "env:NAME" or "file:PATH"',
    `3:44 pipeline.alert[3].url: ${tilde}`,
    "6:10 stage[1].paths[1]: Cannot expand $NOPE2: it is not set",
    "6:22 stage[1].paths[2]: Expected some text",
    `6:26 stage[1].paths[3]: ${tilde}`,
    "6:34 stage[1].paths[4]: Expected text",
    '10:7 stage[2].to[1]: Cannot use "age1abc" as a recipient: it has a character that no key has',
    "10:18 stage[2].to[2]: Cannot use this text as a recipient: SSH keys are not supported",
    "10:38 stage[2].to[3]: Cannot use this text as a recipient: it is a secret key",
    '10:61 stage[2].to[4]: Cannot read recipients from "/nonexistent": there is no such file',
    "10:77 stage[2].to[5]: Expected some text",
  ]);
});

Deno.test("a list in the place of a path is not looked into", async () => {
  const file = stages('snapshot; paths = ["/data"]', 'local; path = ["~foo"]; plaintext = true');
  assert.deepEqual(await problems(file), [
    "7:8 stage[2].path: Expected text, not a list or a table",
  ]);
});
