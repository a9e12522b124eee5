import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { World } from "../end_to_end/world.ts";
import { cacheDirectory } from "./harness.ts";

const STAGES = fileURLToPath(new URL("../../stages/", import.meta.url));

async function runFile(
  file: string,
  args: readonly string[],
  { input = new Uint8Array(), env = {} }: {
    readonly input?: Uint8Array<ArrayBuffer>;
    readonly env?: Record<string, string>;
  } = {},
) {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", `${STAGES}${file}.ts`, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env,
  }).spawn();
  const writer = process.stdin.getWriter();
  // Side by side: a stage that nobody reads from does not read on.
  const writing = writer.write(input).then(() => writer.close());
  const [{ code, stdout, stderr }] = await Promise.all([process.output(), writing]);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, bytes: stdout, out: text(stdout), err: text(stderr) };
}

for (const file of ["local", "git", "s3"]) {
  Deno.test(`stages/${file}.ts run with --help is not taken for a server by Deno`, async () => {
    const args = ["run", "-A", `${STAGES}${file}.ts`, "--help"];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assert.equal(code, 0);
    assert.equal(new TextDecoder().decode(stderr), "");
  });
}

for (const file of ["snapshot", "hash_gate", "encrypt", "local"]) {
  Deno.test(`stages/${file}.ts explains itself when it is run with --help`, async () => {
    const { code, out } = await runFile(file, ["--help"]);
    assert.deepEqual(await runFile(file, ["-h"]).then(({ out }) => out), out);
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^${file.replace("_", "-")}: [A-Z]`));
  });
}

Deno.test("stages run as scripts make an archive, encrypt it, and list a destination", async () => {
  using world = await World.make();
  const archive = await runFile("snapshot", ["--paths", world.source, "--compress", "none"]);
  assert.equal(archive.code, 0, archive.err);
  assert.equal(archive.bytes.length % 512, 0);
  assert.ok(archive.out.startsWith(".claude/"));
  const sealed = await runFile("encrypt", ["--to", world.recipient], {
    input: archive.bytes,
  });
  assert.equal(sealed.code, 0, sealed.err);
  assert.ok(sealed.out.startsWith("age-encryption.org/v1\n"));
  const listed = await runFile("local", ["--path", world.at("nothing")]);
  assert.deepEqual([listed.code, listed.out, listed.err], [0, "", "It holds nothing\n"]);
});

Deno.test("no file name reaches the terminal as anything but letters from a stage alone", async () => {
  await using world = await World.make();
  const script = String
    .raw`printf x > "$0/"$'bad\x1b[31m\xff'; mkdir "$0/d"; printf x > "$0/d/"$'a\x1b[2J\nb'`;
  await new Deno.Command("bash", { args: ["-c", script, world.source] }).output();
  const told = await runFile("snapshot", ["--paths", world.source]);
  assert.match(told.err, /^Not in the archive: .*bad\\u\{1b\}\[31m/m);
  const listed = await runFile("local", ["--path", world.source]);
  assert.match(listed.out, /^d\/a\\u\{1b\}\[2J\\nb\t1$/m);
  assert.deepEqual([...(told.err + listed.out).matchAll(/[^\n\t\x20-\x7e\u00a0-\uffff]/g)], []);
});

Deno.test("what a stage alone could not print is not passed off as printed", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const line = `"$0" run -A --quiet "$1" --help > /dev/full`;
  const args = ["-c", line, Deno.execPath(), `${STAGES}local.ts`];
  const { code, stderr } = await new Deno.Command("bash", { args }).output();
  assert.equal(code, 2);
  assert.match(new TextDecoder().decode(stderr), /^Error: Cannot write to standard output: /);
});

Deno.test("an archive that nobody reads to its end is a failure, and no bug", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using world = await World.make();
  const line = `"$0" run -A --quiet "$1" --paths "$2" | head -c 0; exit \${PIPESTATUS[0]}`;
  const args = ["-c", line, Deno.execPath(), `${STAGES}snapshot.ts`, world.source];
  const { code, stderr } = await new Deno.Command("bash", { args }).output();
  assert.equal(code, 2);
  assert.match(new TextDecoder().decode(stderr), /^Error: .*: nobody reads it any more$/m);
});

Deno.test("a stage alone goes by no home directory that is another in every folder", async () => {
  const env = { HOME: "relative", DENO_DIR: cacheDirectory() };
  const { code, err } = await runFile("local", ["--path", "~/x"], { env });
  assert.equal(code, 3);
  assert.match(err, /Cannot expand ~: there is no home directory/);
});

Deno.test("a stage run as a script refuses an unknown or wrong option with status 3", async () => {
  const unknown = await runFile("local", ["--pth", "x"]);
  assert.equal(unknown.code, 3);
  assert.match(unknown.err, /Cannot use "--pth": "local" has no such option/);
  const missing = await runFile("encrypt", []);
  assert.equal(missing.code, 3);
  assert.match(missing.err, /Cannot run "encrypt": .*to/);
});
