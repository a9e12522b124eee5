/**
 * What is installed, by what it starts: two pipeline files may have one name, and one file may have
 * had another.
 *
 * @module
 */
import { BackupError } from "../../pipeline/errors.ts";
import { realPath } from "../../pipeline/real_path.ts";
import { shellWord } from "../../pipeline/shell.ts";
import { exists } from "./files.ts";
import type { Installer, Place } from "./installer.ts";

/** What stands in a scheduler under one name. */
export interface Installed {
  readonly installer: Installer;
  readonly name: string;
  readonly text: string;
  /** `undefined`: nobody can tell from the text. */
  readonly starts: Started | undefined;
}

/** What a scheduler starts. */
export interface Started {
  /** The pipeline file. */
  readonly file: string;
  /** The program, and the paths that it is given before the words of keepsake's own. */
  readonly program: readonly string[];
}

/** All of ours in these schedulers. What cannot be read there is passed over. */
export async function findInstalled(
  installers: readonly Installer[],
  place: Place,
): Promise<readonly Installed[]> {
  const found: Installed[] = [];
  for (const installer of installers) {
    for (const name of await installer.names(place)) {
      const text = await installer.show(name, place);
      if (text === undefined) continue;
      found.push({ installer, name, text, starts: startedBy(installer.wordsIn(text)) });
    }
  }
  return found;
}

/** The same, asked of each by itself: one that may not be asked has none. */
export async function findWherePossible(
  installers: readonly Installer[],
  place: Place,
): Promise<readonly Installed[]> {
  const asked = installers.map((one) => findInstalled([one], place).catch(() => []));
  return (await Promise.all(asked)).flat();
}

/** What words start, when they are those of a schedule. */
export function startedBy(words: readonly string[]): Started | undefined {
  const at = words.findIndex((word, index) => word === "run" && words[index + 1] === "--config");
  const file = words[at + 2];
  if (at < 1 || file === undefined) return undefined;
  const isPath = (word: string) => /^(?:\/|[A-Za-z]:[\\/])/.test(word);
  return { file, program: words.slice(0, at).filter(isPath) };
}

/** Whether that is the schedule of a pipeline: it starts the very file, under whatever name. */
export function isOf({ name, starts }: Installed, pipeline: Named): boolean {
  return starts === undefined ? name === pipeline.name : isSameFile(starts.file, pipeline.file);
}

/** A pipeline file, and the name that stands in it as far as that is known. */
export interface Named {
  readonly name: string | undefined;
  readonly file: string;
}

/** Whether it has the pipeline's name, and starts another file that is there. */
export function isNamesake(installed: Installed, pipeline: Named): boolean {
  const { name, starts } = installed;
  return name === pipeline.name && starts !== undefined && exists(starts.file) &&
    !isOf(installed, pipeline);
}

/**
 * Leaves the schedule of another pipeline file alone.
 *
 * @throws {BackupError} `usage` when there is one of that name.
 */
export function refuseNamesake(all: readonly Installed[], pipeline: Named): void {
  const other = all.find((installed) => isNamesake(installed, pipeline));
  if (other === undefined) return;
  const { installer, starts } = other;
  throw new BackupError(
    "usage",
    `Cannot schedule "${pipeline.name}" of "${pipeline.file}": ${installer.name} has a schedule of that name, which starts "${
      starts!.file
    }"`,
    {
      hint:
        `Give one of them another name in [pipeline], or take that one away: keepsake schedule remove --config ${
          shellWord(starts!.file)
        }`,
    },
  );
}

/** What is wrong with a schedule of that name for this file; `undefined`: nothing. */
export function troubleOf(installed: Installed, pipeline: Named): string | undefined {
  const { installer, starts } = installed;
  if (starts === undefined) return undefined;
  const gone = [starts.file, ...starts.program].find((path) => !exists(path));
  if (gone !== undefined) return `${installer.name} starts ${gone}, which is gone`;
  if (!isOf(installed, pipeline)) return `${installer.name} starts ${starts.file}`;
  return undefined;
}

function isSameFile(one: string, other: string): boolean {
  return one === other || realPath(one) === realPath(other);
}
