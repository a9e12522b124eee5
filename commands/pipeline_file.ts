/**
 * The pipeline file that a command works with, if it needs one.
 *
 * @module
 */
import { dirname } from "node:path";
import { expandTilde } from "../pipeline/config/expand.ts";
import {
  findPipelineFile,
  loadPipeline,
  namedPipelineFile,
  PipelineError,
  type Search,
} from "../pipeline/config/load.ts";
import type { Pipeline, Problem } from "../pipeline/config/pipeline.ts";
import { BackupError } from "../pipeline/errors.ts";
import type { Lookup } from "../pipeline/find_copies.ts";
import { shellWord } from "../pipeline/shell.ts";
import { homeDirectory } from "./home.ts";

/** A pipeline file that cannot be used, and all that is wrong with it. */
export class FileError extends BackupError {
  override name = "FileError";
  readonly file: string;
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[], cause: BackupError) {
    super("pipeline-invalid", cause.message.split("\n")[0]!, { hint: cause.hint, cause });
    this.file = file;
    this.problems = problems;
  }
}

/** Where to look for a pipeline file, and what is around it. */
export function searchFor(flag: string | undefined): Search {
  return {
    flag,
    cwd: Deno.cwd(),
    environment: Deno.env.toObject(),
    home: homeDirectory(),
  };
}

/**
 * Reads the pipeline file that `--config` names, or the one there is.
 *
 * @param findSources `false` when only backups are to be read.
 * @throws {FileError} with every problem of the file.
 * @throws {BackupError} `pipeline-invalid` when there is none, or one that somebody else left here.
 */
export async function openPipeline(
  flag: string | undefined,
  findSources = true,
): Promise<Pipeline> {
  const search = searchFor(flag);
  const file = await findPipelineFile(search);
  const isNamed = namedPipelineFile(search) !== undefined;
  if (!isNamed && dirname(file) === search.cwd) await refuseStrangers(file);
  try {
    return await loadPipeline(file, { ...search, findSources });
  } catch (error) {
    if (error instanceof PipelineError) throw new FileError(file, error.problems, error);
    throw error;
  }
}

/**
 * A file that nobody named lies there for whoever comes by, in `/tmp` as well, and names programs.
 *
 * @throws {BackupError} `pipeline-invalid` for one of another user's than root.
 */
async function refuseStrangers(file: string): Promise<void> {
  const { uid = null } = await Deno.stat(file).catch(() => ({})) as Partial<Deno.FileInfo>;
  if (uid === null || uid === 0 || uid === Deno.uid()) return;
  if (Deno.uid() === 0 && Deno.env.get("SUDO_UID") === String(uid)) return; // Who asks for it.
  throw new BackupError("pipeline-invalid", `Cannot use "${file}": it belongs to somebody else`, {
    hint: `If you trust whoever wrote it, name it with --config ${shellWord(file)}`,
  });
}

/** What the flags say of where to look, and with what to open what is there. */
export interface LookupFlags {
  readonly config: string | undefined;
  readonly from: string | undefined;
  readonly identity: readonly string[];
  /** What is put back where it was is what the pipeline file names. */
  readonly inPlace?: boolean;
}

/**
 * Finds out where snapshots are.
 *
 * Whoever names an address may have lost all else: then the pipeline file is a help when it is
 * there and right, and no hindrance when not.
 *
 * @param warn Told why a pipeline file that is there was passed over.
 */
export async function lookUp(
  { config, from, identity, inPlace = false }: LookupFlags,
  warn: (message: string) => void,
): Promise<Pick<Lookup, "pipeline" | "from" | "identityFiles">> {
  const identityFiles = identityFilesOf(identity);
  try {
    return { pipeline: await openPipeline(config, inPlace), from, identityFiles };
  } catch (error) {
    const spare = from !== undefined && config === undefined;
    if (!spare || !(error instanceof BackupError) || error.code !== "pipeline-invalid") throw error;
    if (error instanceof FileError) warn(`Warning: going on without it. ${error.message}`);
    return { pipeline: undefined, from, identityFiles };
  }
}

/** The identity files that flags name, else the one of the environment; `undefined`: none. */
export function identityFilesOf(flags: readonly string[]): readonly string[] | undefined {
  if (flags.length > 0) return flags;
  const own = Deno.env.get("KEEPSAKE_IDENTITY");
  return own ? [expandTilde(own, homeDirectory())] : undefined;
}
