import { deepEqual, equal, match } from "node:assert/strict";
import { parseWords } from "../../commands/parse.ts";
import { Home } from "./harness.ts";
import { fakeTerminal } from "./ui/fake_terminal.ts";

async function complete(...words: readonly string[]): Promise<string> {
  const { terminal, out } = fakeTerminal();
  const invocation = await parseWords(["completion", ...words]);
  equal(await invocation({ terminal, takeSignal: () => new AbortController().signal }), 0);
  return out();
}

Deno.test("completion prints a script for every shell that calls keepsake again", async () => {
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    match(await complete(shell), new RegExp(`'completion'[ ,]*'${shell}'`), shell);
  }
});

Deno.test("completion knows commands, flags, words and paths", async () => {
  equal(await complete("bash", "rest"), "restore");
  equal(await complete("bash", "restore", "--over"), "--overwrite");
  deepEqual((await complete("bash", "restore", "--overwrite", "")).split("\n"), [
    "never",
    "changed",
    "always",
  ]);
  match(await complete("bash", "restore", "--to", "/t"), /^__FILE__:directory:/);
});

Deno.test("completion knows topics of help, and the flag for it behind every command", async () => {
  equal(await complete("bash", "help", "sna"), "snapshot");
  equal(await complete("bash", "help", "pip"), "pipeline");
  equal(await complete("bash", "help", "rec"), "recovery-sheet");
  equal(await complete("bash", "run", "--he"), "--help");
  equal(await complete("bash", "--"), "--help\n--version");
  equal((await complete("bash", "restore", "-")).split("\n").includes("--help"), true);
});

Deno.test("completion knows the stages that run --only takes", async () => {
  await using home = await Home.make();
  const only = async (...words: readonly string[]) =>
    (await home.keepsake(["completion", "bash", "run", ...words])).stdout;
  equal(await only("--only", ""), "");
  await home.furnish();
  equal(await only("--only", ""), "claude\nlocal");
  equal(await only("--only", "lo"), "local");
  await home.write("other.toml", "x = [");
  equal(await only("--config", "other.toml", "--only", ""), "");
});

Deno.test("completion works in bash", { ignore: !await has("bash") }, async () => {
  await using home = await Home.make();
  const { stdout, stderr, status } = await home.bash(`
    eval "$(keepsake completion bash)"
    COMP_WORDS=(keepsake verify --a) COMP_CWORD=2 COMP_LINE="keepsake verify --a" COMP_POINT=19
    _keepsake keepsake --a verify
    printf '%s\\n' "\${COMPREPLY[@]}"
  `);
  equal(stderr, "");
  equal(stdout.trim(), "--all");
  equal(status, 0);
});

async function has(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}
