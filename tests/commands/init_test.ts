import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { parse } from "smol-toml";
import { renderPipeline } from "../../commands/pipeline_template.ts";
import { Home } from "./harness.ts";

Deno.test("init --yes writes a pipeline that works, and an identity", async () => {
  await using home = await Home.make();
  await home.write(".claude/CLAUDE.md", "Be kind.\n");
  const { status, stdout, stderr } = await home.keepsake(["init", "--yes"]);
  equal(status, 0, stderr);
  equal(stdout, "");
  match(stderr, /The identity is in .*\/\.config\/keepsake\/identity\.txt\n/);
  match(stderr, /Losing the identity loses the backups/);
  match(stderr, /^Next: "keepsake plan" shows .*, "keepsake run" makes /m);
  for (const file of ["pipeline.toml", "identity.txt", "recipients.txt"]) {
    equal((await Deno.stat(home.at(".config/keepsake", file))).mode! & 0o7777, 0o600, file);
  }
  const file = await Deno.readTextFile(home.at(".config/keepsake/pipeline.toml"));
  for (const command of ["restore", "drill", "prune", "rekey", "schedule install"]) {
    match(/The secret that opens[^=]*/.exec(file)![0], new RegExp(`\\b${command}\\b`));
  }
  const plan = JSON.parse((await home.keepsake(["plan", "--json"])).stdout);
  equal(plan.second_promise.holds, true);
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  equal((await home.keepsake(["verify", "--quiet"])).status, 0);
});

Deno.test("init overwrites nothing, and goes on using an identity that is there", async () => {
  await using home = await Home.make();
  const { stdout: recipient } = await home.keepsake(["keygen"]);
  const identity = await Deno.readTextFile(home.at(".config/keepsake/identity.txt"));
  const first = await home.keepsake(["init", "--yes"]);
  equal(first.status, 0, first.stderr);
  match(first.stderr, /identity\.txt, as before\n/);
  match(first.stderr, /^Note: there is no ~\/\.claude yet$/m);
  equal(await Deno.readTextFile(home.at(".config/keepsake/identity.txt")), identity);
  equal(await Deno.readTextFile(home.at(".config/keepsake/recipients.txt")), recipient);

  const pipeline = await Deno.readTextFile(home.at(".config/keepsake/pipeline.toml"));
  const again = await home.keepsake(["init", "--yes"]);
  equal(again.status, 3);
  match(again.stderr, /^Error: Cannot write ".*\/pipeline\.toml": it exists already\n/);
  equal(await Deno.readTextFile(home.at(".config/keepsake/pipeline.toml")), pipeline);
});

Deno.test("init says what is in the way of the file it is to write, and changes nothing", async () => {
  await using home = await Home.make();
  await home.write("f1", "mine");
  for (
    const [file, said] of [
      ["f1/p.toml", "a part of its path is no directory"],
      ["n".repeat(300), "its name or its path is too long for this system"],
      ["", "it is a directory"],
    ]
  ) {
    const { status, stderr } = await home.keepsake(["init", "--yes", "-c", home.at(file!)]);
    equal(status, 3, stderr);
    ok(stderr.startsWith(`Error: Cannot write "${home.at(file!)}": ${said}\n`), stderr);
    match(stderr, /\n {2}Put that right, or name another file with --config FILE\n$/);
  }
  const { stderr } = await home.keepsake(["init", "--yes", "-c", "my.toml"], {
    env: { XDG_CONFIG_HOME: home.at("f1") },
  });
  equal(
    stderr,
    `Error: Cannot write "${home.at("f1/keepsake/identity.txt")}": ` +
      "a part of its path is no directory\n" +
      "  Put that right, or set XDG_CONFIG_HOME to another directory\n",
  );
  deepEqual(await home.list("."), ["f1"]);
});

Deno.test("init warns when the backups will not open with the identity", async () => {
  await using home = await Home.make();
  await home.keepsake(["keygen"]);
  const other = await home.keepsake(["keygen", "--output", "elsewhere/key.txt"]);
  await home.write(".config/keepsake/recipients.txt", other.stdout);
  const { stderr } = await home.keepsake(["init", "--yes"]);
  match(stderr, /^Warning: .*recipients\.txt does not hold its recipient/m);
});

Deno.test("init takes Claude Code's folder and the file's name from where they are said", async () => {
  await using home = await Home.make();
  const { status, stderr } = await home.keepsake(["init", "-y", "--config", "my.toml"], {
    env: { CLAUDE_CONFIG_DIR: home.at("moved"), XDG_CONFIG_HOME: home.at("xdg") },
  });
  equal(status, 0, stderr);
  match(
    stderr,
    /^Next: "keepsake plan --config my\.toml" shows .*, "keepsake run --config my\.toml" makes /m,
  );
  const { pipeline, stages } = JSON.parse(
    (await home.keepsake(["config", "--config", "my.toml", "--json"])).stdout,
  );
  equal(stages[0].options.claude, true);
  deepEqual(stages[0].options.paths, [home.at("moved")]);
  equal(pipeline.identity, home.at("xdg/keepsake/identity.txt"));
});

Deno.test("init without --yes asks for a terminal, and changes nothing without one", async () => {
  await using home = await Home.make();
  const { status, stderr } = await home.keepsake(["init"]);
  equal(status, 3);
  match(stderr, /^Error: Cannot ask questions: there is no terminal\n/);
  deepEqual(await home.list("."), []);
});

Deno.test("init asks on a terminal", { ignore: !await hasScript() }, async () => {
  await using home = await Home.make();
  const { stdout } = await home.bash(
    // The line break of a terminal is what Enter sends.
    `printf '\\nmy/backups\\n' | script -qec 'keepsake init' /dev/null`,
  );
  match(stdout, /Folder of Claude Code \[~\/\.claude\]: /);
  match(stdout, /Keep backups in \[~\/\.local\/share\/keepsake\/backups\]: /);
  const text = await Deno.readTextFile(home.at(".config/keepsake/pipeline.toml"));
  match(text, new RegExp(`^path = "${home.at("my/backups")}"$`, "m"));
});

Deno.test("init takes a relative answer from where it is given, and ~ and variables as they are", {
  ignore: !await hasScript(),
}, async () => {
  await using home = await Home.make();
  await home.write("work/claude/CLAUDE.md", "Be kind.\n");
  const answers = [["claude", "./b"], ["$HOME/work/claude", "~/b"], [
    "../work//claude",
    "${NO:-b}",
  ]];
  for (const [index, [source, destination]] of answers.entries()) {
    const { stdout } = await home.bash(
      `printf '%s\\n' "$SOURCE" "$DESTINATION" | script -qec 'keepsake init -c ${index}.toml' /dev/null`,
      { cwd: home.at("work"), env: { SOURCE: source!, DESTINATION: destination! } },
    );
    equal(/^Note: there is no/m.test(stdout), false, stdout);
    const config = ["config", "--json", "--config", `${index}.toml`];
    const shown = await home.keepsake(config, { cwd: home.at("work") });
    const { stages } = JSON.parse(shown.stdout);
    deepEqual(stages[0].options.paths, [home.at("work/claude")]);
    equal(stages[3].options.path, index === 1 ? home.at("b") : home.at("work/b"));
    const text = await Deno.readTextFile(home.at(`work/${index}.toml`));
    equal(text.includes(`path = "${destination}"`), index === 1);
  }
  const wrong = await home.bash(
    `printf '\\n$NONE/x\\n' | script -qec 'keepsake init -c wrong.toml' /dev/null`,
  );
  match(wrong.stdout, /Cannot expand \$NONE: it is not set\r\n {2}Set it, or write a default/);
  deepEqual(await home.list("work/claude"), ["work/claude/CLAUDE.md"]);
  equal((await home.list(".")).includes("wrong.toml"), false);
});

Deno.test("init takes no address for a directory, and asks again", {
  ignore: !await hasScript(),
}, async () => {
  await using home = await Home.make();
  const answers = "\\ns3://backups/claude\\ngit@host:me/backup.git\\nb\\n";
  const { stdout } = await home.bash(
    `printf '${answers}' | script -qec 'keepsake init -c p.toml' /dev/null`,
  );
  equal(stdout.match(/Keep backups in/g)?.length, 3, stdout);
  equal(stdout.match(/Cannot use this path: it is an address.*\r\n {2}Say use = "s3"/g)?.length, 2);
  const text = await Deno.readTextFile(home.at("p.toml"));
  match(text, new RegExp(`^path = "${home.at("b")}"$`, "m"));
});

Deno.test("init leaves no file whose answers do not go together", {
  ignore: !await hasScript(),
}, async () => {
  await using home = await Home.make();
  await home.write("work/claude/CLAUDE.md", "Be kind.\n");
  const init = (destination: string) =>
    home.bash(
      `printf 'work/claude\\n${destination}\\n' | script -qec 'keepsake init -c p.toml' /dev/null`,
    );
  const { stdout } = await init("/");
  match(stdout, /Error:.* Cannot use ".*p\.toml": it has a problem/);
  equal((await home.list(".")).includes("p.toml"), false);
  match((await init("b")).stdout, /Wrote .*p\.toml/);
});

Deno.test("plan refuses a directory that is an address, with its line", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  for (const path of ["s3://backups/claude", "sftp:me@host:/b"]) {
    await Deno.writeTextFile(file, text.replace(/^path = .*$/m, `path = "${path}"`));
    const { status, stderr } = await home.keepsake(["plan"]);
    equal(status, 3);
    match(stderr, /\d+:\d+ +stage\[4\]\.path: Cannot use this path: it is an address/);
    match(stderr, /use = "s3" or use = "git"/);
  }
});

Deno.test("init asks in letters alone", { ignore: !await hasScript() }, async () => {
  await using home = await Home.make();
  const { stdout } = await home.bash("script -qec 'keepsake init' /dev/null < /dev/null", {
    env: { CLAUDE_CONFIG_DIR: "/a\x1b[5mblink", NO_COLOR: "1" },
  });
  match(stdout, /^Folder of Claude Code \[\/a\\u\{1b\}\[5mblink\]: /);
});

Deno.test("what the errors of an empty file say to do leads to a pipeline that works", async () => {
  await using home = await Home.make();
  for (const flags of [["--config", "e.toml"], []]) {
    for (const text of ["", "# nothing\n"]) {
      const file = await home.write(flags[1] ?? "pipeline.toml", text);
      const { status, stderr } = await home.keepsake(["plan", ...flags]);
      equal(status, 3, stderr);
      const [, command] =
        /(?:Remove it,|move it away) and write one with "keepsake (.*)"\n$/.exec(stderr) ?? [];
      await Deno.remove(file);
      await Deno.remove(home.at(".config"), { recursive: true }).catch(() => {});
      equal((await home.keepsake([...command!.split(" "), "--yes"])).status, 0, command);
      equal((await home.keepsake(["config", ...flags])).status, 0);
      await Deno.remove(file).catch(() => {});
    }
  }
});

Deno.test("init says which file comes before the one that it wrote", async () => {
  await using home = await Home.make();
  await home.write("work/pipeline.toml", "");
  const { status, stderr } = await home.keepsake(["init", "--yes"], { cwd: home.at("work") });
  equal(status, 0, stderr);
  match(stderr, /^Note: in this directory, .*\/work\/pipeline\.toml comes before it$/m);
});

Deno.test("init refuses a --config that names no file, as the others do", async () => {
  await using home = await Home.make();
  for (const words of [["init", "--yes"], ["plan"]]) {
    const { status, stderr } = await home.keepsake([...words, "--config", ""]);
    deepEqual([status, stderr], [
      3,
      'Error: Cannot use "--config": it names no file\n  Name a file after it\n',
    ]);
  }
  deepEqual(await home.list("."), []);
});

Deno.test("init ends at its questions on Ctrl-C, and has written nothing", {
  ignore: !await hasScript(),
}, async () => {
  await using home = await Home.make();
  const { status, stdout } = await home.bash(`
    coproc script -qec 'keepsake init' /dev/null
    pid=$COPROC_PID
    exec {from}<&\${COPROC[0]} {to}>&\${COPROC[1]}
    IFS= read -r -d '[' -t 60 <&$from
    printf '\\003' >&$to
    timeout 60 cat <&$from || kill $pid
    wait $pid
  `);
  equal(status, 130, stdout);
  match(stdout, /^.*\^C\r\n.*Stopped by SIGINT before the end\r\n$/);
  deepEqual(await home.list("."), []);
});

Deno.test("the template is valid TOML whatever the paths are", () => {
  const source = 'C:\\Users\\"me"\u007f\n\u{1f995}';
  const keys = { identity: "/i", recipients: "/r", compress: "gzip" } as const;
  const text = renderPipeline({ source, destination: source, ...keys });
  const stage = parse(text)["stage"] as { readonly use: string; readonly paths?: string[] }[];
  deepEqual(stage.map(({ use }) => use), ["snapshot", "hash-gate", "encrypt", "local"]);
  deepEqual(stage[0]!.paths, [source]);
  ok(!text.includes("\u007f"));
});

async function hasScript(): Promise<boolean> {
  try {
    return (await new Deno.Command("script", { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}

Deno.test("init and others go by no home directory that is another in every folder", async () => {
  await using home = await Home.make();
  for (const HOME of ["relative", ".", "~", ""]) {
    const made = await home.keepsake(["init", "--yes"], { env: { HOME } });
    equal(made.status, 3, made.stderr);
    match(made.stderr, /there is no home directory\n {2}Set HOME to its absolute path$/m);
    const plan = await home.keepsake(["plan"], { env: { HOME } });
    equal(plan.status, 3, plan.stderr);
    match(
      plan.stderr,
      /^Error: Cannot find a pipeline file: there is no "[^"]*\/pipeline\.toml"$/m,
    );
  }
  deepEqual(await home.list("."), []);
});

Deno.test("init writes a file that can be used below a home with a dollar sign in its name", async () => {
  await using home = await Home.make();
  const HOME = home.at("a$b ${c}");
  await Deno.mkdir(join(HOME, ".claude"), { recursive: true });
  await Deno.writeTextFile(join(HOME, ".claude/CLAUDE.md"), "Be kind.\n");
  const to = join(HOME, "back");
  for (const words of [["init", "--yes"], ["run"], ["verify"], ["restore", "--to", to]]) {
    const { status, stderr } = await home.keepsake(words, { env: { HOME } });
    equal(status, 0, `${words}: ${stderr}`);
  }
  equal(await Deno.readTextFile(join(to, ".claude/CLAUDE.md")), "Be kind.\n");
});
