import { deepEqual, equal } from "node:assert/strict";
import { parse } from "@optique/core/parser";
import fc from "fast-check";
import { readPlainDigest, readPlainRun } from "../../commands/plain_words.ts";
import { parameters as digestParameters } from "../../commands/digest.ts";
import { parameters } from "../../commands/run.ts";

const PLAIN = ["-q", "--quiet", "--json", "--force", "-c", "--config", "--if-missed"];
const OTHERS = ["", "-", "--", "-n", "--only", "-m", "--config=a.toml", "-qc", "--help", "extra"];

Deno.test("plain words say what the library reads in them", () => {
  let plain = 0;
  const word = fc.constantFrom(...PLAIN, "a.toml", "0 3 * * *", "/tmp/p q.toml", ...OTHERS);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const read = readPlainRun(words);
      if (read === undefined) return;
      plain++;
      const result = parse(parameters, words);
      equal(result.success, true);
      deepEqual(result.success && result.value, read);
    }),
    { numRuns: 5000 },
  );
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
  let plain = 0;
  const word = fc.constantFrom(...DIGEST_PLAIN, "/tmp/p q", "5MB", ...DIGEST_OTHERS);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const read = readPlainDigest(words);
      if (read === undefined) return;
      plain++;
      const result = parse(digestParameters, words);
      equal(result.success, true);
      deepEqual(result.success && result.value, read);
    }),
    { numRuns: 5000 },
  );
  equal(plain > 300, true, `${plain} were plain`);
  equal(readPlainDigest(["--all", "--from", "/a", "--to", "/b"])?.from, "/a");
  equal(readPlainDigest(["--days", "7"]), undefined);
});
