/**
 * The identities at hand: private keys, read from files and given to the one worker that decrypts.
 *
 * @module
 */
import { BackupError, type FailureOptions } from "../stages/errors.ts";
import { parseIdentities, sayHandOver } from "../stages/formats/age/recipients.ts";
import { ENCRYPTED, MISSING, readText as readSmallText } from "./config/read.ts";
import { redactForms } from "./redact.ts";

/**
 * Reads identity files.
 *
 * @param files Paths that a user named: each must be readable.
 * @throws {BackupError} `identity-wrong`, naming the file and never what it holds.
 */
export async function readIdentities(files: readonly string[]): Promise<string[]> {
  const all = await Promise.all(files.map(async (file) => {
    const { identities, problems } = await parseIdentities(await readText(file), file);
    const [first] = problems;
    if (first !== undefined) {
      throw new BackupError("identity-wrong", first.message, { hint: first.hint });
    }
    return identities;
  }));
  return [...new Set(all.flat())];
}

/** What pipes held, by their names: they can be read once, and two may want to. */
const piped = new Map<string, string>();

async function readText(file: string): Promise<string> {
  const known = piped.get(file);
  if (known !== undefined) return known;
  const reading = await readSmallText(file);
  const hint = !reading.ok && reading.reason === ENCRYPTED
    ? sayHandOver(file)
    : 'Name the file that "keepsake keygen" wrote with --identity FILE';
  if (!reading.ok) throw unreadable(file, reading.reason, { hint, cause: reading.cause });
  if (!reading.isFile) piped.set(file, reading.text);
  return reading.text;
}

/** For a file of identities that is missing, and now it is known that it is needed. */
export function missingIdentity(file: string): BackupError {
  const hint = "Bring it back from where you keep its copy, or name another with --identity FILE";
  return unreadable(file, MISSING, { hint });
}

/** Where a key itself stands in the place of its file, it is not shown. */
function unreadable(file: string, state: string, options: FailureOptions): BackupError {
  const message = redactForms(`Cannot read the identity "${file}": ${state}`);
  return new BackupError("identity-wrong", message, options);
}
