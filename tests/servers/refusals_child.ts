/**
 * Reads pipeline files, whose texts stand in `texts.json`, and would make a backup with each. Tells in
 * JSON what was said of each; `null` of one that was taken.
 *
 * @module
 */
import { loadPipeline, runPipeline } from "../../pipeline/mod.ts";

if (import.meta.main) {
  const texts: readonly string[] = JSON.parse(await Deno.readTextFile("texts.json"));
  const messages: (string | null)[] = [];
  for (const text of texts) {
    await Deno.writeTextFile("pipeline.toml", text);
    const loading = loadPipeline("pipeline.toml", {
      environment: Deno.env.toObject(),
      home: Deno.env.get("HOME")!,
    });
    const pipeline = await loading.catch((error: Error) => {
      messages.push(error.message);
    });
    if (pipeline === undefined) continue;
    await runPipeline(pipeline).catch(() => {});
    messages.push(null);
  }
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(messages)));
}
