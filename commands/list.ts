/**
 * `list`: which snapshots there are, and what they hold.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { BackupError } from "../pipeline/errors.ts";
import type { Lookup } from "../pipeline/find_copies.ts";
import type { Listing } from "../pipeline/list.ts";
import type { Manifest } from "../pipeline/manifest.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, fromFlag, identityFlag, jsonFlag, pathValue } from "./flags.ts";
import { homeDirectory } from "./home.ts";
import { printJson } from "./json.ts";
import { lookUp } from "./pipeline_file.ts";
import { styleFor } from "./ui/style.ts";
import { escapeControls } from "./ui/text.ts";

export default defineCommand({
  summary: "lists the snapshots that there are",
  description:
    "Lists the snapshots at one destination, or at all of the pipeline: id, name, time, size, files and where. What only an identity could open is shown as unknown. Neither the pipeline file nor the state is needed when --from is an address.",
  parameters: object({
    place: optional(argument(pathValue("DESTINATION", "directory"), {
      description: message`The same as --from DESTINATION.`,
    })),
    from: fromFlag(),
    files: optional(option("--files", string({ metavar: "SNAPSHOT" }), {
      description: message`List what this snapshot holds; "latest", an id, or a name.`,
    })),
    config: configFlag(),
    identity: identityFlag(),
    json: jsonFlag(),
  }),
  execute: list,
});

interface Values {
  readonly place: string | undefined;
  readonly from: string | undefined;
  readonly files: string | undefined;
  readonly config: string | undefined;
  readonly identity: readonly string[];
  readonly json: boolean;
}

async function list(values: Values, context: Context): Promise<number> {
  const { terminal } = context;
  const from = placeOf(values);
  const found = await lookUp({ ...values, from }, (line) => terminal.say(escapeControls(line)));
  const { reporterFor } = await import("./ui/reporter.ts");
  using reporter = reporterFor(terminal, { quiet: true });
  const lookup = { ...found, signal: context.takeSignal(), listener: reporter.listener };
  return values.files === undefined
    ? await listAll(lookup, values.json, context)
    : await listFiles(lookup, values.files, values.json, context);
}

/** Both ways of naming a destination mean one. */
function placeOf({ place, from }: Values): string | undefined {
  if (place === undefined || from === undefined || place === from) return from ?? place;
  throw new BackupError("usage", `Cannot list "${place}" and "${from}": it is one or all`, {
    hint: "Leave out one of them",
  });
}

async function listAll(lookup: Lookup, json: boolean, { terminal }: Context): Promise<number> {
  const { addressIn, HINT_ADDRESS } = await import("../pipeline/choose_copy.ts");
  const { listSnapshots } = await import("../pipeline/list.ts");
  const listing = await listSnapshots(lookup);
  if (json && listing.answers === 0) {
    // Where nobody answered there is no list, not even an empty one.
    const { unanswered } = await import("../pipeline/unanswered.ts");
    const error = unanswered(listing.failures, 0);
    if (error !== undefined) throw error;
  }
  if (json) printJson(terminal, listingJson(listing));
  else if (listing.snapshots.length > 0 || listing.failures.length === 0) {
    const { renderListing } = await import("./ui/list_view.ts");
    const { out } = terminal;
    const isAllGone = listing.snapshots.length === 0 && listing.lost.length > 0;
    const lines = renderListing(listing.snapshots, out.width, styleFor(out));
    terminal.print(isAllGone ? "There are no snapshots any more" : lines.join("\n"));
    const address = addressIn(lookup);
    if (listing.snapshots.length === 0 && !isAllGone && address !== undefined) {
      terminal.say(`Looked at ${escapeControls(address)}\n  ${HINT_ADDRESS}`);
    }
  }
  const { failures, strays, snapshots, lost } = listing;
  if (listing.locked > 0) {
    const { renderLocked } = await import("./ui/remarks_view.ts");
    terminal.say(renderLocked(listing, styleFor(terminal.err)).join("\n"));
  }
  if (snapshots.some(({ torn }) => torn.length > 0)) {
    const { renderTorn } = await import("./ui/remarks_view.ts");
    terminal.say(renderTorn(snapshots, styleFor(terminal.err)).join("\n"));
  }
  if (lost.length > 0) {
    const { renderLost } = await import("./ui/remarks_view.ts");
    terminal.say(renderLost(lost, styleFor(terminal.err)).join("\n"));
  }
  if (strays.length > 0) {
    const { renderStrays } = await import("./ui/remarks_view.ts");
    terminal.say(renderStrays(strays, styleFor(terminal.err)).join("\n"));
  }
  if (failures.length === 0) return 0;
  const { renderUnanswered, statusWithout } = await import("./ui/errors.ts");
  terminal.say(renderUnanswered(failures, styleFor(terminal.err)).join("\n"));
  return statusWithout(failures);
}

async function listFiles(
  lookup: Lookup,
  snapshot: string,
  json: boolean,
  { terminal }: Context,
): Promise<number> {
  const { readSnapshot } = await import("../pipeline/list.ts");
  const { statusWithout } = await import("./ui/errors.ts");
  const { manifest, unanswered } = await readSnapshot(lookup, snapshot);
  const status = statusWithout(unanswered);
  if (json) {
    printJson(terminal, manifestJson(manifest));
    return status;
  }
  const { renderEntry } = await import("./ui/list_view.ts");
  const lines = manifest.entries.map((entry) => renderEntry(entry));
  if (lines.length > 0) terminal.print(lines.join("\n"));
  const { renderLacking } = await import("./ui/remarks_view.ts");
  const { snapshot: id, name, unreadable } = manifest;
  const lacking = renderLacking(
    [{ id, name, unreadable }],
    homeDirectory(),
    styleFor(terminal.err),
  );
  if (lacking.length > 0) terminal.say(lacking.join("\n"));
  return status;
}

/** What `list --json` prints. */
export function listingJson({ snapshots }: Listing): unknown {
  return snapshots.map((snapshot) => ({
    id: snapshot.id,
    name: snapshot.name,
    created: snapshot.created.toISOString(),
    content_hash: snapshot.contentHash,
    files: snapshot.files,
    bytes: snapshot.bytes,
    destinations: snapshot.destinations,
    ...(snapshot.torn.length > 0 && { archive_missing: snapshot.torn }),
    encrypted: snapshot.encrypted,
    complete: snapshot.complete,
    ...(snapshot.suspect && { suspect: true }),
  }));
}

/** What `list --files SNAPSHOT --json` prints. */
export function manifestJson(manifest: Manifest): unknown {
  const { snapshot, name, created, contentHash, host, roots, files, bytes } = manifest;
  return {
    id: snapshot,
    name,
    created: created.toISOString(),
    content_hash: contentHash,
    host,
    roots,
    files,
    bytes,
    unreadable: manifest.unreadable,
    entries: manifest.entries,
  };
}
