/**
 * What the demonstration shows, step by step.
 *
 * @module
 */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CANARY, makeSampleHome, type SampleHome } from "../sample_home.ts";
import type { Show } from "./show.ts";
import { compareTrees, describeTree, readTree } from "./trees.ts";

/**
 * Tells the whole story in an empty directory that becomes the home.
 *
 * @throws When anything is not as it is told.
 */
export async function tell(show: Show, home: string, compress: string): Promise<void> {
  const { narrator } = show;

  narrator.heading("A home in which Claude Code has been used for a while");
  const sample = makeSampleHome(home, { seed: 1, now: Date.now() });
  narrator.say(
    `${sample.projects.length} projects, ${sample.conversations.length} conversations, ` +
      `${sample.files} files, ${(sample.bytes / 1e6).toFixed(1)} MB. Claude Code deletes ` +
      "conversations after 30 days; keepsake is there so that they are not gone then.",
  );

  narrator.heading("A key");
  const { stdout } = await show.keepsake("keygen");
  show.check(/^age1[0-9a-z]+$/m.test(stdout), "a recipient was printed");
  narrator.say(
    "The identity opens backups and stays in its file: whoever loses it loses the backups. The " +
      "recipient can only close them, and may be known to anybody.",
  );

  narrator.heading("A pipeline: what to keep, and where");
  writePipeline(home, compress);
  await show.shell("cat ~/.config/keepsake/pipeline.toml");
  narrator.say("Each stage acts on what the ones above it made. Order is meaning.");

  narrator.heading("What would happen, and who may do what");
  await show.keepsake("plan");
  narrator.say(
    "Each stage runs in a worker with these permissions and no others: what reads your files " +
      "cannot reach the network.",
  );

  narrator.heading("The first run");
  await show.keepsake("run");
  show.check(archives(home).length === 1, "one snapshot is at the destination");
  narrator.say("One encrypted archive and its manifest, read back after they were written.");

  narrator.heading("One conversation goes on, and the second run");
  const changed = sample.conversations.at(-1) ?? "";
  appendFileSync(join(home, changed), '{"type":"last-prompt","lastPrompt":"and now?"}\n');
  const { output } = await show.keepsake("run");
  show.check(/\b1 changed, 0 new, 0 gone\b/.test(output), "one file changed, and no other");
  show.check(archives(home).length === 2, "two snapshots are at the destination");
  narrator.say("Each opens by itself: the older one still has the conversation as it was.");

  narrator.heading("The third run, with nothing changed");
  const before = readTree(home, ["backups"]);
  await show.keepsake("run");
  show.same(before, readTree(home, ["backups"]), "the destination did not gain a byte");
  narrator.say("Nothing to do, and nothing done.");

  narrator.heading("What is there");
  await show.keepsake("list");
  narrator.say("Also on another machine, that has nothing but the destination and the identity.");

  narrator.heading("Is it still good?");
  await show.keepsake("verify");
  narrator.say("Fetched, opened and unpacked to nowhere, with every hash compared.");

  narrator.heading("Back again");
  await show.keepsake("restore", "--to", "~/restored");
  compare(show, home, sample);

  narrator.heading("Back again, without keepsake");
  await restoreByHand(show, home, compress);
}

/** What the pipeline backs up. */
const SOURCES = [".claude", ".claude-mem", "dotfiles"];

function writePipeline(home: string, compress: string): void {
  const folder = join(home, ".config/keepsake");
  mkdirSync(folder, { recursive: true });
  const paths = SOURCES.map((path) => `"~/${path}"`).join(", ");
  const text = `[pipeline]
name = "demo"
identity = "~/.config/keepsake/identity.txt"

[[stage]]
use = "snapshot"
id = "claude"
paths = [${paths}]
compress = "${compress}"

[[stage]]
use = "hash-gate"

[[stage]]
use = "encrypt"
to = ["~/.config/keepsake/recipients.txt"]

[[stage]]
use = "local"
path = "~/backups"
`;
  writeFileSync(join(folder, "pipeline.toml"), text);
}

/** Archives at the destination, oldest first, below the home. */
function archives(home: string): readonly string[] {
  return [...readTree(home, ["backups"]).keys()].filter((path) => /\.tar(\.|$)/.test(path)).sort();
}

/** Compares what came back with what is there, what is left out on purpose aside. */
function compare(show: Show, home: string, { secrets, caches }: SampleHome): void {
  const restored = join(home, "restored");
  const source = readTree(home, SOURCES);
  const result = readTree(restored, SOURCES);
  const { missing, extra, changed } = compareTrees(source, result);
  const left = [...secrets, ...caches];
  show.none(missing.filter((path) => !left.some((other) => isAtOrAround(path, other))), "lost");
  show.none(extra, "made up");
  show.none(changed, "changed");
  show.none([...result.keys()].filter((path) => hasCanary(restored, path, result)), "secret");

  show.narrator.held(`${describeTree(result)}: all as they were, modes and contents`);
  const skipped = missing.filter((path) => source.get(path)?.startsWith("file"));
  show.narrator.held(`${skipped.length} files were left out on purpose:`);
  for (const path of summarize(skipped)) show.narrator.item(path);
  show.narrator.say(
    "Those are credentials and tokens, which belong in no archive, and caches that Claude Code makes " +
      "again by itself.",
  );
}

/** Restores with what any Linux has. */
async function restoreByHand(show: Show, home: string, compress: string): Promise<void> {
  const unpacker = UNPACKERS[compress] ?? "zstd";
  const lacking = await show.lacking(["age", unpacker, "tar"]);
  if (lacking.length > 0) {
    show.narrator.absent(`Not shown: ${lacking.join(", ")} cannot be found here`);
    return;
  }
  mkdirSync(join(home, "by-hand"));
  await show.shell(
    `age -d -i ~/.config/keepsake/identity.txt \\\n  ~/${archives(home).at(-1)} \\\n` +
      `  | ${unpacker}${unpacker === "cat" ? "" : " -d"} | tar x -C ~/by-hand`,
  );
  show.same(
    readTree(join(home, "restored"), SOURCES),
    readTree(join(home, "by-hand"), SOURCES),
    "the same tree came out",
  );
  show.narrator.say(
    "Stock tools are enough, on a machine that has never seen keepsake, years from now.",
  );
}

const UNPACKERS: Readonly<Record<string, string>> = { zstd: "zstd", gzip: "gzip", none: "cat" };

function hasCanary(directory: string, path: string, tree: ReadonlyMap<string, string>): boolean {
  return tree.get(path)?.startsWith("file") === true &&
    readFileSync(join(directory, path)).includes(CANARY);
}

/** Whether a path is at, below, or a folder above another one. */
function isAtOrAround(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}/`) || other.startsWith(`${path}/`);
}

/** Paths, with those of one folder together where there are many. */
function summarize(paths: readonly string[]): readonly string[] {
  const folders = Map.groupBy(paths, (path) => path.slice(0, path.lastIndexOf("/")));
  return [...folders].flatMap(([folder, below]) =>
    below.length > 3 ? [`${folder}/ (${below.length} files)`] : below
  );
}
