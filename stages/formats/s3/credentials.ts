/**
 * The keys of an S3 account, out of the environment or a file in the format of
 * `~/.aws/credentials`. Read where they are used, and nowhere else.
 *
 * @module
 */
import { StageError } from "../../errors.ts";
import { CREDENTIAL_VARIABLES, credentialsFileOf } from "./place.ts";

/** What requests are signed with. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/**
 * Reads the keys.
 *
 * @param address Of the place they are for, for messages.
 * @throws {StageError} `destination-refused` when there are none.
 */
export function readCredentials(
  written: string,
  address: string,
  warn: (message: string) => void,
): S3Credentials {
  const source = credentialsFileOf(written);
  if (source === undefined) return readEnvironment(address);
  const { path, profile } = source;
  const action = `Cannot sign in to "${address}"`;
  let text;
  try {
    text = Deno.readTextFileSync(path);
    const { mode } = Deno.statSync(path);
    if (Deno.build.os !== "windows" && mode !== null && (mode & 0o077) !== 0) {
      warn(`Others on this machine can read "${path}", which holds keys`);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const state = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : error instanceof Deno.errors.PermissionDenied
      ? "permission denied"
      : "it cannot be read";
    throw new StageError("destination-refused", `${action}: "${path}" has no keys, ${state}`, {
      hint: "Correct credentials, or write the keys into that file",
    });
  }
  const values = sectionOf(text, profile);
  if (values === undefined) {
    throw new StageError("destination-refused", `${action}: "${path}" has no [${profile}]`, {
      hint: "Name a profile that stands in that file",
    });
  }
  return pick(
    [
      values.get("aws_access_key_id"),
      values.get("aws_secret_access_key"),
      values.get("aws_session_token"),
    ],
    `${action}: [${profile}] in "${path}" has no`,
    ["aws_access_key_id", "aws_secret_access_key"],
    "Write both keys into that file: other ways to sign in need programs or servers of their own",
  );
}

function readEnvironment(address: string): S3Credentials {
  return pick(
    CREDENTIAL_VARIABLES.map((name) => Deno.env.get(name)),
    `Cannot sign in to "${address}": the environment has no`,
    CREDENTIAL_VARIABLES,
    'Set both variables, or name a file or a profile: credentials = "profile:NAME"',
  );
}

function pick(
  [accessKeyId, secretAccessKey, sessionToken]: readonly (string | undefined)[],
  lacking: string,
  names: readonly string[],
  hint: string,
): S3Credentials {
  if (!accessKeyId || !secretAccessKey) {
    const name = accessKeyId ? names[1] : names[0];
    throw new StageError("destination-refused", `${lacking} ${name}`, { hint });
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
}

/** The values of one section of an INI file; `undefined`: there is no such section. */
function sectionOf(text: string, wanted: string): Map<string, string> | undefined {
  let found: Map<string, string> | undefined;
  let inside = false;
  for (const line of text.split(/\r?\n/)) {
    const [, section] = /^\s*\[\s*(?:profile\s+)?"?([^\]"]*?)"?\s*\]/.exec(line) ?? [];
    if (section !== undefined) {
      inside = section === wanted;
      if (inside) found ??= new Map();
    }
    const [, name, value] = /^\s*([^#;=[\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (inside && name !== undefined) found?.set(name.toLowerCase(), value ?? "");
  }
  return found;
}
