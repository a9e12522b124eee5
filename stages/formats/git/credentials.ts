/**
 * User name and password for `https`, on a way that no argument, address or file of ours is part of:
 * git asks a helper, which prints what it finds in a file or a variable.
 *
 * @module
 */
import { StageError } from "../../errors.ts";
import type { Remote } from "./remote.ts";

/** Where credentials are looked for when nothing says where they are, and nothing has to be there. */
export const USUAL_CREDENTIALS = "KEEPSAKE_GIT_CREDENTIALS";

/** What git needs to find credentials. */
export interface Credentials {
  readonly configuration: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Prepares git for credentials.
 *
 * @param reference `env:NAME` or `file:PATH`, to a line `user:password`; `undefined`: whatever
 *   {@linkcode USUAL_CREDENTIALS} holds.
 * @throws {StageError} `stage-failed` when there is no such variable or file, or no such line.
 */
export async function credentialsFor(
  reference: string | undefined,
  { protocol, address }: Remote,
): Promise<Credentials> {
  if (protocol !== "https" && protocol !== "http") return { configuration: [], environment: {} };
  const [, kind, place] = /^(env|file):(.*)$/s.exec(reference ?? `env:${USUAL_CREDENTIALS}`)!;
  const text = kind === "env" ? Deno.env.get(place!) : await readFile(place!);
  if (text === undefined && reference === undefined) return { configuration: [], environment: {} };
  if (text === undefined || !/^[^:\r\n]+:[^\r\n]+\r?\n?$/.test(text)) {
    const state = text === undefined ? "it is not there" : 'it is no line "user:password"';
    const what = kind === "env" ? "variable" : "file";
    throw new StageError(
      "stage-failed",
      `Cannot take credentials from the ${what} "${place}": ${state}`,
      { hint: `Write user name and password there, with a colon between them` },
    );
  }
  const { origin } = new URL(address);
  const environment: Record<string, string> = kind === "env"
    ? { KEEPSAKE_CREDENTIALS: text.trimEnd() }
    : { KEEPSAKE_CREDENTIALS_FILE: place! };
  return { configuration: [`credential.${origin}.helper=${HELPER}`], environment };
}

/** Nothing but words of the shell itself: no argument of any program holds the secret. */
const HELPER = [
  '!f() { test "$1" = get || exit 0',
  'if test -n "${KEEPSAKE_CREDENTIALS_FILE-}"',
  'then IFS= read -r line < "$KEEPSAKE_CREDENTIALS_FILE" || test -n "$line" || exit 1',
  "else line=$KEEPSAKE_CREDENTIALS; fi",
  `printf 'username=%s\\npassword=%s\\n' "\${line%%:*}" "\${line#*:}"; }; f`,
].join("; ").replace("then;", "then");

async function readFile(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
    throw new StageError(
      "stage-failed",
      `Cannot take credentials from the file "${path}": ${error.message}`,
      { hint: "Make it a file that you may read", cause: error },
    );
  }
}
