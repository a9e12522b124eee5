/**
 * `keygen`: makes an age identity.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { BackupError } from "../pipeline/errors.ts";
import { type Context, defineCommand } from "./command.ts";
import { pathValue } from "./flags.ts";
import { escapeControls } from "./ui/text.ts";

export default defineCommand({
  summary: "makes an age identity and prints its recipient",
  description:
    "Makes an age identity, the secret that opens backups, in a file that only you can read, and adds its recipient, which closes them, to recipients.txt next to it. Overwrites nothing.",
  parameters: object({
    output: optional(option("-o", "--output", pathValue("FILE", "file"), {
      description: message`The file to make. Else ~/.config/keepsake/identity.txt.`,
    })),
    pq: option("--pq", {
      description: message`Make a post-quantum identity: longer keys, needs age 1.3 or later.`,
    }),
  }),
  execute: keygen,
});

async function keygen(
  { output, pq }: { readonly output: string | undefined; readonly pq: boolean },
  { terminal, takeSignal }: Context,
): Promise<number> {
  takeSignal(); // From here on, it goes to its end.
  const { addRecipients, createIdentity, recipientsFileOf, settingsDirectory } = await import(
    "./identity.ts"
  );
  const file = output ? resolve(output) : join(settingsDirectory(), "identity.txt");
  const recipientsFile = recipientsFileOf(file);
  // Some file systems take upper and lower case for one.
  if (file.toLowerCase() === recipientsFile.toLowerCase()) {
    throw new BackupError("usage", `Cannot write "${file}": its recipient is to be kept there`, {
      hint: "Name another file with --output FILE",
    });
  }
  const recipient = await createIdentity(file, pq);
  terminal.print(recipient);
  await addRecipients(recipientsFile, [recipient]);
  terminal.say([
    `The identity is in ${escapeControls(file)}, its recipient in ${
      escapeControls(recipientsFile)
    }`,
    ...LOSING_IT,
  ].join("\n"));
  return 0;
}

/** What everyone who gets an identity has to know. */
export const LOSING_IT: readonly string[] = [
  "Losing the identity loses the backups: nothing else opens them.",
  "Keep a copy of it away from this machine: in a password manager, or on paper.",
];
