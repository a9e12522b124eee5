/**
 * Brings a snapshot back.
 *
 * @module
 */
import { resolve } from "node:path";
// @ts-types="../tools/std/glob_to_regexp.d.ts"
import { globToRegExp } from "@std/path/posix/glob-to-regexp";
import type { Entry, Remark, Stage } from "../stages/contract.ts";
import { BackupError } from "../stages/errors.ts";
import { CUT } from "../stages/formats/claude/home.ts";
import { archivePaths, wayInto } from "../stages/formats/roots.ts";
import { checkEntries } from "../stages/formats/snapshot/entry_rules.ts";
import { stages } from "../stages/mod.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { warn } from "./events.ts";
import { type Finding, findSnapshot, type Lookup, readerOptions } from "./find_copies.ts";
import type { Listing } from "./list.ts";
import type { Manifest } from "./manifest.ts";
import { findPlaces, placesOf } from "./places.ts";
import { SnapshotReader } from "./reader.ts";
import { realPath } from "./real_path.ts";
import {
  chooseEntries,
  isOf,
  type Overwrite,
  type Placement,
  placeRoots,
  planEntries,
  type PlannedEntry,
  type RestorePlan,
  type SetAside,
  splitAtMounts,
} from "./restore/plan.ts";
import { deviceOf, makeStaging, publish, type Say, type Staging } from "./restore/publish.ts";
import { findStrayLinks, type StrayLink } from "./restore/stray_links.ts";
import { shellWord } from "./shell.ts";
import { ReadingPool } from "./worker/pool.ts";

export type { Overwrite } from "./restore/plan.ts";

/** What to bring back, and how. */
export interface RestoreOptions extends Lookup {
  /** `latest`, an id, a name or the beginning of one, or `id/name`. */
  readonly snapshot: string;
  /** A directory, or the places that the snapshot was taken from. */
  readonly target: { readonly directory: string } | "in-place";
  /** Glob over the paths in the snapshot; `undefined`: everything. */
  readonly path?: string | undefined;
  /** What to do with a file that is there already; `never` touches none, and is the default. */
  readonly overwrite?: Overwrite;
  /**
   * Gives files the times they had. Otherwise they get the present one, which keeps Claude Code from
   * deleting restored conversations as too old.
   */
  readonly preserveMtime?: boolean;
  readonly dryRun?: boolean;
  readonly clock?: () => Date;
  /** Workers that are on their way up, for the caller to end; without them, the restore has its own. */
  readonly pool?: ReadingPool;
}

/** What is, or would be, done with one path. */
export interface RestoreAction {
  readonly path: string;
  readonly kind: Entry["kind"];
  readonly action: "create" | "replace" | "keep";
}

/** What was done. */
export interface RestoreReport {
  readonly id: string;
  readonly name: string;
  /** The machine it was made on. */
  readonly host: string;
  /** The destination it came from. */
  readonly from: string;
  /** Where it was put. */
  readonly targets: readonly string[];
  /** Regular files, each once, whatever the number of its names. */
  readonly files: number;
  readonly bytes: number;
  /** Symbolic links, and further names of files. */
  readonly links: number;
  /** Whether what is kept was found to be the same; otherwise nobody looked. */
  readonly compared: boolean;
  /** Links that lead out of what was put elsewhere, or nowhere there. */
  readonly strayLinks: readonly StrayLink[];
  /** Every path that was wanted, in archive order, but for links that are left out. */
  readonly actions: readonly RestoreAction[];
  /**
   * Databases that were there, with changes beside them, and files with credentials that the snapshot
   * lacks; and where all of that is now.
   */
  readonly setAside: readonly {
    readonly path: string;
    readonly as: string;
    readonly why: SetAside["why"];
  }[];
  /** Links that are not made, because the file system there knows no such. */
  readonly leftOut: readonly string[];
  /** Files and directories that come back without the setuid, setgid or sticky bit they had. */
  readonly specialBits: readonly string[];
  /** What could not be read when the snapshot was made. */
  readonly unreadable: readonly Remark[];
  /** Destinations that may hold a newer one than this, which was to be the latest. */
  readonly unanswered: Listing["failures"];
  readonly dryRun: boolean;
}

/**
 * Brings a snapshot back, all of it or none: nothing is put in its place before everything was
 * authenticated to the end.
 *
 * @throws {BackupError} `snapshot-missing`, `snapshot-damaged`, `identity-wrong`,
 *   `target-refused`, `storage-full`.
 */
export async function restoreSnapshot(options: RestoreOptions): Promise<RestoreReport> {
  const { dryRun = false, target } = options;
  if (target !== "in-place") await refuseBackups([target.directory], options);
  using own = options.pool === undefined ? new ReadingPool() : undefined;
  const pool = options.pool ?? own!;
  await pool.warmTransforms(stagesOf(options));
  const finding = findSnapshot(options, options.snapshot, pool);
  finding.catch(() => {}); // Waited for below.
  // Where one directory is the target, all can be made ready before the manifest is read.
  const base = target === "in-place" || dryRun ? undefined : resolve(target.directory);
  const early = base === undefined
    ? undefined
    : await makeStaging([{ base, target: base }], sayTo(options));
  try {
    return await restore(await finding, options, pool, early);
  } finally {
    await early?.remove();
  }
}

/** Those of ours that what is stored most probably went through; `undefined`: nobody knows. */
function stagesOf({ pipeline }: Lookup): Stage[] | undefined {
  return pipeline?.stages.flatMap(({ use, stage }) => Object.hasOwn(stages, use) ? [stage] : []);
}

/** @throws {BackupError} `target-refused` for what is, or lies in, a directory of backups. */
async function refuseBackups(
  targets: readonly string[],
  { pipeline, from }: Lookup,
): Promise<void> {
  const places = [
    ...await findPlaces(pipeline, from),
    ...pipeline === undefined ? [] : placesOf(pipeline),
  ];
  for (const { stage, options } of places) {
    const path = stage.directory?.(options);
    if (path === undefined) continue;
    const kept = realPath(path);
    for (const target of targets) {
      if (wayInto(kept, realPath(target)) === undefined) continue;
      throw new BackupError(
        "target-refused",
        `Cannot restore to "${target}": backups are kept in "${path}"`,
        { hint: "Choose another directory" },
      );
    }
  }
}

async function restore(
  { place, held, unanswered }: Finding,
  options: RestoreOptions,
  pool: ReadingPool,
  early: Staging | undefined,
): Promise<RestoreReport> {
  const { listener, dryRun = false, preserveMtime = false, signal } = options;
  const stage = place.id;
  const reader = new SnapshotReader(place, pool, {
    ...await readerOptions(options),
    onProgress: (done, total) => listener?.({ type: "stage-progress", stage, done, total }),
  });
  listener?.({ type: "stage-started", stage, snapshot: `${held.id}/${held.name}` });
  const reading = reader.manifest(held);
  reading.catch(() => {}); // Waited for below.
  const among = stagesOf(options);
  if (early !== undefined) {
    // What unpacks comes up meanwhile, once the others have been asked.
    await new Promise((resolve) => setTimeout(resolve));
    await pool.warmSources(early.directories, among);
  }
  const manifest = await reading;
  const plan = await planRestore(manifest, options);
  const { placements, entries } = plan;
  if (options.target !== "in-place") {
    await refuseBackups(placements.map(({ target }) => target), options);
  }
  const written = entries.filter(({ action }) => action !== "keep");
  let leftOut: ReadonlySet<PlannedEntry> = new Set();
  if (!dryRun && written.length > 0) {
    const split = { entries, placements: splitAtMounts(plan, deviceOf) };
    const isReady = early?.serves(split.placements) ?? false;
    const staging = isReady ? early! : await makeStaging(split.placements, sayTo(options));
    try {
      if (!isReady) await pool.warmSources(staging.directories, among);
      const into = staging.into(split.placements);
      const all = written.length === manifest.entries.length;
      const wanted = all ? undefined : contentsFor(written, entries);
      await reader.unpack(held, manifest, { into, wanted });
      signal?.throwIfAborted();
      pool.assertSound();
      leftOut = await publish(split, staging, preserveMtime, sayTo(options));
    } finally {
      await staging.remove();
    }
  }
  const made = { placements, entries: entries.filter((one) => !leftOut.has(one)) };
  const files = written.flatMap(({ entry }) => entry.kind === "file" ? [entry] : []);
  return {
    id: held.id,
    name: held.name,
    host: manifest.host,
    from: place.id,
    targets: placements.filter((placement) =>
      entries.some(({ entry }) => isOf(placement, entry.path))
    ).map(({ target }) => target),
    files: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    links: written.filter((one) => "link" in one.entry && !leftOut.has(one)).length,
    compared: options.overwrite === "changed",
    strayLinks: dryRun || options.target === "in-place" ? [] : await findStrayLinks(made, manifest),
    actions: made.entries.map(({ entry, action }) => ({
      path: entry.path,
      kind: entry.kind,
      action,
    })),
    setAside: entries.flatMap(({ target, stale }) =>
      stale === undefined ? [] : [{ path: target, as: stale.as, why: stale.why }]
    ),
    leftOut: Array.from(leftOut, ({ entry }) => entry.path),
    specialBits: written.flatMap(({ entry: { path, kind, mode } }) =>
      (kind === "file" || kind === "directory") && (mode & SPECIAL_BITS) !== 0 ? [path] : []
    ),
    unreadable: manifest.unreadable,
    unanswered,
    dryRun,
  };
}

/** Paths in the archive of what has to be unpacked for these entries, and for none that are kept. */
function contentsFor(written: readonly PlannedEntry[], all: readonly PlannedEntry[]): string[] {
  const contents = new Map(all.map(({ entry: { path }, content = path }) => [path, content]));
  return written.map(({ entry }) =>
    contents.get(entry.kind === "hardlink" ? entry.link : entry.path)!
  );
}

/** Setuid, setgid and sticky, which say as whom something runs or who may remove it. */
const SPECIAL_BITS = 0o7000;

function sayTo({ listener }: RestoreOptions): Say {
  return (message) => warn(listener, message);
}

async function planRestore(manifest: Manifest, options: RestoreOptions): Promise<RestorePlan> {
  // Whoever has the recipient can make a manifest, and a hostile one.
  checkEntries(manifest.entries, manifest.roots.map(({ name }) => name));
  const target = options.target === "in-place"
    ? options.target
    : { directory: resolve(options.target.directory) };
  const matches = options.path === undefined ? undefined : matcherOf(options.path);
  const entries = chooseEntries(manifest.entries, matches);
  if (entries.length === 0 && matches !== undefined) {
    const where = `${manifest.snapshot}/${manifest.name}`;
    const from = options.from === undefined ? "" : ` --from ${shellWord(options.from)}`;
    throw new BackupError(
      "usage",
      `Cannot restore "${options.path}": nothing in "${where}" matches`,
      {
        hint: `Write it as "keepsake list --files ${where}${from}" shows paths: "${
          manifest.roots[0]?.name
        }/**"`,
      },
    );
  }
  const placements = placeRoots(manifest, target).filter((placement) =>
    entries.some(({ entry, content = entry.path }) =>
      isOf(placement, entry.path) || isOf(placement, content)
    )
  );
  if (target === "in-place") requireKnown(placements, manifest.snapshot, options.pipeline);
  const { overwrite = "never", clock = () => new Date(), signal } = options;
  const isCut = cutIn(manifest);
  return {
    placements,
    entries: await planEntries(entries, placements, overwrite, clock(), isCut, signal),
  };
}

/** Tells of a path whether credentials were cut out of its content. */
function cutIn({ skipped, roots }: Manifest): (path: string) => boolean {
  const cut = skipped.filter(({ reason }) => reason === CUT);
  const paths = new Set(cut.flatMap(({ path }) => archivePaths(roots, path)));
  return (path) => paths.has(path);
}

/**
 * Where things are put back is for the pipeline file to say: a manifest that is hostile may name any
 * place.
 *
 * @throws {BackupError} `target-refused`.
 */
function requireKnown(
  placements: readonly Placement[],
  snapshot: string,
  pipeline: Pipeline | undefined,
): void {
  const places =
    pipeline?.stages.flatMap(({ id, stage, options }) =>
      id === snapshot && stage.kind === "source"
        ? [...stage.permissions(options, "run").read ?? [], ...stage.usual?.(options) ?? []]
        : []
    ) ?? [];
  const stranger = placements.find(({ target }) => !places.includes(target));
  if (stranger === undefined) return;
  const { root, target } = stranger;
  throw new BackupError(
    "target-refused",
    `Cannot restore "${target}" in place: no snapshot "${snapshot}" of a pipeline file has it`,
    {
      hint: `Restore "${root}" with --to DIRECTORY, and the rest with --path, ` +
        "or name the pipeline file with --config",
    },
  );
}

/** Longer ones, and such with more stars, could be compared with one name for hours. */
const MAX_GLOB = 1000;
const MAX_STARS = 5;

/** A glob over whole paths; one without a slash means a name anywhere. */
function matcherOf(glob: string): (path: string) => boolean {
  if (glob === "") {
    throw new BackupError("usage", 'Cannot restore "": --path is empty', {
      hint: "Leave --path out for everything",
    });
  }
  const fault = glob.length > MAX_GLOB
    ? "long"
    : glob.split("/").some((part) => part.split("*").length > MAX_STARS + 1)
    ? "complicated"
    : undefined;
  if (fault !== undefined) {
    throw new BackupError("usage", `Cannot restore "${glob}": the glob is too ${fault}`, {
      hint: `Write at most ${MAX_GLOB} letters, and ${MAX_STARS} stars between two slashes`,
    });
  }
  const pattern = globToRegExp(glob.includes("/") ? glob : `**/${glob}`, { globstar: true });
  // As it stands, it may be the very path: names have brackets, too.
  const name = glob.includes("/") ? undefined : `/${glob}`;
  const whole = glob.replace(/\/+$/, "");
  return (path) =>
    path === whole || (name !== undefined && path.endsWith(name)) || pattern.test(path);
}
