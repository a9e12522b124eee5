import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as zlib from "node:zlib";
import { CANARY, makeBenchHome, makeSampleHome, type SampleHome } from "../../tools/sample_home.ts";

const NOW = Date.UTC(2026, 0, 9, 12);
const WINDOWS = Deno.build.os === "windows";

interface Line {
  readonly type: string;
  readonly uuid?: string;
  readonly parentUuid?: string | null;
  readonly isSidechain?: boolean;
  readonly [name: string]: unknown;
}

Deno.test("a sample home has every kind of line, note, attachment, block and tag", () => {
  withHome(({ directory }) => {
    const met = new Set<string>();
    for (const path of logs(directory)) {
      for (const line of read(directory, path)) name(line, met);
    }
    assert.deepEqual(KINDS.filter((kind) => !met.has(kind)), []);
  });
});

Deno.test("a sample home has at least four projects and twelve conversations", () => {
  withHome(({ directory, projects, conversations, files, bytes }) => {
    assert.ok(projects.length >= 4);
    assert.ok(conversations.length >= 12);
    const paths = walk(directory);
    const contents = paths.map((path) => statSync(join(directory, path)));
    // A hard link, a database with its log, and a link come on top of the files written.
    assert.equal(paths.length, files + 3 + (WINDOWS ? 0 : 1));
    assert.ok(contents.reduce((sum, { size }) => sum + size, 0) > bytes);
    for (const path of EXPECTED) {
      assert.ok(paths.some((other) => path.test(other)), `${path} is missing`);
    }
  });
});

Deno.test("lines of a sample conversation hang together by their uuids", () => {
  withHome(({ directory }) => {
    for (const path of logs(directory)) {
      const known = new Set<string>();
      for (const line of read(directory, path)) {
        if (line.uuid === undefined) continue;
        if (line.parentUuid) assert.ok(known.has(line.parentUuid), `${path}: ${line.uuid}`);
        assert.equal(line.isSidechain, path.includes("/subagents/"));
        known.add(line.uuid);
      }
    }
  });
});

Deno.test("a sample conversation repeats lines of the one that it was forked from", () => {
  withHome(({ directory, conversations }) => {
    const seen = new Map<string, string>();
    const repeated = conversations.flatMap((path) =>
      read(directory, path).filter(({ uuid }) => {
        if (uuid === undefined) return false;
        const first = seen.get(uuid);
        seen.set(uuid, first ?? path);
        return first !== undefined && first !== path;
      })
    );
    assert.equal(repeated.length, 8);
  });
});

Deno.test("a compacted sample conversation starts a new root that names the old one", () => {
  withHome(({ directory, conversations }) => {
    const boundaries = conversations.flatMap((path) => read(directory, path))
      .filter(({ subtype }) => subtype === "compact_boundary");
    assert.equal(boundaries.length, 1);
    assert.equal(boundaries[0]?.parentUuid, null);
    assert.equal(typeof boundaries[0]?.["logicalParentUuid"], "string");
  });
});

Deno.test("the logs of sample sub-agents name the tool use that started them", () => {
  withHome(({ directory }) => {
    const all = logs(directory).flatMap((path) => read(directory, path)).map((line) =>
      JSON.stringify(line)
    );
    const metas = walk(directory).filter((path) => path.endsWith(".meta.json"));
    assert.equal(metas.length, 4);
    for (const path of metas) {
      const { toolUseId } = JSON.parse(readFileSync(join(directory, path), "utf8"));
      assert.ok(all.some((line) => line.includes(`"type":"tool_use","id":"${toolUseId}"`)), path);
      const log = read(directory, path.replace(".meta.json", ".jsonl"));
      assert.equal(log.find(({ uuid }) => uuid !== undefined)?.parentUuid, null);
    }
  });
});

Deno.test("the secrets of a sample home, and nothing else in it, hold the canary", () => {
  withHome(({ directory, secrets, link }) => {
    const found = walk(directory).filter((path) =>
      path !== link && readFileSync(join(directory, path)).includes(CANARY)
    );
    assert.deepEqual(found.toSorted(), secrets.toSorted());
  });
});

Deno.test("the newest rows of the sample database stand in its write-ahead log alone", () => {
  withHome(({ directory, database }) => {
    const path = join(directory, database);
    assert.ok(readFileSync(path).subarray(18, 20).equals(Uint8Array.of(2, 2)), "not in WAL mode");
    assert.deepEqual(count(path), { check: "ok", rows: 200 });
  });
  withHome(({ directory, database }) => {
    const path = join(directory, database);
    rmSync(`${path}-wal`);
    assert.deepEqual(count(path), { check: "ok", rows: 151 });
  });
});

Deno.test({
  name: "the sample CLAUDE.md is a link into a folder of dotfiles",
  ignore: WINDOWS,
  fn() {
    withHome(({ directory, link }) => {
      assert.equal(readlinkSync(join(directory, link!)), "../dotfiles/claude/CLAUDE.md");
      assert.ok(statSync(join(directory, link!)).size > 0);
    });
  },
});

Deno.test("the same seed gives the same sample home and another seed another one", () => {
  const hashes = [1, 1, 2].map((seed) => withHome(({ directory }) => hash(directory), seed));
  assert.equal(hashes[0], hashes[1]);
  assert.notEqual(hashes[0], hashes[2]);
});

Deno.test("a home for measurements has the size and the conversations asked for", () => {
  withDirectory((directory) => {
    const { files, bytes } = makeBenchHome(directory, { bytes: 4e6, conversations: 6 });
    assert.ok(Math.abs(bytes - 4e6) < 4e5, `${bytes} bytes`);
    assert.equal(logs(directory).length, 6);
    assert.equal(walk(directory).length, files);
  });
});

Deno.test({
  name: `a home for measurements compresses like real logs${
    "zstdCompressSync" in zlib ? "" : " (this Deno has no zstd)"
  }`,
  ignore: !("zstdCompressSync" in zlib),
  fn() {
    withDirectory((directory) => {
      const { bytes } = makeBenchHome(directory, { bytes: 16e6 });
      const all = Buffer.concat(walk(directory).map((path) => readFileSync(join(directory, path))));
      const ratio = bytes / zlib.zstdCompressSync(all).length;
      assert.ok(ratio > 5 && ratio < 6.5, `ratio ${ratio.toFixed(2)}`);
    });
  },
});

/** Everything that must occur, by name. */
const KINDS: readonly string[] = [
  ..."user assistant system attachment progress summary queue-operation file-history-snapshot"
    .split(" "),
  ..."file-history-delta last-prompt ai-title custom-title agent-name agent-color agent-setting"
    .split(" "),
  ..."permission-mode mode pr-link worktree-state bridge-session relocated continued-in atis-latch"
    .split(" "),
  ..."compact_boundary away_summary stop_hook_summary".split(" ").map((name) => `system ${name}`),
  ..."info warning error".split(" ").map((name) => `level ${name}`),
  ..."enqueue dequeue remove".split(" ").map((name) => `queue ${name}`),
  "queue null",
  ..."hook_success hook_additional_context hook_blocking_error hook_non_blocking_error".split(" ")
    .map((name) => `attachment ${name}`),
  ..."queued_command instructions prompt_snapshot file directory edited_text_file todo_reminder"
    .split(" ").map((name) => `attachment ${name}`),
  ..."text thinking tool_use tool_result image string".split(" ").map((name) => `block ${name}`),
  ..."signature is_error result-string result-text result-image".split(" "),
  ..."command-name local-command-stdout bash-input bash-stdout system-reminder task-notification"
    .split(" ").map((name) => `<${name}>`),
  ..."ide_opened_file ide_selection ide_diagnostics user-memory-input".split(" ")
    .map((name) => `<${name}>`),
  "<teammate-message>",
  ..."uuid parentUuid sessionId timestamp cwd version gitBranch isSidechain userType isMeta agentId"
    .split(" ").map((name) => `field ${name}`),
  ..."requestId toolUseResult isCompactSummary".split(" ").map((name) => `field ${name}`),
];

const EXPECTED: readonly RegExp[] = [
  /^\.claude\/projects\/[^/]{201,}\/[^/]+\.jsonl$/,
  /^\.claude\/projects\/[^/]+\/[^/]+\/subagents\/agent-[^/]+\.jsonl$/,
  /^\.claude\/projects\/[^/]+\/[^/]+\/subagents\/workflows\/[^/]+\/agent-[^/]+\.jsonl$/,
  /^\.claude\/projects\/[^/]+\/[^/]+\/tool-results\/[^/]+\.txt$/,
  /^\.claude\/projects\/[^/]+\/memory\/MEMORY\.md$/,
  /^\.claude\/projects\/[^/]+\/memory\/Überblick – Gezeiten\.md$/,
  /^\.claude\/(settings\.json|history\.jsonl|\.credentials\.json|ide\/x\.lock)$/,
  /^\.claude\/(agents|commands|plans)\/[^/]+\.md$/,
  /^\.claude\/skills\/[^/]+\/SKILL\.md$/,
  /^\.claude\/todos\/[^/]+\.json$/,
  /^\.claude\/file-history\/[^/]+\/[^/]+@v1$/,
  /^\.claude-mem\/claude-mem\.db-wal$/,
];

interface Content {
  readonly type: string;
  readonly signature?: string;
  readonly is_error?: boolean;
  readonly text?: string;
  readonly content?: string | readonly Content[];
}

/** Adds the names of all that a line shows. */
function name(line: Line, met: Set<string>): void {
  met.add(line.type);
  for (const field of Object.keys(line)) met.add(`field ${field}`);
  if (line.type === "system") met.add(`system ${line["subtype"]}`).add(`level ${line["level"]}`);
  if (line.type === "queue-operation") {
    met.add(`queue ${line["operation"]}`);
    if (line["content"] === null) met.add("queue null");
  }
  if (line.type === "attachment") {
    met.add(`attachment ${(line["attachment"] as { type: string }).type}`);
  }
  const content = (line["message"] as { content?: string | readonly Content[] } | undefined)
    ?.content;
  if (typeof content === "string") met.add("block string");
  const blocks = typeof content === "string" ? [{ type: "text", text: content }] : content ?? [];
  for (const block of blocks) nameBlock(block, line.type, met);
}

function nameBlock(block: Content, type: string, met: Set<string>): void {
  met.add(`block ${block.type}`);
  if (block.signature) met.add("signature");
  if (block.is_error) met.add("is_error");
  if (block.type === "tool_result") {
    const { content } = block;
    if (typeof content === "string") met.add("result-string");
    else for (const inner of content ?? []) met.add(`result-${inner.type}`);
  }
  if (type !== "user") return;
  for (const [, tag] of (block.text ?? "").matchAll(/<([a-z_-]+)[ >]/g)) met.add(`<${tag}>`);
}

function withHome<T>(use: (home: SampleHome) => T, seed = 1): T {
  return withDirectory((directory) => use(makeSampleHome(directory, { seed, now: NOW })));
}

function withDirectory<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "keepsake-sample-"));
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Files and links, with `/`, in order. */
function walk(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .map((path) => path.replaceAll("\\", "/"))
    .sort();
}

function logs(directory: string): readonly string[] {
  return walk(directory).filter((path) =>
    path.startsWith(".claude/projects/") && path.endsWith(".jsonl") &&
    !path.endsWith("journal.jsonl")
  );
}

function read(directory: string, path: string): readonly Line[] {
  return readFileSync(join(directory, path), "utf8").trimEnd().split("\n")
    .map((line) => JSON.parse(line) as Line);
}

function count(path: string): { readonly check: unknown; readonly rows: unknown } {
  const database = new DatabaseSync(path);
  const check = database.prepare("PRAGMA integrity_check").get()?.["integrity_check"];
  const rows = database.prepare("SELECT count(*) AS rows FROM observations").get()?.["rows"];
  database.close();
  return { check, rows };
}

/** Of paths, contents, modes and times. */
function hash(directory: string): string {
  const sum = createHash("sha256");
  for (const path of walk(directory).filter((path) => !path.endsWith("-wal"))) {
    const { mode, mtimeMs } = statSync(join(directory, path));
    const time = path.startsWith(".claude-mem/") ? 0 : Math.round(mtimeMs);
    sum.update(`${path} ${mode} ${time}\n`).update(readFileSync(join(directory, path)));
  }
  return sum.digest("hex");
}
