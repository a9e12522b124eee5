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

Deno.test("without a home directory, a leading ~/ is no path, and nothing is made of it", async () => {
  await using home = await Home.make();
  for (const HOME of ["", "relative"]) {
    for (
      const [words, env] of [
        [["keygen", "--output=~/key.txt"], {}],
        [["restore", "--to", "~/back", "--from", "./backups"], {}],
        [["list", "--from", "./backups"], { KEEPSAKE_IDENTITY: "~/key.txt" }],
        [["run"], { KEEPSAKE_CONFIG: "~/pipeline.toml" }],
      ] as const
    ) {
      const { status, stderr } = await home.keepsake(words, { env: { HOME, ...env } });
      equal(status, 3, stderr);
      match(stderr, /^Error: Cannot expand "~\/.*": there is no home directory\n {2}Set HOME to/);
    }
  }
  deepEqual(await Array.fromAsync(Deno.readDir(home.path)), []);
});

Deno.test("what is wrong with a file that a variable names is said with that variable", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  await home.write("one.toml", "x = [");
  await home.write("more.toml", '[[stage]]\nuse = "snapshot"\npth = 1\nmth = 2\n');
  await home.write("id.txt", "nothing");
  for (const file of ["~/none.toml", "one.toml", home.at("more.toml")]) {
    const named = await home.keepsake(["plan"], { env: { KEEPSAKE_CONFIG: file } });
    equal(named.status, 3);
    match(named.stderr, /^ {2}(.*; )?KEEPSAKE_CONFIG names this file$/m);
    const env = { KEEPSAKE_CONFIG: ".config/keepsake/pipeline.toml" };
    const flagged = await home.keepsake(["plan", `--config=${file}`], { env });
    deepEqual([flagged.status, flagged.stderr.includes("names this")], [3, false]);
  }
  for (const file of ["~/none.txt", "id.txt", home.path]) {
    const { status, stdout } = await home.keepsake(["verify", "--json"], {
      env: { KEEPSAKE_IDENTITY: file },
    });
    equal(status, 3);
    match(JSON.parse(stdout).error.hint, /^Name the file .*; KEEPSAKE_IDENTITY names this file$/);
  }
});
