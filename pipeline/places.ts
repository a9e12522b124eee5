/**
 * Places that keep snapshots: a pipeline's destinations, or an address that a user names.
 *
 * @module
 */
import type {
  Codec,
  DestinationStage,
  ListContext,
  OptionsSchema,
  Removal,
  StoredFile,
} from "../stages/contract.ts";
import { BackupError } from "../stages/errors.ts";
import { stages } from "../stages/mod.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { folderOf } from "./grants.ts";
import { parseKey } from "./names.ts";
import type { CallOptions, StageWorker } from "./worker/host.ts";

/** Somewhere that keeps snapshots. */
export interface Place {
  /** The stage's id, or the address. */
  readonly id: string;
  readonly use: string;
  readonly stage: DestinationStage;
  readonly options: Readonly<Record<string, unknown>>;
  /** For a person; two places that share it are one. */
  readonly location: string;
  /** Where it works, of a pipeline's destinations that need such a folder. */
  readonly folder: string | undefined;
}

/** A snapshot as its files' names show it. */
export interface HeldSnapshot {
  readonly id: string;
  readonly name: string;
  /** Files with the archive, of which there is at least one. */
  readonly archives: readonly StoredFile[];
  readonly manifest: StoredFile;
  readonly codec: Codec;
  readonly transforms: readonly string[];
}

/** Whether it went through what encrypts: there is no other transform. */
export function isEncrypted({ transforms }: HeldSnapshot): boolean {
  return transforms.length > 0;
}

/** What becomes of the room of what is removed at a place. */
export function removalAt({ stage, options }: Place): Removal {
  return stage.removal?.(options) ?? "frees";
}

/** The destinations of a pipeline, in its order. */
export function placesOf({ stages, state }: Pipeline): Place[] {
  return stages.flatMap((pipelineStage) => {
    const { id, use, stage, options } = pipelineStage;
    if (stage.kind !== "destination") return [];
    const folder = folderOf(pipelineStage, state);
    return [{ id, use, stage, options, location: stage.location(options), folder }];
  });
}

/**
 * The places that `from` means: all of the pipeline's, one of them by id, or an address.
 *
 * @throws {BackupError} `usage`.
 */
export async function findPlaces(
  pipeline: Pipeline | undefined,
  from: string | undefined,
): Promise<Place[]> {
  const known = pipeline === undefined ? [] : placesOf(pipeline);
  if (from === undefined) {
    if (pipeline !== undefined) return known;
    throw new BackupError("usage", "Cannot tell where to look: there is no pipeline file", {
      hint: "Name a destination with --from, or a pipeline file with --config",
    });
  }
  const named = known.find(({ id }) => id === from);
  if (named !== undefined) return [named];
  const forms: string[] = [];
  for (const [use, load] of Object.entries(stages)) {
    const { default: stage } = await load();
    if (stage.kind !== "destination") continue;
    const options = stage.fromAddress(from);
    if (options !== undefined) {
      const location = stage.location(options);
      return [{ id: from, use, stage, options, location, folder: undefined }];
    }
    const fault = stage.addressFault?.(from);
    if (fault !== undefined) {
      throw new BackupError("usage", `Cannot look in "${from}": ${fault.state}`, {
        hint: fault.hint,
      });
    }
    forms.push(stage.addressForm);
  }
  const choices = [...known.map(({ id }) => `"${id}"`), ...forms].join(", or ");
  const state = pipeline === undefined
    ? "it is no address, and there is no pipeline file that could name it"
    : "it is no destination of the pipeline file, and no address";
  throw new BackupError("usage", `Cannot look in "${from}": ${state}`, {
    hint: await likelier(pipeline, from) ?? `Name ${choices}`,
  });
}

/** What else somebody may have meant who names no place. */
async function likelier(pipeline: Pipeline | undefined, from: string): Promise<string | undefined> {
  const isFolder = await Deno.stat(from).then(({ isDirectory }) => isDirectory, () => false);
  if (isFolder) return `Write "./${from}" for the folder of that name that is here`;
  const source = pipeline?.stages.find(({ id, stage }) => id === from && stage.kind === "source");
  if (source === undefined) return undefined;
  return `Write "keepsake list --files ${from}" for what the newest snapshot of that id holds`;
}

/**
 * Lists the files that a destination holds.
 *
 * What it says of others' folders is for nobody to hear, unless `call` says otherwise.
 */
export async function filesIn(
  worker: StageWorker,
  options: Readonly<Record<string, unknown>>,
  { mustExist, ids }: Pick<ListContext<OptionsSchema>, "mustExist" | "ids">,
  call: CallOptions = {},
): Promise<readonly StoredFile[]> {
  const { result } = await worker.call<readonly StoredFile[]>(
    { operation: "list", context: { options, mustExist, ids } },
    call,
  );
  return result;
}

/** Puts the files of each snapshot together. A snapshot exists when its manifest does. */
export function groupFiles(files: readonly StoredFile[]): HeldSnapshot[] {
  const archives = Map.groupBy(
    files.filter(({ key }) => parseKey(key)?.kind === "archive"),
    ({ key }) => nameOf(key),
  );
  return files.flatMap((manifest) => {
    const parsed = parseKey(manifest.key);
    if (parsed?.kind !== "manifest") return [];
    const { id, name, codec, transforms } = parsed;
    const own = archives.get(nameOf(manifest.key)) ?? [];
    return [{ id, name, archives: own, manifest, codec, transforms }];
  }).sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** Keys of the archives that have no manifest: they are no snapshots. */
export function strayArchives(files: readonly StoredFile[]): string[] {
  const named = new Set(groupFiles(files).map(({ id, name }) => `${id}/${name}`));
  return files.map(({ key }) => key).filter((key) =>
    parseKey(key)?.kind === "archive" && !named.has(nameOf(key))
  ).sort();
}

function nameOf(key: string): string {
  const parsed = parseKey(key)!;
  return `${parsed.id}/${parsed.name}`;
}
