/**
 * Shows and takes away what is installed for a pipeline file.
 *
 * @module
 */
import { BackupError } from "../../pipeline/errors.ts";
import { openPipeline, searchFor } from "../pipeline_file.ts";
import type { Terminal } from "../ui/terminal.ts";
import { escapeControls } from "../ui/text.ts";
import type { Installed, Named } from "./installed.ts";
import type { Installer, Place } from "./installer.ts";
import { telling } from "./telling.ts";

/** A pipeline that may be gone, or wrong: what is scheduled for it is to be seen and taken away. */
export type Subject = Named & { readonly state: string | undefined };

/** The pipeline file that is meant, by its path alone where it cannot be read. */
export async function subjectOf(config: string | undefined, terminal: Terminal): Promise<Subject> {
  try {
    return await openPipeline(config);
  } catch (error) {
    if (!(error instanceof BackupError) || error.code === "usage") throw error;
    const { findPipelineFile } = await import("../../pipeline/config/load.ts");
    const file = await findPipelineFile(searchFor(config));
    terminal.say(`Warning: going by its path alone. ${error.message.split("\n")[0]}`);
    return { file, name: undefined, state: undefined };
  }
}

/** Prints what is installed for it. */
export async function show(
  pipeline: Named,
  place: Place,
  installers: readonly Installer[],
  terminal: Terminal,
): Promise<number> {
  const { own, others } = await installedFor(pipeline, place, installers);
  for (const { installer, text } of own) {
    terminal.say(`With ${installer.name}:`);
    terminal.print(text.trimEnd().split(/\r?\n/).map(escapeControls).join("\n"));
  }
  if (own.length === 0) terminal.say(`Nothing is scheduled for ${nameOf(pipeline)}`);
  sayOthers(others, terminal);
  return 0;
}

/** Takes away what is installed for it, and tells of what stays. */
export async function remove(
  pipeline: Subject,
  place: Place,
  installers: readonly Installer[],
  terminal: Terminal,
): Promise<number> {
  const { own, others } = await installedFor(pipeline, place, installers);
  const removed = new Set<string>();
  for (const { installer, name } of own) {
    if (await telling(installer, () => installer.remove(name, place))) removed.add(installer.name);
  }
  const { forgetSchedule } = await import("./record.ts");
  const { state } = pipeline;
  if (removed.size > 0 && state !== undefined) await forgetSchedule({ state });
  terminal.say(
    removed.size > 0
      ? `${nameOf(pipeline)} is no longer scheduled with ${[...removed].join(" and ")}`
      : `Nothing was scheduled for ${nameOf(pipeline)}`,
  );
  sayOthers(others, terminal);
  for (const installer of installers) {
    const notes = await strayNotes(installer, pipeline.file, place);
    for (const note of notes) terminal.say(`Warning: ${escapeControls(note)}`);
  }
  return 0;
}

/**
 * What is installed for a pipeline file, and what has its name and starts another. What has its name
 * and starts a file that is gone is nobody else's.
 */
async function installedFor(
  pipeline: Named,
  place: Place,
  installers: readonly Installer[],
): Promise<Record<"own" | "others", readonly Installed[]>> {
  const { findInstalled, isNamesake, isOf } = await import("./installed.ts");
  const all: Installed[] = [];
  for (const installer of installers) {
    all.push(...await telling(installer, () => findInstalled([installer], place)));
  }
  const others = all.filter((installed) => isNamesake(installed, pipeline));
  const own = all.filter((installed) =>
    isOf(installed, pipeline) || installed.name === pipeline.name && !others.includes(installed)
  );
  return { own, others };
}

function sayOthers(others: readonly Installed[], terminal: Terminal): void {
  for (const { installer, name, starts } of others) {
    terminal.say(
      `Another "${name}" stays scheduled with ${installer.name}: it starts ${
        escapeControls(starts!.file)
      }`,
    );
  }
}

function nameOf({ name, file }: Named): string {
  return `"${name ?? escapeControls(file)}"`;
}

/** Lines that start the file and that nobody takes away: those of a block that lost its marks. */
export async function strayNotes(
  installer: Installer,
  file: string,
  place: Place,
): Promise<string[]> {
  const count = await telling(installer, async () => await installer.strays?.(file, place) ?? 0);
  if (count === 0) return [];
  const lines = count === 1 ? "1 line" : `${count} lines`;
  const [start, are] = count === 1 ? ["starts", "is"] : ["start", "are"];
  return [
    `${lines} of ${installer.name} ${start} ${file} outside what keepsake marks as its own, and ${are} left: take them out with crontab -e`,
  ];
}
