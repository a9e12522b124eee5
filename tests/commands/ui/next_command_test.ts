import { equal, match } from "node:assert/strict";
import { commands } from "../../../commands/mod.ts";
import { nextCommandsFor } from "../../../commands/ui/next_command.ts";
import { Home } from "../harness.ts";

Deno.test("commands to type next name the pipeline file that these words named", () => {
  const say = (...words: readonly string[]) =>
    nextCommandsFor(words)('See "keepsake accept c", or keepsake restore c/1 --to restored');
  const plain = 'See "keepsake accept c", or keepsake restore c/1 --to restored';
  const named = plain.replaceAll(/keepsake \w+/g, "$& --config p.toml");
  for (const words of [["run"], ["run", "--", "-c", "p.toml"], ["run", "-c"], []]) {
    equal(say(...words), plain);
  }
  equal(say("run", "-c", "p.toml"), named);
  equal(say("run", "--quiet", "--config", "p.toml"), named);
  equal(say("run", "--config=p.toml"), named);
  equal(
    nextCommandsFor(["run", "-c", "it's $1.toml"])("keepsake run"),
    `keepsake run --config 'it'\\''s $1.toml'`,
  );
  equal(nextCommandsFor(["run", "-c", "a\x1b[2J"])("keepsake run"), "keepsake run");
});

Deno.test("what is no command to type next stays as it is", () => {
  const say = nextCommandsFor(["run", "-c", "p.toml"]);
  for (
    const text of [
      'Write for example "keepsake run --config FILE"',
      'See "keepsake run --help"',
      'Cannot understand "keepsake run": there is no such option',
      'Make one with "keepsake keygen"',
      "/home/ada/keepsake run/a.md",
      "local  writes /mnt/my keepsake log, /mnt/my keepsake list/x",
      'Made the directory "/mnt/my keepsake log"',
      "keepsake run --if-missed x --config other.toml",
      "keepsake run -c other.toml",
      "keepsake runs, and keepsake restored",
    ]
  ) equal(say(text), text);
});

Deno.test("every command that takes a pipeline file gets it, and no other", async () => {
  await using home = await Home.make();
  const say = nextCommandsFor(["run", "-c", "p.toml"]);
  await Promise.all(
    Object.keys(commands).map(async (name) => {
      const { stdout } = await home.keepsake(["help", name]);
      match(stdout, new RegExp(`\\bkeepsake ${name}\\b`));
      equal(say(`keepsake ${name}`).includes("--config"), stdout.includes("--config"), name);
    }),
  );
});
