/** The one executable, compiled and used away from the source tree. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { compile } from "../tools/compile.ts";
import { compareTrees, readTree } from "../tools/demo/trees.ts";
import { Folder, PROJECT, works } from "./platform/probe.ts";
import { Hooks } from "./servers/hooks.ts";

const obstacle = await whyNotCompiled();

/** What compiles may be an older Deno, which knows no zstd. */
const CODEC = Deno.env.has("COMPILE_DENO") ? "gzip" : "zstd";

Deno.test({
  name: `the compiled executable${obstacle ? ` (ignored: ${obstacle})` : ""}`,
  ignore: obstacle !== undefined,
  async fn(t) {
    using folder = new Folder();
    const keepsake = join(folder.path, "bin", "keepsake");
    await compile({ output: keepsake });

    await t.step("plays the demonstration from end to end", async () => {
      const demo = [Deno.execPath(), "run", "-A", join(PROJECT, "tools/demo.ts")];
      const words = ["--executable", keepsake, "--compress", CODEC];
      const { status, stdout } = await run(folder.path, [...demo, ...words]);
      assert.equal(status, 0, stdout);
      assert.match(stdout, /Everything held/);
    });

    await t.step("shows all eight permissions of every stage", async () => {
      const home = await makeHome(folder.path, "planning");
      await keepsakeIn(home, keepsake, ["init", "--yes"]);
      const plan = JSON.parse((await keepsakeIn(home, keepsake, ["plan", "--json"])).stdout);
      assert.ok(plan.stages.length >= 4);
      for (const { permissions } of plan.stages) {
        assert.equal(Object.keys(permissions).length, 8);
        assert.equal(permissions.net, false);
      }
    });

    await t.step("tells of a backup that fails", async () => {
      await using hooks = new Hooks();
      const home = await makeHome(folder.path, "telling");
      await keepsakeIn(home, keepsake, ["init", "--yes"]);
      const file = join(home, ".config", "keepsake", "pipeline.toml");
      const text = await Deno.readTextFile(file);
      const alert = `[pipeline]\nalert = ["${hooks.at("/alert")}"]`;
      await Deno.writeTextFile(file, text.replace("[pipeline]", alert));
      await Deno.mkdir(join(home, ".local", "share"), { recursive: true });
      await Deno.writeTextFile(join(home, ".local", "share", "keepsake"), "");
      assert.equal((await keepsakeIn(home, keepsake, ["run"])).status, 2);
      assert.equal(hooks.take()[0]?.["event"], "failure");
    });

    await t.step("backs up and restores without the source tree or any cache", async () => {
      const home = await makeHome(folder.path, "restoring");
      const away = await works("unshare", "-rm", "true")
        ? ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', PROJECT, keepsake]
        : [keepsake];
      const init = await keepsakeIn(home, away, ["init", "--yes"]);
      assert.equal(init.status, 0, init.stderr);
      const config = join(home, ".config", "keepsake");
      const backup = await keepsakeIn(home, away, ["run"]);
      assert.equal(backup.status, 0, backup.stderr);
      const verified = await keepsakeIn(home, away, ["verify"]);
      assert.equal(verified.status, 0, verified.stderr);

      // As on another machine: the destination and the identity are all there is.
      const bare = join(folder.path, "bare");
      await Deno.mkdir(bare);
      const backups = join(home, ".local", "share", "keepsake", "backups");
      const identity = join(config, "identity.txt");
      const words = ["restore", "--from", backups, "--identity", identity, "--to", "restored"];
      const restored = await keepsakeIn(bare, away, words);
      assert.equal(restored.status, 0, restored.stderr);
      const { missing, extra, changed } = compareTrees(
        readTree(join(home, ".claude")),
        readTree(join(bare, "restored", ".claude")),
      );
      assert.deepEqual({ missing, extra, changed }, { missing: [], extra: [], changed: [] });
    });

    await t.step("names what is not UTF-8, or says that this Deno does not show it", async () => {
      if (Deno.build.os !== "linux") return; // Elsewhere no name is like that.
      const home = await makeHome(folder.path, "naming");
      const make = `printf x > .claude/$(printf 'bad\\377'); mkdir .claude/$(printf 'dir\\376')`;
      assert.equal((await run(home, ["sh", "-c", make])).status, 0);
      await keepsakeIn(home, keepsake, ["init", "--yes"]);
      const { status, stderr } = await keepsakeIn(home, keepsake, ["run", "--quiet"]);
      if (status === 2) assert.match(stderr, /bad\ufffd: its name is not UTF-8/);
      else assert.match(stderr, /^Warning: .* lack files and folders whose names are not UTF-8/m);
    });

    await t.step("makes digests with two workers, answers hooks and finds secrets", async () => {
      const home = await makeHome(folder.path, "knowing");
      const token = `ghp_${"aB3dE5fG7h".repeat(4)}`;
      const log = join(home, ".claude", "projects", "-home-me-work", "two.jsonl");
      const said = { uuid: "u1", cwd: "/home/me/work", timestamp: new Date().toISOString() };
      const line = { ...said, type: "user", message: { content: `It is ${token}` } };
      const filler = `${JSON.stringify({ type: "progress", data: "x".repeat(9000) })}\n`;
      await Deno.writeTextFile(log, `${JSON.stringify(line)}\n${filler.repeat(4000)}`);
      const digests = join(home, ".local", "share", "keepsake", "digests");
      const file = join(home, ".config", "keepsake", "pipeline.toml");
      await Deno.mkdir(join(home, ".config", "keepsake"), { recursive: true });
      const stages = [
        ["digest", ""],
        ["snapshot", `claude = true\npaths = [${JSON.stringify(digests)}]\ncompress = "${CODEC}"`],
        ["local", 'path = "~/blocked"\nplaintext = true\nsecrets = "block"'],
      ].map(([use, options]) => `[[stage]]\nuse = "${use}"\n${options}\n`);
      await Deno.writeTextFile(file, `[pipeline]\nname = "p"\n${stages.join("")}`);

      const backup = await keepsakeIn(home, keepsake, ["run"]);
      assert.equal(backup.status, 2, backup.stderr);
      assert.match(backup.stderr, /github/);
      assert.ok(!`${backup.stdout}${backup.stderr}`.includes(token));
      const names = (await Array.fromAsync(Deno.readDir(digests))).map(({ name }) => name);
      const digest = names.find((name) => name.startsWith("work-"))!;
      const text = await Deno.readTextFile(join(digests, digest));
      assert.match(text, /It is \[REDACTED:github\]/);
      assert.ok(!text.includes(token));

      assert.equal((await keepsakeIn(home, keepsake, ["hook", "install"])).status, 0);
      const settings = await Deno.readTextFile(join(home, ".claude", "settings.json"));
      const { command, args } = JSON.parse(settings).hooks.SessionStart.at(-1).hooks[0];
      assert.equal(command, keepsake);
      const { status, stdout } = await keepsakeIn(home, command, args);
      assert.equal(status, 0);
      assert.ok(JSON.parse(stdout).hookSpecificOutput.additionalContext.includes(digest), stdout);
    });

    await t.step("holds no library that is for development alone", async () => {
      const bytes = Buffer.from(await Deno.readFile(keepsake));
      assert.ok(bytes.includes("age-encryption@"), "what it needs is there");
      for (const name of ["fast-check@", "cctv-age@"]) assert.ok(!bytes.includes(name), name);
    });

    await t.step("gives a worker nothing that it was not granted", async () => {
      const output = join(folder.path, "bin", "probe");
      const entries = {
        main: "tests/platform/compiled_probe.ts",
        worker: "tests/platform/probe_worker.ts",
      };
      await compile({ output, ...entries });
      const scene = join(folder.path, "scene");
      await Deno.mkdir(scene);
      await Deno.writeTextFile(join(scene, "outside.txt"), "plaintext");
      const asked: string[] = [];
      await using registry = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        (request) => {
          asked.push(request.url);
          return new Response("nothing", { status: 404 });
        },
      );
      const { stdout, stderr } = await run(folder.path, [output, scene], {
        NPM_CONFIG_REGISTRY: `http://127.0.0.1:${registry.addr.port}`,
      });
      assert.ok(stdout, stderr);
      const { attempts, granted, npm } = JSON.parse(stdout);
      for (const [attempt, result] of Object.entries(attempts.answer)) {
        // An executable knows no module but its own, and says so before it thinks of permissions.
        const expected = attempt.startsWith("import ") ? /denied|Module not found/ : /^denied$/;
        assert.match(String(result), expected, attempt);
      }
      assert.deepEqual(granted, { answer: "granted" });
      assert.ok("error" in npm, "a package that is not embedded cannot be imported");
      assert.deepEqual(asked, []);
    });
  },
});

/** A new home with a small Claude Code folder. */
async function makeHome(folder: string, name: string): Promise<string> {
  const home = join(folder, name);
  const project = join(home, ".claude", "projects", "-home-me-work");
  await Deno.mkdir(project, { recursive: true });
  await Deno.writeTextFile(join(home, ".claude", "CLAUDE.md"), "Be kind.\n");
  await Deno.writeTextFile(join(project, "one.jsonl"), '{"type":"user"}\n'.repeat(9000));
  return home;
}

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function keepsakeIn(
  home: string,
  program: string | readonly string[],
  words: readonly string[],
): Promise<Outcome> {
  return run(home, [...[program].flat(), ...words], { HOME: home }, true);
}

async function run(
  cwd: string,
  [program, ...args]: readonly string[],
  env: Readonly<Record<string, string>> = {},
  clearEnv = false,
): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(program!, {
    args,
    cwd,
    env: { PATH: Deno.env.get("PATH") ?? "", NO_COLOR: "1", ...env },
    clearEnv,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { status: code, stdout: text(stdout), stderr: text(stderr) };
}

/** Deno downloads the runtime that it puts in front of a program, unless it has one. */
async function whyNotCompiled(): Promise<string | undefined> {
  if (Deno.env.has("DENORT_BIN")) return undefined;
  const address =
    `https://dl.deno.land/release/v${Deno.version.deno}/denort-${Deno.build.target}.zip`;
  try {
    const { ok, status } = await fetch(address, {
      method: "HEAD",
      signal: AbortSignal.timeout(10_000),
    });
    return ok ? undefined : `${address} answers ${status}`;
  } catch {
    return "Deno's runtime cannot be downloaded here, and DENORT_BIN names none";
  }
}
