import { deepEqual, equal, throws } from "node:assert/strict";
import { join } from "node:path";
import type { BackupError } from "../../../pipeline/errors.ts";
import { KEPT, LogFile, parseLine, readRun, renderLine } from "../../../pipeline/watch/log_file.ts";
import { writeMetrics } from "../../../pipeline/watch/metrics.ts";

async function inFolder(body: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "keepsake-" });
  try {
    body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const TIME = new Date("2026-11-21T03:00:00.123Z");

function line(run: number | undefined, message: string, stage?: string) {
  return { time: TIME, run, level: "info", stage, message } as const;
}

Deno.test("one event is one line, whatever its message holds, and reads back", () => {
  const text = renderLine(line(12, "a\nb \x1b[31m\u2028 2026-01-01T00:00:00Z 9 info x", "s3"));
  equal(text.split("\n").length, 1);
  equal(text.startsWith("2026-11-21T03:00:00.123Z 12 info s3: a b \\u{1b}[31m"), true);
  deepEqual(parseLine(renderLine(line(12, "stored: all", "s3"))), line(12, "stored: all", "s3"));
  deepEqual(
    parseLine(renderLine(line(undefined, "The run ended"))),
    line(undefined, "The run ended"),
  );
  equal(parseLine("2026-11-21T03:00:00.1"), undefined);
});

Deno.test("a full log is begun anew, five older ones stay, and none is longer than it may be", async () => {
  await inFolder((folder) => {
    const log = new LogFile(join(folder, "log"), "claude", 1000);
    for (let run = 1; run <= 400; run++) log.write(line(run, "x".repeat(60)));
    const files = [...Deno.readDirSync(join(folder, "log"))].map(({ name }) => name).sort();
    const older = Array.from({ length: KEPT }, (_, index) => `claude.log.${index + 1}`);
    deepEqual(files, ["claude.log", ...older]);
    for (const file of files) {
      const { size, mode } = Deno.statSync(join(folder, "log", file));
      equal(size > 500 && size <= 1000, true);
      if (Deno.build.os !== "windows") equal(mode! & 0o777, 0o600);
    }
    equal(readRun(join(folder, "log"), "claude").at(-1)?.run, 400);
  });
});

Deno.test("the last run is read in full, also across two files and with the number of an older one", async () => {
  await inFolder((folder) => {
    const log = new LogFile(folder, "claude", 400);
    const write = (run: number, messages: readonly string[]) => {
      for (const message of messages) log.write(line(run, message));
    };
    write(1, ["The run began", "old"]);
    write(2, ["The run began", "before the catalog was lost"]);
    write(1, ["The run began", ...Array.from({ length: 8 }, (_, index) => `event ${index}`)]);
    const last = readRun(folder, "claude");
    equal(last.length, 9);
    deepEqual([last[0]?.message, last.at(-1)?.message], ["The run began", "event 7"]);
    deepEqual(readRun(folder, "claude", 2).map(({ message }) => message), [
      "The run began",
      "before the catalog was lost",
    ]);
    deepEqual(readRun(folder, "claude", 7), []);
    deepEqual(readRun(join(folder, "none"), "claude"), []);
  });
});

Deno.test("what could not even begin is the last run, by itself", async () => {
  await inFolder((folder) => {
    const log = new LogFile(folder, "claude");
    log.write(line(3, "The run began"));
    log.write(line(3, "The run ended well"));
    log.write(line(undefined, "Cannot use the file"));
    deepEqual(readRun(folder, "claude").map(({ message }) => message), ["Cannot use the file"]);
    equal(readRun(folder, "claude", 3).length, 2);
  });
});

Deno.test("a pipe in the place of a log or of metrics is told, and nothing waits for a reader", async () => {
  if (Deno.build.os === "windows") return;
  await inFolder((folder) => {
    const pipe = join(folder, "claude.log");
    equal(new Deno.Command("mkfifo", { args: [pipe] }).outputSync().success, true);
    const told = /^Cannot \w+ the (log|metrics) ".*claude\.log": it is no regular file$/;
    const isTold = (error: unknown) => told.test((error as BackupError).message);
    // Were it opened, the test would wait for ever: nobody reads it.
    throws(() => new LogFile(folder, "claude").write(line(1, "The run began")), isTold);
    throws(() => readRun(folder, "claude"), isTold);
    throws(() => writeMetrics(pipe, "a 1\n"), isTold);
    equal(Deno.lstatSync(pipe).isFifo, true);
  });
});

Deno.test("of a log that is longer than a text can be, the end is read", async () => {
  await inFolder((folder) => {
    const path = join(folder, "claude.log");
    new LogFile(folder, "claude").write(line(1, "The run began"));
    Deno.truncateSync(path, 2 ** 30);
    const lines = [line(2, "The run began"), line(2, "ä"), line(2, "The run ended well")];
    const text = lines.map((each) => `\n${renderLine(each)}`).join("");
    Deno.writeTextFileSync(path, `${text}\n`, { append: true });
    deepEqual(readRun(folder, "claude"), lines);
  });
});
