/** What the pages on recovery say is done, word by word, with the programs that they name. */
import { deepEqual, equal, match } from "node:assert/strict";
import { dirname, join } from "node:path";
import { sheetAsHtml, sheetAsMarkdown } from "../../commands/ui/recovery_view.ts";
import { recoveryOf, type WayBack } from "../../pipeline/recovery.ts";
import { runPipeline } from "../../pipeline/run.ts";
import { Home } from "../commands/harness.ts";
import { haveTools, World } from "../end_to_end/world.ts";
import { git } from "../stages/git_harness.ts";
import { startS3, unlessS3 } from "./s3.ts";

const TOOLS = ["age", "zstd", "tar", "git"] as const;
const unless = haveTools(...TOOLS) ? "" : ` (ignored: not all of ${TOOLS.join(", ")} are here)`;
const unlessAws = unlessS3 || (haveTools("aws") ? "" : " (ignored: there is no aws)");
const ORIGIN = { host: "desk", printed: new Date("2026-01-02T03:04:05Z") };

const PAGE = await Deno.readTextFile(new URL("../../docs/recovery.md", import.meta.url));

/** The blocks of the page on recovery, by how each begins: it has these, in this order, and no other. */
const BLOCKS = {
  places: /^BACKUPS=/,
  withKeepsake: /^keepsake list /,
  fromDirectory: /^cp /,
  fromGit: /^git clone /,
  fromBucket: /^aws s3 sync /,
  newest: /^ls stored/,
  check: /^cat stored\/"\$ID"\/"\$NAME"\.json/,
  unpack: /^mkdir -p restored\/"\$ID"\ncat /,
  files: /^mkdir -p restored\/"\$ID"\necho /,
  look: /^find restored /,
} as const;

function blocksOfPage(): Record<keyof typeof BLOCKS, string> {
  const blocks = blocksOf(PAGE);
  equal(PAGE.match(/^ *(```|~~~)/gm)?.length, 2 * blocks.length, "a block is no block of commands");
  equal(blocks.length, Object.keys(BLOCKS).length, "there is a block that no test runs");
  const named = Object.entries(BLOCKS).map(([name, beginning], index) => {
    match(blocks[index]!, beginning);
    return [name, blocks[index]!] as const;
  });
  return Object.fromEntries(named) as Record<keyof typeof BLOCKS, string>;
}

/** The blocks of commands of a Markdown page, in their order. */
function blocksOf(page: string): string[] {
  return [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!);
}

/** Runs lines in a folder, where nothing is to be found but the programs that are named. */
async function follow(
  world: World,
  lines: string,
  tools: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const folder = world.at(`follow-${crypto.randomUUID()}`);
  const bin = join(folder, "bin");
  await Deno.mkdir(bin, { recursive: true });
  await Deno.copyFile(world.identity, join(folder, "identity.txt"));
  const basic = ["ls", "cat", "cp", "cut", "mkdir", "grep", "sort", "tail", "sha256sum", "find"];
  for (const tool of [...basic, "touch", ...tools]) {
    const { stdout } = await new Deno.Command("sh", { args: ["-c", `command -v ${tool}`] })
      .output();
    await Deno.symlink(new TextDecoder().decode(stdout).trim(), join(bin, tool));
  }
  const { success, stdout, stderr } = await new Deno.Command("/bin/bash", {
    args: ["-euo", "pipefail", "-c", lines],
    cwd: folder,
    clearEnv: true,
    env: { PATH: bin, HOME: folder, ...env },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  equal(success, true, decode(stderr));
  world.assertRestored(join(folder, "restored", "claude", ".claude"));
  return decode(stdout);
}

/** A world with an older snapshot and a newer one, in a directory whose name needs quotes, and in git. */
async function backedUp(more = "") {
  const world = await World.make();
  // Where nobody says otherwise, git's first branch has another name than the one of backups.
  await Promise.resolve(
    git("init", "-q", "--bare", "--initial-branch=master", world.at("backup.git")),
  );
  const stages = world.usual({ destination: "it's a disk" }) +
    `[[stage]]\nuse = "git"\nremote = "${world.at("backup.git")}"\nmax_file = "64KiB"\n${more}`;
  const pipeline = await world.pipeline(stages);
  await Deno.writeTextFile(join(world.source, "CLAUDE.md"), "# Older\n");
  equal((await runPipeline(pipeline)).status, 0);
  await Deno.writeTextFile(join(world.source, "CLAUDE.md"), "# Newer\n");
  equal((await runPipeline(pipeline)).status, 0);
  return { world, pipeline };
}

Deno.test({
  name:
    `the commands of a recovery sheet bring everything back, with what they name alone${unless}`,
  ignore: unless !== "",
  async fn() {
    const { world, pipeline } = await backedUp();
    using _ = world;
    const recovery = recoveryOf(pipeline);
    const blocks = blocksOf(sheetAsMarkdown(recovery, ORIGIN));
    deepEqual(recovery.ways.map(({ destination }) => destination), ["local", "git"]);
    equal(blocks.length, 2);
    for (const [index, { tools }] of recovery.ways.entries()) {
      await follow(world, blocks[index]!, tools);
    }
  },
});

Deno.test({
  name: `a sheet keeps snapshots apart whose folders have one name${unless}`,
  ignore: unless !== "",
  async fn() {
    using world = await World.make();
    const other = world.at("other", ".claude", "CLAUDE.md");
    await Deno.mkdir(dirname(other), { recursive: true });
    await Deno.writeTextFile(other, "# Another\n");
    const [snapshot, ...more] = world.usual().split("[[stage]]").slice(1);
    const second = snapshot!.replace('"claude"', '"other"').replace(world.source, dirname(other));
    const stages = [snapshot, second, ...more].map((stage) => `[[stage]]${stage}`);
    const pipeline = await world.pipeline(stages.join("\n"));
    equal((await runPipeline(pipeline)).status, 0);
    const [{ lines, tools }] = recoveryOf(pipeline).ways as [WayBack];
    const said = await follow(world, [...lines, "cat restored/other/.claude/*"].join("\n"), tools);
    equal(said, "# Another\n");
  },
});

/** A world that is in git file by file, and in whatever else the stages say; they stand above git's. */
async function inFiles(stages: (world: World) => string = () => "") {
  const world = await World.make();
  await Deno.chmod(join(world.source, "empty"), 0o755);
  await Deno.remove(join(world.source, "empty")); // Git keeps no empty directories,
  await Deno.chmod(join(world.source, "settings.json"), 0o644); // and of modes one bit.
  await Deno.remove(join(world.source, "AGENTS.md"));
  const attributes =
    "* export-subst\nsecret export-ignore\nlines eol=crlf\nnames ident\nwide working-tree-encoding=UTF-16\n";
  await Deno.writeTextFile(join(world.source, ".gitattributes"), attributes);
  for (const name of ["secret", "lines", "names", "wide"]) {
    await Deno.writeTextFile(join(world.source, name), "$Format:%H$\n$Id$\n");
  }
  await Promise.resolve(git("init", "-q", "--bare", "--initial-branch=main", world.at("f.git")));
  const pipeline = await world.pipeline(`
    [[stage]]
    use = "snapshot"
    id = "claude"
    paths = ["${world.source}"]
    compress = "none"
    ${stages(world)}
    [[stage]]
    use = "git"
    remote = "${world.at("f.git")}"
    layout = "files"
    plaintext = true
  `);
  equal((await runPipeline(pipeline)).status, 0);
  return { world, pipeline };
}

Deno.test({
  name:
    `a sheet brings back what is not encrypted, not compressed, and files in a repository${unless}`,
  ignore: unless !== "",
  async fn() {
    const { world, pipeline } = await inFiles((world) =>
      `[[stage]]\nuse = "local"\npath = "${world.at("plain")}"\nplaintext = true`
    );
    using _ = world;
    const sheet = sheetAsMarkdown(recoveryOf(pipeline), ORIGIN);
    match(sheet, /^Nothing is encrypted: no identity is needed\.$/m);
    for (const block of blocksOf(sheet)) await follow(world, block, ["tar", "git"]);
  },
});

Deno.test({
  name: `a recovery sheet and the page bring everything back from a bucket${unlessAws}`,
  ignore: unlessAws !== "",
  async fn() {
    await using server = await startS3();
    const bucket = await server.makeBucket();
    const env = {
      AWS_ACCESS_KEY_ID: server.keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.keys.secretAccessKey,
    };
    using world = await World.make();
    const keys = world.at("credentials");
    const lines = Object.entries(env).map(([name, value]) => `${name.toLowerCase()} = ${value}\n`);
    await Deno.writeTextFile(keys, `[default]\n${lines.join("")}`);
    const s3 =
      `use = "s3"\nbucket = "${bucket}"\nprefix = "claude/"\nendpoint = "${server.endpoint}"`;
    const stages = world.usual()
      .replace(/use = "local"\s+path = .*/, `${s3}\ncredentials = "file:${keys}"`);
    const pipeline = await world.pipeline(stages);
    equal((await runPipeline(pipeline)).status, 0);
    const [way] = recoveryOf(pipeline).ways;
    // aws may be a script that needs more than its own name.
    const path = { ...env, PATH: Deno.env.get("PATH")!, HOME: Deno.env.get("HOME")! };
    await follow(world, way!.lines.join("\n"), way!.tools, path);
    const { withKeepsake, fromBucket, newest, check, unpack, look } = blocksOfPage();
    const own = `BUCKET=s3://${bucket}/claude/\nENDPOINT=${server.endpoint}\nID=claude\n`;
    const words = [own, fromBucket, newest, check, unpack, look].join("");
    const region = { AWS_DEFAULT_REGION: "us-east-1" };
    await follow(world, words, way!.tools, { ...path, ...region });
    await use(world, own, withKeepsake, '"$BUCKET?endpoint=$ENDPOINT"', env);
  },
});

/** Follows the block with keepsake, with the address that the page has for another kind of place. */
async function use(
  world: World,
  own: string,
  block: string,
  address: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  await using bare = await Home.make();
  await Deno.copyFile(world.identity, bare.at("identity.txt"));
  equal(PAGE.replaceAll("\n", " ").includes(`\`${address}\``), true, address);
  const lines = `set -e\n${own}${block.replaceAll('"$BACKUPS"', () => address)}`;
  const { status, stderr } = await bare.bash(lines, { env });
  equal(status, 0, stderr);
  world.assertRestored(bare.at("back", ".claude"));
}

Deno.test({
  name: `the page on recovery is right, word by word, by hand${unless}`,
  ignore: unless !== "",
  async fn() {
    const { world } = await backedUp();
    using _ = world;
    const { places, fromDirectory, fromGit, newest, check, unpack, look } = blocksOfPage();
    deepEqual(places.match(/^[A-Z]+/gm), ["BACKUPS", "REPOSITORY", "BUCKET", "ENDPOINT", "ID"]);
    const own = `BACKUPS="${world.at("it's a disk")}"\nREPOSITORY=${
      world.at("backup.git")
    }\nID=claude\n`;
    for (const bring of [fromDirectory, fromGit]) {
      const lines = [own, bring, newest, check, unpack, look].join("");
      const said = await follow(world, lines, TOOLS);
      match(said, /^whole\n\.claude$/m);
    }
    // "Steps 2 and 4 with NAME set by hand".
    const kept = await Array.fromAsync(Deno.readDir(world.at("it's a disk", "claude")));
    const manifests = kept.map(({ name }) => name).filter((name) => name.includes(".json")).sort();
    const last = manifests.at(-1)!;
    await Deno.remove(world.at("it's a disk", "claude", last));
    const byHand = `NAME=${last.split(".")[0]}\n`;
    await follow(world, [own, fromDirectory, newest, byHand, unpack, look].join(""), TOOLS);
  },
});

Deno.test({
  name: `the page on recovery is right for other names, with the changes that it names${unless}`,
  ignore: unless !== "",
  async fn() {
    const { fromDirectory, newest, check, unpack, look } = blocksOfPage();
    const rows = [...PAGE.matchAll(/^\| `(\.tar\S*)` +\| (.*?) +\| (.*?) +\|$/gm)];
    deepEqual(rows.map(([, ending]) => ending), [".tar.gz.age", ".tar.zst", ".tar.age"]);
    for (const [, ending, write, instead] of rows) {
      const words = (cell: string) =>
        [...cell.matchAll(/`(.*?)`/g)].map(([, word]) => word!.replaceAll("\\|", "|"));
      const [before, after] = [words(instead!), words(write!)];
      const change = (block: string) =>
        before.reduce(
          (text, word, index) => text.replaceAll(word, () => after[index] ?? ""),
          block,
        );
      using world = await World.make();
      const codec = ending!.includes("gz") ? "gzip" : ending!.includes("zst") ? "zstd" : "none";
      const encrypted = world.usual({ codec });
      const stages = ending!.endsWith(".age")
        ? encrypted
        : encrypted.replace(/\[\[stage\]\]\s+use = "encrypt"\s+to = .*/, "") + "plaintext = true\n";
      equal((await runPipeline(await world.pipeline(stages))).status, 0);
      const stored = Object.keys(await world.files("backups"));
      equal(stored.some((name) => name.endsWith(ending!)), true, stored.join(" "));
      const own = `BACKUPS="${world.at("backups")}"\nID=claude\n`;
      const lines = [own, fromDirectory, newest, change(check), change(unpack), look].join("");
      const tools = ending!.endsWith(".age") ? ["age", "tar"] : ["tar"];
      const codecs = codec === "none" ? [] : [codec];
      match(await follow(world, lines, [...tools, ...codecs]), /^whole\n\.claude$/m);
    }
  },
});

Deno.test({
  name: `the page on recovery is right for files in a repository${unless}`,
  ignore: unless !== "",
  async fn() {
    const { world } = await inFiles();
    using _ = world;
    const { fromGit, files, look } = blocksOfPage();
    const own = `REPOSITORY="${world.at("f.git")}"\nID=claude\n`;
    await follow(world, [own, fromGit, files, look].join(""), ["tar", "git"]);
  },
});

Deno.test({
  name: `the page on recovery is right, word by word, with keepsake${unless}`,
  ignore: unless !== "",
  async fn() {
    const { world } = await backedUp();
    using _ = world;
    const { withKeepsake } = blocksOfPage();
    const own = `BACKUPS="${world.at("it's a disk")}"\nREPOSITORY="git+${
      world.at("backup.git")
    }"\nID=claude\n`;
    for (const address of ['"$BACKUPS"', '"$REPOSITORY"']) {
      await use(world, own, withKeepsake, address);
    }
  },
});

Deno.test("a recovery sheet names the identity's place and recipient, and never the secret", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(world.usual({ destination: "<b>&amp" }));
  const secret = (await Deno.readTextFile(world.identity)).trim();
  for (const render of [sheetAsMarkdown, sheetAsHtml]) {
    const sheet = render(recoveryOf(pipeline), ORIGIN);
    equal(sheet.includes(world.identity), true);
    equal(sheet.includes(world.recipient), true);
    equal(sheet.includes(secret), false);
  }
  const html = sheetAsHtml(recoveryOf(pipeline), ORIGIN);
  match(html, /^<!doctype html>\n<html lang="en">/);
  match(html, /&lt;b&gt;&amp;amp/);
  equal(/<b>/.test(html), false);
  equal(/(src|href)=/.test(html), false, "A page for paper loads nothing");
});

Deno.test("a recovery sheet says where age has to be a newer one than many systems have", async () => {
  using world = await World.make();
  const recovery = recoveryOf(await world.pipeline(world.usual()));
  const recipients = [...recovery.recipients, "age1pq1abc"];
  equal(sheetAsMarkdown(recovery, ORIGIN).includes("age 1.3"), false);
  equal(sheetAsMarkdown({ ...recovery, recipients }, ORIGIN).includes("age 1.3"), true);
});

Deno.test("recovery-sheet prints Markdown, or HTML, and nothing else", async () => {
  await using home = await Home.make();
  await home.furnish();
  const page = await home.keepsake(["recovery-sheet"]);
  deepEqual([page.status, page.stderr], [0, ""]);
  match(page.stdout, /^# Recovery sheet: claude on \S+\n/);
  const html = await home.keepsake(["recovery-sheet", "--format", "html"]);
  match(html.stdout, /^<!doctype html>\n[^]*<\/html>\n$/);
  equal((await home.keepsake(["recovery-sheet", "--format", "pdf"])).status, 3);

  await home.keepsake(["keygen", "--output", home.at("other.txt")]);
  await Deno.copyFile(home.at("other.txt"), home.at(".config/keepsake/identity.txt"));
  const foreign = await home.keepsake(["recovery-sheet"]);
  equal(foreign.status, 0);
  match(foreign.stderr, /^Warning: The identity ".*" belongs to none of the recipients/);
  match(
    foreign.stdout,
    /^NOT \S+identity\.txt, which the pipeline file names and which opens nothing/m,
  );
});
