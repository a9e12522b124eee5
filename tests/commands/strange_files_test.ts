import { equal, match, rejects } from "node:assert/strict";
import { Home } from "./harness.ts";

/** Runs keepsake to its end; status 137 says that it had none. */
async function end(home: Home, words: string) {
  return await home.bash(`exec timeout --signal=KILL 30 keepsake ${words}`);
}

function pipelineOf(home: Home, source: string, more = ""): string {
  return `[pipeline]
name = "m"
[[stage]]
use = "snapshot"
id = "s"
${source}
[[stage]]
use = "local"
path = "${home.at("backups")}"
plaintext = true
${more}`;
}

/** A home in which a log and the file of Claude Code's state name a project. */
async function homeWithProject(): Promise<Home> {
  const home = await Home.make();
  const project = home.at("project");
  await home.write(".claude/projects/-project/1.jsonl", `{"cwd":${JSON.stringify(project)}}\n`);
  await home.write(".claude.json", JSON.stringify({ projects: { [project]: {} } }));
  await home.write("project/.claude/CLAUDE.md", "");
  return home;
}

const COMMANDS = ["run", "plan", "status", "list", "verify", "restore s --to back"];

for (const source of ["claude = true", 'paths = ["~/.claude"]']) {
  Deno.test({
    name: `a project's settings that are a pipe hold up no command, with ${source}`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      await using home = await homeWithProject();
      const file = await home.write("pipeline.toml", pipelineOf(home, source));
      equal((await home.bash("mkfifo project/.claude/settings.json")).status, 0);
      for (const words of COMMANDS) {
        const { status, stderr } = await end(home, `${words} --config ${file}`);
        equal(status, 0, `${words}: ${stderr}`);
      }
    },
  });
}

Deno.test({
  name: "list, verify and restore look for nothing of Claude Code's, and need no home",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using home = await homeWithProject();
    const file = await home.write(
      "pipeline.toml",
      pipelineOf(home, "claude = true").replace("[[stage]]", `state = "${home.at("state")}"\n$&`),
    );
    equal((await end(home, `run --config ${file}`)).status, 0);
    for (const words of COMMANDS.slice(3)) {
      const { status, stderr } = await home.bash(`HOME= keepsake ${words} --config ${file}`);
      equal(status, 0, `${words}: ${stderr}`);
    }
  },
});

Deno.test("a project's settings that are not JSON neither fail a run nor keep old snapshots", async () => {
  await using home = await homeWithProject();
  await home.write("project/.claude/settings.json", "{ not json");
  await home.write("pipeline.toml", pipelineOf(home, "claude = true", "keep_last = 1\n"));
  for (const text of ["one", "two", "three"]) {
    await home.write(".claude/CLAUDE.md", text);
    const { status, stderr } = await home.keepsake(["run"]);
    equal(status, 0, stderr);
    match(stderr, /worth a look[^]*settings\.json: it is not JSON, so that directories which/);
  }
  const { stdout } = await home.keepsake(["list", "--json"]);
  equal(JSON.parse(stdout).length, 1);
});

Deno.test({
  name: "a secret that is to be read from a pipe holds up nothing that is told",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using home = await homeWithProject();
    const text = pipelineOf(home, 'paths = ["~/.claude"]');
    await home.write("pipeline.toml", text.replace("[[stage]]", 'alert = ["file:~/pipe"]\n$&'));
    equal((await home.bash("mkfifo pipe")).status, 0);
    await home.write("backups", "in the way");
    const { status, stderr } = await end(home, "run");
    equal(status, 2, stderr);
    match(stderr, /Cannot tell anybody at "file:[^"]*pipe": nothing stands there/);
  },
});

Deno.test({
  name:
    "a pipeline file that somebody else left in the working directory starts nothing unless it is named",
  ignore: Deno.uid() !== 0, // Nobody else can give a file away.
  async fn() {
    await using home = await Home.make();
    await home.write("notes/a.txt", "a");
    const program = `command = ["/bin/sh", "-c", "echo > ${home.at("started")}"]`;
    const text = pipelineOf(home, `paths = ["${home.at("gone")}"]`);
    const file = await home.write("pipeline.toml", text.replace('"m"', `"m"\n${program}`));
    await Deno.chown(file, 65534, 65534);
    for (const words of ["run", "list"]) {
      const { status, stderr } = await end(home, words);
      equal(status, 3, words);
      match(stderr, /^Error: Cannot use ".*\/pipeline\.toml": it belongs to somebody else$/m);
    }
    equal((await end(home, "digest --from notes --to digests")).status, 0);
    await rejects(Deno.lstat(home.at("started")), Deno.errors.NotFound);
    const reached = /^Error: Cannot back up ".*\/gone"/m;
    match((await end(home, "run --config pipeline.toml")).stderr, reached);
    match((await home.keepsake(["run"], { env: { SUDO_UID: "65534" } })).stderr, reached);
    await Deno.chown(file, 0, 0);
    match((await end(home, "run")).stderr, reached);
    await Deno.lstat(home.at("started"));
  },
});
