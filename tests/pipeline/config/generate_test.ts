import assert from "node:assert/strict";
import { join } from "node:path";
import { Validator } from "@cfworker/json-schema";
import { parse } from "smol-toml";
import { COMMON_OPTIONS } from "../../../pipeline/config/common.ts";
import { exampleOf, helpOf, OPERATIONS, rowsOf } from "../../../pipeline/config/describe.ts";
import { loadPipeline } from "../../../pipeline/config/load.ts";
import { routesOf } from "../../../pipeline/routes.ts";
import { stages as builtin } from "../../../stages/mod.ts";
import { generated, outdated } from "../../../tools/generate.ts";
import { inDirectory, load, RECIPIENT, stages } from "./support.ts";

const ALL = (await Promise.all(Object.values(builtin).map((module) => module())))
  .map((module) => module.default);
const EXAMPLE = new URL("../../../pipeline.example.toml", import.meta.url);

/** A home with what the example needs: a `~/.claude` and recipients. */
async function withHome<T>(body: (home: string) => Promise<T>): Promise<T> {
  return await inDirectory(async (home) => {
    await Deno.mkdir(join(home, ".claude"));
    await Deno.mkdir(join(home, ".config/keepsake"), { recursive: true });
    await Deno.writeTextFile(join(home, ".config/keepsake/recipients.txt"), `${RECIPIENT}\n`);
    return await body(home);
  });
}

Deno.test("the docs, the example and the schema are as the stages declare (deno task generate)", async () => {
  assert.deepEqual(await outdated(), []);
});

Deno.test("the example is a pipeline that works as it is", async () => {
  await withHome(async (home) => {
    const pipeline = await loadPipeline(EXAMPLE.pathname, { environment: {}, home });
    const snapshot = pipeline.stages.find(({ use }) => use === "snapshot");
    const { paths } = snapshot?.options["claude"] as { readonly paths: readonly string[] };
    assert.deepEqual(paths, [join(home, ".claude")]);
    assert.equal(pipeline.identity, join(home, ".config/keepsake/identity.txt"));
    const [route] = routesOf(pipeline.stages);
    assert.deepEqual(
      route?.steps.map(({ stage, from, gates, sealed }) => ({ id: stage.id, from, gates, sealed })),
      [
        { id: "encrypt", from: "claude", gates: ["hash-gate"], sealed: false },
        { id: "local", from: "encrypt", gates: ["hash-gate"], sealed: true },
      ],
    );
  });
});

Deno.test("the example shows every key of every stage", async () => {
  const text = await Deno.readTextFile(EXAMPLE);
  for (const stage of ALL) {
    const block = text.slice(text.indexOf(`use = "${stage.name}"`)).split("\n\n")[0]!;
    for (const key of Object.keys(stage.options.entries)) {
      assert.match(block, new RegExp(`^(# )?${key} = `, "m"), stage.name);
    }
  }
  for (const key of Object.keys(COMMON_OPTIONS.destination)) {
    assert.match(text, new RegExp(`^# ${key} = `, "m"));
  }
});

Deno.test("what is commented out in the example can be put to use", async () => {
  const text = await Deno.readTextFile(EXAMPLE);
  const start = text.indexOf("[pipeline]");
  const used = text.slice(0, start) +
    text.slice(start).replaceAll(/^# (\[\[stage\]\]|\w+ = [^…\n]+)$/gm, "$1");
  assert.notEqual(used, text);
  await withHome(async (home) => {
    const file = join(home, "pipeline.toml");
    await Deno.writeTextFile(file, used);
    await loadPipeline(file, { environment: {}, home });
  });
});

Deno.test("the example starts with its schema, for editors", async () => {
  assert.match(await Deno.readTextFile(EXAMPLE), /^#:schema \.\/pipeline\.schema\.json\n/);
});

const SOURCE = 'snapshot; paths = ["/data"]';
const TARGET = 'local; path = "/backups"; plaintext = true';

/** What the schema says of a file. */
async function conforms(toml: string): Promise<boolean> {
  const schema = JSON.parse((await generated())["pipeline.schema.json"]!);
  return new Validator(schema, "2020-12").validate(parse(toml)).valid;
}

Deno.test("the schema takes what the program takes", async () => {
  assert.ok(await conforms(await Deno.readTextFile(EXAMPLE)));
  const file = stages(
    `${SOURCE}; id = "a"; exclude = []; compress = "gzip"`,
    'hash-gate; only = ["a"]',
    `encrypt; to = ["${RECIPIENT}"]`,
    `local; path = "/x"; input = "a"; plaintext = true`,
    'local; path = "/y"',
  );
  await load(file);
  assert.ok(await conforms(`[pipeline]\n${file}`));
});

const UNFIT: Readonly<Record<string, string>> = {
  "no stage": "[pipeline]",
  "an unknown table": `[stages]\n${stages(SOURCE, TARGET)}`,
  "an unknown key of [pipeline]": `[pipeline]\nnmae = "x"\n${stages(SOURCE, TARGET)}`,
  "an unknown key of a stage": stages(`${SOURCE}; path = "/x"`, TARGET),
  "an unknown stage": stages(SOURCE, TARGET, "s4"),
  "a missing key": stages(SOURCE, "local; plaintext = true"),
  "a wrong type": stages(SOURCE, "local; path = 1"),
  "a word that is none of the choice": stages(`${SOURCE}; compress = "xz"`, TARGET),
  "an id that is none": stages(`${SOURCE}; id = "A"`, TARGET),
  "a key that has no meaning for a stage": stages(`${SOURCE}; plaintext = true`, TARGET),
};

for (const [what, file] of Object.entries(UNFIT)) {
  Deno.test(`the schema refuses ${what}, as the program does`, async () => {
    assert.equal(await conforms(file), false);
    await assert.rejects(load(file));
  });
}

for (const stage of ALL) {
  Deno.test(`stage "${stage.name}" declares no key that any stage has`, () => {
    const common = ["use", ...Object.keys(COMMON_OPTIONS.destination)];
    assert.deepEqual(Object.keys(stage.options.entries).filter((key) => common.includes(key)), []);
  });

  Deno.test(`stage "${stage.name}" has an example for every required option`, () => {
    for (const row of rowsOf(stage.options.entries)) {
      if (row.required) assert.ok(Object.hasOwn(exampleOf(stage), row.name), row.name);
    }
  });

  Deno.test(`the help of stage "${stage.name}" tells all of its keys, in 80 columns`, async (t) => {
    const help = helpOf(stage);
    for (const key of Object.keys({ ...stage.options.entries, ...COMMON_OPTIONS[stage.kind] })) {
      assert.match(help, new RegExp(`^  ${key} \\(`, "m"));
    }
    for (const line of help.split("\n")) assert.ok(line.length <= 80, line);
    await t.assertSnapshot(help);
  });
}

Deno.test("the reference has the permissions of every operation of every stage", async () => {
  const page = (await generated())["docs/stages.md"]!;
  for (const stage of ALL) {
    const section = page.split(/^## /m).find((part) => part.startsWith(`\`${stage.name}\``))!;
    for (const operation of OPERATIONS.filter((operation) => operation in stage)) {
      assert.match(section, new RegExp(`^\\| ${operation} +\\|`, "m"));
    }
  }
});
