/**
 * What there is to say of snapshots besides what they hold, for a person.
 *
 * @module
 */
import type { Lost, StrayArchive } from "../../pipeline/find_copies.ts";
import type { Listing, StoredSnapshot } from "../../pipeline/list.ts";
import type { Manifest } from "../../pipeline/manifest.ts";
import { sayCount, sayPath } from "./format.ts";
import { PLAIN, type Style } from "./style.ts";
import { escapeControls } from "./text.ts";

/** Paths or archives that are named each. */
const NAMED = 20;

/** What a snapshot lacks, because it could not be read when it was made. */
export function renderUnreadable(
  unreadable: Manifest["unreadable"],
  home: string | undefined,
): string[] {
  if (unreadable.length === 0) return [];
  return [
    `  not in this snapshot: ${sayCount(unreadable.length, "path")} that could not be read`,
    ...unreadable.slice(0, NAMED).map(({ path, reason }) =>
      `    ${escapeControls(sayPath(path, home))}: ${escapeControls(reason)}`
    ),
    ...renderMore(unreadable.length),
  ];
}

/** A snapshot that was looked into, and what it lacks, where that is known. */
interface LookedInto {
  readonly id: string | null;
  readonly name: string | null;
  readonly unreadable?: Manifest["unreadable"];
}

/** What was not read when a snapshot was made cannot come back, however well it is kept. */
export function sayIncomplete(result: string, { unreadable = [] }: LookedInto): string {
  return unreadable.length > 0 ? `${result}, incomplete` : result;
}

/** Says what snapshots lack, each once, wherever they are. */
export function renderLacking(
  snapshots: readonly LookedInto[],
  home: string | undefined,
  style: Style = PLAIN,
): string[] {
  const lacking = new Map(
    snapshots.flatMap(({ id, name, unreadable = [] }) =>
      unreadable.length === 0 ? [] : [[`${id}/${name}`, unreadable] as const]
    ),
  );
  return [...lacking].flatMap(([snapshot, unreadable]) => [
    `${style.careful("Note:")} ${escapeControls(snapshot)} is incomplete`,
    ...renderUnreadable(unreadable, home),
  ]);
}

/** Archives that are no snapshots, by destination. */
export function renderStrays(strays: readonly StrayArchive[], style: Style = PLAIN): string[] {
  return [...Map.groupBy(strays, ({ destination }) => destination)].flatMap(([id, own]) => [
    `${style.careful("Note:")} ${escapeControls(id)} holds ${
      sayCount(own.length, "archive")
    } without a manifest, which ${own.length === 1 ? "is no snapshot" : "are no snapshots"}`,
    ...own.slice(0, NAMED).map(({ key }) => `    ${escapeControls(key)}`),
    ...renderMore(own.length),
    "  A run was cut short there, or is storing it now, or its manifest was lost",
  ]);
}

/** What destinations were given and have not any more. */
export function renderLost(lost: readonly Lost[], style: Style = PLAIN): string[] {
  return [
    ...lost.map(({ destination, count }) =>
      `${style.careful("Note:")} ${sayCount(count, "snapshot")} that ${
        count === 1 ? "was" : "were"
      } stored in ${escapeControls(destination)} ${count === 1 ? "is" : "are"} gone`
    ),
    '  See "keepsake verify" for which, and what to do',
  ];
}

/** Says why nothing is known of snapshots that are encrypted. */
export function renderLocked(
  { locked, hasIdentity }: Pick<Listing, "locked" | "hasIdentity">,
  style: Style = PLAIN,
): string[] {
  const what = `what ${sayCount(locked, "snapshot")} ${locked === 1 ? "holds" : "hold"} is unknown`;
  const [why, hint] = hasIdentity
    ? ["no identity at hand fits", "Name the file of the one that does with --identity FILE"]
    : [
      "no identity is at hand",
      'Name its file with --identity FILE, or as "identity" in [pipeline]',
    ];
  return [`${style.careful("Note:")} ${what}: ${why}`, `  ${hint}`];
}

/** Snapshots of which a destination has the manifest alone, by destination. */
export function renderTorn(
  snapshots: readonly StoredSnapshot[],
  style: Style = PLAIN,
): string[] {
  const torn = snapshots.flatMap(({ id, name, torn }) =>
    torn.map((destination) => ({ destination, snapshot: `${id}/${name}` }))
  );
  return [...Map.groupBy(torn, ({ destination }) => destination)].flatMap(([id, own]) => [
    `${style.careful("Note:")} ${escapeControls(id)} has lost ${
      sayCount(own.length, "archive")
    }, and holds the ${own.length === 1 ? "manifest" : "manifests"} alone`,
    ...own.slice(0, NAMED).map(({ snapshot }) => `    ${escapeControls(snapshot)}`),
    ...renderMore(own.length),
    "  See keepsake verify",
  ]);
}

function renderMore(count: number): string[] {
  return count > NAMED ? [`    and ${count - NAMED} more: see --json`] : [];
}
