import { deepEqual, equal, match } from "node:assert/strict";
import { Hooks } from "../servers/hooks.ts";
import { Home } from "./harness.ts";

Deno.test("run tells of a destination that dies, and of a pipeline file that is broken", async () => {
  await using hooks = new Hooks();
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const words = ["run", "--config", file, "--quiet"];
  const env = { HOOK: `http://me:hook-password@${hooks.host}/hook-secret-path` };
  const good = (await Deno.readTextFile(file)).replace(
    "[pipeline]",
    `[pipeline]\nalert = ["env:HOOK"]\nheartbeat = "${hooks.at("/beat-secret")}"\nlog = "~/log"`,
  );
  await Deno.writeTextFile(file, good);
  deepEqual(await home.keepsake(words, { env }), { status: 0, stdout: "", stderr: "" });
  deepEqual(hooks.received.splice(0).map(({ target }) => target), [
    "/beat-secret/start",
    "/beat-secret",
  ]);

  await Deno.rename(home.at(".local/share/keepsake"), home.at("away"));
  await home.write(".local/share/keepsake", "");
  equal((await home.keepsake(words, { env })).status, 2);
  const [alert] = hooks.take();
  match(String(alert?.["title"]), /: local failed$/);
  equal((await home.keepsake(words, { env })).status, 2);
  deepEqual(hooks.take(), []);

  await Deno.writeTextFile(file, "[pipeline\n");
  const broken = await home.keepsake(words, { env });
  equal(broken.status, 3);
  const [second] = hooks.take();
  match(String(second?.["title"]), /: the pipeline file failed$/);
  match(String(second?.["text"]), /^Still failing: local \(since /m);
  equal((await home.keepsake(words, { env })).status, 3);
  deepEqual(hooks.take(), []);

  const shown = await home.keepsake(["plan", "--config", await home.write("good.toml", good)], {
    env,
  });
  match(shown.stdout, new RegExp(`^ +alert +network ${hooks.host}$`, "m"));
  const log = await Deno.readTextFile(home.at("log/claude.log"));
  for (const text of [log, broken.stderr, shown.stdout]) {
    equal(/hook-password|hook-secret-path|beat-secret/.test(text), false, text);
  }
});

Deno.test("log says what is in the way of the log that the pipeline file names", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const good = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, good.replace("[pipeline]", '[pipeline]\nlog = "~/log"'));
  await home.write("log", "mine");
  const { status, stderr } = await home.keepsake(["log"]);
  equal(status, 3, stderr);
  match(
    stderr,
    /^Error: Cannot read the log ".*\/log\/claude\.log": a part of its path is no directory\n {2}Move away what is there, or choose another place with log = "…" under \[pipeline\]\n$/,
  );
});

Deno.test("commands in alerts, the log and JSON name the pipeline file of the run", async () => {
  await using hooks = new Hooks();
  await using home = await Home.make();
  await home.furnish();
  const memory = await home.write(".claude/projects/-tmp-a/memory/MEMORY.md", "green\n");
  const text = await Deno.readTextFile(home.at(".config/keepsake/pipeline.toml"));
  const keys = `alert = ["${hooks.at("/alert")}"]\nlog = "~/log"`;
  const file = await home.write("cl.toml", text.replace("[pipeline]", `[pipeline]\n${keys}`));
  equal((await home.keepsake(["run", "-c", "cl.toml", "--quiet"])).status, 0);
  await Deno.remove(memory);
  const run = await home.keepsake(["run", "-c", "cl.toml", "--json"]);
  equal(run.status, 0, run.stderr);
  const named = /^keepsake restore --config cl\.toml claude\/\S+ --to restored$/;
  match(JSON.parse(run.stdout).snapshots[0].suspect.restore, named);
  const accepted = await home.keepsake(["accept", "-c", "cl.toml", "--json"]);
  match(JSON.parse(accepted.stdout).suspicions[0].restore, named);

  const whole = `keepsake restore --config ${file} claude/`;
  const [alert] = hooks.take();
  const { text: told, failed: [loss] } = alert as { text: string; failed: { hint: string }[] };
  for (const said of [told, loss!.hint, await Deno.readTextFile(home.at("log/claude.log"))]) {
    equal(said.includes(whole), true, said);
  }
});
