import { deepEqual, equal } from "node:assert/strict";
import { parse, type Parser } from "@optique/core/parser";
import fc from "fast-check";
import { parameters as digestParameters } from "../../commands/digest.ts";
import { readPlainDigest, readPlainRestore, readPlainRun } from "../../commands/plain_words.ts";
import { parameters as restoreParameters } from "../../commands/restore.ts";
import { parameters } from "../../commands/run.ts";

/** What is read as plain, the library reads alike. Answers how much was. */
function checkPlain(
  word: fc.Arbitrary<string>,
  readPlain: (words: readonly string[]) => unknown,
  library: Parser<"sync">,
): number {
  let plain = 0;
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const read = readPlain(words);
      if (read === undefined) return;
      plain++;
      const result = parse(library, words);
      equal(result.success, true);
      deepEqual(result.success && result.value, read);
    }),
    { numRuns: 5000 },
  );
  return plain;
}

const PLAIN = ["-q", "--quiet", "--json", "--force", "-c", "--config", "--if-missed"];
const OTHERS = ["", "-", "--", "-n", "--only", "-m", "--config=a.toml", "-qc", "--help", "extra"];

Deno.test("plain words say what the library reads in them", () => {
  const word = fc.constantFrom(...PLAIN, "a.toml", "0 3 * * *", "/tmp/p q.toml", ...OTHERS);
  const plain = checkPlain(word, readPlainRun, parameters);
  equal(plain > 500, true, `${plain} were plain`);
});

Deno.test("the words of schedules and hooks are plain, and those of people mostly", () => {
  for (
    const words of [
      [],
      ["--config", "/a/pipeline.toml", "--quiet"],
      ["--config", "/a/pipeline.toml", "--quiet", "--if-missed", "0 3 * * *"],
      ["--quiet", "--config", "/a/pipeline.toml"],
      ["-q"],
      ["--json"],
    ]
  ) equal(readPlainRun(words) === undefined, false, words.join(" "));
  for (
    const words of [["--dry-run"], ["-q", "-q"], ["--config"], ["--config", "-q"], ["--help"], [
      "x",
    ]]
  ) equal(readPlainRun(words), undefined, words.join(" "));
});

const DIGEST_PLAIN = ["-q", "--json", "--all", "-c", "--config", "--from", "--to", "--max-size"];
const DIGEST_OTHERS = ["", "-", "--", "--days", "--from=/a", "-qc", "--help", "extra", "7"];

Deno.test("plain words of digest say what the library reads in them", () => {
  const word = fc.constantFrom(...DIGEST_PLAIN, "/tmp/p q", "5MB", ...DIGEST_OTHERS);
  const plain = checkPlain(word, readPlainDigest, digestParameters);
  equal(plain > 300, true, `${plain} were plain`);
  equal(readPlainDigest(["--all", "--from", "/a", "--to", "/b"])?.from, "/a");
  equal(readPlainDigest(["--days", "7"]), undefined);
});

const RESTORE_PLAIN = ["--to", "--in-place", "--from", "--path", "-i", "--identity", "-n"];
const RESTORE_MORE = ["--dry-run", "--preserve-mtime", "-c", "--config", "-q", "--quiet", "--json"];
const RESTORE_OTHERS = ["", "-", "--", "~/x", "--overwrite", "always", "--to=/a", "-qn", "--help"];

Deno.test("plain words of restore say what the library reads in them", () => {
  const flags = [...RESTORE_PLAIN, ...RESTORE_MORE];
  const word = fc.constantFrom(...flags, "latest", "/tmp/p q", "**/*.md", ...RESTORE_OTHERS);
  const plain = checkPlain(word, readPlainRestore, restoreParameters);
  equal(plain > 500, true, `${plain} were plain`);
  equal(readPlainRestore(["--to", "/a"])?.snapshot, "latest");
  equal(readPlainRestore(["claude", "--to", "/a", "-i", "/k"])?.snapshot, "claude");
  for (
    const words of [["--to", "--dry-run"], ["--to", "/a", "claude"], ["-i", "/k", "-i", "/l"], [
      "--overwrite",
      "never",
    ], ["--to", ""]]
  ) equal(readPlainRestore(words), undefined, words.join(" "));
});
