/**
 * Attacks on the git destination by argument, by configuration, by environment and by what a remote
 * holds. Each would leave a canary; none may. Long because it is a corpus.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadPipeline } from "../../pipeline/mod.ts";
import { parseAddress } from "../../stages/formats/git/remote.ts";
import git from "../../stages/git.ts";
import { Home } from "../commands/harness.ts";
import { rejection } from "../faults/harness.ts";
import { writeScript } from "../scripts.ts";
import { commitTo, git as stock, GitPlace, hasGit } from "../stages/git_harness.ts";

const unless = hasGit && Deno.build.os !== "windows" ? "" : " (ignored: there is no git)";
const C = "canary";

/** Remotes that git, ssh or a shell would take for something else. */
const REMOTES: readonly string[] = [
  `--upload-pack=touch ${C}`,
  `--upload-pack=touch ${C};/srv/x.git`,
  `--receive-pack=touch ${C}`,
  `--exec=touch ${C}`,
  `-u touch ${C}`,
  `-ctouch ${C}`,
  "--help",
  "-",
  "--",
  `ext::sh -c touch% ${C}`,
  `EXT::sh -c touch% ${C}`,
  "fd::17",
  "fd::17/x.git",
  "testgit::/srv/x.git",
  "transport::https://example.org/x.git",
  `ssh://-oProxyCommand=touch%20${C}/x.git`,
  `ssh://-oProxyCommand=touch ${C}/x.git`,
  `ssh://me@-oProxyCommand=touch${C}/x.git`,
  `ssh://-oProxyCommand@example.org/x.git`,
  `-oProxyCommand=touch ${C}:x.git`,
  `me@-oProxyCommand=touch:x.git`,
  `me@example.org:-oProxyCommand=x`,
  "me@example.org:--upload-pack=x",
  "me@example.org:../../etc",
  "me@example.org:x/../../y",
  "me@example.org:",
  "me@example.org:x y",
  `me@example.org:x;touch ${C}`,
  `me@example.org:$(touch ${C})`,
  `me@example.org:\`touch ${C}\``,
  "me@example.org::x",
  "me@[::1]:x|y",
  "https:///example.org/x.git",
  "https://user:secret@example.org/x.git",
  "https://user@example.org/x.git",
  "https://example.org\\@evil.example/x.git",
  "https://example.org/x.git?service=git-upload-pack",
  "https://example.org/x.git#main",
  "https://example.org/../x.git",
  "https://example.org/x.git\nhost=evil.example",
  "https://example.org/x.git\r\nhost=evil.example",
  "https://example.org/\u0000x.git",
  "https://exa mple.org/x.git",
  "https://",
  "https://-example.org/x.git",
  "http://example.org/x.git",
  "http://127.0.0.1.evil.example/x.git",
  "http://localhost@evil.example/x.git",
  "HTTPS://example.org/x.git",
  "git://example.org/x.git",
  "ftp://example.org/x.git",
  "rsync://example.org/x.git",
  "file://evil.example/x.git",
  "file:///srv/../etc",
  "file:///srv/-x",
  "file:///srv/x.git\n--upload-pack=x",
  "/srv/x\n.git",
  "/srv/x\u0000.git",
  `/srv/x;touch ${C}`,
  `/srv/$(touch ${C})`,
  `/srv/'x'`,
  "/srv/../../x",
  "/",
  "",
  " ",
  "relative/x.git",
  "./x.git",
  "~/x.git",
  "\\\\server\\share",
  "/srv/\u001b[2Jx.git",
  "/srv/\u202ex.git\u0007",
  "ssh://example.org:99999999/x.git",
  "ssh://example.org:0/x.git",
  "ssh://exa%0ample.org/x.git",
  "ssh://example.org",
  `ssh://example.org/~/x;touch ${C}`,
  "ssh://example.org/-x",
];

/** Branches that git would take for options, or for other refs. */
const BRANCHES: readonly string[] = [
  "-x",
  "--force",
  "--mirror",
  "--upload-pack=x",
  `--receive-pack=touch ${C}`,
  "+main",
  ":main",
  "main:other",
  "a b",
  "a\nb",
  "a\u0000b",
  "a..b",
  "a~1",
  "a^",
  "a:b",
  "a?",
  "a*",
  "a[b",
  "a\\b",
  "/main",
  "main/",
  "a//b",
  ".hidden",
  "a/.hidden",
  "a/-x",
  "main.lock",
  "a.lock/b",
  "main.",
  "@{u}",
  "@",
  "HEAD",
  "$(touch canary)",
  ";touch canary",
  "",
  "\u202emain",
  "x".repeat(300),
];

/** What else of a table ends up near a command line. */
const OTHERS: readonly (readonly [string, string])[] = [
  ["credentials", "hunter2"],
  ["credentials", "user:hunter2"],
  ["credentials", "env:"],
  ["credentials", "env:A B"],
  ["credentials", "env:A;touch canary"],
  ["credentials", "env:-x"],
  ["credentials", "cmd:touch canary"],
  ["credentials", "!touch canary"],
  ["ssh_command", "touch canary"],
  ["upload_pack", "touch canary"],
  ["layout", "--exec"],
  ["max_file", "-1MB"],
  ["timeout", "forever"],
  ["options", "--force"],
];

Deno.test("remotes that could be anything but a repository are refused when the file is read", async () => {
  assert.ok(REMOTES.length >= 60);
  await refusalsOf(REMOTES.map((remote) => ({ remote })));
});

Deno.test("branches that could be anything but a branch are refused when the file is read", async () => {
  await refusalsOf(BRANCHES.map((branch) => ({ remote: "/srv/x.git", branch })));
});

Deno.test("options that could reach a command line are refused when the file is read", async () => {
  const tables = OTHERS.map(([key, value]) => ({
    remote: "https://example.org/x.git",
    [key]: value,
  }));
  const messages = await refusalsOf(tables);
  for (const message of messages) assert.ok(!message.includes("hunter2"), message);
});

Deno.test("what is refused in a file is refused by the command, which leaves nothing behind", async () => {
  await using home = await Home.make();
  for (const remote of [REMOTES[0]!, `ext::sh -c touch% ${C}`, `me@example.org:$(touch ${C})`]) {
    await Deno.writeTextFile(home.at("pipeline.toml"), pipelineWith({ remote }, home.path));
    const { status, stderr } = await home.keepsake(["run"]);
    assert.equal(status, 3, stderr);
    assert.match(stderr, /stage\[2\]/);
    assert.deepEqual(strangersIn(home.path, ["pipeline.toml"]), []);
  }
});

Deno.test("addresses on the command line are read by the same rules", () => {
  for (const remote of REMOTES) {
    // Relative ones are made absolute there, and what follows a # is a branch.
    const parsed = parseAddress(`git+${remote}`);
    if (parsed === undefined || /^(\.\/|relative|~|\/srv\/\.\.)|#main$/.test(remote)) continue;
    assert.fail(`${JSON.stringify(remote)} became ${JSON.stringify(parsed)}`);
  }
  for (const branch of BRANCHES) {
    if (branch.includes("#")) continue;
    assert.equal(git.fromAddress(`file:///srv/x.git#${branch}`), undefined, branch);
  }
});

Deno.test("what people really use is taken", async () => {
  for (
    const remote of [
      "git@github.com:me/backup.git",
      "me@host.example.org:backup.git",
      "host.example.org:/srv/backup.git",
      "ssh://git@example.org:2222/~/backup.git",
      "ssh://git@[::1]:22/srv/backup.git",
      "https://example.org/me/backup.git",
      "https://example.org:8443/me/backup",
      "http://127.0.0.1:8080/backup.git",
      "/srv/backup of mine.git",
      "/mnt/größe/backup.git",
      "file:///srv/backup.git",
      "C:/backups/x.git",
    ]
  ) {
    for (const branch of ["main", "backup/laptop", "v1.2_x-y"]) {
      await load({ remote, branch });
    }
  }
});

Deno.test({
  name: `nothing in the environment or at home says what git does${unless}`,
  ignore: unless !== "",
  async fn() {
    using attack = new Attack();
    const home = join(attack.path, "home");
    const exec = join(attack.path, "exec");
    const hooks = await attack.hooks("template", "environment-hooks");
    for (const folder of [home, join(home, ".config", "git"), exec]) {
      await Deno.mkdir(folder, { recursive: true });
    }
    const config = (name: string) =>
      [
        "[core]",
        `\tsshCommand = ${attack.touch(`${name}-ssh`)}`,
        `\tfsmonitor = ${attack.touch(`${name}-fsmonitor`)}`,
        `\taskPass = ${attack.touch(`${name}-askpass`)}`,
        `\teditor = ${attack.touch(`${name}-editor`)}`,
        `\tpager = ${attack.touch(`${name}-pager`)}`,
        `\thooksPath = ${hooks}`,
        "[credential]",
        `\thelper = "!${attack.touch(`${name}-helper`)}"`,
        "[uploadpack]",
        `\tpackObjectsHook = ${attack.touch(`${name}-pack-hook`)}`,
        "[gpg]",
        `\tprogram = ${attack.touch(`${name}-gpg`)}`,
        "[push]\n\tgpgSign = true\n[commit]\n\tgpgSign = true",
        `[url "ext::${attack.touch(`${name}-ext`)} "]\n\tinsteadOf = ${attack.place.bare}`,
        '[protocol]\n\tallow = always\n[protocol "ext"]\n\tallow = always',
        `[include]\n\tpath = ${join(home, "included")}`,
        "",
      ].join("\n");
    await Deno.writeTextFile(join(home, ".gitconfig"), config("home"));
    await Deno.writeTextFile(join(home, "included"), config("included"));
    await Deno.writeTextFile(join(home, ".config", "git", "config"), config("xdg"));
    await Deno.writeTextFile(join(home, "global"), config("global"));
    await Deno.writeTextFile(join(home, "system"), config("system"));
    for (
      const name of ["git-upload-pack", "git-receive-pack", "git-remote-https", "git-fast-import"]
    ) {
      await attack.script(join(exec, name), `exec-path-${name}`);
    }
    const { code, stderr } = await attack.run(home, {
      GIT_SSH_COMMAND: attack.touch("env-ssh-command"),
      GIT_SSH: await attack.script(join(home, "ssh"), "env-ssh"),
      GIT_EXEC_PATH: exec,
      GIT_TEMPLATE_DIR: hooks,
      GIT_CONFIG_GLOBAL: join(home, "global"),
      GIT_CONFIG_SYSTEM: join(home, "system"),
      GIT_CONFIG: join(home, "global"),
      GIT_CONFIG_COUNT: "2",
      GIT_CONFIG_KEY_0: "core.hooksPath",
      GIT_CONFIG_VALUE_0: hooks,
      GIT_CONFIG_KEY_1: "core.fsmonitor",
      GIT_CONFIG_VALUE_1: attack.touch("env-count-fsmonitor"),
      GIT_CONFIG_PARAMETERS: `'core.hooksPath=${hooks}'`,
      GIT_ASKPASS: await attack.script(join(home, "askpass"), "env-askpass"),
      SSH_ASKPASS: join(home, "askpass"),
      GIT_EDITOR: attack.touch("env-editor"),
      GIT_SEQUENCE_EDITOR: attack.touch("env-sequence-editor"),
      GIT_PAGER: attack.touch("env-pager"),
      PAGER: attack.touch("env-pager"),
      GIT_EXTERNAL_DIFF: attack.touch("env-external-diff"),
      GIT_PROXY_COMMAND: attack.touch("env-proxy-command"),
      GIT_ALLOW_PROTOCOL: "ext:file",
      GIT_PROTOCOL_FROM_USER: "1",
      GIT_DIR: join(home, "nowhere"),
      GIT_COMMON_DIR: join(home, "nowhere"),
      GIT_WORK_TREE: home,
      GIT_INDEX_FILE: attack.canary("env-index-file"),
      GIT_OBJECT_DIRECTORY: attack.canary("env-object-directory"),
      GIT_ALTERNATE_OBJECT_DIRECTORIES: join(home, "nowhere"),
      GIT_NAMESPACE: "elsewhere",
      GIT_TRACE: attack.canary("env-trace"),
      GIT_TRACE2: attack.canary("env-trace2"),
      GIT_TRACE_PACKET: attack.canary("env-trace-packet"),
      GIT_TRACE_CURL: attack.canary("env-trace-curl"),
      GIT_ATTR_SOURCE: "HEAD",
      GIT_REPLACE_REF_BASE: "refs/evil/",
      GIT_SHALLOW_FILE: join(home, "nowhere"),
      GIT_AUTHOR_NAME: "Somebody Else",
      GIT_AUTHOR_DATE: "1999-01-01",
      BASH_ENV: await attack.script(join(home, "bash_env"), "env-bash"),
      ENV: join(home, "bash_env"),
    });
    assert.equal(code, 0, stderr);
    assert.equal(attack.place.commits(), 1);
    assert.equal(attack.place.git("log", "-1", "--format=%an"), "Keepsake");
    attack.assertNoCanary();
  },
});

Deno.test({
  name: `nothing that was put into the clone runs, and the next run mends it${unless}`,
  ignore: unless !== "",
  async fn() {
    using attack = new Attack();
    const { place } = attack;
    const clone = join(place.folder, "clone.git");
    const attacks: Readonly<Record<string, () => unknown>> = {
      hooks: () => attack.hooks(join(clone, "hooks"), "clone-hooks"),
      "a configuration": () =>
        Deno.writeTextFile(
          join(clone, "config"),
          `[core]\n\tbare = true\n\tfsmonitor = ${attack.touch("clone-fsmonitor")}\n` +
            `\tsshCommand = ${attack.touch("clone-ssh")}\n[alias]\n\tpush = !${
              attack.touch("alias")
            }\n`,
        ),
      "an included configuration": () =>
        Deno.writeTextFile(join(clone, "config"), "[include]\n\tpath = /tmp/evil\n"),
      "a remote that is a program": () =>
        Deno.writeTextFile(
          join(clone, "config"),
          `[core]\n\tbare = true\n[url "ext::${attack.touch("instead-of")} "]\n\tinsteadOf = /\n`,
        ),
      "a promisor remote": () =>
        Deno.writeTextFile(
          join(clone, "config"),
          "[core]\n\tbare = true\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = x\n" +
            `[remote "x"]\n\turl = ext::${attack.touch("promisor")}\n`,
        ),
      "another common directory": async () => {
        await attack.hooks(join(attack.path, "common", "hooks"), "commondir");
        await Deno.writeTextFile(join(clone, "commondir"), join(attack.path, "common"));
      },
      "a configuration of a work tree": () =>
        Deno.writeTextFile(
          join(clone, "config.worktree"),
          `[core]\n\tfsmonitor = ${attack.touch("worktree")}\n`,
        ),
      alternates: () => {
        Deno.mkdirSync(join(clone, "objects", "info"), { recursive: true });
        Deno.writeTextFileSync(join(clone, "objects", "info", "alternates"), "/tmp/evil\n");
      },
      "attributes with a filter": () => {
        Deno.mkdirSync(join(clone, "info"), { recursive: true });
        Deno.writeTextFileSync(join(clone, "info", "attributes"), "* filter=evil diff=evil\n");
      },
      "a link in its place": async () => {
        await Deno.rename(clone, `${clone}.real`);
        await Deno.symlink(`${clone}.real`, clone);
        await attack.hooks(join(`${clone}.real`, "hooks"), "linked-hooks");
      },
      "a link in the place of its objects": async () => {
        await Deno.rename(join(clone, "objects"), join(attack.path, "objects"));
        await Deno.symlink(join(attack.path, "objects"), join(clone, "objects"));
      },
      "a configuration in its home": async () => {
        await Deno.mkdir(join(place.folder, "home", ".config", "git"), { recursive: true });
        const text = `[core]\n\tfsmonitor = ${attack.touch("own-home")}\n`;
        await Deno.writeTextFile(join(place.folder, "home", ".gitconfig"), text);
        await Deno.writeTextFile(join(place.folder, "home", ".config", "git", "config"), text);
      },
      "a repository around it": () => {
        stock("init", "--quiet", place.folder);
        stock("-C", place.folder, "config", "core.fsmonitor", attack.touch("around"));
      },
      "refs that replace": () =>
        Deno.writeTextFile(
          join(clone, "packed-refs"),
          `${place.git("rev-parse", "main")} refs/replace/${place.git("rev-parse", "main")}\n`,
        ),
    };
    await place.store(attack.pair());
    for (const [name, plant] of Object.entries(attacks)) {
      await plant();
      await place.store(attack.pair());
      attack.assertNoCanary(name);
    }
    const count = Object.keys(attacks).length + 1;
    assert.equal(place.commits(), count);
    assert.equal((await place.list()).length, 2 * count);
  },
});

Deno.test({
  name: `a repository on this machine runs none of its own hooks and programs${unless}`,
  ignore: unless !== "",
  async fn() {
    using attack = new Attack();
    const { place } = attack;
    await attack.hooks(join(place.bare, "hooks"), "remote-hooks");
    const set = (key: string, name: string) => place.git("config", key, attack.touch(name));
    set("core.fsmonitor", "remote-fsmonitor");
    set("core.alternateRefsCommand", "remote-alternate-refs");
    set("core.sshCommand", "remote-ssh");
    set("uploadpack.packObjectsHook", "remote-pack-hook");
    set("core.askPass", "remote-askpass");
    set("gc.recentObjectsHook", "remote-gc-hook");
    place.git("config", "gc.auto", "1");
    place.git("config", "receive.procReceiveRefs", "refs/heads");
    place.git("config", "--unset", "receive.procReceiveRefs");
    const other = join(attack.path, "alternate.git");
    stock("init", "--quiet", "--bare", other);
    await Deno.mkdir(join(place.bare, "objects", "info"), { recursive: true });
    const alternates = join(place.bare, "objects", "info", "alternates");
    await Deno.writeTextFile(alternates, join(other, "objects") + "\n");
    await place.store(attack.pair());
    await place.store(attack.pair());
    const [first] = (await place.list()).map((line) => line.split(" ")[0]!);
    await place.fetch(first!);
    await place.remove([first!]);
    attack.assertNoCanary();
    assert.equal(place.commits(), 3);
  },
});

Deno.test({
  name: `a work tree that a repository on this machine wants updated stays as it is${unless}`,
  ignore: unless !== "",
  async fn() {
    using attack = new Attack();
    const tree = join(attack.path, "tree");
    stock("init", "--quiet", "--initial-branch=main", tree);
    stock("-C", tree, "config", "receive.denyCurrentBranch", "updateInstead");
    stock("-C", tree, "config", "filter.evil.smudge", attack.touch("smudge"));
    await Deno.writeTextFile(join(tree, ".git", "info", "attributes"), "* filter=evil\n");
    const error = await rejection(
      attack.place.store(attack.pair(), { options: { remote: tree } }),
    );
    assert.equal(error.code, "destination-refused");
    assert.match(error.message, /branch is currently checked out/);
    assert.deepEqual(readdirSync(tree), [".git"]);
    attack.assertNoCanary();
  },
});

Deno.test({
  name: `what a remote holds is bytes with names, and its odd refs are nobody's business${unless}`,
  ignore: unless !== "",
  async fn() {
    using attack = new Attack();
    const { place } = attack;
    const bytes = (text: string) => new TextEncoder().encode(text);
    const [archive, manifest] = attack.pair();
    const plant = (path: string, text: string) => commitTo(place.bare, path, bytes(text));
    plant(
      ".gitattributes",
      "* filter=evil diff=evil merge=evil text eol=crlf ident export-subst\n",
    );
    plant("claude/.gitattributes", "* filter=lfs -text working-tree-encoding=UTF-16\n");
    plant(
      ".gitmodules",
      `[submodule "x"]\n\tpath = claude\n\turl = ext::${attack.touch("submodule")}\n` +
        `\tupdate = !${attack.touch("submodule-update")}\n`,
    );
    plant(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:1/\n");
    plant("--upload-pack=touch canary", "x");
    plant("-oProxyCommand", "x");
    plant("claude/new\nline", "x");
    plant("claude/\u001b[2J", "x");
    plant("claude/..dots", "x");
    plantTree(place, "120000", "m", "/etc");
    plantTree(place, "120000", "claude/20260101T000000Z-0123456789ab.tar.age", "/etc/passwd");
    plantTree(place, "160000", "module", undefined);
    for (const name of ["-x", "--force", "$(id>canary)", "a;id>canary", "a|id", "'"]) {
      await Deno.writeTextFile(
        join(place.bare, "refs", "heads", name),
        `${place.git("rev-parse", "main")}\n`,
      );
    }
    place.git("update-ref", "refs/tags/main", "main");
    place.git("update-ref", "refs/heads/x/refs/heads/main", "main");
    place.git("update-ref", "refs/replace/" + place.git("rev-parse", "main"), "main~1");
    await place.store([archive!, manifest!]);
    assert.deepEqual(
      (await place.list()).filter((line) => /\.(tar|json)/.test(line)),
      [`${manifest!.key} ${manifest!.size}`, `${archive!.key} ${archive!.size}`],
    );
    assert.equal((await place.fetch(archive!.key)).length, archive!.size);
    const error = await rejection(place.fetch("claude/20260101T000000Z-0123456789ab.tar.age"));
    assert.equal(error.code, "snapshot-missing");
    assert.equal(place.git("show", "main:m"), "/etc");
    assert.match(
      place.git("--no-replace-objects", "ls-tree", "refs/heads/main", "module"),
      /^160000 commit/,
    );
    const found = await Deno.lstat(join(place.folder, "clone.git"));
    assert.ok(found.isDirectory);
    attack.assertNoCanary();
  },
});

Deno.test({
  name: `a link or a submodule where a snapshot goes is not written through${unless}`,
  ignore: unless !== "",
  async fn() {
    for (const mode of ["120000", "160000"]) {
      using attack = new Attack();
      const { place } = attack;
      plantTree(place, mode, "claude", mode === "120000" ? attack.path : undefined);
      const error = await rejection(place.store(attack.pair()));
      assert.equal(error.code, "destination-refused");
      assert.equal(place.commits(), 1);
      attack.assertNoCanary();
    }
  },
});

Deno.test({
  name: `the canaries sing where nobody holds git back${unless}`,
  ignore: unless !== "",
  async fn() {
    using attack = new Attack();
    const { place } = attack;
    await attack.hooks(join(place.bare, "hooks"), "remote-hooks");
    place.pushAsOther("README.md", "x");
    assert.match(attack.canaries().join(), /remote-hooks-pre-receive/);
    const child = await new Deno.Command("git", {
      args: ["ls-remote", "ssh://example.invalid/x"],
      cwd: attack.path,
      env: { GIT_SSH_COMMAND: attack.touch("ssh-command") },
      stdout: "null",
      stderr: "null",
    }).output();
    assert.notEqual(child.code, 0);
    assert.match(attack.canaries().join(), /ssh-command/);
    const folder = join(attack.path, "folder");
    await Deno.mkdir(folder);
    await new Deno.Command("git", {
      args: ["-c", "protocol.ext.allow=always", "ls-remote", `ext::sh -c touch% ${C}`],
      cwd: folder,
      stdout: "null",
      stderr: "null",
    }).output();
    assert.deepEqual(strangersIn(folder), [C]);
    assert.throws(() => attack.assertNoCanary());
  },
});

/** Puts a link or a submodule into the remote. */
function plantTree(place: GitPlace, mode: string, path: string, text: string | undefined): void {
  commitTo(place.bare, path, new TextEncoder().encode(text ?? ""), mode);
}

/** A place, and canaries that whatever is run by mistake leaves behind. */
class Attack implements Disposable {
  readonly place = new GitPlace();
  readonly path: string = this.place.path;
  readonly #cage = join(this.path, "cage");
  #pairs = 0;

  constructor() {
    Deno.mkdirSync(this.#cage);
  }

  /** Where a canary appears. */
  canary(name: string): string {
    return join(this.#cage, name);
  }

  /** A command that leaves a canary. */
  touch(name: string): string {
    return `touch ${this.canary(name)}`;
  }

  /** A program that leaves a canary. */
  async script(path: string, name: string): Promise<string> {
    await writeScript(path, `#!/bin/sh\n${this.touch(name)}\n`);
    return path;
  }

  /** Every hook that git knows, each with a canary of its own. */
  async hooks(directory: string, name: string): Promise<string> {
    const path = join(this.path, directory);
    const place = directory.startsWith("/") ? directory : path;
    await Deno.mkdir(place, { recursive: true });
    for (const hook of HOOKS) {
      await this.script(join(place, hook), `${name}-${hook}`);
    }
    return place;
  }

  /** Another snapshot each time. */
  pair() {
    const name = `claude/202601020304${String(this.#pairs++).padStart(2, "0")}Z-0123456789ab`
      .replace("0304", "T0304").replace("TT", "T");
    return [
      this.place.file(`${name}.tar.zst.age`, `archive ${name}`),
      this.place.file(`${name}.json.zst.age`, `manifest ${name}`),
    ];
  }

  /** Makes a backup by the command line, with this home and environment. */
  async run(home: string, environment: Readonly<Record<string, string>>) {
    const source = join(this.path, "source");
    await Deno.mkdir(source);
    await Deno.writeTextFile(join(source, "file"), "content");
    const file = join(this.path, "pipeline.toml");
    const lines = [
      `[pipeline]\nstate = ${JSON.stringify(join(this.path, "state"))}`,
      `[[stage]]\nuse = "snapshot"\npaths = [${JSON.stringify(source)}]`,
      `[[stage]]\nuse = "git"\nremote = ${JSON.stringify(this.place.bare)}\nplaintext = true`,
    ];
    await Deno.writeTextFile(file, `${lines.join("\n")}\n`);
    const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--cached-only", main, "run", "--config", file],
      env: { DENO_DIR: await denoDirectory(), ...environment, HOME: home },
      stdout: "null",
      stderr: "piped",
    }).output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  }

  canaries(): string[] {
    return Array.from(Deno.readDirSync(this.#cage), ({ name }) => name);
  }

  assertNoCanary(after = ""): void {
    assert.deepEqual(this.canaries(), [], after);
  }

  [Symbol.dispose](): void {
    this.place[Symbol.dispose]();
  }
}

const HOOKS = [
  "applypatch-msg",
  "pre-applypatch",
  "post-applypatch",
  "pre-commit",
  "pre-merge-commit",
  "prepare-commit-msg",
  "commit-msg",
  "post-commit",
  "pre-rebase",
  "post-checkout",
  "post-merge",
  "pre-push",
  "pre-receive",
  "update",
  "proc-receive",
  "post-receive",
  "post-update",
  "reference-transaction",
  "push-to-checkout",
  "pre-auto-gc",
  "post-rewrite",
  "fsmonitor-watchman",
  "post-index-change",
];

/** Where Deno keeps modules, which a child with another home would look for elsewhere. */
async function denoDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** A pipeline file with this stage, and a source that is in the folder. */
function pipelineWith(table: Readonly<Record<string, string>>, folder: string): string {
  const stages = [
    { use: "snapshot", paths: [join(folder, "source")] },
    { use: "git", plaintext: true, ...table },
  ].map((stage) =>
    ["[[stage]]", ...Object.entries(stage).map(([key, value]) => `${key} = ${toToml(value)}`)]
      .join("\n")
  );
  return `[pipeline]\nstate = ${toToml(join(folder, "state"))}\n${stages.join("\n")}\n`;
}

/** TOML's basic strings are JSON's, but for control characters, which both can escape. */
function toToml(value: unknown): string {
  return JSON.stringify(value).replaceAll("\u007f", "\\u007f");
}

async function load(table: Readonly<Record<string, string>>): Promise<void> {
  const file = await Deno.makeTempFile({ suffix: ".toml" });
  try {
    await Deno.writeTextFile(file, pipelineWith(table, "/home/me"));
    await loadPipeline(file, { environment: {}, home: "/home/me" });
  } finally {
    await Deno.remove(file);
  }
}

/**
 * Has each of them read by a process of its own, which would go on to make a backup, in an empty
 * folder that is also its home; answers what was said of them, and fails when one was taken or
 * anything but the file is there afterwards.
 */
async function refusalsOf(
  tables: readonly Readonly<Record<string, string>>[],
): Promise<readonly string[]> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "keepsake-cage-" }));
  try {
    await Deno.mkdir(join(folder, "source"));
    const texts = tables.map((table) => pipelineWith(table, folder));
    await Deno.writeTextFile(join(folder, "texts.json"), JSON.stringify(texts));
    const child = fileURLToPath(new URL("./refusals_child.ts", import.meta.url));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--cached-only", child],
      cwd: folder,
      env: { DENO_DIR: await denoDirectory(), HOME: folder },
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const messages: (string | null)[] = JSON.parse(new TextDecoder().decode(stdout));
    const known = ["source", "texts.json", "pipeline.toml"];
    assert.deepEqual(strangersIn(folder, known), []);
    return tables.map((table, index) => {
      const message = messages[index] ?? assert.fail(`It was taken: ${JSON.stringify(table)}`);
      assert.match(message, /stage\[2\]/, JSON.stringify(table));
      return message;
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Paths of all that is in a folder and was not expected: a canary, a state, a clone. */
function strangersIn(folder: string, known: readonly string[] = []): string[] {
  const all = readdirSync(folder, { recursive: true }) as string[];
  return all.filter((path) => !known.includes(path));
}
