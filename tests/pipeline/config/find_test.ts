import assert from "node:assert/strict";
import { join } from "node:path";
import { findPipelineFile } from "../../../pipeline/config/load.ts";
import { BackupError } from "../../../stages/errors.ts";
import { inDirectory } from "./support.ts";

/** A machine with a pipeline file at each of the places named. */
async function machine(
  places: readonly string[],
  body: (paths: { cwd: string; home: string }) => Promise<void>,
): Promise<void> {
  await inDirectory(async (directory) => {
    const cwd = join(directory, "work");
    const home = join(directory, "home");
    await Deno.mkdir(join(home, ".config/keepsake"), { recursive: true });
    await Deno.mkdir(join(directory, "xdg/keepsake"), { recursive: true });
    await Deno.mkdir(cwd);
    for (const place of places) await Deno.writeTextFile(join(directory, place), "");
    await body({ cwd, home });
  });
}

const HERE = "work/pipeline.toml";
const HOME = "home/.config/keepsake/pipeline.toml";
const XDG = "xdg/keepsake/pipeline.toml";

Deno.test("--config comes before all, and is taken at its word", async () => {
  await machine([HERE, HOME], async ({ cwd, home }) => {
    const environment = { KEEPSAKE_CONFIG: "/elsewhere.toml" };
    const found = await findPipelineFile({ flag: "my.toml", environment, cwd, home });
    assert.equal(found, join(cwd, "my.toml"));
  });
});

Deno.test("$KEEPSAKE_CONFIG comes next, unless it is empty", async () => {
  await machine([HERE, HOME], async ({ cwd, home }) => {
    const find = (KEEPSAKE_CONFIG: string) =>
      findPipelineFile({ flag: undefined, environment: { KEEPSAKE_CONFIG }, cwd, home });
    assert.equal(await find("/elsewhere.toml"), "/elsewhere.toml");
    assert.equal(await find(""), join(cwd, "pipeline.toml"));
    // Services and crontabs hand it over as it is written.
    assert.equal(await find("~/mine.toml"), join(home!, "mine.toml"));
    assert.equal(await find("~mine.toml"), join(cwd, "~mine.toml"));
  });
});

Deno.test("./pipeline.toml comes before the one in the home directory", async () => {
  await machine([HERE, HOME], async ({ cwd, home }) => {
    const found = await findPipelineFile({ flag: undefined, environment: {}, cwd, home });
    assert.equal(found, join(cwd, "pipeline.toml"));
  });
});

Deno.test("$XDG_CONFIG_HOME moves the one in the home directory, unless it is relative", async () => {
  await machine([HOME, XDG], async ({ cwd, home }) => {
    const find = (XDG_CONFIG_HOME: string) =>
      findPipelineFile({ flag: undefined, environment: { XDG_CONFIG_HOME }, cwd, home });
    assert.equal(await find(join(home, "../xdg")), join(home, "../xdg/keepsake/pipeline.toml"));
    assert.equal(await find("xdg"), join(home, ".config/keepsake/pipeline.toml"));
    assert.equal(await find(""), join(home, ".config/keepsake/pipeline.toml"));
  });
});

Deno.test("where there is no pipeline file, the error says where it was looked for and what to do", async () => {
  await machine([], async ({ cwd, home }) => {
    await assert.rejects(
      findPipelineFile({ flag: undefined, environment: {}, cwd, home }),
      (error) => {
        assert.ok(error instanceof BackupError);
        assert.equal(error.code, "pipeline-invalid");
        assert.equal(
          error.message,
          `Cannot find a pipeline file: there is neither "${cwd}/pipeline.toml" ` +
            `nor "${home}/.config/keepsake/pipeline.toml"`,
        );
        assert.equal(error.hint, 'Write one with "keepsake init", or name it with --config FILE');
        return true;
      },
    );
  });
});

Deno.test("an empty --config is a mistake on the command line", async () => {
  await assert.rejects(
    findPipelineFile({ flag: "", environment: {}, cwd: "/", home: undefined }),
    { code: "usage" },
  );
});
