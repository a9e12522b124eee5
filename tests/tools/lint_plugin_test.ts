import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import plugin from "../../tools/lint_plugin.ts";

const CASES: readonly (readonly [file: string, source: string, complaint: string | undefined])[] = [
  ["stages/local.ts", `import { path } from "./contract.ts";`, undefined],
  ["stages/local.ts", `import { join } from "node:path";`, undefined],
  ["stages/local.ts", `import * as age from "age-encryption";`, undefined],
  ["stages/local.ts", `await import("./formats/tar.ts");`, undefined],
  [
    "stages/local.ts",
    `import { StageError } from "./errors.ts";`,
    '"stages/local.ts" must not import "stages/errors.ts"',
  ],
  [
    "stages/local.ts",
    `import encrypt from "./encrypt.ts";`,
    '"stages/local.ts" must not import "stages/encrypt.ts"',
  ],
  [
    "stages/local.ts",
    `await import("../pipeline/catalog.ts");`,
    '"stages/local.ts" must not import "pipeline/catalog.ts"',
  ],
  ["stages/mod.ts", `await import("./local.ts");`, undefined],
  [
    "stages/contract.ts",
    `export * from "./local.ts";`,
    '"stages/contract.ts" must not import "stages/local.ts"',
  ],
  [
    "stages/options.ts",
    `import type { Stage } from "./contract.ts";`,
    '"stages/options.ts" must not import "stages/contract.ts"',
  ],
  ["stages/formats/tar/write.ts", `import type { Entry } from "../../contract.ts";`, undefined],
  ["stages/formats/tar/write.ts", `export type { Entry } from "../../contract.ts";`, undefined],
  [
    "stages/formats/tar/write.ts",
    `import { options } from "../../contract.ts";`,
    '"stages/formats/tar/write.ts" must not import "stages/contract.ts"',
  ],
  [
    "stages/formats/tar/write.ts",
    `import { options } from "keepsake/stage";`,
    '"stages/formats/tar/write.ts" must not import "stages/contract.ts"',
  ],
  ["pipeline/run.ts", `import { stages } from "../stages/mod.ts";`, undefined],
  [
    "pipeline/run.ts",
    `import local from "../stages/local.ts";`,
    '"pipeline/run.ts" must not import "stages/local.ts"',
  ],
  [
    "pipeline/run.ts",
    `import { bar } from "../commands/ui/bar.ts";`,
    '"pipeline/run.ts" must not import "commands/ui/bar.ts"',
  ],
  ["commands/run.ts", `import { run } from "../pipeline/mod.ts";`, undefined],
  [
    "commands/run.ts",
    `import { stages } from "../stages/mod.ts";`,
    '"commands/run.ts" must not import "stages/mod.ts"',
  ],
  [
    "pipeline/run.ts",
    `await import(new URL("../commands/run.ts", import.meta.url).href);`,
    '"pipeline/run.ts" must not import "commands/run.ts"',
  ],
  [
    "stages/contract.ts",
    `const script = new URL("mod.ts", import.meta.url);`,
    '"stages/contract.ts" must not import "stages/mod.ts"',
  ],
  [
    "pipeline/run.ts",
    `await import(run) as typeof import("../commands/run.ts");`,
    '"pipeline/run.ts" must not import "commands/run.ts"',
  ],
  ["stages/formats/tar/write.ts", `let entry: import("../../contract.ts").Entry;`, undefined],
  ["pipeline/run.ts", `new URL("./run/locked.ts", import.meta.url);`, undefined],
  ["pipeline/run.ts", `new URL("../commands/run.ts", address);`, undefined],
  ["stages/contract.ts", `new URL("../commands/stage_alone.ts", import.meta.url);`, undefined],
  [
    "stages/contract.ts",
    `await import("../commands/stage_alone.ts");`,
    '"stages/contract.ts" must not import "commands/stage_alone.ts"',
  ],
  [
    "stages/local.ts",
    `new URL("../commands/stage_alone.ts", import.meta.url);`,
    '"stages/local.ts" must not import "commands/stage_alone.ts"',
  ],
  ["commands/hook/answer.ts", `new URL("../../main.ts", import.meta.url);`, undefined],
  [
    "commands/run.ts",
    `new URL("../main.ts", import.meta.url);`,
    '"commands/run.ts" must not import "main.ts"',
  ],
  ["main.ts", `import { main } from "./commands/mod.ts";`, undefined],
  [
    "main.ts",
    `import { run } from "./pipeline/mod.ts";`,
    '"main.ts" must not import "pipeline/mod.ts"',
  ],
  ["tests/pipeline/run_test.ts", `import local from "../../stages/local.ts";`, undefined],
  ["tools/generate.ts", `import { stages } from "../stages/mod.ts";`, undefined],

  ["pipeline/worker/host.ts", `new Worker(entry, {});`, undefined],
  ["pipeline/run.ts", `new Worker(entry, {});`, '"pipeline/run.ts" must not make workers'],
  ["commands/run.ts", `new globalThis.Worker(e);`, '"commands/run.ts" must not make workers'],
  ["stages/local.ts", `new Worker(entry);`, '"stages/local.ts" must not make workers'],
  [
    "pipeline/worker/host.ts",
    `import { Worker } from "node:worker_threads";`,
    undefined,
  ],
  [
    "pipeline/run.ts",
    `import { Worker as Thread } from "node:worker_threads";`,
    '"pipeline/run.ts" must not use threads without permissions',
  ],
  ["tests/platform/probe.ts", `new Worker(entry, {});`, undefined],

  ["commands/run.ts", `Deno.stdout.writeSync(bytes);`, undefined],
  ["tools/demo.ts", `Deno.stderr.writeSync(bytes); Deno.exit(1);`, undefined],
  ["main.ts", `Deno.exit(1);`, undefined],
  [
    "pipeline/run.ts",
    `Deno.stdout.writeSync(bytes);`,
    '"pipeline/run.ts" must not write to stdout',
  ],
  [
    "stages/local.ts",
    `globalThis.Deno.stderr.write(bytes);`,
    '"stages/local.ts" must not write to stderr',
  ],
  ["pipeline/run.ts", `process.stdout.write("");`, '"pipeline/run.ts" must not write to stdout'],
  ["pipeline/run.ts", `Deno.exit(2);`, '"pipeline/run.ts" must not end the process'],
  ["stages/local.ts", `Deno.exitCode = 2;`, '"stages/local.ts" must not end the process'],
];

for (const [file, source, complaint] of CASES) {
  Deno.test(`lint ${complaint === undefined ? "allows" : "refuses"} ${source} in ${file}`, () => {
    const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
    const found = Deno.lint.runPlugin(plugin, path, source);
    assert.deepEqual(
      found.map(({ message }) => message),
      complaint === undefined ? [] : [complaint],
    );
  });
}

Deno.test("lint tells what a refused import may be instead", () => {
  const path = fileURLToPath(new URL("../../stages/formats/tar/write.ts", import.meta.url));
  const [found] = Deno.lint.runPlugin(
    plugin,
    path,
    `import { run } from "../../../pipeline/mod.ts";`,
  );
  assert.equal(
    found?.hint,
    "It may import stages/formats/, stages/errors.ts, types of stages/contract.ts",
  );
});
