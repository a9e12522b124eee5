/**
 * What a restore did, or would do, for a person.
 *
 * @module
 */
import { basename } from "node:path";
import type { RestoreAction, RestoreReport } from "../../pipeline/restore.ts";
import { shellWord } from "../../pipeline/shell.ts";
import { sayBytes, sayCount, sayPath } from "./format.ts";
import { renderUnreadable } from "./remarks_view.ts";
import { escapeControls } from "./text.ts";

/** One line for each path that would be written. */
export function renderActions(actions: readonly RestoreAction[]): string[] {
  return actions.filter(({ action }) => action !== "keep").map(({ path, action }) =>
    `${action.padEnd(7)}  ${escapeControls(path)}`
  );
}

/**
 * Says what came back, from where and to where.
 *
 * @param here The name of this machine.
 */
export function renderRestore(
  report: RestoreReport,
  home: string | undefined,
  here: string,
): string[] {
  const { id, name, host, from, targets, files, bytes, links, setAside, unreadable } = report;
  const { dryRun } = report;
  const verb = dryRun ? "Would restore" : "Restored";
  const what = files === 0 && links > 0
    ? sayCount(links, "link")
    : `${sayCount(files, "file")}, ${sayBytes(bytes)}${
      links === 0 ? "" : `, ${sayCount(links, "link")}`
    }`;
  return [
    `${verb} ${escapeControls(`${id}/${name}`)} from ${
      escapeControls(sayPath(from, home))
    }: ${what}`,
    ...(host === here ? [] : [`  made on ${escapeControls(host)}, which is not this machine`]),
    ...targets.map((target) => `  to ${escapeControls(sayPath(target, home))}`),
    ...renderKept(report),
    ...setAside.map(({ path, as, why }) => {
      const [what, more] = why === "database"
        ? ["the database ", " and what lies beside it"]
        : ["", ", which has credentials that the snapshot lacks"];
      return `  ${dryRun ? "would set" : "set"} aside ${what}${
        escapeControls(sayPath(path, home))
      }${more}, as ${escapeControls(basename(as))}`;
    }),
    ...renderLeftOut(report),
    ...renderSpecialBits(report),
    ...renderStrayLinks(report.strayLinks),
    ...renderUnreadable(unreadable, home),
  ];
}

/** What was left alone, and what is known of it. */
function renderKept({ actions, compared, dryRun }: RestoreReport): string[] {
  const kept = actions.filter(({ action, kind }) => action === "keep" && kind !== "directory");
  const files = kept.filter(({ kind }) => kind === "file").length;
  const counts = [
    ...(files === 0 ? [] : [sayCount(files, "file")]),
    ...(files === kept.length ? [] : [sayCount(kept.length - files, "link")]),
  ].join(" and ");
  if (counts === "") return [];
  const one = kept.length === 1;
  const verb = dryRun ? "would keep" : "kept";
  return [
    compared
      ? `  ${verb} ${counts} that ${one ? "is" : "are"} the same already`
      : `  ${verb} ${counts} that ${
        one ? "was" : "were"
      } there already, and not compared: "--overwrite changed" replaces what differs`,
  ];
}

function renderLeftOut({ leftOut }: RestoreReport): string[] {
  if (leftOut.length === 0) return [];
  return [
    `  left out ${sayCount(leftOut.length, "link")}: the file system there knows no such`,
    ...leftOut.slice(0, NAMED).map((path) => `    ${escapeControls(path)}`),
    ...(leftOut.length > NAMED ? [`    and ${leftOut.length - NAMED} more: see --json`] : []),
  ];
}

function renderSpecialBits({ id, name, from, specialBits, dryRun }: RestoreReport): string[] {
  if (specialBits.length === 0) return [];
  const paths = sayCount(specialBits.length, "path");
  const verb = dryRun ? "would leave out" : "left out";
  const command = escapeControls(`keepsake list --files ${id}/${name} --from ${shellWord(from)}`);
  return [`  ${verb} the setuid, setgid or sticky bits of ${paths}: "${command}" shows them`];
}

/** Links that are named each. */
const NAMED = 20;

function renderStrayLinks(strays: RestoreReport["strayLinks"]): string[] {
  // Those with something to do come first.
  const sorted = strays.toSorted((a, b) =>
    Number(a.content === undefined) - Number(b.content === undefined)
  );
  return (["nowhere", "out"] as const).flatMap((way) => {
    const own = sorted.filter(({ leads }) => leads === way);
    if (own.length === 0) return [];
    const where = way === "out" ? "out of what was restored" : "nowhere here";
    return [
      `  ${sayCount(own.length, "link")} ${own.length === 1 ? "leads" : "lead"} ${where}:`,
      ...own.slice(0, NAMED).map(({ path, link, content }) =>
        escapeControls(
          `    ${path} -> ${link}${
            content === undefined ? "" : `: what it led to is ${content} in this snapshot`
          }`,
        )
      ),
      ...(own.length > NAMED ? [`    and ${own.length - NAMED} more: see --json`] : []),
    ];
  });
}
