/**
 * What a valid draft says → what stages receive: absolute paths, and the recipients themselves in
 * place of the files that hold them. The phase that needs the world: the environment and files.
 *
 * @module
 */
import { dirname } from "node:path";
import type * as v from "valibot";
import type { Sources } from "../../stages/contract.ts";
import { KNOWN_SECRETS, optionTypeOf, pipelineOptions } from "./common.ts";
import { expandPath, type Surroundings } from "./expand.ts";
import { type Finding, type Path, printable } from "./problems.ts";
import { readText } from "./read.ts";
import type { Draft, DraftStage } from "./validate.ts";

/** A draft whose options are as the stages receive them. */
export interface Resolved {
  /** The keys of `[pipeline]`, those that are right. */
  readonly pipeline: Partial<v.InferOutput<typeof pipelineOptions>>;
  readonly stages: readonly DraftStage[];
  readonly findings: readonly Finding[];
}

/** What surrounds a draft, and what of it to look at. */
export interface ResolveOptions extends Surroundings {
  /** `false` when only backups are to be read: then nobody looks for what `claude = true` means. */
  readonly findSources?: boolean;
}

/** Resolves every option that is right, whatever is wrong with the others. */
export async function resolvePipeline(
  draft: Draft,
  file: string,
  { findSources = true, ...surroundings }: ResolveOptions,
): Promise<Resolved> {
  const world = { directory: dirname(file), surroundings, findSources };
  // Who has no home and names no file of known secrets knows none.
  const isNowhere = surroundings.home === undefined &&
    draft.pipeline["known_secrets"] === KNOWN_SECRETS;
  const { values, findings } = await resolveOptions(
    isNowhere ? { ...draft.pipeline, known_secrets: undefined } : draft.pipeline,
    draft.partial,
    pipelineOptions.entries,
    ["pipeline"],
    world,
  );
  const resolved = await Promise.all(draft.stages.map(async (stage) => {
    const path = ["stage", stage.index];
    const entries = stage.stage?.options.entries ?? {};
    const { values, findings } = await resolveOptions(
      stage.options,
      stage.partial,
      entries,
      path,
      world,
    );
    const complete = stage.complete && findings.length === 0;
    return { stage: { ...stage, options: values, complete }, findings };
  }));
  return {
    pipeline: values,
    stages: resolved.map(({ stage }) => stage),
    findings: [...findings, ...resolved.flatMap((stage) => stage.findings)],
  };
}

interface World {
  /** Where relative paths start. */
  readonly directory: string;
  readonly surroundings: Surroundings;
  readonly findSources: boolean;
}

/** Looks into the lists that are right in part for what is wrong with the rest of them alone. */
async function resolveOptions(
  options: Readonly<Record<string, unknown>>,
  partial: Readonly<Record<string, readonly unknown[]>>,
  entries: v.ObjectEntries,
  path: Path,
  world: World,
) {
  const findings: Finding[] = [];
  const values: Record<string, unknown> = { ...options };
  let claude: string | undefined;
  for (const [name, entry] of Object.entries(entries)) {
    const value = options[name] ?? partial[name];
    if (value === undefined) continue;
    const at = [...path, name];
    switch (optionTypeOf(entry)) {
      case "path":
        values[name] = resolvePath(value as string, at, world, findings);
        break;
      case "paths":
        values[name] = mapEntries(
          value as Partly<string>,
          (written, index) => resolvePath(written, [...at, index], world, findings),
        );
        break;
      case "credentials":
        values[name] = resolveCredentials(value as string, at, world, findings);
        break;
      case "secret":
      case "hook":
        values[name] = resolveReference(value as string, at, world, findings);
        break;
      case "hooks":
        values[name] = mapEntries(
          value as Partly<WrittenHook>,
          (hook, index) => resolveHook(hook, [...at, index], world, findings),
        );
        break;
      case "command":
        values[name] = resolveCommand(value as Partly<string>, at, world, findings);
        break;
      case "claude":
        if ((value as Sources).wanted && world.findSources) claude = name;
        break;
      case "recipients":
        values[name] = await resolveRecipients(value as Partly<string>, at, world, findings);
    }
  }
  // Last: of the paths, some may be folders of its own.
  if (claude !== undefined) {
    values[claude] = await resolveClaude([...path, claude], values, world, findings);
  }
  for (const name of Object.keys(partial)) delete values[name];
  return { values, findings };
}

/** A list as it is written, with `undefined` in the place of what is wrong. */
type Partly<T> = readonly (T | undefined)[];

function mapEntries<T>(list: Partly<T>, work: (entry: T, index: number) => T): Partly<T> {
  return list.map((entry, index) => entry === undefined ? undefined : work(entry, index));
}

async function resolveClaude(
  path: Path,
  values: Readonly<Record<string, unknown>>,
  { directory, surroundings }: World,
  findings: Finding[],
): Promise<Sources> {
  const { findClaude } = await import("../../stages/formats/claude/sources.ts");
  const { paths } = values;
  const named = Array.isArray(paths) ? paths.filter((one) => typeof one === "string") : [];
  const sources = await findClaude({ ...surroundings, directory, named });
  if (sources.homes.length === 0) {
    const message = "Cannot find Claude Code's folder: there is no home directory";
    findings.push({ path, at: "value", message, hint: "Set HOME or CLAUDE_CONFIG_DIR" });
  }
  return sources;
}

/** The absolute path; what was written, and a finding, when there is none. */
function resolvePath(written: string, path: Path, world: World, findings: Finding[]): string {
  const expansion = expandPath(written, world.directory, world.surroundings);
  if (expansion.ok) return expansion.path;
  const { message, hint } = expansion;
  findings.push({ path, at: "value", message, hint });
  return written;
}

/** Profiles are in the file that every tool of that kind looks into. */
function resolveCredentials(
  written: string,
  path: Path,
  world: World,
  findings: Finding[],
): string {
  if (written === "env") return written;
  const rest = written.slice(written.indexOf(":") + 1);
  const [file, profile] = written.startsWith("profile:")
    ? ["${AWS_SHARED_CREDENTIALS_FILE:-~/.aws/credentials}", rest]
    : /^([^#]*)(?:#(.+))?$/s.exec(rest)?.slice(1) ?? [rest];
  return `file:${resolvePath(file!, path, world, findings)}#${profile ?? "default"}`;
}

/** A reference to a file names it by its absolute path then. */
function resolveReference(
  written: string,
  path: Path,
  world: World,
  findings: Finding[],
): string {
  const file = "file:";
  if (!written.startsWith(file)) return written;
  return file + resolvePath(written.slice(file.length), path, world, findings);
}

type WrittenHook = string | { readonly url: string; readonly shape: string };

function resolveHook(
  hook: WrittenHook,
  path: Path,
  world: World,
  findings: Finding[],
): WrittenHook {
  if (typeof hook === "string") return resolveReference(hook, path, world, findings);
  return { ...hook, url: resolveReference(hook.url, [...path, "url"], world, findings) };
}

/** A program that is no plain name is a path like any other. */
function resolveCommand(
  [program = "", ...words]: Partly<string>,
  path: Path,
  world: World,
  findings: Finding[],
): Partly<string> {
  if (!/[/\\]/.test(program)) return [program, ...words];
  return [resolvePath(program, [...path, 0], world, findings), ...words];
}

async function resolveRecipients(
  entries: Partly<string>,
  path: Path,
  world: World,
  findings: Finding[],
): Promise<string[]> {
  const { checkRecipient, looksLikeRecipient } = await import(
    "../../stages/formats/age/recipients.ts"
  );
  const recipients = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    if (entry === undefined) continue;
    const at = [...path, index];
    if (!looksLikeRecipient(entry)) {
      for (const recipient of await readRecipients(entry, at, world, findings)) {
        recipients.add(recipient);
      }
      continue;
    }
    const fault = await checkRecipient(entry);
    if (fault === undefined) recipients.add(entry);
    else findings.push({ path: at, at: "value", ...fault });
  }
  return [...recipients];
}

async function readRecipients(
  written: string,
  path: Path,
  world: World,
  findings: Finding[],
): Promise<readonly string[]> {
  const before = findings.length;
  const file = resolvePath(written, path, world, findings);
  if (findings.length > before) return [];
  const where = sayFile(written, file);
  const reading = await readText(file);
  if (!reading.ok) {
    const message = where === undefined
      ? `Cannot use this text: it is neither a recipient nor a file that can be read`
      : `Cannot read recipients from "${where}": ${reading.reason}`;
    const hint = reading.missing ? HINT_KEYGEN : HINT_NAME_FILE;
    findings.push({ path, at: "value", message, hint });
    return [];
  }
  const { parseRecipients } = await import("../../stages/formats/age/recipients.ts");
  const { recipients, problems } = await parseRecipients(reading.text, where ?? "this file");
  for (const { message, hint } of problems) findings.push({ path, at: "value", message, hint });
  return recipients;
}

const HINT_NAME_FILE = "Name a file that you may read, with a recipient a line in it";
const HINT_KEYGEN =
  'Write the recipient into it that stands behind "public key" in the identity file, or make both with "keepsake keygen"';

/**
 * How to name a file in a message. What does not look like a path may be a passphrase written in
 * its place, and what a variable stands for may be secret.
 */
function sayFile(written: string, file: string): string | undefined {
  if (written.includes("$")) return printable(written);
  return /^(~|\.{0,2}[/\\]|[A-Za-z]:[/\\])/.test(written) ? printable(file) : undefined;
}
