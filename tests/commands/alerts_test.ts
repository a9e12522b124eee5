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
