/**
 * Makes the digests: finds the logs, and where nothing is new, that is all.
 *
 * @module
 */
import { dirname } from "node:path";
import type { PrepareResult, Remark } from "../../contract.ts";
import { StageError, systemCode, systemFault } from "../../errors.ts";
import { holdsNothing, NOTHING_YET, projectsIn } from "../nothing_yet.ts";
import { Pace } from "../pace.ts";
import { childPath } from "../paths.ts";
import { wayInto } from "../roots.ts";
import { nameSafely } from "./log_names.ts";
import { bytesOf, type Conversation, findConversations } from "./log_tree.ts";
import { type DigestOptions, INDEX, isSettled, Sameness, sayNothingNew } from "./settled.ts";
import { DigestStore, FOLDERS, type Index, STATE_FOLDER } from "./state.ts";
import type { DigestContext } from "./team.ts";

/** Makes or updates the digests, or helps another worker with that. */
export async function makeDigests(
  options: DigestOptions,
  context: DigestContext,
  now: number = Date.now(),
): Promise<PrepareResult> {
  if (context.team?.role === "helper") {
    const { port } = context.team;
    const { helpReading } = await import("./team.ts");
    if (port !== undefined) await helpReading(port, options, context);
    return { message: "helped" };
  }
  const isEarly = context.isEarly && holdsNothing(options.to, STATE_FOLDER);
  const unreadable: Remark[] = [];
  const found = isEarly ? [] : await findAll(options.from, unreadable);
  const conversations = await nameSafely(found, options);
  refuseMixing(options);
  try {
    if (isEarly) {
      new DigestStore(options.to).prepare(); // A snapshot may name it.
      return NOTHING_YET;
    }
    const result = await update(options, context, conversations, now);
    return { ...result, unreadable: [...unreadable, ...result.unreadable ?? []] };
  } catch (error) {
    throw error instanceof StageError ? error : explain(error, options.to);
  }
}

/** What reads the logs takes all that lies there for its own, and so does Claude Code in its folder. */
function refuseMixing({ from, to }: DigestOptions): void {
  const isOwned = projectsIn(from) !== undefined && to === dirname(from);
  if (!isOwned && wayInto(from, to) === undefined) return;
  const state = isOwned
    ? "it is Claude Code's own folder"
    : to === from
    ? "the logs are there"
    : `it lies in "${from}", with the logs`;
  throw new StageError("target-refused", `Cannot write digests in "${to}": ${state}`, {
    hint: "Choose a directory outside of it",
  });
}

async function update(
  options: DigestOptions,
  context: DigestContext,
  conversations: readonly Conversation[],
  now: number,
): Promise<PrepareResult> {
  const store = new DigestStore(options.to);
  const index = store.readJson<Index>(INDEX);
  const pace = new Pace(context);
  const sameness = new Sameness(pace);
  const before = { index, conversations, store, sameness, now };
  if (index !== undefined && await isSettled(options, { ...before, index })) {
    return { message: sayAll(index), unchanged: true };
  }
  const port = askForHelp(conversations, index, context);
  const { DigestRun } = await import("./run.ts");
  const run = new DigestRun(options, context, { store, sameness, port, pace, now });
  store.prepare();
  using _lock = await store.lock();
  return await run.update(store.readJson<Index>(INDEX), conversations);
}

/** Says what the disk has against the directory with the digests. */
function explain(error: unknown, to: string): unknown {
  const fault = systemFault(error, { EISDIR: "a directory stands where a file of its own goes" });
  if (fault === undefined) return error;
  const { kind, state } = fault;
  const told = fileInTheWay(to) ?? state;
  return new StageError(
    kind === "full" ? "storage-full" : "stage-failed",
    `Cannot write digests in "${to}": ${told}`,
    {
      hint: kind === "refused"
        ? "Name another directory, or move away what is there"
        : "Check that the directory may be written to",
      cause: error,
    },
  );
}

/** Which of the store's own directories a file stands in the place of. */
function fileInTheWay(to: string): string | undefined {
  const isFile = (path: string) => {
    try {
      return !Deno.statSync(path).isDirectory;
    } catch {
      return false;
    }
  };
  if (isFile(to)) return "it is a file";
  const folder = FOLDERS.find((name) => isFile(childPath(to, name)));
  return folder && `its folder "${folder}" is a file`;
}

/** A second worker takes longer to come up than it takes to read so much. */
const WORTH_A_HELPER = 32 << 20;

/** Has a second worker made, where there is enough to read, before all else: it takes a while. */
function askForHelp(
  conversations: readonly Conversation[],
  index: Index | undefined,
  { help, team }: DigestContext,
): MessagePort | undefined {
  const isNew = ({ logs }: Conversation) => logs.some(({ path }) => !index?.logs[path]);
  if (bytesOf(conversations.filter(isNew)) < WORTH_A_HELPER) return undefined;
  help?.();
  return team?.port;
}

async function findAll(from: string, unreadable: Remark[]): Promise<readonly Conversation[]> {
  try {
    const conversations = await findConversations(from, unreadable);
    refuseHome(from);
    return conversations;
  } catch (error) {
    const fault = systemFault(error, { ENOENT: "there is no such directory" });
    if (fault === undefined) throw error;
    throw new StageError(
      systemCode(error) === "ENOENT" ? "source-missing" : "source-unreadable",
      `Cannot read conversations in "${from}": ${fault.state}`,
      { hint: "Name the directory that Claude Code keeps its projects in", cause: error },
    );
  }
}

/** Claude Code's folder is easily named in place of the one in it: it looks as if nothing was said. */
function refuseHome(from: string): void {
  const projects = childPath(from, "projects");
  // A project may be called so: then logs are in it.
  if (!isFolderOfFolders(projects)) return;
  throw new StageError(
    "source-missing",
    `Cannot read conversations in "${from}": they are in its folder "projects"`,
    { hint: `Name "${projects}"` },
  );
}

function isFolderOfFolders(path: string): boolean {
  try {
    const entries = Array.from(Deno.readDirSync(path));
    return entries.some(({ isDirectory }) => isDirectory) &&
      !entries.some(({ name }) => name.endsWith(".jsonl"));
  } catch (error) {
    if (systemFault(error) === undefined) throw error;
    return false;
  }
}

function sayAll({ files }: Index): string {
  const count = Object.keys(files).filter((name) => !name.startsWith(STATE_FOLDER)).length;
  return sayNothingNew(count);
}
