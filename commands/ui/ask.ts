/**
 * Asks a person a question.
 *
 * @module
 */
import { BackupError } from "../../pipeline/errors.ts";
import type { Terminal } from "./terminal.ts";
import { escapeControls } from "./text.ts";

/**
 * Asks, and takes the usual answer for an empty one.
 *
 * @throws {BackupError} `usage` when nobody is there to answer any more.
 */
export async function ask(question: string, usual: string, terminal: Terminal): Promise<string> {
  terminal.err.write(`${question} [${escapeControls(usual)}]: `);
  const line = await readLine();
  if (line === undefined) {
    throw new BackupError("usage", "Cannot go on: the answers ended", {
      hint: 'Take what is usual with "keepsake init --yes"',
    });
  }
  return line.trim() || usual;
}

/** A terminal hands over a line at a time; `undefined` at its end. */
async function readLine(): Promise<string | undefined> {
  const bytes: number[] = [];
  const buffer = new Uint8Array(1);
  while ((await Deno.stdin.read(buffer)) !== null) {
    if (buffer[0] === 0x0a) return decode(bytes);
    bytes.push(buffer[0]!);
  }
  return bytes.length === 0 ? undefined : decode(bytes);
}

function decode(bytes: readonly number[]): string {
  return new TextDecoder().decode(new Uint8Array(bytes));
}
