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
import { configFlag, missing, parseAge, refuseElsewhere } from "./flags.ts";
import { homeDirectory } from "./home.ts";
import { openPipeline } from "./pipeline_file.ts";
import { sayPath } from "./ui/format.ts";
import type { Terminal } from "./ui/terminal.ts";
import { escapeControls } from "./ui/text.ts";

const ACTIONS = ["install", "remove", "show", "run"] as const;
const EVENTS = ["session-start", "session-end"] as const;

export default defineCommand({
  summary: "has Claude Code tell sessions how the backup is, and make one at their end",
  description:
    "install adds two hooks to Claude Code's settings and leaves all else there as it is: a session that begins is told of new digests, of a backup that is stale or failed and of conversations that are about to be lost; a session that ends starts a run beside it. remove takes exactly these out again, with the lists that then are empty, and show tells which are there and what a session would be told now. run is what Claude Code starts: it answers with facts or nothing, and never fails.",
  parameters: object({
    action: argument(choice(ACTIONS, { metavar: "ACTION" }), {
      description: message`install, remove, show or run.`,
      ...missing("ACTION", ACTIONS),
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
  }, missing("ACTION", ACTIONS)),
  execute: hook,
});

interface Values {
  readonly action: typeof ACTIONS[number];
  readonly event: typeof EVENTS[number] | undefined;
  readonly config: string | undefined;
  readonly maxAge: string | undefined;
  readonly state: string | undefined;
}

async function hook({ action, ...values }: Values, context: Context): Promise<number> {
  const { terminal } = context;
  // `hook run` itself is answered before any command is looked for: see parse.ts.
  if (action === "run" || values.event !== undefined || values.state !== undefined) {
    throw new BackupError("usage", "Cannot use these words together: they are for hook run", {
      hint: 'Write "keepsake hook run session-start --state DIR", in this order',
    });
  }
  refuseElsewhere(action, "install", { "--max-age": values.maxAge !== undefined });
  const maxAge = await parseAge(values.maxAge);
  const pipeline = await openPipeline(values.config);
  const folders = await foldersFor(pipeline);
  const { addHooks, entriesFor, findHooks, ownHooks, removeHooks } = await import(
    "./hook/install.ts"
  );
  const own = ownHooks(pipeline.state, pipeline.file);
  const home = homeDirectory();
  if (action === "show") return await show(pipeline, folders, terminal);
  context.takeSignal(); // From here on, it goes to its end.
  for (const folder of folders) {
    const file = join(folder, "settings.json");
    const named = escapeControls(sayPath(file, home));
    if (action === "remove") {
      const removed = await removeHooks(file, own);
      terminal.say(removed ? `Removed the hooks from ${named}` : `There were no hooks in ${named}`);
      continue;
    }
    const { equippedProgram } = await import("./schedule/place.ts");
    const { state, file: config } = pipeline;
    const program = equippedProgram(new URL("./hook/main.ts", import.meta.url).href);
    const entries = entriesFor({ program, state, file: config, maxAge });
    const added = await addHooks(file, entries, own);
    terminal.say(added ? `Added the hooks to ${named}` : `The hooks are in ${named} already`);
    const { disabled } = await findHooks(file, own);
    if (disabled) terminal.say(`Claude Code starts no hook while ${DISABLED} stands in ${named}`);
  }
  if (action === "install") {
    terminal.say("Sessions that run already may notice only when they are started again");
  }
  return 0;
}

const DISABLED = '"disableAllHooks": true';

/** Which hooks are in which settings, and what they say. Changes nothing. */
async function show(
  { name, state }: Pipeline,
  folders: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const [{ findHooks, ownHooks }, { peekPending, sayNow }] = await Promise.all([
    import("./hook/install.ts"),
    import("./hook/answer.ts"),
  ]);
  await requireFacts(state);
  const lines: string[] = [];
  let maxAge: string | undefined;
  let found = false;
  for (const folder of folders) {
    const file = join(folder, "settings.json");
    const { hooks, disabled } = await findHooks(file, ownHooks(state));
    const events = hooks.map(({ event }) => event).join(", ");
    const named = sayPath(file, homeDirectory());
    lines.push(`${named}: ${events || `no hooks of "${name}"`}`);
    if (disabled) lines.push(`  Claude Code starts no hook while ${DISABLED} stands there`);
    if (!disabled) {
      for (const { args } of hooks) {
        found = true;
        if (args.includes("--max-age")) maxAge = args.at(-1);
      }
    }
  }
  const told = found
    ? "A session that begins now is told"
    : "With the hooks, a session that begins now would be told";
  const { context } = sayNow(state, maxAge, peekPending);
  lines.push(
    context.length === 0 ? `${told} nothing` : `${told}:`,
    ...context.flatMap((text) => text.split("\n")).map((line) => `  ${line}`),
  );
  terminal.print(lines.map(escapeControls).join("\n"));
  return 0;
}

/** What a hook passes over in silence, whoever asks is told: facts that may not be read are not none. */
async function requireFacts(state: string): Promise<void> {
  const [{ hookFile }, { stateFault }] = await Promise.all([
    import("../pipeline/hook_facts.ts"),
    import("../pipeline/state_fault.ts"),
  ]);
  const file = hookFile(state);
  try {
    await Deno.readTextFile(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw stateFault(error, `Cannot read "${file}"`);
  }
}

/** Claude Code's folders: those that the pipeline reads, else the usual one. */
async function foldersFor(pipeline: Pipeline): Promise<readonly string[]> {
  const { homesOf } = await import("../pipeline/horizon.ts");
  const read = homesOf(pipeline);
  if (read.length > 0) return read;
  const named = Deno.env.get("CLAUDE_CONFIG_DIR") || undefined;
  const home = homeDirectory();
  const usual = named ?? (home && join(home, ".claude"));
  if (usual !== undefined && (await Deno.stat(usual).catch(() => undefined))?.isDirectory) {
    return [usual];
  }
  const told = usual === undefined
    ? "there is no home directory"
    : `there is no directory "${usual}"`;
  const whose = named === undefined ? "" : ", which CLAUDE_CONFIG_DIR names";
  throw new BackupError("usage", `Cannot find Claude Code's folder: ${told}${whose}`, {
    hint: named === undefined
      ? "Start Claude Code once, or name its folder with CLAUDE_CONFIG_DIR"
      : "Start Claude Code once, or correct CLAUDE_CONFIG_DIR",
  });
}
