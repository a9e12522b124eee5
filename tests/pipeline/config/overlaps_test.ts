import { deepEqual, rejects } from "node:assert/strict";
import { join } from "node:path";
import { loadPipeline, PipelineError } from "../../../pipeline/config/load.ts";

/** Loads a file with these paths, destinations at `usb` and `notes.git`, its state at `state`. */
async function problemsOf(home: string, sources: string): Promise<string[]> {
  const file = join(home, "pipeline.toml");
  const lines = [
    ...["[pipeline]", `state = ${JSON.stringify(join(home, "state"))}`],
    ...["[[stage]]", 'use = "snapshot"', sources],
    ...["[[stage]]", 'use = "local"', "plaintext = true"],
    `path = ${JSON.stringify(join(home, "usb"))}`,
    ...["[[stage]]", 'use = "git"', "plaintext = true"],
    `remote = ${JSON.stringify(`file://${join(home, "notes.git")}/`)}`,
  ];
  await Deno.writeTextFile(file, lines.join("\n"));
  try {
    await loadPipeline(file, { environment: {}, home });
    return [];
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    return error.problems.map(({ message }) => message.replaceAll(home, "~"));
  }
}

Deno.test("what lies where backups are written is refused, as it would be left out", async () => {
  const home = await Deno.makeTempDir({ prefix: "keepsake-overlaps-" });
  try {
    await Deno.mkdir(join(home, "usb/notes"), { recursive: true });
    await Deno.mkdir(join(home, "usb/.claude"));
    await Deno.symlink(join(home, "usb/notes"), join(home, "link"));
    const usb = (path: string, where = 'to "~/usb"') =>
      `Cannot back up "~/${path}": "local" writes its backups ${where}, which no backup holds`;
    const repository = 'Cannot back up "~/notes.git/objects": "git" writes its backups to ' +
      '"~/notes.git", which no backup holds';
    const state = 'Cannot back up "~/state/claude/x": keepsake writes its state to ' +
      '"~/state/claude", which no backup holds';
    const cases: readonly (readonly [string, readonly string[]])[] = [
      ['paths = ["~/usb/notes"]', [usb("usb/notes")]],
      ['paths = ["~/usb"]', [usb("usb", "there")]],
      ['paths = ["~/notes", "~/usb/later"]', [usb("usb/later")]],
      ['paths = ["~/link"]', [usb("link")]],
      ['paths = ["~"]\nsqlite = ["~/usb/a.db"]', [usb("usb/a.db")]],
      ['paths = ["~/state/claude/x"]', [state]],
      ['paths = ["~/notes.git/objects"]', [repository]],
      ['claude = true\npaths = ["~/usb/.claude"]', [usb("usb/.claude")]],
      // What merely holds such places goes without them.
      ['paths = ["~"]', []],
      ['paths = ["~/usb-2", "~/state"]', []],
      ["claude = true", []],
    ];
    for (const [sources, expected] of cases) {
      deepEqual(await problemsOf(home, sources), expected, sources);
    }
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("a home that is itself a destination is refused with all that is in it", async () => {
  const home = await Deno.makeTempDir({ prefix: "keepsake-overlaps-" });
  try {
    await Deno.mkdir(join(home, ".claude"));
    const file = join(home, "pipeline.toml");
    const stages = '[[stage]]\nuse = "snapshot"\nclaude = true\n[[stage]]\nuse = "local"\n';
    await Deno.writeTextFile(file, `${stages}plaintext = true\npath = "~"\n`);
    await rejects(loadPipeline(file, { environment: {}, home }), /writes its backups to/);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
