/**
 * Makes age identities, and keeps their recipients next to them.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { BackupError, systemFault } from "../pipeline/errors.ts";
import { homeDirectory } from "./home.ts";
import { appendPrivately, createPrivately } from "./private_file.ts";

/** Where settings are: `$XDG_CONFIG_HOME/keepsake`, else `~/.config/keepsake`. */
export function settingsDirectory(): string {
  const xdg = Deno.env.get("XDG_CONFIG_HOME");
  if (xdg?.startsWith("/")) return join(xdg, "keepsake");
  const home = homeDirectory();
  if (home !== undefined) return join(home, ".config", "keepsake");
  throw new BackupError("usage", "Cannot tell where settings belong: there is no home directory", {
    hint: "Set HOME to its absolute path",
  });
}

/** Where the recipients of an identity file are kept. */
export function recipientsFileOf(identityFile: string): string {
  return join(dirname(identityFile), "recipients.txt");
}

/**
 * Makes an identity in the format of age-keygen, and answers its recipient.
 *
 * @param otherwise How another file is named, for the end of a hint.
 * @throws {BackupError} `usage` when the file exists: an identity is never overwritten. Also when
 *   recipients next to it could not be added to.
 */
export async function createIdentity(
  file: string,
  postQuantum: boolean,
  otherwise = "name another file with --output FILE",
): Promise<string> {
  const recipients = recipientsFileOf(file);
  if (await readIfThere(recipients) !== "") await appendPrivately(recipients, "");
  const { generateHybridIdentity, generateX25519Identity, identityToRecipient } = await import(
    "age-encryption"
  );
  const identity = await (postQuantum ? generateHybridIdentity() : generateX25519Identity());
  const recipient = await identityToRecipient(identity);
  const created = `${new Date().toISOString().slice(0, 19)}Z`;
  const text = `# created: ${created}\n# public key: ${recipient}\n${identity}\n`;
  await createPrivately(file, text, otherwise);
  return recipient;
}

/** Adds recipients to a file of recipients unless they are in it, and says whether any were not. */
export async function addRecipients(file: string, recipients: readonly string[]): Promise<boolean> {
  const text = await readIfThere(file);
  const lacking = recipients.filter((one) => !linesOf(text).includes(one));
  if (lacking.length === 0) return false;
  const gap = text === "" || text.endsWith("\n") ? "" : "\n";
  await appendPrivately(file, `${gap}${lacking.join("\n")}\n`);
  return true;
}

/** Recipients that a file of recipients holds; none when there is no such file. */
export async function recipientsInFile(file: string): Promise<string[]> {
  return linesOf(await readIfThere(file)).filter((line) => line.startsWith("age1"));
}

/** Recipients of the identities in a file; none when there is no such file. */
export async function recipientsOfFile(file: string): Promise<string[]> {
  const { identityToRecipient } = await import("age-encryption");
  const identities = linesOf(await readIfThere(file)).filter((line) =>
    /^AGE-SECRET-KEY-/.test(line)
  );
  try {
    return await Promise.all(identities.map((identity) => identityToRecipient(identity)));
  } catch {
    // The library's error holds the line, which is a secret.
    throw new BackupError("identity-wrong", `Cannot use "${file}": it holds a damaged identity`, {
      hint: "Put a good copy of it in its place, or move it away",
    });
  }
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    if (error instanceof Deno.errors.NotADirectory) return "";
    const fault = systemFault(error);
    if (fault === undefined) throw error;
    throw new BackupError("usage", `Cannot read "${file}": ${fault.state}`, {
      hint: fault.kind === "forbidden" ? "See that you may read it" : "Put a file in its place",
      cause: error,
    });
  }
}

function linesOf(text: string): string[] {
  return text.split("\n").map((line) => line.trim());
}
