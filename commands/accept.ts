/**
 * `accept`: says that what seems to be lost may be gone.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { OpenSuspicion } from "../pipeline/accept.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, jsonFlag } from "./flags.ts";
import { printJson } from "./json.ts";
import { openPipeline } from "./pipeline_file.ts";
import { suspicionJson } from "./suspicion_json.ts";
import { styleFor } from "./ui/style.ts";

export default defineCommand({
  summary: "says that what seems to be lost may be gone",
  description:
    "When memory, hooks or the beginning of a log are gone, a snapshot is marked as suspect, and nothing of its id is pruned. That ends when they are back, or with this command: it tells what is missing, and from then on it is not missed.",
  parameters: object({
    id: optional(argument(string({ metavar: "ID" }), {
      description: message`A snapshot id; left out, all of them.`,
    })),
    dryRun: option("-n", "--dry-run", {
      description: message`Tell what is missing, and accept nothing.`,
    }),
    config: configFlag(),
    json: jsonFlag(),
  }),
  execute: accept,
});

interface Values {
  readonly id: string | undefined;
  readonly dryRun: boolean;
  readonly config: string | undefined;
  readonly json: boolean;
}

async function accept(values: Values, { terminal }: Context): Promise<number> {
  const { id, dryRun, json } = values;
  const [pipeline, { acceptLosses, openSuspicions }] = await Promise.all([
    openPipeline(values.config),
    import("../pipeline/accept.ts"),
  ]);
  const isMeant = (one: OpenSuspicion) => id === undefined || one.id === id;
  const suspicions = dryRun
    ? openSuspicions(pipeline).filter(isMeant)
    : await acceptLosses(pipeline, id);
  if (json) {
    printJson(terminal, { accepted: !dryRun, suspicions: suspicions.map(suspicionJson) });
    return 0;
  }
  const { renderSuspicion } = await import("./ui/suspicion_view.ts");
  const style = styleFor(terminal.out);
  const lines = suspicions.flatMap((one) => renderSuspicion(one.id, one, style, !dryRun));
  if (lines.length > 0) terminal.show(lines.join("\n"));
  terminal.say(sayEnd(suspicions.length, dryRun));
  return 0;
}

function sayEnd(count: number, dryRun: boolean): string {
  if (count === 0) return "Nothing seems to be lost";
  return dryRun
    ? 'Nothing was accepted: "keepsake accept" does that'
    : "Accepted: this is not missed from now on, and pruning goes on";
}
