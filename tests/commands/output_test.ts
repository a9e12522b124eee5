/**
 * Streams that are full, closed or not read, and the signals that end a run.
 *
 * @module
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { Home } from "./harness.ts";

Deno.test("a backup is made whatever becomes of its output", async () => {
  await using home = await Home.make();
  await home.furnish();
  const lines = [
    ["keepsake run > /dev/full 2>&1", 0],
    ["keepsake run --json > /dev/full 2> /dev/full", 2],
    ["keepsake run --json >&- 2>&-", 0],
    ["keepsake run --force 2>&1 | head -c 0; exit ${PIPESTATUS[0]}", 0],
  ] as const;
  for (const [index, [line, status]] of lines.entries()) {
    await home.write(".claude/CLAUDE.md", `${index}\n`);
    equal((await home.bash(line)).status, status, line);
    const { stdout } = await home.keepsake(["list", "--json"]);
    equal(JSON.parse(stdout).length, index + 1, line);
  }
});

Deno.test("a result that could not be written is not passed off as one", async () => {
  await using home = await Home.make();
  await home.furnish();
  const full = await home.bash("keepsake plan > /dev/full");
  equal(full.status, 2);
  match(full.stderr, /^Error: Cannot write to standard output: the disk is full\n/);
  const old = await home.bash("keepsake status --max-age 36h --json > /dev/full");
  deepEqual(old, { ...full, status: 5 });
  for (const words of ["plan --json", "run --json", "run --help"]) {
    deepEqual(await home.bash(`keepsake ${words} > /dev/full`), full, words);
  }
  const unread = await home.bash("keepsake plan | head -c 0; exit ${PIPESTATUS[0]}");
  deepEqual(unread, { status: 0, stdout: "", stderr: "" });
});

Deno.test("--json after -- is no flag", async () => {
  await using home = await Home.make();
  for (const words of [["run", "--", "--json"], ["plan", "-c", "none.toml", "--", "--json"]]) {
    const { status, stdout, stderr } = await home.keepsake(words);
    deepEqual([status, stdout], [3, ""]);
    match(stderr, /^Error: Cannot understand "keepsake /);
  }
});

Deno.test("no file name reaches the terminal as anything but letters", async () => {
  await using home = await Home.make();
  await home.furnish();
  await home.write(".claude/a\x1b[2J\nError: forged", "x");
  await Deno.symlink("/etc/\x1b]0;title\x07", home.at(".claude/link"));
  await home.bash(`echo lost > .claude/$'bad\\x1b[31m\\xff'`);
  const lines = [
    await home.keepsake(["run"]),
    await home.keepsake(["run", "--json", "--force"]),
    await home.keepsake(["list", "--files", "latest"]),
    await home.keepsake(["list", "--files", "latest", "--json"]),
    await home.keepsake(["restore", "--to", "back", "--dry-run"]),
    await home.keepsake(["restore", "\x1b[2J\x9b", "--to", "back"]),
    await home.keepsake(["run", "--config", "\x1b[2J\n.toml"]),
    await home.keepsake(["\x1b[2J"]),
  ];
  for (const { stdout, stderr } of lines) {
    deepEqual([...(stdout + stderr).matchAll(/[^\n\x20-\x7e\u00a0-\uffff]/g)], []);
    equal(/^Error: forged/m.test(stdout + stderr), false);
  }
});

Deno.test("NO_COLOR and pipes get plain text, a terminal gets colours", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using home = await Home.make();
  const line = "script -qec 'keepsake frob' /dev/null < /dev/null";
  const colored = await home.bash(line, { env: { TERM: "xterm" } });
  equal(colored.stdout.includes("\x1b[31mError:"), true, colored.stdout);
  const plain = await home.bash(line, { env: { TERM: "xterm", NO_COLOR: "1" } });
  match(plain.stdout, /^Error:/);
});

Deno.test("without permissions it says what to start it with", async () => {
  await using home = await Home.make();
  const main = new URL("../../main.ts", import.meta.url).pathname;
  for (const rights of ["", "--allow-read"]) {
    for (const words of ["run", "plan", "status", "config"]) {
      const bare = `"${Deno.execPath()}" run --quiet --cached-only --no-prompt ${rights}`;
      const { status, stdout } = await home.bash(`${bare} "${main}" ${words} --json`);
      equal(status, 3, `${rights} ${words}: ${stdout}`);
      const { error } = JSON.parse(stdout);
      equal(error.code, "permission-missing");
      equal(error.hint, "Start it with -A: its workers get less");
    }
  }
});

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`${signal} ends a run with ${status}, and the next one succeeds`, {
    ignore: Deno.build.os === "windows",
  }, async () => {
    await using home = await Home.make();
    await home.furnish();
    const { file, stop } = await endless(home);
    const process = home.start(["run", "--json"]);
    await file;
    process.kill(signal);
    const { code, stdout, stderr } = await process.output();
    stop();
    const said = new TextDecoder().decode(stderr);
    equal(code, status, said);
    match(said, /^Stopping: /);
    equal(JSON.parse(new TextDecoder().decode(stdout)).ok, false);

    await Deno.truncate(home.at(".claude/big.bin"), 10);
    const next = await home.keepsake(["run", "--quiet"]);
    equal(next.status, 0, next.stderr);
    equal(JSON.parse((await home.keepsake(["list", "--json"])).stdout).length, 1);
  });
}

Deno.test("a signal ends at once what has nothing to put in order", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using home = await Home.make();
  await home.bash("mkfifo pipe");
  for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    for (const words of [["plan", "--json"], ["status"], ["run"]]) {
      const process = home.start([...words, "--config", "pipe"]);
      using _pipe = await Deno.open(home.at("pipe"), { write: true }); // When it is read.
      process.kill(signal);
      const { code, stdout, stderr } = await process.output();
      const said = new TextDecoder().decode(stderr);
      equal(code, status, said);
      if (!words.includes("--json")) equal(said, `Error: Stopped by ${signal} before the end\n`);
      else equal(JSON.parse(new TextDecoder().decode(stdout)).error.code, "interrupted");
    }
  }
});

/** A file that takes longer to read than it takes to notice that the run has begun. */
async function endless(home: Home): Promise<{ file: Promise<void>; stop: () => void }> {
  const file = await home.write(".claude/big.bin", "");
  await Deno.truncate(file, 64 * 1024 ** 3);
  await Deno.mkdir(home.at(".local/state/keepsake/claude"), { recursive: true });
  const watcher = Deno.watchFs(home.at(".local/state/keepsake/claude"));
  const begun = async () => {
    for await (const { paths } of watcher) {
      if (paths.some((path) => path.endsWith("/catalog.db"))) return;
    }
  };
  return { file: begun(), stop: () => watcher.close() };
}
