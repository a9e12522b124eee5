import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { Home } from "./harness.ts";

/** Starts a hook as Claude Code does: by its words, without a shell. */
async function fire(
  home: Home,
  event: "SessionStart" | "SessionEnd",
): Promise<{ code: number; stdout: string; stderr: string }> {
  const settings = JSON.parse(await Deno.readTextFile(home.at(".claude/settings.json")));
  const { command, args } = settings.hooks[event].at(-1).hooks[0];
  // Where Deno has its libraries was said to `hook install` alone.
  const env = { HOME: home.path, PATH: Deno.env.get("PATH")! };
  const child = new Deno.Command(command, {
    ...{ args, env, clearEnv: true, cwd: "/" },
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" } as const,
  }).spawn();
  await child.stdin.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("hooks tell a session how the backup is, and make one when it ends", async () => {
  await using home = await Home.make();
  await home.furnish();
  const settings = await home.write(".claude/settings.json", '{\n  "model": "opus"\n}\n');
  await Deno.chmod(settings, 0o664);
  const env = { XDG_CACHE_HOME: "cache" };
  const installed = await home.keepsake(["hook", "install"], { env });
  equal(installed.status, 0, installed.stderr);
  match(installed.stderr, /^Added the hooks to ~\/\.claude\/settings\.json$/m);
  equal((await Deno.stat(settings)).mode! & 0o777, 0o664);
  // Sessions begin anywhere, and load nothing that is not there.
  const words = JSON.parse(await Deno.readTextFile(settings)).hooks.SessionStart[0].hooks[0].args;
  ok(words.includes(`XDG_CACHE_HOME=${home.at("cache")}`), String(words));
  match(words.join(" "), / run --cached-only --frozen --no-prompt -A /);

  const shown = await home.keepsake(["hook", "show"]);
  equal(shown.status, 0, shown.stderr);
  equal(
    shown.stdout,
    "~/.claude/settings.json: SessionStart, SessionEnd\n" +
      "A session that begins now is told:\n" +
      "  Keepsake has made no backup here yet, as far as is known\n",
  );

  const first = await fire(home, "SessionStart");
  deepEqual([first.code, first.stderr], [0, ""]);
  match(JSON.parse(first.stdout).systemMessage, /made no backup here yet/);

  // It answers at once, and the run goes on without it.
  const state = home.at(".local/state/keepsake/claude");
  await Deno.mkdir(state, { recursive: true, mode: 0o700 });
  const written = appearance(join(state, "hook.json"));
  const ended = await fire(home, "SessionEnd");
  deepEqual(ended, { code: 0, stdout: "", stderr: "" });
  const facts = await written;
  using lock = await Deno.open(join(state, "lock"));
  await lock.lock(true); // Until that run is over.
  deepEqual([facts.status, facts.failures, facts.made], [0, [], []]);
  equal((await Deno.stat(join(state, "hook.json"))).mode! & 0o777, 0o600);
  equal((await home.list(".local/share/keepsake/backups")).length, 2);

  deepEqual(await fire(home, "SessionStart"), { code: 0, stdout: "", stderr: "" });
  const removed = await home.keepsake(["hook", "remove"]);
  equal(removed.status, 0, removed.stderr);
  equal(await Deno.readTextFile(settings), '{\n  "model": "opus"\n}\n');
  equal(
    (await home.keepsake(["hook", "show"])).stdout,
    '~/.claude/settings.json: no hooks of "claude"\n' +
      "With the hooks, a session that begins now would be told nothing\n",
  );
});

Deno.test("a session hears once of new digests, and each time of what failed", async () => {
  await using home = await Home.make();
  await home.furnish();
  await home.write(".claude/settings.json", "{}");
  const state = home.at(".local/state/keepsake/claude");
  const digests = home.at("digests");
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  const stage = '[[stage]]\nuse = "preserve"\nfrom = "~/.claude/projects"\nto = "~/digests"\n\n';
  await Deno.writeTextFile(file, text.replace("[[stage]]", `${stage}[[stage]]`));
  await home.write(".local/share/keepsake/backups", "in the way");
  const old = new Date(Date.now() - 29 * 86_400_000);
  await Deno.utime(home.at(".claude/projects/-tmp-a/1.jsonl"), old, old);
  equal((await home.keepsake(["run"])).status, 2);
  await home.write("digests/a.md", "x".repeat(1500));
  await home.write("digests/_digest-pending", "a.md\ngone.md\n");
  equal((await home.keepsake(["hook", "install", "--max-age", "8d"])).status, 0);
  for (let time = 0; time < 2; time++) { // It takes note of nothing.
    match((await home.keepsake(["hook", "show"])).stdout, /^ {2}Keepsake wrote 1 digest /m);
  }
  const { code, stdout } = await fire(home, "SessionStart");
  equal(code, 0);
  const { hookSpecificOutput: { additionalContext }, systemMessage } = JSON.parse(stdout);
  match(additionalContext, /^Keepsake wrote 1 digest .* in \S+\/digests: a\.md \(1\.5 kB\)$/m);
  match(systemMessage, /^The last run of backup "claude" ended with status 2, .*; local: /m);
  match(systemMessage, /^1 session goes within 48 h and is in no destination/m);
  equal((await home.list("digests")).some((name) => name.includes("_digest-pending")), false);
  // Somebody goes on with the conversation: it stays.
  await Deno.writeTextFile(home.at(".claude/projects/-tmp-a/1.jsonl"), "{}\n", { append: true });
  const again = JSON.parse((await fire(home, "SessionStart")).stdout);
  equal(/digest|session goes/.test(JSON.stringify(again)), false);

  // Whatever is wrong, a session is not.
  await Deno.writeTextFile(join(state, "hook.json"), "{");
  equal((await fire(home, "SessionStart")).code, 0);
  await Deno.remove(join(state, "hook.json"));
  await Deno.mkdir(join(state, "hook.json"));
  await Deno.mkdir(join(digests, "_digest-pending"));
  equal((await fire(home, "SessionStart")).code, 0);
  for (const words of [[], ["x"], ["session-start", "--state"], ["session-end", "--config"]]) {
    const { status, stderr } = await home.keepsake(["hook", "run", ...words]);
    deepEqual([status, stderr], [0, ""]);
  }
});

Deno.test("a session hears of loss and damage that a run, verify or a drill found, until it is over", async () => {
  await using home = await Home.make();
  await home.furnish();
  const memory = ".claude/projects/-tmp-a/memory/MEMORY.md";
  await home.write(memory, "green\n");
  const told = async () => {
    const state = home.at(".local/state/keepsake/claude");
    const { stdout } = await home.keepsake(["hook", "run", "session-start", "--state", state]);
    const shown = (await home.keepsake(["hook", "show"])).stdout;
    equal(shown.includes("would be told nothing\n"), stdout === "", shown);
    if (stdout === "") return [];
    const [title, ...doubts] = JSON.parse(stdout).systemMessage.split("\n");
    equal(title, 'Keepsake knows of loss or damage in backup "claude", as of the last look:');
    for (const doubt of doubts) equal(shown.includes(doubt), true, shown);
    return doubts.map((doubt: string) => doubt.trim());
  };
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  deepEqual(await told(), []);
  await Deno.remove(home.at(memory));
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const lost =
    `claude: something seems to be lost, and nothing of it is pruned: ${memory} is gone (6 bytes)`;
  deepEqual(await told(), [lost]);

  const stored = ".local/share/keepsake/backups/claude";
  const archives = (await home.list(stored)).filter((name) => name.includes(".tar.")).sort();
  await Deno.remove(home.at(archives[0]!));
  equal((await home.keepsake(["verify", "--quiet"])).status, 4);
  const gone = "local: 1 snapshot of claude was stored there and is there no more";
  deepEqual(await told(), [lost, gone]);
  equal((await home.keepsake(["accept"])).status, 0);
  deepEqual(await told(), [gone]);

  const newest = home.at(archives[1]!);
  const bytes = await Deno.readFile(newest);
  bytes[bytes.length - 20]! ^= 1;
  await Deno.writeFile(newest, bytes);
  equal((await home.keepsake(["drill", "--quiet"])).status, 4);
  const [, name] = /(\w+-\w+)\.tar/.exec(newest)!;
  deepEqual(await told(), [gone, `local: claude/${name} was found damaged there`]);
});

Deno.test("hook says that Claude Code starts no hooks where its settings say so", async () => {
  await using home = await Home.make();
  await home.furnish();
  await home.write(".claude/settings.json", '{"disableAllHooks": true}');
  const said = 'Claude Code starts no hook while "disableAllHooks": true stands';
  const { status, stderr } = await home.keepsake(["hook", "install"]);
  equal(status, 0, stderr);
  match(stderr, new RegExp(`^${said} in ~/.claude/settings.json$`, "m"));
  match(
    (await home.keepsake(["hook", "show"])).stdout,
    new RegExp(`: SessionStart, SessionEnd\n  ${said} there\nWith the hooks, a session that`),
  );
});

Deno.test("hook takes an age as status does, and with install alone", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["hook", "install", "--max-age", "1w"])).status, 0);
  match(await Deno.readTextFile(home.at(".claude/settings.json")), /"--max-age",\s+"604800000"/);
  for (
    const [action, age, said] of [
      ["install", "soon", 'Cannot use "soon" as an age: it is no duration'],
      ["install", "0h", 'Cannot use "0h" as an age: everything is older than that'],
      ["show", "36h", 'Cannot use "--max-age" with show: it is for install'],
      ["remove", "36h", 'Cannot use "--max-age" with remove: it is for install'],
    ] as const
  ) {
    const { status, stderr } = await home.keepsake(["hook", action, "--max-age", age]);
    deepEqual([status, stderr.split("\n")[0]], [3, `Error: ${said}`]);
  }
});

Deno.test("hook says what it cannot do with settings that are broken", async () => {
  await using home = await Home.make();
  await home.furnish();
  await home.write(".claude/settings.json", "{");
  for (
    const [action, said] of [
      ["install", "add hooks to"],
      ["remove", "remove hooks from"],
      ["show", "find hooks in"],
    ] as const
  ) {
    const { status, stderr } = await home.keepsake(["hook", action]);
    equal(status, 3, stderr);
    equal(
      stderr,
      `Error: Cannot ${said} "${
        home.at(".claude/settings.json")
      }": it is not JSON at line 1, column 2\n` +
        "  Put the file right, and try again\n",
    );
  }
});

Deno.test("hook names the folder of Claude Code that is not there, and where the name stands", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  await home.write("notes/a.txt", "a");
  await Deno.writeTextFile(
    file,
    text.replace(/^claude = true$/m, 'paths = ["~/notes"]').replace(
      /^paths = \["~\/\.claude.*\n/m,
      "",
    ),
  );
  const named = await home.keepsake(["hook", "install"], { env: { CLAUDE_CONFIG_DIR: "/nodir" } });
  equal(named.status, 3, named.stderr);
  equal(
    named.stderr,
    'Error: Cannot find Claude Code\'s folder: there is no directory "/nodir", which CLAUDE_CONFIG_DIR names\n' +
      "  Start Claude Code once, or correct CLAUDE_CONFIG_DIR\n",
  );
  await Deno.remove(home.at(".claude"), { recursive: true });
  const usual = await home.keepsake(["hook", "install"]);
  equal(usual.status, 3, usual.stderr);
  equal(
    usual.stderr,
    `Error: Cannot find Claude Code's folder: there is no directory "${home.at(".claude")}"\n` +
      "  Start Claude Code once, or name its folder with CLAUDE_CONFIG_DIR\n",
  );
});

/** What a file holds once it is there. */
async function appearance(path: string) {
  using watcher = Deno.watchFs(join(path, ".."));
  const read = () => Deno.readTextFile(path).then(JSON.parse, () => undefined);
  const there = await read();
  if (there !== undefined) return there;
  for await (const _ of watcher) {
    const there = await read();
    if (there !== undefined) return there;
  }
}
