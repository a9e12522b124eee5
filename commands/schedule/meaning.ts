/**
 * Whether a pipeline file means the same where a scheduler starts it: other variables may make other
 * paths of what stands in it.
 *
 * @module
 */
import { loadPipeline } from "../../pipeline/config/load.ts";
import type { Pipeline } from "../../pipeline/config/pipeline.ts";
import { BackupError } from "../../pipeline/errors.ts";
import { exists } from "./files.ts";
import type { Installer, Place } from "./installer.ts";
import type { Job } from "./job.ts";
import { bareEnvironment } from "./place.ts";

/** A key of the file that means something else there. */
interface Difference {
  /** As the file has it: `state`, `paths of "claude"`. */
  readonly key: string;
  readonly here: unknown;
  readonly there: unknown;
}

/**
 * Finds out what would be backed up from elsewhere, or to elsewhere.
 *
 * @throws {BackupError} `usage` when anything would; what the file has wrong there.
 */
export async function refuseOtherMeaning(
  pipeline: Pipeline,
  job: Job,
  place: Place,
  { name, searchPath }: Installer,
): Promise<void> {
  const environment = bareEnvironment(place, searchPath, job.environment);
  const bare = await loadPipeline(job.file, { environment, home: place.userHome });
  const text = await Deno.readTextFile(job.file);
  const differences = differencesOf(pipeline, bare).filter(({ key, here, there }) =>
    // The usual one matters where there is one.
    key !== "known_secrets" || text.includes(key) ||
    [here, there].some((path) => exists(String(path)))
  );
  if (differences.length === 0) return;
  const named = [...text.matchAll(/\$\{?([A-Za-z_][A-Za-z0-9_]*)/g)].map(([, name]) => name!);
  const claude = differences.find(({ here }) => isFound(here));
  if (text.includes("~") || claude !== undefined) named.push("HOME");
  if (claude !== undefined) named.push("CLAUDE_CONFIG_DIR");
  const variables = [...new Set(named)].filter((name) => Deno.env.get(name) !== environment[name]);
  // Where a path starts that the file leaves to what is usual.
  if (variables.length === 0) variables.push("HOME");
  const hint = `Write the paths themselves into ${job.file}`;
  throw new BackupError(
    "usage",
    `Cannot schedule "${pipeline.name}": ${name} starts it without your ${
      variables.join(" and ")
    }, and other paths would be meant by ${differences.map(sayDifference).join("; ")}`,
    {
      hint: claude === undefined
        ? hint
        : `${hint}: for claude = true, which looks below HOME and CLAUDE_CONFIG_DIR, write ${
          inItsPlace(claude.here as Found)
        } in its place`,
    },
  );
}

function differencesOf(one: Pipeline, other: Pipeline): Difference[] {
  const [heres, theres] = [valuesOf(one), valuesOf(other)];
  const own = Object.keys(heres).map((key) => ({ key, here: heres[key], there: theres[key] }));
  const staged = one.stages.flatMap(({ id, options }) => {
    const there: Readonly<Record<string, unknown>> = other.stages.find((stage) =>
      stage.id === id
    )?.options ?? {};
    return Object.keys({ ...options, ...there }).map((key) => (
      { key: `${key} of "${id}"`, here: options[key], there: there[key] }
    ));
  });
  return [...own, ...staged].filter(({ here, there }) =>
    JSON.stringify(here) !== JSON.stringify(there)
  );
}

/** What stands in `[pipeline]` and may hold paths. */
function valuesOf({ state, identity, knownSecrets, watch }: Pipeline): Record<string, unknown> {
  const { alerts, command, heartbeat, log, metrics } = watch ?? {};
  return {
    ...{ state, identity, known_secrets: knownSecrets },
    ...{ alert: alerts, command, heartbeat, log, metrics },
  };
}

/** The first path that is another. */
function sayDifference({ key, here, there }: Difference): string {
  const [own, others] = [stringsIn(here), stringsIn(there)];
  const [mine] = own.filter((path) => !others.includes(path));
  const [theirs] = others.filter((path) => !own.includes(path));
  const name = isFound(here) ? key.replace(" of ", " = true of ") : key;
  return `${name} (${mine ?? "nothing"} here, ${theirs ?? "nothing"} there)`;
}

/** What `claude = true` comes to. */
interface Found {
  readonly paths: readonly string[];
  readonly databases: readonly string[];
}

/** Whether it was looked for, and not written out. */
function isFound(value: unknown): boolean {
  return typeof value === "object" && value !== null && "wanted" in value && value.wanted === true;
}

/** What finds the same without looking for it. */
function inItsPlace({ paths, databases }: Found): string {
  const keys = { paths, ...(databases.length > 0 && { sqlite: databases }) };
  return Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
    .join(" and ");
}

function stringsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(stringsIn);
}
