import { deepEqual, doesNotReject, equal } from "node:assert/strict";
import { commands } from "../commands/mod.ts";
import { parseWords } from "../commands/parse.ts";
import { FAILURES } from "../pipeline/errors.ts";
import { stages } from "../stages/mod.ts";

const README = await Deno.readTextFile(new URL("../README.md", import.meta.url));

/** Lines of the README's blocks of shell commands, without comments; lines that go on are joined. */
const LINES = [...README.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = ""]) =>
  block.replaceAll(/\|\n\s*/g, "| ").split("\n").map((line) => line.replace(/\s+#.*$/, ""))
);

Deno.test("the README's commands are understood as they stand there", async () => {
  const lines = LINES.filter((line) => line.startsWith("keepsake "));
  equal(lines.length > 8, true);
  for (const line of lines) await parseWords(wordsOf(line).slice(1));
});

Deno.test("no page names a command or a flag that there is not", async () => {
  const root = new URL("../", import.meta.url);
  const docs = (await Array.fromAsync(Deno.readDir(new URL("docs/", root))))
    .filter(({ isFile }) => isFile).map(({ name }) => `docs/${name}`);
  let count = 0;
  for (const page of ["README.md", "CHANGELOG.md", ...docs]) {
    const text = await Deno.readTextFile(new URL(page, root));
    for (const [, inline, line] of text.matchAll(/`(keepsake\s[^`]+)`|^(keepsake .+)$/gm)) {
      const written = (inline ?? line!).replace(/\s#.*$/, "").replace(" DATE", " 2027-12-24");
      const words = wordsOf(written).slice(1);
      await doesNotReject(parseWords(words), `${page}: ${written}`);
      if (words[0] === "help") equal(isTopic(words[1]!), true, `${page}: ${written}`);
      count++;
    }
  }
  equal(count > 40, true);

  function isTopic(name: string): boolean {
    return ["COMMAND", "pipeline", ...Object.keys(commands), ...Object.keys(stages)].includes(name);
  }
});

Deno.test("the README's tasks are those of deno.json", async () => {
  const { default: { tasks } } = await import("../deno.json", { with: { type: "json" } });
  const named = [...README.matchAll(/deno(?:@[\d.]+)? task (?:--quiet )?([a-z:]+)/g)]
    .map(([, task = ""]) => task);
  equal(named.length > 4, true);
  for (const task of named) equal(Object.hasOwn(tasks, task), true, task);
});

Deno.test("the README names every command, and every exit status", () => {
  const [, named = ""] = /^`([a-z\s-]+)`;\s+`keepsake help\s+COMMAND`/m.exec(README) ?? [];
  deepEqual(named.split(/\s+/).toSorted(), Object.keys(commands).toSorted());
  const table = README.slice(README.indexOf("| status"));
  const told = [...table.matchAll(/^\| ([\d, ]+?) +\|/gm)]
    .flatMap(([, statuses = ""]) => statuses.split(", ").map(Number));
  const known = Object.values(FAILURES).map(({ status }) => status);
  deepEqual(told, [...new Set([0, ...known, 129, 143])].toSorted((a, b) => a - b));
});

Deno.test("what the README says of age and tar is the form of the names that are stored", () => {
  const line = LINES.find((line) => line.startsWith("age "));
  equal(
    / \S+\/claude\/\d{8}T\d{6}Z-[0-9a-f]{12}\.tar\.zst\.age \| zstd -d \| tar xf -$/.test(
      line ?? "",
    ),
    true,
  );
});

/** As a shell takes a line apart that holds no more than words and double quotes. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word!);
}
