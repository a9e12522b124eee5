/**
 * Manifests of snapshots that lie in a repository unpacked: plain JSON, as `docs/format.md` has it.
 *
 * @module
 */
import type { Entry } from "../../contract.ts";
import { StageError } from "../../errors.ts";
import { HINT_DAMAGED } from "../snapshot/entry_rules.ts";

/** What a manifest says of its archive. */
export interface ArchiveRecord {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

/** The parts of a manifest that matter here. */
export interface ManifestView {
  readonly archives: readonly ArchiveRecord[];
  readonly entries: readonly Entry[];
}

/** What stands between the head of a manifest and its entries, which fill a line each. */
const ENTRIES = ',\n "entries": [\n';

/** Reads a manifest that lies there unpacked. */
export function parseManifest(text: string, key: string): ManifestView {
  try {
    const { archives, entries } = JSON.parse(text);
    const read = ({ mode, mtime, ...entry }: Record<string, string>) => ({
      ...entry,
      mode: parseInt(mode!, 8),
      mtime: Date.parse(mtime!),
    });
    return { archives, entries: entries.map(read) };
  } catch (cause) {
    throw new StageError("snapshot-damaged", `Cannot trust "${key}": its manifest is not JSON`, {
      hint: HINT_DAMAGED,
      cause,
    });
  }
}

/** The size of the archive that a manifest names; `undefined` when it says none. */
export function archiveSizeIn(text: string): number | undefined {
  try {
    const at = text.indexOf(ENTRIES);
    const size = JSON.parse(at < 0 ? text : `${text.slice(0, at)}\n}`).archives[0].size;
    return Number.isSafeInteger(size) ? size : undefined;
  } catch {
    return undefined;
  }
}

/** The same manifest for the archive as it will be made again: not compressed. */
export function withArchive(text: string, archive: ArchiveRecord): string {
  const at = text.indexOf(ENTRIES);
  const head = JSON.parse(`${text.slice(0, at)}\n}`);
  return JSON.stringify({ ...head, archives: [archive] }, null, 1).replace(/\n}$/, "") +
    text.slice(at);
}
