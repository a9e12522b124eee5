/**
 * The identities at hand: private keys, read from files and given to the one worker that decrypts.
 *
 * @module
 */
import { BackupError, stateOf } from "../stages/errors.ts";
import { parseIdentities } from "../stages/formats/recipients.ts";

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

async function readText(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (cause) {
    const state = stateOf(cause, { ENOENT: "there is no such file" });
    throw new BackupError("identity-wrong", `Cannot read the identity "${file}": ${state}`, {
      hint: 'Name the file that "keepsake keygen" wrote with --identity FILE',
      cause,
    });
  }
}
