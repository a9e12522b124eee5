import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { parseCalendar } from "../../../commands/schedule/calendar.ts";
import {
  assignmentsIn,
  blockFor,
  blockIn,
  commandFor,
  cron,
  withBlock,
} from "../../../commands/schedule/cron.ts";
import { wordsFor } from "../../../commands/schedule/job.ts";
import { run } from "../../../commands/schedule/program.ts";
import { writeScript } from "../../scripts.ts";
import { CANARY, HOSTILE, isTellable, jobWith, placeWith } from "./hostile.ts";

const place = placeWith({ env: "/usr/bin/env" });

Deno.test("a block is one line for each time, after a start and each hour for what was missed", () => {
  const block = blockFor(jobWith("x", { environment: {} }), placeWith({ nice: "/usr/bin/nice" }));
  assert.deepEqual(block.split("\n").slice(1), [
    "0 3 * * * /usr/bin/nice -n 10 /opt/x/keepsake run --config /home/x/pipeline.toml --quiet",
    "@reboot /usr/bin/nice -n 10 /opt/x/keepsake run --config /home/x/pipeline.toml --quiet --if-missed '0 3 * * *'",
    "17 * * * * /usr/bin/nice -n 10 /opt/x/keepsake run --config /home/x/pipeline.toml --quiet --if-missed '0 3 * * *'",
    "# end of keepsake claude",
    "",
  ]);
});

Deno.test("what was missed is looked for in a minute in which nothing is due", () => {
  const hourly = (expression: string) => {
    const job = jobWith("x", { calendar: parseCalendar(expression) });
    return /^(\d+) \* \* \* \* .* --if-missed /m.exec(blockFor(job, place))?.[1];
  };
  assert.equal(hourly("0 3 * * *"), "17");
  assert.equal(hourly("17 3 * * *"), "18");
  assert.equal(hourly("17-59 * * * *"), "0");
  assert.equal(hourly("* * * * *"), undefined);
});

Deno.test("what a table sets is read as cron does", () => {
  const table =
    `# A=1\nB=2\n C = "3 4" \n'D'='5'\nE=\r\nB=6\n5 4 * * * F=7 x\nLOGNAME=me\n@daily G=8\n`;
  assert.deepEqual(assignmentsIn(table), { B: "6", C: "3 4", D: "5", E: "" });
});

Deno.test("everything else in a table stays as it is, byte for byte", () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(...["# keepsake", "# end of keepsake", "", "* * * * * true", "MAILTO=me"]),
    fc.constantFrom("# end of keepsake claude", "# keepsake claude: begin", "# end of keepsake b"),
  ).map((text) => text.replaceAll("\n", ""));
  const table = fc.array(line).map((lines) => lines.map((text) => `${text}\n`).join(""));
  fc.assert(
    fc.property(
      table,
      table,
      fc.constantFrom("a", "claude", "claude-work"),
      (above, below, name) => {
        const [old, other] = ["0 1 * * *", "0 2 * * *"].map((expression) =>
          blockFor(
            jobWith("x", { name, calendar: { ...jobWith("x").calendar, expression } }),
            place,
          )
        );
        const whole = above + old + below;
        assert.equal(withBlock(whole, name, other!), above + other + below);
        assert.equal(withBlock(whole, name, ""), above + below);
        assert.equal(blockIn(whole, name), old);
        assert.equal(withBlock(above + below, name, old!), above + below + old);
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("a block whose last line somebody deleted takes nothing of others with it", () => {
  const block = blockFor(jobWith("x"), place);
  const torn = block.replace("# end of keepsake claude\n", "");
  const other = blockFor(jobWith("x", { name: "other" }), place);
  assert.equal(withBlock(torn + other, "claude", "").endsWith(other), true);
  assert.match(withBlock(torn + other + block, "claude", ""), new RegExp(RegExp.escape(other)));
});

Deno.test("a block is found and replaced whose lines end as on Windows", () => {
  const block = blockFor(jobWith("x"), place);
  const windows = block.replaceAll("\n", "\r\n");
  assert.equal(blockIn(`a\r\n${windows}b\r\n`, "claude"), windows);
  assert.equal(withBlock(`a\r\n${windows}b\r\n`, "claude", ""), "a\r\nb\r\n");
  assert.equal(withBlock(windows, "claude", block), block);
});

Deno.test("what cron would change is refused", () => {
  const job = jobWith("a\\%b");
  assert.throws(() => blockFor(job, place), { code: "usage", message: /it holds a backslash$/ });
});

Deno.test("percent signs of a block are escaped, all of them", () => {
  const block = blockFor(jobWith("100% sure %d"), place);
  assert.match(block, /100\\% sure \\%d/);
  assert.doesNotMatch(block, /(?<!\\)%/);
});

Deno.test("a table without an end of line gets one before the block", () => {
  assert.equal(withBlock("MAILTO=me", "claude", "block\n"), "MAILTO=me\nblock\n");
});

Deno.test("whatever a path holds, cron's shell passes it on as it is and runs nothing else", async () => {
  const names = HOSTILE.filter(isTellable);
  assert.ok(names.length >= 100);
  const folder = await Deno.makeTempDir({ prefix: "keepsake-cron-" });
  try {
    const echo = join(folder, "echo");
    await writeScript(echo, '#!/bin/sh\nprintf "%s\\0" "$DENO_DIR" "$@"\n');
    const jobs = names.map((name) => jobWith(name, { program: [echo, name] }));
    const script = jobs.map((job) => `${takenByCron(commandFor(job, "due", place))}\n`).join("");
    // All at once: one that broke out would take the others with it.
    const { status, out, said } = await run(["/bin/sh", "-s"], { input: script });
    assert.equal(said, "");
    assert.equal(status, 0);
    const words = jobs.flatMap((
      job,
    ) => [job.environment["DENO_DIR"]!, ...wordsFor(job, "due").slice(1)]);
    assert.deepEqual(out.split("\0").slice(0, -1), words);
    assert.throws(() => Deno.statSync(CANARY), Deno.errors.NotFound);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }

  /** What cron hands to the shell of a line, which ends at a percent sign that is not escaped. */
  function takenByCron(command: string): string {
    const line = command.replaceAll("%", "\\%");
    assert.doesNotMatch(line, /(?<!\\)%/);
    return line.replaceAll("\\%", "%");
  }
});

Deno.test("a table that crontab does not show is left alone, and one that it changed is told of", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [program, table] = [join(folder, "crontab"), join(folder, "table")];
    const others = "0 1 * * * /usr/bin/others\n";
    await Deno.writeTextFile(table, others);
    const install = async (show: string, take: string) => {
      const script = `if test "$1" = -l; then ${show}; else ${take} > '${table}'; fi`;
      await writeScript(program, `#!/bin/sh\n${script}\n`);
      return await cron.install(jobWith("x"), placeWith({ crontab: program }));
    };
    await assert.rejects(install("echo 'disk error' >&2; exit 1", "cat"), /: disk error$/);
    assert.equal(await Deno.readTextFile(table), others);
    await assert.rejects(install(`cat '${table}'`, "grep -v '@reboot'"), /reads back differently$/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
