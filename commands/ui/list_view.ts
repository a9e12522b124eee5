/**
 * Snapshots, and what they hold, for a person.
 *
 * @module
 */
import type { StoredSnapshot } from "../../pipeline/list.ts";
import type { Manifest } from "../../pipeline/manifest.ts";
import { sayBytes, sayTime } from "./format.ts";
import { PLAIN, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { escapeControls } from "./text.ts";

/** Lays out snapshots as a table; the newest stands last, next to the prompt. */
export function renderListing(
  snapshots: readonly StoredSnapshot[],
  width: number,
  style: Style = PLAIN,
  offsetMinutes?: number,
): string[] {
  if (snapshots.length === 0) return ["There are no snapshots yet"];
  const columns = [
    { title: "ID" },
    { title: "SNAPSHOT" },
    { title: "TIME" },
    { title: "FILES", align: "right" },
    { title: "SIZE", align: "right" },
    { title: "STORED", align: "right" },
    { title: "WHERE", shrinks: true },
  ] as const;
  const rows = snapshots.map((snapshot) => [
    escapeControls(snapshot.id),
    [
      escapeControls(snapshot.name),
      ...(snapshot.suspect ? ["suspect"] : []),
      ...(snapshot.destinations.length === 0 ? ["archive missing"] : []),
    ].join(", "),
    sayTime(snapshot.created, offsetMinutes),
    `${snapshot.files ?? UNKNOWN}${snapshot.complete === false ? ", incomplete" : ""}`,
    snapshot.bytes === null ? UNKNOWN : sayBytes(snapshot.bytes),
    `${sayBytes(snapshot.storedBytes)}${snapshot.encrypted ? "" : ", plain"}`,
    escapeControls(
      [...snapshot.destinations, ...snapshot.torn.map((id) => `${id} (archive missing)`)].join(
        ", ",
      ),
    ),
  ]);
  return renderTable(columns, rows, width, style);
}

/** What no identity at hand could read. */
const UNKNOWN = "?";

/** One line for an entry: mode, size, time, path, and what a link says. */
export function renderEntry(entry: Manifest["entries"][number], offsetMinutes?: number): string {
  const mode = entry.mode.toString(8).padStart(4, "0");
  const size = entry.kind === "file" ? sayBytes(entry.size) : "";
  const slash = entry.kind === "directory" ? "/" : "";
  const link = "link" in entry ? ` -> ${escapeControls(entry.link)}` : "";
  const time = sayTime(new Date(entry.mtime), offsetMinutes);
  return `${mode}  ${size.padStart(8)}  ${time}  ${escapeControls(entry.path)}${slash}${link}`;
}
