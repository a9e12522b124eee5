/**
 * Paths as people write them → absolute paths: `~`, `$NAME`, `${NAME}` and `${NAME:-default}`.
 *
 * @module
 */
import { resolve } from "node:path";
import { BackupError } from "../../stages/errors.ts";

/** What a path can refer to. */
export interface Surroundings {
  /** Environment variables, by name. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The user's home directory, where there is one. */
  readonly home: string | undefined;
}

/** A path, or why it is none: one sentence without the value of any variable. */
export type Expansion =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly message: string; readonly hint: string };

/**
 * Expands and makes absolute; a relative path starts at `directory`.
 *
 * A variable that is set to nothing counts as not set: `$NAME/projects` would else be a folder at
 * the root. `~` is the home directory at the start alone, also where a default starts with it.
 */
export function expandPath(
  written: string,
  directory: string,
  { environment, home }: Surroundings,
): Expansion {
  try {
    const text = expandVariables(written, environment, 0);
    if (text.includes("\0") || !text.isWellFormed()) {
      throw new Inexpansible("Cannot use this path: it has a character no path can have", RENAME);
    }
    if (ADDRESS_REGEXP.test(text)) throw new Inexpansible(ADDRESS, HINT_ADDRESS);
    return { ok: true, path: resolve(directory, expandHome(text, home)) };
  } catch (error) {
    if (!(error instanceof Inexpansible)) throw error;
    return { ok: false, message: error.message, hint: error.hint };
  }
}

class Inexpansible extends Error {
  override name = "Inexpansible";
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

const RENAME = "Name another path";

/** `scheme://…`, `host:/…`, `user@host:…`, and what restic writes; no drive, which has one letter. */
const ADDRESS_REGEXP =
  /^([^/\\:]{2,}:[/\\]|[^/\\:@]+@[^/\\:]+:|(azure|b2|gs|rclone|rest|s3|sftp|swift):)/i;
const ADDRESS = "Cannot use this path: it is an address, not a place on this machine";
const HINT_ADDRESS =
  'Say use = "s3" or use = "git" for what is elsewhere, or write ./ in front of a path';

const NAME_REGEXP = /[A-Za-z_][A-Za-z0-9_]*/y;

/** Defaults within defaults go no deeper. */
const DEEPEST = 8;

function expandVariables(
  text: string,
  environment: Surroundings["environment"],
  depth: number,
): string {
  let expanded = "";
  let at = 0;
  for (let dollar = text.indexOf("$"); dollar !== -1; dollar = text.indexOf("$", at)) {
    expanded += text.slice(at, dollar);
    const braced = text[dollar + 1] === "{";
    NAME_REGEXP.lastIndex = dollar + (braced ? 2 : 1);
    const name = NAME_REGEXP.exec(text)?.[0];
    at = NAME_REGEXP.lastIndex;
    if (name === undefined) {
      if (braced) throw malformed();
      expanded += "$";
      at = dollar + 1;
      continue;
    }
    const value = Object.hasOwn(environment, name) && environment[name] || undefined;
    if (!braced || text[at] === "}") {
      expanded += value ?? unset(name);
      at += braced ? 1 : 0;
      continue;
    }
    const end = endOfDefault(text, at);
    if (!text.startsWith(":-", at) || end === -1 || depth === DEEPEST) throw malformed();
    expanded += value ?? expandVariables(text.slice(at + 2, end), environment, depth + 1);
    at = end + 1;
  }
  return expanded + text.slice(at);
}

/** Where the brace closes that was opened before `at`; `-1`: nowhere. */
function endOfDefault(text: string, at: number): number {
  let open = 1;
  for (let index = at; index < text.length; index++) {
    if (text.startsWith("${", index)) open++;
    else if (text[index] === "}" && --open === 0) return index;
  }
  return -1;
}

/**
 * A path with its leading `~/` as the home directory: shells leave it as it is in `--to=~/x`, and so
 * does what sets variables for schedules and services.
 *
 * @throws {BackupError} `usage` where there is no home directory.
 */
export function expandTilde(path: string, home: string | undefined): string {
  if (!STARTS_AT_HOME.test(path)) return path;
  if (home === undefined || home === "") {
    throw new BackupError("usage", `Cannot expand "${path}": ${HOMELESS}`, { hint: HINT_HOMELESS });
  }
  return home + path.slice(1);
}

const HOMELESS = "there is no home directory";
const HINT_HOMELESS = "Set HOME to its absolute path, or write the path in full";
const STARTS_AT_HOME = /^~([/\\]|$)/;

function expandHome(text: string, home: string | undefined): string {
  if (!text.startsWith("~")) return text;
  if (!STARTS_AT_HOME.test(text)) {
    throw new Inexpansible(
      "Cannot expand this path: only ~ and ~/ stand for a home directory",
      "Write that directory in full, or ./ in front of a name that starts with ~",
    );
  }
  if (home === undefined || home === "") {
    throw new Inexpansible(`Cannot expand ~: ${HOMELESS}`, HINT_HOMELESS);
  }
  return expandTilde(text, home);
}

function unset(name: string): never {
  throw new Inexpansible(
    `Cannot expand $${name}: it is not set`,
    `Set it, or write a default: \${${name}:-…}`,
  );
}

function malformed(): Inexpansible {
  return new Inexpansible(
    "Cannot expand this path: ${ must be followed by a name, or a name and a default, and }",
    "Write $NAME, ${NAME} or ${NAME:-default}",
  );
}
