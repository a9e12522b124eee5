/** Git servers as destinations, by the command line as a user would. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { World } from "../end_to_end/world.ts";
import { writeScript } from "../scripts.ts";
import { git, GitPlace, works } from "../stages/git_harness.ts";
import { FaultProxy } from "./fault_proxy.ts";
import { type GitServer, startHttpGit, startSshGit, unlessHttpGit, unlessSshGit } from "./git.ts";

const PROGRAM = [
  ...["run", "-A", "--quiet", "--no-prompt", "--cached-only"],
  fileURLToPath(new URL("../../main.ts", import.meta.url)),
];

const SLOW = Deno.env.get("KEEPSAKE_SLOW") === "1";

const KEY = "claude/20260102T030405Z-0123456789ab.tar.age";

const SERVERS = {
  http: { unless: unlessHttpGit, start: startHttpGit },
  ssh: { unless: unlessSshGit, start: startSshGit },
} as const;

for (const [protocol, { unless, start }] of Object.entries(SERVERS)) {
  if (!SLOW && protocol !== "http") continue; // One of the two is sample enough.

  Deno.test({
    name: `run, list, verify and restore work with a git server by ${protocol}${unless}`,
    ignore: unless !== "",
    async fn() {
      await using server = await start();
      using world = await World.make();
      const bare = server.makeRepository();
      const config = await write(world, server, bare);
      await keepsake(world, 0, "run", "--message", "The first", ...config);
      await keepsake(world, 0, "run", ...config);
      assert.equal(git("--git-dir", bare, "rev-list", "--count", "main"), "1");
      assert.equal(git("--git-dir", bare, "log", "-1", "--format=%s"), "The first");
      const listed = JSON.parse(
        await keepsake(world, 0, "list", "--json", "--from", "git", ...config),
      );
      assert.deepEqual(listed.map(({ id }: { id: string }) => id), ["claude"]);
      await keepsake(world, 0, "verify", "--from", "git", ...config);

      await server.pause();
      await Deno.writeTextFile(join(world.source, "late"), "late");
      await keepsake(world, 2, "run", ...config);
      await server.resume();
      await keepsake(world, 0, "run", ...config);
      assert.equal(git("--git-dir", bare, "rev-list", "--count", "main"), "2");
      for (const from of ["git", "local"]) {
        const to = world.at(`back-from-${from}`);
        await keepsake(world, 0, "restore", "--from", from, "--to", to, ...config);
        world.assertRestored(join(to, ".claude"));
      }
    },
  });

  Deno.test({
    name: `a run that is killed while git pushes by ${protocol} is made good by the next${unless}`,
    ignore: unless !== "",
    async fn() {
      await using server = await start();
      await using proxy = new FaultProxy(server.port);
      using world = await World.make();
      const bare = server.makeRepository();
      const config = await write(world, server, bare, proxy.port);
      await keepsake(world, 0, "run", ...config);
      const { up } = proxy.traffic;
      for (const part of SLOW ? [0.3, 0.6, 0.9] : [0.6]) {
        await Deno.writeTextFile(join(world.source, "more"), crypto.randomUUID());
        proxy.arm({ kind: "delay", ms: Infinity, direction: "up", after: Math.floor(up * part) });
        const child = new Deno.Command(Deno.execPath(), {
          args: [...PROGRAM, "run", ...config],
          stdout: "null",
          stderr: "null",
        }).spawn();
        await proxy.happened;
        child.kill("SIGKILL");
        await child.status;
        proxy.cutAll();
      }
      proxy.arm();
      await keepsake(world, 0, "run", ...config);
      assert.equal(git("--git-dir", bare, "fsck", "--full", "--strict", "--no-dangling"), "");
      const to = world.at("back");
      await keepsake(world, 0, "restore", "--from", "git", "--to", to, ...config);
      world.assertRestored(join(to, ".claude"));
      await keepsake(world, 0, "verify", "--all", ...config);
    },
  });
}

Deno.test({
  name: `a push over a line that is slow says that it is at work${unlessHttpGit}`,
  ignore: unlessHttpGit !== "",
  async fn() {
    await using server = startHttpGit();
    await using proxy = new FaultProxy(server.port);
    const bare = server.makeRepository();
    using place = new GitPlace(server.optionsFor(bare, proxy.port), bare);
    const waits = Array.from({ length: 24 }, (_, index) => (index + 1) << 17);
    proxy.arm(
      ...waits.map((after) => ({ kind: "delay", ms: 250, direction: "up", after }) as const),
    );
    const bytes = new Uint8Array(8 << 20);
    for (let at = 0; at < bytes.length; at += 1 << 16) {
      crypto.getRandomValues(bytes.subarray(at, at + (1 << 16)));
    }
    await place.store([place.file(KEY, bytes)], { call: { stall: 3000 } });
    assert.equal(proxy.fired, waits.length);
    assert.deepEqual(await place.list(), [`${KEY} ${bytes.length}`]);
  },
});

Deno.test({
  name: `a push gets through where others are faster several times${unlessHttpGit}`,
  ignore: unlessHttpGit !== "",
  async fn() {
    await using server = startHttpGit();
    const bare = server.makeRepository();
    using place = new GitPlace(server.optionsFor(bare), bare);
    place.pushAsOther("README.md", "theirs");
    // Somebody else's commit comes between, six times.
    await writeScript(
      join(bare, "hooks", "pre-receive"),
      `#!/bin/sh
test "$(git rev-list --count main)" -gt 6 && exit 0
unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
git update-ref refs/heads/main "$(git commit-tree -p main -m theirs main^{tree})"
`,
    );
    await place.store([place.file(KEY, "archive")]);
    assert.equal(place.commits(), 8);
    assert.deepEqual(await place.list(), [`${KEY} 7`]);
  },
});

Deno.test({
  name:
    `a commit that a server took and did not keep is none, and one it went on from is${unlessHttpGit}`,
  ignore: unlessHttpGit !== "",
  async fn() {
    await using server = startHttpGit();
    const bare = server.makeRepository();
    using place = new GitPlace(server.optionsFor(bare), bare);
    place.pushAsOther("README.md", "theirs");
    const storeWhere = async (then: string) => {
      await writeScript(
        join(bare, "hooks", "post-receive"),
        `#!/bin/sh\nread old new ref\n${then}\n`,
      );
      return await place.store([place.file(KEY, "archive")]);
    };
    await assert.rejects(storeWhere("git update-ref $ref $old"), {
      code: "destination-unreachable",
      message: /: it took a commit and does not have it on "main"$/,
    });
    await storeWhere(`export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x
git update-ref $ref "$(GIT_COMMITTER_EMAIL=x git commit-tree -p $new -m theirs $new^{tree})"`);
    assert.deepEqual([place.commits(), await place.list()], [3, [`${KEY} 7`]]);
  },
});

Deno.test({
  name:
    `a snapshot comes back from nothing but an address of http, credentials and the identity${unlessHttpGit}`,
  ignore: unlessHttpGit !== "",
  async fn() {
    await using server = startHttpGit();
    using world = await World.make();
    const bare = server.makeRepository();
    await keepsake(world, 0, "run", ...await write(world, server, bare));
    const { remote, credentials } = server.optionsFor(bare);
    const secret = await Deno.readTextFile(credentials!.slice("file:".length));
    const env = { KEEPSAKE_GIT_CREDENTIALS: secret, XDG_CONFIG_HOME: world.at("nothing") };
    const to = world.at("back");
    const args = ["restore", "--from", remote!, "--identity", world.identity, "--to", to];
    const { code, said } = await startProgram(world, args, env);
    assert.equal(code, 0, said);
    world.assertRestored(join(to, ".claude"));
    const refused = await startProgram(world, args, {
      ...env,
      KEEPSAKE_GIT_CREDENTIALS: "a:canary-b",
    });
    assert.equal(refused.code, 2);
    assert.match(refused.said, /does not take the credentials/);
    assert.doesNotMatch(refused.said, /canary-/);
  },
});

const home = Deno.env.get("HOME") ?? "";
const mayMount = unlessSshGit === "" &&
  works("unshare", "-rm", "sh", "-c", `mount --bind ${home}/.ssh ${home}/.ssh`);

Deno.test({
  name: `a snapshot comes back from nothing but an address of ssh and the identity${
    mayMount ? "" : " (ignored: no ~/.ssh of its own can be mounted here, or there is no sshd)"
  }`,
  ignore: !mayMount,
  async fn() {
    await using server = await startSshGit();
    using world = await World.make();
    const bare = server.makeRepository();
    await keepsake(world, 0, "run", ...await write(world, server, bare));
    const { remote, ssh_key, ssh_known_hosts } = server.optionsFor(bare);
    const own = world.at("ssh");
    await Deno.mkdir(own, { mode: 0o700 });
    await Deno.copyFile(ssh_key!, join(own, "id_ed25519"));
    await Deno.chmod(join(own, "id_ed25519"), 0o600);
    await Deno.copyFile(ssh_known_hosts!, join(own, "known_hosts"));
    const to = world.at("back");
    const { code, stderr } = await new Deno.Command("unshare", {
      args: [
        ...["-rm", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', own, `${home}/.ssh`],
        ...[Deno.execPath(), ...PROGRAM, "restore", "--from", remote!],
        ...["--identity", world.identity, "--to", to],
      ],
      cwd: world.path,
      env: { XDG_CONFIG_HOME: world.at("nothing") },
      stdout: "null",
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    world.assertRestored(join(to, ".claude"));
  },
});

Deno.test({
  name:
    `every snapshot in files can be verified by an sshd that hears nothing of newer protocols${unlessSshGit}`,
  ignore: unlessSshGit !== "",
  async fn() {
    await using server = await startSshGit(true);
    using world = await World.make();
    const options = Object.entries(server.optionsFor(server.makeRepository()))
      .map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    const { file } = await world.pipeline(`
      [[stage]]
      use = "snapshot"
      id = "claude"
      paths = [${JSON.stringify(world.source)}]
      [[stage]]
      use = "git"
      layout = "files"
      plaintext = true
      ${options.join("\n")}
    `);
    const config = ["--config", file];
    // More than one that is not the newest: the second finds what the first had brought.
    for (const state of ["older", "old", "new"]) {
      await Deno.writeTextFile(join(world.source, "state"), state);
      await keepsake(world, 0, "run", ...config);
    }
    await keepsake(world, 0, "verify", "--all", "--from", "git", ...config);
  },
});

/** Writes a pipeline with a server, and a directory beside it; answers how to name it. */
async function write(world: World, server: GitServer, bare: string, port?: number) {
  const options = Object.entries(server.optionsFor(bare, port))
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  const stages = `${world.usual()}\n[[stage]]\nuse = "git"\n${options.join("\n")}\n`;
  const { file } = await world.pipeline(stages);
  return ["--config", file];
}

/** Runs the program; fails unless it ends with that status. Answers what it printed. */
async function keepsake(world: World, status: number, ...args: readonly string[]): Promise<string> {
  const { code, said, printed } = await startProgram(world, args);
  assert.equal(code, status, `keepsake ${args.join(" ")}: ${said}`);
  return printed;
}

async function startProgram(
  world: World,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...PROGRAM, ...args],
    cwd: world.path,
    env: { ...env },
  }).output();
  const decoder = new TextDecoder();
  return { code, printed: decoder.decode(stdout), said: decoder.decode(stderr) };
}
