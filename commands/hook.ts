/**
 * `hook`: has Claude Code tell sessions how the backup is, and make one when a session ends.
 *
 * @module
 */
import { join } from "node:path";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import type { Pipeline } from "../pipeline/config/pipeline.ts";
import { BackupError } from "../pipeline/errors.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag } from "./flags.ts";
import { homeDirectory, openPipeline } from "./pipeline_file.ts";
import { sayPath } from "./ui/format.ts";
import { escapeControls } from "./ui/text.ts";

const ACTIONS = ["install", "remove", "run"] as const;
const EVENTS = ["session-start", "session-end"] as const;

export default defineCommand({
  summary: "has Claude Code tell sessions how the backup is, and make one at their end",
  description:
    "install adds two hooks to Claude Code's settings and leaves all else there as it is: a session that begins is told of new digests, of a backup that is stale or failed and of conversations that are about to be lost; a session that ends starts a run beside it. remove takes exactly these out again. run is what Claude Code starts: it answers with facts or nothing, and never fails.",
  parameters: object({
    action: argument(choice(ACTIONS, { metavar: "ACTION" }), {
      description: message`install, remove or run.`,
    }),
    event: optional(argument(choice(EVENTS, { metavar: "EVENT" }), {
      description: message`With run: session-start or session-end.`,
    })),
    config: configFlag(),
    maxAge: optional(option("--max-age", string({ metavar: "DURATION" }), {
      description:
        message`With install: how old the last good backup may be before sessions hear of it, such as 36h, which is the usual.`,
    })),
    state: optional(option("--state", string({ metavar: "DIR" }), {
      description: message`With run: the pipeline's state directory.`,
    })),
  }),
  execute: hook,
});

interface Values {
  readonly action: typeof ACTIONS[number];
  readonly event: typeof EVENTS[number] | undefined;
  readonly config: string | undefined;
  readonly maxAge: string | undefined;
  readonly state: string | undefined;
}

async function hook({ action, ...values }: Values, { terminal }: Context): Promise<number> {
  // `hook run` itself is answered before any command is looked for: see parse.ts.
  if (action === "run" || values.event !== undefined || values.state !== undefined) {
    throw new BackupError("usage", "Cannot use these words together: they are for hook run", {
      hint: 'Write "keepsake hook run session-start --state DIR", in this order',
    });
  }
  const pipeline = await openPipeline(values.config);
  const folders = await foldersFor(pipeline);
  const { addHooks, entriesFor, ownHooks, removeHooks } = await import("./hook/install.ts");
  const own = ownHooks(pipeline.state);
  const home = homeDirectory();
  for (const folder of folders) {
    const file = join(folder, "settings.json");
    const named = escapeControls(sayPath(file, home));
    if (action === "remove") {
      const removed = await removeHooks(file, own);
      terminal.say(removed ? `Removed the hooks from ${named}` : `There were no hooks in ${named}`);
      continue;
    }
    const { silentProgram } = await import("./schedule/place.ts");
    const maxAge = values.maxAge === undefined ? undefined : parseAge(values.maxAge);
    const { state, file: config } = pipeline;
    const program = silentProgram(new URL("./hook/main.ts", import.meta.url).href);
    const entries = entriesFor({ program, state, file: config, maxAge });
    const added = await addHooks(file, entries, own);
    terminal.say(added ? `Added the hooks to ${named}` : `The hooks are in ${named} already`);
  }
  if (action === "install") {
    terminal.say("Sessions that run already may notice only when they are started again");
  }
  return 0;
}

/** Claude Code's folders: those that the pipeline reads, else the usual one. */
async function foldersFor(pipeline: Pipeline): Promise<readonly string[]> {
  const { homesOf } = await import("../pipeline/horizon.ts");
  const read = homesOf(pipeline);
  if (read.length > 0) return read;
  const usual = Deno.env.get("CLAUDE_CONFIG_DIR") ||
    (homeDirectory() === undefined ? undefined : join(homeDirectory()!, ".claude"));
  if (usual !== undefined && (await Deno.stat(usual).catch(() => undefined))?.isDirectory) {
    return [usual];
  }
  throw new BackupError("usage", "Cannot find Claude Code's folder: there is none", {
    hint: "Start Claude Code once, or set CLAUDE_CONFIG_DIR",
  });
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseAge(text: string): number {
  const [, number, unit] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const age = Number(number) * (UNITS[unit ?? ""] ?? 0);
  if (age > 0) return age;
  throw new BackupError("usage", `Cannot use "${text}" as --max-age: it is no duration`, {
    hint: 'Write for example "36h" or "8d"',
  });
}
