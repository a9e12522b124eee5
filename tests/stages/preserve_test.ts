import assert from "node:assert/strict";
import { join } from "node:path";
import * as v from "valibot";
import type { PrepareResult, Remark } from "../../stages/contract.ts";
import { BackupError } from "../../stages/errors.ts";
import {
  type Preservation,
  preserve as preserveAll,
} from "../../stages/formats/preserve/preserving.ts";
import preserve from "../../stages/preserve.ts";
import { SLOW } from "../faults/harness.ts";
import { mayReadAll } from "../rights.ts";
import { SourceTree } from "./formats/snapshot/source_tree.ts";
import { runStage } from "./harness.ts";

const unlessRefused = mayReadAll() ? " (ignored: root may read all)" : "";
const onPosix = Deno.build.os !== "windows";

/** What a run of the stage did, and what it said. */
interface Kept {
  readonly message: string;
  readonly unreadable: readonly Remark[];
  readonly said: readonly string[];
}

/** Keeps a copy of `from` in `to`, without a worker. */
async function keep(tree: SourceTree, changes: Partial<Preservation> = {}): Promise<Kept> {
  const said: string[] = [];
  const { message, unreadable = [] } = await preserveAll(
    { from: tree.at("from"), to: tree.at("to"), exclude: [], ...changes },
    {
      signal: new AbortController().signal,
      log: (level, message) => said.push(`${level}: ${message}`),
      progress: () => {},
    },
  );
  return { message, unreadable, said };
}

/** The same with what the stage is granted, and no more. */
async function keepInWorker(tree: SourceTree): Promise<Kept> {
  const said: string[] = [];
  const { result } = await runStage<PrepareResult>({
    use: "preserve",
    operation: "run",
    options: { from: tree.at("from"), to: tree.at("to") },
    call: { onLog: (level, message) => said.push(`${level}: ${message}`) },
  });
  return { message: result.message, unreadable: result.unreadable ?? [], said };
}

/** What is below a directory, by way; of versions, the names are left out. */
function copies(tree: SourceTree, folder = "to"): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (directory: string, way: string) => {
    for (const { name, isDirectory, isSymlink } of Deno.readDirSync(directory)) {
      const path = join(directory, name);
      if (isDirectory) visit(path, `${way}${name}/`);
      else found[`${way}${name}`] = isSymlink ? "link" : Deno.readTextFileSync(path);
    }
  };
  visit(tree.at(folder), "");
  delete found[".keepsake/lock"];
  return found;
}

/** Contents of all versions of a file, in order. */
function versions(tree: SourceTree, way: string): string[] {
  const folder = tree.at(`to/.keepsake/versions/${way}`);
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  return names.map((name) => Deno.readTextFileSync(join(folder, name))).toSorted();
}

Deno.test("preserve asks to read both directories and to write one", () => {
  const options = v.parse(preserve.options, { from: "/a", to: "/b" });
  assert.deepEqual(preserve.permissions(options, "run"), { read: ["/a", "/b"], write: ["/b"] });
});

Deno.test("preserve copies transcripts with what lies beside them, for their owner alone", async () => {
  const files = {
    "-home-me/1.jsonl": "one\n",
    "-home-me/1/subagents/agent-2.jsonl": "agent\n",
    "-home-me/1/tool-results/3.txt": "result",
    "-home-me/memory/MEMORY.md": "# Memory\n",
    "-home-me-work/memory/MEMORY.md": "# Another memory\n",
    "-home-me/empty.jsonl": "",
  };
  using tree = new SourceTree();
  for (const [way, text] of Object.entries(files)) tree.write(`from/${way}`, text, 0o644);
  assert.equal((await keepInWorker(tree)).message, "6 new");
  assert.deepEqual(copies(tree), files);
  if (!onPosix) return;
  for (const way of ["", "-home-me", "-home-me/1/subagents", ".keepsake"]) {
    assert.equal((await Deno.stat(tree.at(`to/${way}`))).mode! & 0o7777, 0o700, way);
  }
  for (const way of [...Object.keys(files), ".keepsake/lock"]) {
    assert.equal((await Deno.stat(tree.at(`to/${way}`))).mode! & 0o7777, 0o600, way);
  }
});

Deno.test("preserve keeps what Claude Code sweeps away", async () => {
  using tree = new SourceTree({ "from/p/1.jsonl": "one\n", "from/p/1/tool-results/2.txt": "two" });
  await keep(tree);
  await Deno.remove(tree.at("from/p"), { recursive: true });
  tree.write("from/p/3.jsonl", "three\n");
  assert.equal((await keep(tree)).message, "1 new");
  assert.deepEqual(copies(tree), {
    "p/1.jsonl": "one\n",
    "p/1/tool-results/2.txt": "two",
    "p/3.jsonl": "three\n",
  });
});

Deno.test("preserve takes what was appended although the directory's time did not change", async () => {
  using tree = new SourceTree({ "from/p/1.jsonl": "one\n" });
  await keep(tree);
  const { ino } = await Deno.stat(tree.at("to/p/1.jsonl"));
  const { mtime } = await Deno.stat(tree.at("from/p"));
  await Deno.writeTextFile(tree.at("from/p/1.jsonl"), "two\n", { append: true });
  assert.deepEqual((await Deno.stat(tree.at("from/p"))).mtime, mtime);
  assert.equal((await keep(tree)).message, "1 grown");
  assert.deepEqual(copies(tree), { "p/1.jsonl": "one\ntwo\n" });
  assert.equal((await Deno.stat(tree.at("to/p/1.jsonl"))).ino, ino);
  assert.equal((await keep(tree)).message, "nothing new in 1 file");
});

for (
  const [what, text] of Object.entries({
    "was shortened": "one\n",
    "was rewritten at the same length": "ONE\ntwo\n",
    "was rewritten and is longer": "ONE\ntwo\nthree\n",
    "was emptied": "",
  })
) {
  Deno.test(`preserve keeps both versions of a file that ${what}`, async () => {
    using tree = new SourceTree({ "from/p/memory/notes.md": "one\ntwo\n" });
    await keep(tree);
    // The time is as it was: a program that restores times cannot hide what it did.
    tree.write("from/p/memory/notes.md", text);
    assert.equal((await keep(tree)).message, "1 rewritten");
    assert.equal(copies(tree)["p/memory/notes.md"], text);
    assert.deepEqual(versions(tree, "p/memory/notes.md"), ["one\ntwo\n"]);
    await keep(tree);
    tree.write("from/p/memory/notes.md", "one\ntwo\n");
    await keep(tree);
    assert.equal(copies(tree)["p/memory/notes.md"], "one\ntwo\n");
    // What is a beginning of the next version is all in that.
    const kept = "one\ntwo\n".startsWith(text) ? ["one\ntwo\n"] : ["one\ntwo\n", text].toSorted();
    assert.deepEqual(versions(tree, "p/memory/notes.md"), kept);
  });
}

Deno.test("preserve keeps what was a file and is a directory, and the other way round", async () => {
  using tree = new SourceTree({ "from/p/a": "file", "from/p/b/c": "below" });
  await keepInWorker(tree);
  await Deno.remove(tree.at("from/p/a"));
  await Deno.remove(tree.at("from/p/b"), { recursive: true });
  tree.write("from/p/a/c", "below");
  tree.write("from/p/b", "file");
  await keepInWorker(tree);
  const found = Object.entries(copies(tree)).map(([way, text]) =>
    `${way.replaceAll(/\/\d{8}T\d{6}Z-[0-9a-f-]{12}/g, "/*")} ${text}`
  );
  assert.deepEqual(found.toSorted(), [
    ".keepsake/versions/p/a/* file",
    ".keepsake/versions/p/b/*/c below",
    "p/a/c below",
    "p/b file",
  ]);
});

Deno.test({
  name: "preserve reads a file whose times say nothing, and no other",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "from/p/1.jsonl": "one\n", "from/p/2.jsonl": "two\n" });
    await keep(tree);
    // As if both copies had been made long after their files were last touched.
    const path = tree.at("to/p/1.jsonl");
    Deno.writeTextFileSync(path, "ONE\n");
    const { mtime } = Deno.statSync(tree.at("from/p/1.jsonl"));
    Deno.utimeSync(path, mtime!, mtime!);
    // The file was touched just now, so that times prove nothing: the difference is found.
    assert.equal((await keep(tree)).message, "1 rewritten");
    assert.deepEqual(versions(tree, "p/1.jsonl"), ["ONE\n"]);
  },
});

Deno.test({
  name: "preserve follows no link, neither in what it reads nor in what it writes",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({
      "outside/secret": "canary",
      "from/p/1.jsonl": "one\n",
      "from/q/2.jsonl": "two\n",
    });
    tree.link("from/p/link", "../../outside/secret");
    tree.link("from/folder", "../outside");
    const { said } = await keepInWorker(tree);
    assert.deepEqual(copies(tree), { "p/1.jsonl": "one\n", "q/2.jsonl": "two\n" });
    assert.equal(said.filter((line) => line.endsWith("a link, which is not followed")).length, 2);

    Deno.removeSync(tree.at("to/p"), { recursive: true });
    tree.link("to/p", "../outside");
    Deno.removeSync(tree.at("to/q/2.jsonl"));
    tree.link("to/q/2.jsonl", "../../outside/secret");
    await keepInWorker(tree);
    assert.deepEqual(copies(tree, "outside"), { secret: "canary" });
    assert.equal(copies(tree)["p/1.jsonl"], "one\n");
    assert.equal(copies(tree)["q/2.jsonl"], "two\n");
  },
});

Deno.test("preserve names what it could not keep, and keeps all else", async () => {
  using tree = new SourceTree({ "from/.keepsake/x": "theirs", "from/p/1.jsonl": "one\n" });
  const reason = "keepsake needs that name in the copy";
  const { unreadable } = await keep(tree);
  assert.deepEqual(
    unreadable,
    ["from/.keepsake", "from/.keepsake/x"].map((way) => {
      return { path: tree.at(way), reason };
    }),
  );
  assert.deepEqual(copies(tree), { "p/1.jsonl": "one\n" });
});

Deno.test({
  name: `preserve names what it may not read${unlessRefused}`,
  ignore: unlessRefused !== "",
  async fn() {
    using tree = new SourceTree({ "from/p/1.jsonl": "one\n", "from/p/2.jsonl": "two\n" });
    await Deno.chmod(tree.at("from/p/1.jsonl"), 0);
    const { unreadable } = await keep(tree);
    assert.deepEqual(unreadable, [{
      path: tree.at("from/p/1.jsonl"),
      reason: "permission denied",
    }]);
    assert.deepEqual(copies(tree), { "p/2.jsonl": "two\n" });
  },
});

Deno.test("preserve says what is not there", async () => {
  using tree = new SourceTree();
  await assert.rejects(keep(tree), {
    code: "source-missing",
    message: `Cannot keep a copy of "${tree.at("from")}": it does not exist`,
    hint: 'Start Claude Code once, or change "from" in the pipeline file',
  });
});

Deno.test("preserve refuses to copy into what it reads from, the one way that does harm", async () => {
  using tree = new SourceTree({ "from/p/1.jsonl": "one\n" });
  await assert.rejects(keep(tree, { to: tree.path }), { code: "target-refused" });
  await keep(tree, { to: tree.at("from/kept") });
  await keep(tree, { to: tree.at("from/kept") });
  assert.deepEqual(copies(tree, "from/kept"), { "p/1.jsonl": "one\n" });
});

Deno.test("preserve lets no second run at the same copy", async () => {
  using tree = new SourceTree({ "from/p/1.jsonl": "one\n" });
  await keep(tree);
  using lock = await Deno.open(tree.at("to/.keepsake/lock"), { write: true });
  await lock.lock(true);
  await assert.rejects(keep(tree), (error: unknown) => {
    assert.ok(error instanceof BackupError);
    assert.match(error.message, /^Cannot keep copies in ".*": another run is doing so$/);
    return true;
  });
});

Deno.test("preserve takes no link for its lock", async () => {
  using tree = new SourceTree({ "from/p/1.jsonl": "one\n", "to/.keepsake/": "", "x": "" });
  tree.link("to/.keepsake/lock", tree.at("x"));
  await assert.rejects(keep(tree), { code: "stage-failed" });
});

Deno.test("preserve gives a copy that was cut short its name when the file was swept away", async () => {
  using tree = new SourceTree({ "from/p/": "" });
  await keep(tree);
  tree.write("to/.keepsake/unfinished/12345678/p/gone.jsonl", "one\ntw");
  tree.write("from/p/there.jsonl", "three\nfour\n");
  tree.write("to/.keepsake/unfinished/12345678/p/there.jsonl", "three\n");
  await keep(tree);
  assert.deepEqual(copies(tree), { "p/gone.jsonl": "one\ntw", "p/there.jsonl": "three\nfour\n" });
});

Deno.test("preserve keeps what was cut short and is in no copy as a version, once", async () => {
  using tree = new SourceTree({ "from/p/1.jsonl": "one\n" });
  await keep(tree);
  for (const attempt of ["12345678", "23456789"]) {
    tree.write(`to/.keepsake/unfinished/${attempt}/p/1.jsonl`, "another\n");
    await keep(tree);
    assert.deepEqual(Object.values(copies(tree)).toSorted(), ["another\n", "one\n"]);
  }
});

Deno.test("preserve keeps a copy that was cut short where a file stands in the place of its directory", async () => {
  using tree = new SourceTree({ "from/p/s/x.jsonl": "one\n" });
  await keep(tree);
  tree.write("to/.keepsake/unfinished/12345678/p/s/x.jsonl", "one\ntwo");
  await Deno.remove(tree.at("from/p/s"), { recursive: true });
  tree.write("from/p/s", "a file now");
  for (const _ of [1, 2]) {
    await keep(tree);
    const kept = copies(tree);
    assert.equal(kept["p/s"], "a file now");
    assert.deepEqual(Object.values(kept).toSorted(), ["a file now", "one\n", "one\ntwo"]);
  }
});

Deno.test("preserve keeps what was cut short below what was a file before, too", async () => {
  using tree = new SourceTree({ "from/p/s": "a file" });
  await keep(tree);
  tree.write("to/.keepsake/unfinished/12345678/p/s/x.jsonl", "one\ntwo");
  await keep(tree);
  assert.deepEqual(Object.values(copies(tree)).toSorted(), ["a file", "a file", "one\ntwo"]);
  assert.equal(copies(tree)["p/s"], "a file");
});

Deno.test({
  name: "preserve goes on after it was killed at any moment, and loses nothing that it had kept",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree();
    const contents = new Map<string, string>();
    const write = (way: string, text: string) => {
      contents.set(way, text);
      tree.write(`from/${way}`, text);
    };
    for (let file = 0; file < 40; file++) {
      write(`p${file % 4}/${file}.jsonl`, `${file}\n`.repeat(9000));
    }
    const started = performance.now();
    await killed(tree, Infinity);
    const duration = performance.now() - started;
    const kept = new Map<string, Set<string>>();
    for (let round = 0; round < (SLOW ? 100 : 3); round++) {
      for (const [way, text] of [...contents]) {
        const chance = Math.random();
        if (chance < 0.3) write(way, `${text}${`more of ${round}\n`.repeat(2000)}`);
        else if (chance < 0.4) write(way, `round ${round}\n${text}`);
        else if (chance < 0.45) {
          contents.delete(way);
          Deno.removeSync(tree.at(`from/${way}`));
        }
      }
      for (let file = 0; file < 5; file++) {
        write(`p${file % 4}/${round}-${file}.jsonl`, `new ${round}\n`.repeat(20_000));
      }
      await killed(tree, duration * (0.5 + Math.random() / 2));
      expectAll(tree, kept, `killed in round ${round}`);
      remember(tree, kept);
      if (round % 2 === 0) continue;
      await keep(tree);
      const now = copies(tree);
      for (const [way, text] of contents) assert.equal(now[way], text, `round ${round}: ${way}`);
    }
    await keep(tree);
    expectAll(tree, kept, "in the end");
    assert.ok(!Object.keys(copies(tree)).some((way) => way.includes("/unfinished/")));
  },
});

/** Runs the stage in a process of its own, and kills that after so many milliseconds. */
async function killed(tree: SourceTree, after: number): Promise<void> {
  const file = new URL("../../stages/preserve.ts", import.meta.url).href;
  const options = ["--from", tree.at("from"), "--to", tree.at("to")];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", file, ...options],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const ending = child.status;
  const timer = after === Infinity ? undefined : setTimeout(() => {
    try {
      child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It was quicker this time.
    }
  }, after);
  const { success } = await ending;
  clearTimeout(timer);
  if (after === Infinity) assert.ok(success);
}

/** Notes all that is kept now. */
function remember(tree: SourceTree, kept: Map<string, Set<string>>): void {
  for (const [way, text] of Object.entries(copies(tree))) {
    if (way.startsWith(".keepsake/")) continue;
    if (!kept.has(way)) kept.set(way, new Set());
    kept.get(way)!.add(text);
  }
}

/** Expects that all that was kept is there still, in a copy or in a version, perhaps longer now. */
function expectAll(
  tree: SourceTree,
  kept: ReadonlyMap<string, ReadonlySet<string>>,
  when: string,
): void {
  const now = Object.entries(copies(tree));
  for (const [way, texts] of kept) {
    const own = now.filter(([path]) =>
      path === way || path.startsWith(`.keepsake/versions/${way}/`)
    );
    for (const text of texts) {
      assert.ok(own.some(([, found]) => found.startsWith(text)), `${when}: ${way}`);
    }
  }
}
