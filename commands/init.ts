/**
 * `init`: writes a first pipeline file, with an identity if there is none.
 *
 * @module
 */
import { join } from "node:path";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { option } from "@optique/core/primitives";
import { expandPath } from "../pipeline/config/expand.ts";
import { findPipelineFile, namedPipelineFile, type Search } from "../pipeline/config/load.ts";
import { BackupError } from "../pipeline/errors.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag } from "./flags.ts";
import { homeDirectory } from "./home.ts";
import { LOSING_IT } from "./keygen.ts";
import { openPipeline, searchFor } from "./pipeline_file.ts";
import { sayPath } from "./ui/format.ts";
import type { Terminal } from "./ui/terminal.ts";
import { escapeControls } from "./ui/text.ts";

export default defineCommand({
  summary: "writes a first pipeline file, and an identity if there is none",
  description:
    "Writes a pipeline file for this machine that backs up Claude Code's folder, encrypted, into a local directory; and makes an age identity if there is none. Overwrites nothing.",
  parameters: object({
    yes: option("-y", "--yes", { description: message`Ask nothing, and take what is usual.` }),
    config: configFlag(
      message`The file to write. Else $KEEPSAKE_CONFIG, ~/.config/keepsake/pipeline.toml.`,
    ),
  }),
  execute: init,
});

async function init(
  { yes, config }: { readonly yes: boolean; readonly config: string | undefined },
  context: Context,
): Promise<number> {
  const { terminal } = context;
  const { settingsDirectory } = await import("./identity.ts");
  const search = searchFor(config);
  const file = namedPipelineFile(search) ?? join(settingsDirectory(), "pipeline.toml");
  const { assertFree, createPrivately } = await import("./private_file.ts");
  await assertFree(file, OTHERWISE);
  if (!yes && !Deno.stdin.isTerminal()) {
    throw new BackupError("usage", "Cannot ask questions: there is no terminal", {
      hint: 'Take what is usual with "keepsake init --yes"',
    });
  }
  const usual = usualAnswers();
  const { source, destination } = yes ? usual : await ask(usual, search, terminal);
  const answers = { source: fromHere(source, search), destination: fromHere(destination, search) };
  context.takeSignal(); // From here on, it goes to its end.
  const keys = await prepareKeys(join(settingsDirectory(), "identity.txt"));

  const { renderPipeline } = await import("./pipeline_template.ts");
  const compress = await bestCodec();
  const [identity, recipients] = [writable(keys.identity), writable(keys.recipients)];
  const text = renderPipeline({ ...answers, identity, recipients, compress });
  await createPrivately(file, text, OTHERWISE);
  try {
    await openPipeline(file); // What was written must be right: if not, this says what is wrong.
  } catch (error) {
    await Deno.remove(file); // The next answers are to find none in their place.
    throw error;
  }
  const isThere = await Deno.stat(expand(source, search)).then(() => true, () => false);
  const found = await findPipelineFile(search);
  tell({ file, found, ...answers, isThere, ...keys }, terminal);
  return 0;
}

/** What is asked. */
interface Answers {
  /** The folder of Claude Code, as the file has it. */
  readonly source: string;
  /** The directory for backups, as the file has it. */
  readonly destination: string;
}

interface Keys {
  readonly identity: string;
  readonly recipients: string;
  /** Whether the identity was made just now. */
  readonly isNew: boolean;
  /** Whether the backups open with the identity. */
  readonly opens: boolean;
}

const OTHERWISE = "name another file with --config FILE";

/** Written out where the environment of a nightly run would lack it. */
function usualAnswers(): Answers {
  return {
    source: writable(Deno.env.get("CLAUDE_CONFIG_DIR") || "~/.claude"),
    destination: "~/.local/share/keepsake/backups",
  };
}

async function ask(usual: Answers, search: Search, terminal: Terminal): Promise<Answers> {
  const { ask } = await import("./ui/ask.ts");
  const source = await askForPath("Folder of Claude Code", usual.source);
  const destination = await askForPath("Keep backups in", usual.destination);
  return { source, destination };

  async function askForPath(question: string, usual: string): Promise<string> {
    for (;;) {
      const answer = await ask(question, usual, terminal);
      const expansion = expandPath(answer, search.cwd, search);
      if (expansion.ok) return answer;
      terminal.say(`${expansion.message}\n  ${expansion.hint}`);
    }
  }
}

/** What is relative is meant from here; the file takes it from its own folder. */
function fromHere(path: string, search: Search): string {
  const absolute = expand(path, search);
  const isRelative = expand(path, { ...search, cwd: join(search.cwd, "elsewhere") }) !== absolute;
  return isRelative ? writable(absolute) : path;
}

function expand(path: string, search: Search): string {
  const expansion = expandPath(path, search.cwd, search);
  if (expansion.ok) return expansion.path;
  throw new BackupError("usage", expansion.message, { hint: expansion.hint });
}

/** In a file, a dollar sign begins a variable. */
function writable(path: string): string {
  return path.includes("$") ? sayPath(path, homeDirectory()) : path;
}

/** An identity that is there is used as it is: backups made before open with it. */
async function prepareKeys(identity: string): Promise<Keys> {
  const { addRecipients, createIdentity, recipientsFileOf, recipientsInFile, recipientsOfFile } =
    await import("./identity.ts");
  const recipients = recipientsFileOf(identity);
  let own = await recipientsOfFile(identity);
  const isNew = own.length === 0;
  const otherwise = "set XDG_CONFIG_HOME to another directory";
  if (isNew) own = [await createIdentity(identity, false, otherwise)];
  const listed = await recipientsInFile(recipients);
  if (isNew || listed.length === 0) await addRecipients(recipients, own);
  const opens = isNew || listed.length === 0 || own.some((one) => listed.includes(one));
  return { identity, recipients, isNew, opens };
}

/** Asks for the feature: an old Deno compresses with gzip alone. */
async function bestCodec(): Promise<"zstd" | "gzip"> {
  const zlib = await import("node:zlib");
  return "createZstdCompress" in zlib ? "zstd" : "gzip";
}

function tell(
  { file, found, source, isThere, identity, recipients, isNew, opens }:
    & { readonly file: string; readonly found: string; readonly isThere: boolean }
    & Answers
    & Keys,
  terminal: Terminal,
): void {
  terminal.say([
    `Wrote ${escapeControls(file)}`,
    `The identity is in ${escapeControls(identity)}${isNew ? "" : ", as before"}`,
    ...LOSING_IT,
    ...(opens ? [] : [
      `Warning: ${escapeControls(recipients)} does not hold its recipient: ` +
      "backups will not open with it",
    ]),
    ...(found === file ? [] : [
      `Note: in this directory, ${escapeControls(found)} comes before it`,
    ]),
    ...(isThere ? [] : [`Note: there is no ${escapeControls(source)} yet`]),
    'Next: "keepsake plan" shows what will happen, "keepsake run" makes the first backup',
  ].join("\n"));
}
