/**
 * Puts files on a branch of a remote, as one commit on whatever is there: contents first, then the
 * commit, which is made again as often as somebody else is faster. Nothing is ever forced.
 *
 * @module
 */
import { StageError } from "../../errors.ts";
import { quoted } from "../snapshot/entry_rules.ts";
import type { Clone } from "./clone.ts";
import { doubtWhere, explainGit, shown } from "./errors.ts";

/** The content of a file on its way into a clone. */
export interface Content {
  readonly size: number;
  readonly bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** What a commit does. */
export type Change =
  /** Puts content at a path. */
  | { readonly path: string; readonly mode: "100644" | "100755" | "120000"; readonly id: string }
  /** Takes a path away, with all below it. */
  | { readonly path: string; readonly id: undefined };

/** How often somebody else may be faster: many machines have the same schedule. */
const ATTEMPTS = 8;
const LONGEST_PAUSE_MS = 1000;
/** How often a push may go without an answer: each time, all of it may have been sent. */
const LOST_ANSWERS = 3;

const encoder = new TextEncoder();

/**
 * Writes contents into a clone, in one go.
 *
 * @param dense Whether they are compressed or encrypted already.
 * @returns The id of each, in order.
 */
export async function importBlobs(
  clone: Clone,
  blobs: AsyncIterable<Content>,
  dense = false,
): Promise<string[]> {
  const { output } = await clone.git.call(
    ["fast-import", "--quiet", "--done"],
    {
      repository: clone.repository,
      input: streamOf(blobs),
      configuration: dense ? ["core.compression=0"] : [],
    },
  );
  return output.split("\n").filter((line) => line !== "");
}

async function* streamOf(blobs: AsyncIterable<Content>): AsyncGenerator<Uint8Array> {
  let mark = 0;
  for await (const { size, bytes } of blobs) {
    mark++;
    yield encoder.encode(`blob\nmark :${mark}\ndata ${size}\n`);
    yield* bytes;
    yield encoder.encode(`\nget-mark :${mark}\n`);
  }
  yield encoder.encode("done\n");
}

/** What was done. */
export interface Pushed {
  /** The commit that the branch is at, or has behind it. */
  readonly commit: string;
  /** Whether there was anything new. */
  readonly changed: boolean;
}

/**
 * Commits changes to a branch of the remote and has it confirm them.
 *
 * @param first What the branch was at just now.
 * @param changesOn What to do on top of a commit, or of nothing.
 * @throws {StageError} `destination-refused` with the remote's own reason.
 */
export async function commitAndPush(
  clone: Clone,
  branch: string,
  message: string,
  first: string | undefined,
  changesOn: (tip: string | undefined) => Promise<readonly Change[]>,
): Promise<Pushed> {
  for (let attempt = 1;; attempt++) {
    const tip = attempt === 1 ? first : await clone.update(branch, false);
    const changes = await changesOn(tip);
    const commit = await makeCommit(clone, tip, message, changes);
    if (commit === undefined) return { commit: tip!, changed: false };
    const refusal = await push(clone, commit, branch);
    if (refusal === undefined) {
      await confirm(clone, commit, branch);
      return { commit, changed: true };
    }
    const most = isUnanswered(refusal) ? LOST_ANSWERS : isRace(refusal) ? ATTEMPTS : 0;
    if (attempt >= most) throw refused(clone, refusal, changes);
    const pause = Math.random() * Math.min(LONGEST_PAUSE_MS, 100 * 2 ** attempt);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** `undefined` when it would change nothing. */
async function makeCommit(
  clone: Clone,
  tip: string | undefined,
  message: string,
  changes: readonly Change[],
): Promise<string | undefined> {
  const { git, repository } = clone;
  const text = encoder.encode(message);
  const now = Math.floor(Date.now() / 1000);
  const head = [
    `commit refs/keepsake/${crypto.randomUUID()}`,
    "mark :1",
    `committer ${BOT} ${now} +0000`,
    `data ${text.length}`,
  ];
  const lines = changes.map((change) =>
    change.id === undefined
      ? `D ${quoteForImport(change.path)}`
      : `M ${change.mode} ${change.id} ${quoteForImport(change.path)}`
  );
  const tail = [...tip === undefined ? [] : [`from ${tip}`], ...lines, "", "get-mark :1", "done"];
  const input = [
    encoder.encode(`${head.join("\n")}\n`),
    text,
    encoder.encode(`\n${tail.join("\n")}\n`),
  ];
  const { output } = await git.call(["fast-import", "--quiet", "--done", "--force"], {
    repository,
    input,
  });
  const commit = output.trim();
  const trees = [commit, ...tip === undefined ? [] : [tip]].map((id) => `${id}^{tree}`);
  const parsed = await git.call(["rev-parse", "--end-of-options", ...trees], { repository });
  const [after, before = EMPTY_TREE] = parsed.output.split("\n")
    .filter((line) => /^[0-9a-f]{40}$/.test(line));
  return after === before ? undefined : commit;
}

/** The same for everybody: a backup is nobody's work. */
const BOT = "Keepsake <keepsake@localhost>";

/** What git calls the tree without entries. */
const EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/** A path as fast-import reads it, whatever is in it. */
function quoteForImport(path: string): string {
  return `"${path.replaceAll(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}

/** Answers what the remote has against it. */
async function push(clone: Clone, commit: string, branch: string): Promise<string | undefined> {
  const { git, repository } = clone;
  const { code, output, said } = await git.run([
    "push",
    "--progress",
    "--porcelain",
    "--atomic",
    "--no-verify",
    "--no-follow-tags",
    "--no-signed",
    "--recurse-submodules=no",
    ...git.serverSide("receive-pack"),
    "--",
    git.remote,
    `${commit}:refs/heads/${branch}`,
  ], { repository });
  if (code === 0) return undefined;
  const line = output.split("\n").find((line) => line.startsWith("!"));
  if (line === undefined) throw explainGit(said, { protocol: "file", address: git.remote }, "push");
  const told = said.split(/[\r\n]+/).filter((line) => /^(remote|error): /.test(line)).join("\n");
  return `${line.split("\t").at(-1)}\n${told}`;
}

function isRace(refusal: string): boolean {
  return /fetch first|non-fast-forward|stale info|cannot lock ref|failed to update ref|incorrect old value|reference already exists/
    .test(refusal);
}

/** What became of the push then shows when its branch is looked at again. */
function isUnanswered(refusal: string): boolean {
  return /remote failure|failed to report status/.test(refusal);
}

/** Whatever the push said: the remote has it when it says so itself. */
async function confirm(clone: Clone, commit: string, branch: string): Promise<void> {
  const { git, repository } = clone;
  const tip = await clone.remoteTip(branch);
  if (tip === commit) return;
  if (tip !== undefined) {
    // Somebody may have gone on from there.
    await clone.bring(`refs/heads/${branch}`);
    const { code } = await git.run(["merge-base", "--is-ancestor", commit, tip], { repository });
    if (code === 0) return;
  }
  throw new StageError(
    "destination-unreachable",
    `Cannot trust "${git.remote}": it took a commit and does not have it on "${branch}"`,
    { hint: "Try again; if it stays so, look at the repository" },
  );
}

function refused(
  { git }: Clone,
  refusal: string,
  changes: readonly Change[],
): StageError {
  const action = `Cannot push to "${git.remote}"`;
  const [, id, why] = /\bobject ([0-9a-f]{40}): (\w+: .*)/.exec(refusal) ?? [];
  const culprit = id === undefined ? undefined : changes.find((change) => change.id === id);
  if (culprit !== undefined) {
    const state = `it refuses ${quoted(culprit.path)}: "${shown(why!)}"`;
    return new StageError("destination-refused", `${action}: ${state}`, {
      hint: "Leave that file out with exclude, or have the repository take it",
    });
  }
  const [reason = "", ...lines] = refusal.split("\n");
  const told = lines.filter((line) => line.startsWith("remote: "));
  const errors = told.filter((line) => /^remote: (error|fatal): /.test(line));
  const said = [reason, (errors.length > 0 ? errors : told).join("\n")].map(shown)
    .filter((text) => text !== "").join("; ");
  const error = new StageError(
    "destination-refused",
    `${action}: it answers "${said}"`,
    { hint: "Check that its branch may be pushed to, and what its hooks ask for" },
  );
  return doubtWhere(error, refusal);
}
