import { deepEqual, equal, match } from "node:assert/strict";
import { Home } from "./harness.ts";

Deno.test("a leading ~/ is the home directory, also where a shell leaves it as it is", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const file = ".config/keepsake/pipeline.toml";
  await Deno.mkdir(home.at("here"));
  const cwd = home.at("here");
  const told = async (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const { status, stderr } = await home.keepsake(words, { cwd, env });
    equal(status, 0, stderr);
    return stderr;
  };
  match(await told(["restore", "--to=~/one"]), / to ~\/one\/\.claude\n/);
  match(
    await told(["restore", "--to", "~/two", "--config", `~/${file}`]),
    / to ~\/two\/\.claude\n/,
  );
  await told(["list", `--config=~/${file}`]);
  await told([
    "list",
    "--from=~/.local/share/keepsake/backups",
    "-i",
    "~/.config/keepsake/identity.txt",
  ]);
  await Deno.rename(home.at(file), home.at("elsewhere.toml"));
  const environment = {
    KEEPSAKE_CONFIG: "~/elsewhere.toml",
    KEEPSAKE_IDENTITY: "~/.config/keepsake/identity.txt",
  };
  equal(await told(["verify", "--quiet"], environment), "");
  // What is called so by somebody who means it stays.
  await told(["restore", "--to", "./~/three"], environment);
  const namesIn = async (folder: string) =>
    (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  deepEqual(await namesIn(cwd), ["~"]);
  deepEqual(await namesIn(`${cwd}/~`), ["three"]);
});
