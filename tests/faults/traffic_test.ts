/** Whom keepsake speaks with: nobody but those that the pipeline file names, whatever it is asked. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { commands } from "../../commands/mod.ts";
import { shellWord } from "../../pipeline/shell.ts";
import { Home } from "../commands/harness.ts";
import { Hooks } from "../servers/hooks.ts";
import { works } from "../stages/git_harness.ts";

const traces = works("strace", "-V");
const unlessTraced = traces ? "" : " (ignored: strace is not installed)";

/** Every command, with words that have it do what it is for. */
const WORDS: readonly string[] = [
  ...["--version", "help", "help run", "help pipeline", "completion bash"],
  ...["init --yes", "config", "keygen --output other.txt"],
  ...["plan", "plan --json", "plan --at $(date -d '40 days' +%F)"],
  ...["run --dry-run", "run", "run --if-missed '* * * * *'", "run --json", "run --force"],
  ...["status", "status --json", "log", "list", "list --files latest", "verify --all", "drill"],
  ...["restore --to back", "restore --from .local/share/keepsake/backups --to again", "prune"],
  ...["accept", "recovery-sheet", "recovery-sheet --format html", "rekey --plan"],
  ...["digest --to digests", "schedule show", "schedule install --print", "schedule remove"],
  ...[
    "hook install; cp .claude/settings.json hooks",
    "hook run session-start --state .local/state/keepsake/claude",
  ],
  ...["hook remove", "hook run session-end --state .local/state/keepsake/claude"],
];

/** Runs lines under `strace`; answers the calls that have to do with networks, and other processes. */
async function traced(home: Home, lines: readonly string[], env = {}): Promise<string[]> {
  await home.write("script", `set -eu\n${lines.join("\n")}\n`);
  const options = "-f -qq --seccomp-bpf -e trace=%network -o trace";
  const { status, stderr } = await home.bash(`strace ${options} bash script`, { env });
  equal(status, 0, stderr);
  return (await Deno.readTextFile(home.at("trace"))).split("\n");
}

/** Addresses and ports of the internet's families, however they are used. */
function reached(calls: readonly string[]): string[] {
  const sending = /^\d+ +(connect|send\w*)\(.*sa_family=AF_INET/;
  const found = calls.filter((line) => sending.test(line)).map((line) => {
    const [, port] = /sin6?_port=htons\((\d+)\)/.exec(line) ?? [];
    const [, address] = /inet_(?:addr\(|pton\(AF_INET6, )"(.*?)"/.exec(line) ?? [];
    return `${address}:${port}`;
  });
  return [...new Set(found)];
}

Deno.test({
  name: `no command opens a connection to anybody when all destinations are here${unlessTraced}`,
  ignore: !traces,
  async fn() {
    await using home = await Home.make();
    await home.write(".claude/CLAUDE.md", "Be kind.\n");
    await home.write(".claude/projects/-tmp-a/1.jsonl", '{"type":"user"}\n'.repeat(50));
    const named = new Set(WORDS.map((words) => words.split(" ")[0]!));
    deepEqual(Object.keys(commands).filter((name) => !named.has(name)), []);
    const calls = await traced(home, [
      // No table of this machine's is looked at, and none is written.
      "mkdir bin; printf '#!/bin/sh\\nexit 0\\n' > bin/crontab; chmod +x bin/crontab",
      'export PATH="$HOME/bin:$PATH"',
      ...WORDS.map((words) => `keepsake ${words} > /dev/null 2> said || { cat said >&2; exit 1; }`),
      "keepsake schedule install --print --with cron > block",
    ]);
    ok(calls.length > 1, "calls are traced");
    deepEqual(calls.filter((line) => /AF_INET/.test(line)), []);
    match((await home.list("back")).join(), /1\.jsonl/);

    // As schedules and hooks start it, who get nothing of this shell's.
    const block = await Deno.readTextFile(home.at("block"));
    const [, due = ""] = /^0 3 \* \* \* (.*)$/m.exec(block) ?? [];
    const { hooks } = JSON.parse(await Deno.readTextFile(home.at("hooks")));
    const { command, args } = hooks.SessionStart[0].hooks[0];
    const hook = [command, ...args].map(shellWord).join(" ");
    const bare = `env -i HOME="$HOME" PATH=/usr/bin:/bin DENO_DIR="$DENO_DIR"`;
    const started = await traced(home, [
      `${bare} sh -c ${shellWord(due.replaceAll("\\%", "%"))}`,
      `${bare} ${hook} > /dev/null`,
    ]);
    deepEqual(started.filter((line) => /AF_INET/.test(line)), []);
  },
});

Deno.test({
  name:
    `alerts and heartbeats go where the file says, and nothing goes anywhere else${unlessTraced}`,
  ignore: !traces,
  async fn() {
    await using hooks = new Hooks();
    await using home = await Home.make();
    await home.furnish();
    const file = home.at(".config/keepsake/pipeline.toml");
    const text = await Deno.readTextFile(file);
    const watch = `alert = ["${hooks.at("/alert")}"]\nheartbeat = "${hooks.at("/beat")}"`;
    await Deno.writeTextFile(file, text.replace("[pipeline]", `[pipeline]\n${watch}`));
    const quiet = ["plan", "status", "log", "list", "verify", "drill", "prune", "schedule show"];
    const calls = await traced(home, [
      "keepsake run --quiet",
      "mv .local/share/keepsake away; echo > .local/share/keepsake",
      "keepsake run --quiet 2> /dev/null || test $? = 2",
    ]);
    deepEqual(reached(calls), [hooks.host]);
    const told = hooks.received.splice(0).map(({ target }) => target);
    deepEqual(told.slice(0, 3), ["/beat/start", "/beat", "/beat/start"]);
    deepEqual(told.slice(3).sort(), ["/alert", "/beat/fail"]); // Sent at once.
    // Who only asks tells nobody.
    await Deno.remove(home.at(".local/share/keepsake"));
    await Deno.rename(home.at("away"), home.at(".local/share/keepsake"));
    const asked = await traced(home, quiet.map((words) => `keepsake ${words} > /dev/null 2>&1`));
    deepEqual(reached(asked), []);
    deepEqual(hooks.received, []);
  },
});
