/**
 * What a destination's worker is given besides the call itself: where its programs are, and a folder
 * to work in.
 *
 * @module
 */
import { join } from "node:path";
import type { Folder, Grants } from "../../stages/contract.ts";
import { BackupError, systemFault } from "../../stages/errors.ts";
import type { Pipeline, PipelineStage } from "../config/pipeline.ts";
import { folderOf, union, workDirectory } from "../grants.ts";
import type { Place } from "../places.ts";
import { findPrograms } from "../programs.ts";

/**
 * Equips a stage during a run.
 *
 * @param folder Where it works; `undefined` for a stage that needs no folder.
 */
export function equip(
  { stage, options }: Pick<PipelineStage, "stage" | "options">,
  folder: string | undefined,
  temporary = false,
): { readonly programs: Readonly<Record<string, string>>; readonly folder: Folder | undefined } {
  const operations = stage.kind === "destination" ? ["list", "fetch", "run"] as const : [];
  const { run = [] } = union(
    ...operations.map((operation) => stage.permissions(options, operation)),
  );
  return {
    programs: findPrograms(run),
    folder: folder === undefined ? undefined : { path: folder, temporary },
  };
}

/** Equips those that look at what is stored: where there is no state, with temporary folders. */
export class Equipment {
  readonly #temporary: string[] = [];

  /** What the worker of a place is granted and given on top of its own. */
  at(place: Place): { readonly grants: Grants; readonly given: Record<string, unknown> } {
    if (place.stage.keepsFolder !== true) {
      return { grants: {}, given: { ...equip(place, undefined) } };
    }
    const lasting = place.folder !== undefined && make(place.folder) ? place.folder : undefined;
    const folder = lasting ?? this.#makeTemporary();
    const grants = { read: [folder], write: [folder] };
    return { grants, given: { ...equip(place, folder, lasting === undefined) } };
  }

  /** Removes the temporary folders, once their workers are closed. */
  remove(): void {
    for (const folder of this.#temporary.splice(0)) {
      try {
        Deno.removeSync(folder, { recursive: true });
      } catch {
        // A program that is just ending may still have written there: the system's own clean-up
        // of temporary files has to do.
      }
    }
  }

  #makeTemporary(): string {
    try {
      const folder = Deno.makeTempDirSync({ prefix: "keepsake-" });
      this.#temporary.push(folder);
      return folder;
    } catch (cause) {
      const fault = systemFault(cause);
      if (fault === undefined) throw cause;
      const code = fault.kind === "full" ? "storage-full" : "stage-failed";
      const message = `Cannot make a temporary directory: ${fault.state}`;
      const hint = "Set TMPDIR to a directory that you may write to";
      throw new BackupError(code, message, { hint, cause });
    }
  }
}

/** Removes where destinations worked that the pipeline names no more: they could do without. */
export async function clearFolders({ stages, state }: Pipeline): Promise<void> {
  const used = new Set(stages.map((stage) => folderOf(stage, state)));
  const work = workDirectory(state);
  try {
    for await (const { name } of Deno.readDir(work)) {
      const folder = join(work, name);
      if (!used.has(folder)) await Deno.remove(folder, { recursive: true });
    }
  } catch {
    // As a rule there are none; of a disk that is not well others tell who need it.
  }
}

/** Whether the directory is there now, to write to; not where the state is out of reach. */
function make(folder: string): boolean {
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    Deno.removeSync(Deno.makeTempDirSync({ dir: folder }));
    return true;
  } catch {
    return false;
  }
}
