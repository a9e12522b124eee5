/**
 * `recovery-sheet`: prints a page that tells how to get everything back.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { type Context, defineCommand } from "./command.ts";
import { configFlag } from "./flags.ts";
import { openPipeline } from "./pipeline_file.ts";
import { renderWarning } from "./ui/errors.ts";

const FORMATS = ["markdown", "html"] as const;

export default defineCommand({
  summary: "prints a page that tells how to get everything back",
  description:
    "One page to print and to keep away from this machine: where the backups are, which identity opens them, and the commands that bring everything back with stock tools, without keepsake. The identity itself is not on it: keep that elsewhere.",
  parameters: object({
    format: optional(option("--format", choice(FORMATS, { metavar: "FORMAT" }), {
      description: message`markdown, or html, which prints well. Else markdown.`,
    })),
    config: configFlag(),
  }),
  execute: print,
});

interface Values {
  readonly format: typeof FORMATS[number] | undefined;
  readonly config: string | undefined;
}

async function print({ format, config }: Values, { terminal }: Context): Promise<number> {
  const [pipeline, { findForeign, isSealing }, { recoveryOf }, { sheetAsHtml, sheetAsMarkdown }] =
    await Promise.all([
      openPipeline(config),
      import("../pipeline/keys.ts"),
      import("../pipeline/recovery.ts"),
      import("./ui/recovery_view.ts"),
    ]);
  const foreign = await findForeign(pipeline);
  for (const warning of foreign) terminal.say(renderWarning(warning).join("\n"));
  const sealing = pipeline.stages.filter(isSealing);
  const isForeign = sealing.length > 0 && foreign.length === sealing.length;
  const recovery = recoveryOf(pipeline, isForeign);
  const origin = { host: Deno.hostname(), printed: new Date() };
  terminal.print(
    format === "html" ? sheetAsHtml(recovery, origin) : sheetAsMarkdown(recovery, origin),
  );
  return 0;
}
