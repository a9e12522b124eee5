/**
 * `status`: how things are, at a glance.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { FAILURES } from "../pipeline/errors.ts";
import type { PlaceStatus, Status } from "../pipeline/status.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, jsonFlag, parseAge, quietFlag } from "./flags.ts";
import { homeDirectory } from "./home.ts";
import { printJson } from "./json.ts";
import { openPipeline } from "./pipeline_file.ts";
import type { NextRun } from "./schedule/record.ts";
import { suspicionJson } from "./suspicion_json.ts";
import { partJson } from "./ui/errors.ts";

export default defineCommand({
  summary: "shows how things are: runs, destinations, and what to do",
  description:
    "Shows the last and the next run, what each destination holds, how old that is and when it was last proven, and what to do. Goes by what is remembered on this machine: nothing is asked, and nothing is changed. Ends with status 5 when conversations that Claude Code deletes within 48 h are in no destination, with 4 when the last drill of a destination failed, its newest copy was found damaged or something that was stored there is known to be gone, and with 2 when it cannot look for such conversations; of several, with the first of these.",
  parameters: object({
    config: configFlag(),
    maxAge: optional(option("--max-age", string({ metavar: "DURATION" }), {
      description:
        message`For monitors: end with status 5 when a destination was not known for so long to hold what it should; such as 36h.`,
    })),
    json: jsonFlag(),
    quiet: quietFlag(),
  }),
  execute: status,
});

interface Values {
  readonly config: string | undefined;
  readonly maxAge: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
}

async function status(
  { config, maxAge, json, quiet }: Values,
  { terminal }: Context,
): Promise<number> {
  const age = await parseAge(maxAge);
  const pipeline = await openPipeline(config);
  const { statusOf, tooOld } = await import("../pipeline/status.ts");
  const { nextRun } = await import("./schedule/record.ts");
  const now = new Date();
  const status = statusOf(pipeline, now);
  const next = await nextRun(pipeline, now);
  const old = age === undefined ? [] : tooOld(status, age);
  const ending = endingOf(status, old);
  if (json) printJson(terminal, statusJson(status, next, old));
  else if (!quiet || ending !== 0) {
    const { renderStatus } = await import("./ui/status_view.ts");
    const { styleFor } = await import("./ui/style.ts");
    const { out } = terminal;
    const view = { home: homeDirectory(), width: out.width, next, tooOld: old, maxAge };
    terminal.show(renderStatus(status, view, styleFor(out)).join("\n"));
  }
  return ending;
}

function endingOf({ places, endangered, unseen }: Status, old: readonly PlaceStatus[]): number {
  if (old.length > 0 || endangered.length > 0) return FAILURES["too-old"].status;
  const isBad = ({ drillFailed, damaged, missing }: PlaceStatus) =>
    drillFailed !== undefined || damaged !== undefined || missing > 0;
  if (places.some(isBad)) {
    return FAILURES["snapshot-damaged"].status;
  }
  return unseen.length > 0 ? FAILURES["source-unreadable"].status : 0;
}

/** What `status --json` prints. */
export function statusJson(
  status: Status,
  next: NextRun | undefined,
  old: readonly PlaceStatus[],
): unknown {
  const { pipeline, file, now, last, open, places, troubles, suspicions, pause } = status;
  const { endangered, unseen } = status;
  const say = (time: Date | undefined) => time?.toISOString() ?? null;
  return {
    pipeline,
    file,
    time: now.toISOString(),
    last_run: last === undefined ? null : {
      run: last.run,
      started: say(last.started),
      finished: say(last.finished),
      status: last.status,
      ...(last.failure && { error: partJson(last.failure) }),
    },
    open_run: open === undefined ? null : {
      started: say(open.since),
      process: open.process ?? null,
      at_work: open.isAtWork ?? null,
    },
    next_run: next === undefined || next.trouble !== undefined
      ? null
      : { time: say(next.time), scheduler: next.scheduler },
    no_run_since: say(pause),
    destinations: places.map((place) => ({
      id: place.destination,
      location: place.location,
      snapshot: place.snapshot,
      newest: say(place.newest),
      confirmed: say(place.confirmed),
      snapshots: place.count,
      missing: place.missing,
      bytes: place.bytes,
      place_bytes: place.placeBytes ?? null,
      proven: say(place.proven),
      damaged: place.damaged === undefined ? null : {
        name: place.damaged.name,
        found: say(place.damaged.found),
      },
      drill_failed: say(place.drillFailed),
      too_old: old.includes(place),
    })),
    sessions_at_risk: endangered.map(({ path, goes, preserved }) => ({
      path,
      goes: goes.toISOString(),
      preserved,
    })),
    sessions_unseen: unseen.map(({ path, reason }) => ({ path, reason })),
    suspicions: suspicions.map(suspicionJson),
    troubles: troubles.filter(({ passing }) => !passing).map(
      ({ subject, since, message, hint = null }) => ({
        what: subject,
        since: since.toISOString(),
        message,
        hint,
      }),
    ),
  };
}
