/**
 * `schedule`: has the system make backups by itself.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import type { Pipeline } from "../pipeline/config/pipeline.ts";
import { BackupError } from "../pipeline/errors.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, identityFlag, missing, refuseElsewhere } from "./flags.ts";
import { homeDirectory } from "./home.ts";
import { askForKey, skipKeyCheckFlag } from "./key_check.ts";
import { identityFilesOf, openPipeline } from "./pipeline_file.ts";
import {
  type Installer,
  type Place,
  type SchedulerName,
  SCHEDULERS,
} from "./schedule/installer.ts";
import type { Job } from "./schedule/job.ts";
import { telling } from "./schedule/telling.ts";
import { renderWarning } from "./ui/errors.ts";
import type { Terminal } from "./ui/terminal.ts";
import { escapeControls } from "./ui/text.ts";

const ACTIONS = ["install", "remove", "show", "run-now"] as const;

export default defineCommand({
  summary: "has cron, systemd, launchd or the Task Scheduler make backups",
  description:
    "install proves that the backup works where the scheduler starts it, by making one there, and then writes the schedule; a second install replaces the first. remove takes it away again, show prints it, and run-now makes a backup just as the schedule does.",
  parameters: object({
    action: argument(choice(ACTIONS, { metavar: "ACTION" }), {
      description: message`install, remove, show or run-now.`,
      ...missing("ACTION", ACTIONS),
    }),
    config: configFlag(),
    at: optional(option("--at", string({ metavar: "TIME" }), {
      description:
        message`When: minute, hour, day, month and weekday as cron has them. Else each night at three.`,
    })),
    with: optional(option("--with", choice(SCHEDULERS, { metavar: "SCHEDULER" }), {
      description: message`The scheduler. Else the best that is there.`,
    })),
    system: option("--system", {
      description: message`For the machine instead of for you (systemd and launchd, as root).`,
    }),
    identity: identityFlag(),
    skipKeyCheck: skipKeyCheckFlag(message`install`),
    print: option("--print", {
      description: message`With install: print what would be written, and write nothing.`,
    }),
  }, missing("ACTION", ACTIONS)),
  execute: schedule,
});

interface Values {
  readonly action: typeof ACTIONS[number];
  readonly config: string | undefined;
  readonly at: string | undefined;
  readonly with: SchedulerName | undefined;
  readonly system: boolean;
  readonly identity: readonly string[];
  readonly skipKeyCheck: boolean;
  readonly print: boolean;
}

const USUAL_TIME = "0 3 * * *";

async function schedule(values: Values, context: Context): Promise<number> {
  const { terminal } = context;
  const { action, at, system, print, identity, skipKeyCheck } = values;
  refuseElsewhere(action, "install", {
    "--at": at !== undefined,
    "--identity": identity.length > 0,
    "--skip-key-check": skipKeyCheck,
    "--print": print,
  });
  const { thisPlace } = await import("./schedule/place.ts");
  const place = thisPlace(system);
  if (action === "show" || action === "remove") {
    const { remove, show, subjectOf } = await import("./schedule/upkeep.ts");
    const subject = await subjectOf(values.config, terminal);
    const installers = await chosenInstallers(values.with, place);
    if (action === "remove") context.takeSignal(); // From here on, it goes to its end.
    return await (action === "show" ? show : remove)(subject, place, installers, terminal);
  }
  const pipeline = await openPipeline(values.config);
  const signal = context.takeSignal();
  if (action === "install") return await install(pipeline, place, values, terminal, signal);
  const installers = await chosenInstallers(values.with, place);
  const job = await jobFor(pipeline, USUAL_TIME);
  const { prove } = await import("./schedule/prove.ts");
  const [installer] = installers;
  const { refuseOtherMeaning } = await import("./schedule/meaning.ts");
  await refuseOtherMeaning(pipeline, job, place, installer!);
  const began = new Date();
  const { status, said } = await telling(installer!, () => prove(job, place, installer!, signal));
  if (said !== "") terminal.say(said);
  const outcome = await sayOutcome(pipeline, installer!, status, began);
  // A quiet run with something to tell has told all of it.
  const isTold = status !== 0 ? said !== "" : /^Done in /m.test(said);
  terminal.say((isTold ? outcome.slice(-1) : outcome).join("\n"));
  return status;
}

async function install(
  pipeline: Pipeline,
  place: Place,
  { at = USUAL_TIME, with: name, print, identity, skipKeyCheck }: Values,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const { chooseInstaller, presentInstallers } = await import("./schedule/mod.ts");
  const installer = chooseInstaller(name, place);
  const job = await jobFor(pipeline, at);
  const files = installer.files(job, place);
  const { findInstalled, findWherePossible, isOf, refuseNamesake } = await import(
    "./schedule/installed.ts"
  );
  const { refuseOtherMeaning } = await import("./schedule/meaning.ts");
  if (print) {
    await refuseOtherMeaning(pipeline, job, place, installer).catch((error) => {
      if (!(error instanceof BackupError)) throw error;
      const { message, hint } = error;
      terminal.say(`Warning: ${escapeControls(message)}\n  ${escapeControls(hint ?? "")}`);
    });
    terminal.print(files.map(({ path, text }) => `# ${path}\n${text}`).join("\n"));
    return 0;
  }
  const before = await telling(installer, () => findInstalled([installer], place));
  refuseNamesake(before, pipeline);
  const identities = identityFilesOf(identity);
  await askForKey(pipeline, { files: identities, skip: skipKeyCheck, quiet: false }, terminal);
  const { findForeign, lookAtKeys } = await import("../pipeline/keys.ts");
  const warnings = [...await lookAtKeys(pipeline, identities), ...await findForeign(pipeline)];
  for (const warning of warnings) terminal.say(renderWarning(warning).join("\n"));
  await refuseOtherMeaning(pipeline, job, place, installer);
  terminal.say(`Making a backup as ${installer.name} will start it …`);
  const began = new Date();
  const { prove } = await import("./schedule/prove.ts");
  const { status, said } = await telling(installer, () => prove(job, place, installer, signal));
  if (status !== 0) {
    if (said !== "") terminal.say(said);
    terminal.say(
      `Nothing was scheduled: the backup ended with status ${status} where ${installer.name} starts it`,
    );
    return status;
  }
  const notes = await telling(installer, () => installer.install(job, place));
  const { strayNotes } = await import("./schedule/upkeep.ts");
  const others = presentInstallers(place).filter((one) => one !== installer);
  const former = [
    ...before.filter((one) => one.name !== job.name),
    ...await findWherePossible(others, place),
  ].filter((one) => isOf(one, pipeline));
  for (const { installer, name } of former) {
    await telling(installer, () => installer.remove(name, place));
  }
  const { noteSchedule } = await import("./schedule/record.ts");
  await noteSchedule(pipeline, job.calendar, installer.name, place.system);
  const { nextDue } = await import("./schedule/calendar.ts");
  const { sayTime } = await import("./ui/format.ts");
  const next = sayTime(nextDue(job.calendar, new Date()));
  const { doubledNotes, unheardNotes, unwrittenNotes } = await import("./schedule/notes.ts");
  const all = [
    ...former.map(({ installer, name }) =>
      `That replaces "${name}", under which ${installer.name} started this file until now`
    ),
    ...notes,
    ...await strayNotes(installer, job.file, place),
    ...await doubledNotes(pipeline, place),
    ...unheardNotes(pipeline, job, place, installer),
    ...unwrittenNotes(pipeline, installer, began),
  ];
  terminal.say([
    `Scheduled "${job.name}" with ${installer.name}: next at ${next}`,
    ...all.map((note) => `Note: ${note}`),
  ].join("\n"));
  return 0;
}

async function jobFor(pipeline: Pipeline, at: string): Promise<Job> {
  const [{ parseCalendar }, { checkJob }, place] = await Promise.all([
    import("./schedule/calendar.ts"),
    import("./schedule/job.ts"),
    import("./schedule/place.ts"),
  ]);
  const { name, file } = pipeline;
  const job: Job = {
    name,
    file,
    calendar: parseCalendar(at),
    program: place.thisProgram(),
    environment: {
      ...place.neededVariables(),
      ...(reachesServers(pipeline) && place.trustVariables()),
    },
  };
  checkJob(job);
  return job;
}

/** Whether a run speaks with any by itself: git, which goes by the system alone, is a program apart. */
function reachesServers({ stages, watch }: Pipeline): boolean {
  const isTold = watch !== undefined && (watch.alerts.length > 0 || watch.heartbeat !== undefined);
  return isTold ||
    stages.some(({ stage, options }) => stage.permissions(options, "run").net !== undefined);
}

/** What came of a backup, as a person sees it who made one by hand. */
async function sayOutcome(
  pipeline: Pipeline,
  { name }: Installer,
  status: number,
  began: Date,
): Promise<string[]> {
  const { lastReport } = await import("../pipeline/catalog/history.ts");
  const report = lastReport(pipeline);
  const { renderReport } = await import("./ui/run_summary.ts");
  return [
    ...(report === undefined || report.started < began
      ? []
      : await renderReport(report, homeDirectory(), undefined, status !== 0)),
    status === 0
      ? `The backup ended well where ${name} starts it`
      : `The backup ended with status ${status} where ${name} starts it`,
  ];
}

async function chosenInstallers(
  name: SchedulerName | undefined,
  place: Place,
): Promise<readonly Installer[]> {
  const { chooseInstaller, presentInstallers } = await import("./schedule/mod.ts");
  if (name !== undefined) return [chooseInstaller(name, place)];
  const present = presentInstallers(place);
  return present.length > 0 ? present : [chooseInstaller(undefined, place)];
}
