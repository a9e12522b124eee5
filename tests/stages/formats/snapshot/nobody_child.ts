/**
 * Scans and archives a path as a user who may not read everything, which root may:
 * `deno run -A nobody_child.ts PATH`. Prints what there is and what could not be read, as JSON.
 *
 * @module
 */
import process from "node:process";
import type { StageError } from "../../../../stages/errors.ts";
import { scan } from "../../../../stages/formats/snapshot/scan.ts";
import { archiveOf, selectionOf } from "./source_tree.ts";

const NOBODY = 65534;
const context = {
  signature: undefined,
  team: { role: "leader", port: undefined },
  signal: new AbortController().signal,
  log: () => {},
  progress: () => {},
} as const;

// Whatever is loaded on demand is loaded while all may still be read.
await scan(selectionOf([import.meta.dirname!]), context);
if (Deno.uid() === 0) process.seteuid!(NOBODY);

const record = ({ code, message, hint }: StageError) => ({ code, message, hint });
const selection = selectionOf([Deno.args[0]!]);
const outcome = await archiveOf(selection).then(
  async ({ entries, unreadable, fingerprint }) => ({
    paths: entries.map(({ path }) => path),
    unreadable,
    fingerprint,
    scanned: await scan(selection, context),
  }),
  async (failure) => ({
    failure: record(failure),
    scanFailure: await scan(selection, context).catch(record),
  }),
);
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(outcome)));
