/** What is written for systemd, launchd and the Task Scheduler, read back by tools that know it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseCalendar } from "../../../commands/schedule/calendar.ts";
import { cron } from "../../../commands/schedule/cron.ts";
import { startedBy } from "../../../commands/schedule/installed.ts";
import { wordsFor } from "../../../commands/schedule/job.ts";
import { intervals, launchd } from "../../../commands/schedule/launchd.ts";
import { run } from "../../../commands/schedule/program.ts";
import { systemd } from "../../../commands/schedule/systemd.ts";
import { onCalendar } from "../../../commands/schedule/systemd_units.ts";
import { taskFor, taskScheduler, triggers } from "../../../commands/schedule/task_scheduler.ts";
import { CANARY, HOSTILE, isTellable, jobWith, placeWith } from "./hostile.ts";

const NAMES = HOSTILE.filter(isTellable);
const TIMES = ["0 3 * * *", "*/15 * * * *", "5,35 6-8 * * 1-5", "0 9 1 * 1", "30 2 1,15 1-6 *"];

const systemdAnalyze = await find("systemd-analyze");
const python = await find("python3");
const xmllint = await find("xmllint");

Deno.test("every scheduler's text tells which file and program it starts, whatever their names hold", () => {
  const all = [systemd, launchd, taskScheduler, cron];
  for (const name of ["x", "a b", ...NAMES]) {
    const job = jobWith(name);
    for (const installer of all) {
      const isPossible = installer !== cron || !name.includes("\\");
      if (!isPossible) continue;
      const text = installer.files(job, placeWith())[0]!.text;
      const told = `${installer.name} ${JSON.stringify(name)}`;
      const expected = {
        file: job.file,
        program: [...(installer === cron ? ["/usr/bin/env"] : []), job.program[0]],
      };
      assert.deepEqual(startedBy(installer.wordsIn(text)), expected, told);
    }
  }
});

Deno.test("a cron expression is told to systemd in its own words", () => {
  const told = (expression: string) => onCalendar(parseCalendar(expression));
  assert.deepEqual(told("0 3 * * *"), ["*-*-* 03:00:00"]);
  assert.deepEqual(told("5,35 6-8 * * 1-5"), ["Mon,Tue,Wed,Thu,Fri *-*-* 06,07,08:05,35:00"]);
  // A day of either kind counts, as cron has it.
  assert.deepEqual(told("0 9 1 * 1"), ["Mon *-*-* 09:00:00", "*-*-01 09:00:00"]);
  // With a star before either, a day has to be both.
  assert.deepEqual(told("0 9 */15 * 1"), ["Mon *-*-01,16,31 09:00:00"]);
  assert.deepEqual(told("0 9 1-31 * 1"), ["*-*-* 09:00:00"]);
});

Deno.test({
  name: named(
    "systemd takes every unit, whatever the paths hold, and every time",
    "systemd-analyze",
    systemdAnalyze,
  ),
  ignore: systemdAnalyze === undefined,
  async fn() {
    using folder = new Folder();
    const program = folder.at("keepsake");
    await Deno.writeTextFile(program, "#!/bin/sh\n", { mode: 0o755 });
    const paths: string[] = [];
    for (const [index, name] of NAMES.entries()) {
      const calendar = parseCalendar(TIMES[index % TIMES.length]!);
      const job = jobWith(name, { name: `job-${index}`, calendar, program: [program, name] });
      for (const system of [false, true]) {
        for (const { path, text } of systemd.files(job, { ...placeWith(), system })) {
          const copy = folder.at(path.split("/").at(-1)!.replace("job", system ? "s" : "u"));
          await Deno.writeTextFile(copy, text.replaceAll(`keepsake-job`, "keepsake-x"));
          paths.push(copy);
          assert.equal(
            text.split("\n").filter((line) => line.startsWith("ExecStart=")).length,
            path.endsWith("service") ? 1 : 0,
          );
        }
      }
    }
    const { said, status } = await run([
      systemdAnalyze!,
      "verify",
      "--recursive-errors=no",
      "--man=no",
      ...paths,
    ]);
    assert.equal(said, "");
    assert.equal(status, 0);
    const wrong = folder.at("wrong.timer");
    await Deno.writeTextFile(wrong, "[Timer]\nOnCalendar=every day\n");
    const refused = await run([systemdAnalyze!, "verify", "--man=no", wrong]);
    assert.match(refused.said, /every day/, "it looks at what it is given");
    for (const expression of TIMES) {
      const times = onCalendar(parseCalendar(expression));
      const read = await run([systemdAnalyze!, "calendar", ...times]);
      assert.equal(read.status, 0, read.said);
    }
    assert.throws(() => Deno.statSync(CANARY), Deno.errors.NotFound);
  },
});

Deno.test({
  name: named(
    "a unit of the machine is well out of harm's way",
    "systemd-analyze",
    systemdAnalyze,
  ),
  ignore: systemdAnalyze === undefined,
  async fn() {
    using folder = new Folder();
    const place = { ...placeWith(), system: true };
    const path = folder.at("keepsake-claude.service");
    await Deno.writeTextFile(path, systemd.files(jobWith("x"), place)[0]!.text);
    // In tenths. With nothing taken away, or all of root's capabilities left, it is more.
    const words = ["security", "--offline=true", "--threshold=30", "--no-pager", path];
    const { out, said, status } = await run([systemdAnalyze!, ...words]);
    assert.equal(status, 0, out + said);
    assert.match(out, /^✓ CapabilityBoundingSet=~CAP_SYS_ADMIN /m);
    assert.match(out, /^✗ CapabilityBoundingSet=~CAP_\(DAC_\*\|FOWNER\|IPC_OWNER\) /m);
  },
});

Deno.test("nothing in a word of a unit is a specifier, a variable or the end of the word", () => {
  const job = jobWith('a%h$HOME"\\', { environment: {} });
  const [service] = systemd.files(job, placeWith());
  const line = service!.text.split("\n").find((line) => line.startsWith("ExecStart="))!;
  assert.ok(line.includes(String.raw`"/opt/a%%h$$HOME\"\\/keepsake"`), line);
});

Deno.test("units of the machine name the home that its manager does not", () => {
  const place = { ...placeWith(), system: true };
  const [service] = systemd.files(jobWith("x"), place);
  assert.match(service!.text, /^Environment="HOME=\/home\/someone"$/m);
  assert.match(launchd.files(jobWith("x"), place)[0]!.text, /<key>HOME<\/key>/);
});

Deno.test("what launchd and the Task Scheduler cannot be told is refused: days that are both of the month and of the week", () => {
  const both = parseCalendar("0 9 */2 * 1");
  const expected = { code: "usage", message: /days that are both of the month and of the week$/ };
  assert.throws(() => intervals(both), expected);
  assert.throws(() => triggers(both), expected);
  assert.deepEqual(intervals(parseCalendar("0 9 1-31 * 1")), [{ Minute: 0, Hour: 9 }]);
});

Deno.test("a cron expression is told to launchd time by time", () => {
  const told = (expression: string) => intervals(parseCalendar(expression));
  assert.deepEqual(told("* * * * *"), [{}]);
  assert.deepEqual(told("0 3 * * *"), [{ Minute: 0, Hour: 3 }]);
  assert.deepEqual(told("0 9 1 * 1"), [
    { Minute: 0, Hour: 9, Day: 1 },
    { Minute: 0, Hour: 9, Weekday: 1 },
  ]);
  assert.throws(() => told("*/2 1-23 1-30 * *"), { code: "usage", message: /too many/ });
});

Deno.test({
  name: named("launchd reads from every list just what was meant", "python3", python),
  ignore: python === undefined,
  async fn() {
    const jobs = NAMES.map((name) => jobWith(name));
    const documents = jobs.map((job) => launchd.files(job, placeWith())[0]!.text);
    const script = "import json,plistlib,sys\n" +
      "print(json.dumps([plistlib.loads(d.encode()) for d in json.load(sys.stdin)]))";
    const { out, said } = await run([python!, "-c", script], { input: JSON.stringify(documents) });
    assert.equal(said, "");
    const lists = JSON.parse(out);
    for (const [index, job] of jobs.entries()) {
      assert.deepEqual(lists[index].ProgramArguments, wordsFor(job, "due"));
      assert.deepEqual(lists[index].EnvironmentVariables, job.environment);
      assert.deepEqual(lists[index].StartCalendarInterval, [{ Minute: 0, Hour: 3 }]);
      assert.equal(lists[index].Label, "keepsake.claude");
    }
  },
});

Deno.test("a cron expression is told to the Task Scheduler as triggers of its kinds", () => {
  const told = (expression: string) =>
    triggers(parseCalendar(expression)).map((lines) => lines.join(""));
  assert.deepEqual(told("0 3 * * *"), [
    "<StartBoundary>2026-01-01T03:00:00</StartBoundary><ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>",
  ]);
  assert.match(
    told("* * * * *")[0]!,
    /^<StartBoundary>.*<\/StartBoundary><Repetition><Interval>PT1M<\/Interval>.*<ScheduleByDay>/,
  );
  assert.equal(told("0 9 1 * 1").length, 2);
  assert.throws(() => told("*/7 1-20 * * *"), { code: "usage", message: /too many/ });
});

Deno.test({
  name: named(
    "the Task Scheduler's schema takes every task, and its words are those meant",
    "xmllint",
    xmllint,
  ),
  ignore: xmllint === undefined,
  async fn() {
    using folder = new Folder();
    const paths: string[] = [];
    for (const [index, name] of NAMES.entries()) {
      const calendar = parseCalendar(TIMES[index % TIMES.length]!);
      const text = taskFor(jobWith(name, { calendar, environment: {} }), placeWith());
      const path = folder.at(`${index}.xml`);
      await Deno.writeTextFile(path, text.replace("UTF-16", "UTF-8"));
      paths.push(path);
    }
    const schema = new URL("task.xsd", import.meta.url).pathname;
    const { said, status } = await run([xmllint!, "--noout", "--schema", schema, ...paths]);
    assert.equal(status, 0, said);
    const turned = folder.at("turned.xml");
    const text = (await Deno.readTextFile(paths[1]!))
      .replace(/(<StartBoundary>.*\s+)(<Repetition>.*\s+)/, "$2$1");
    await Deno.writeTextFile(turned, text);
    const refused = await run([xmllint!, "--noout", "--schema", schema, turned]);
    assert.match(refused.said, /Repetition': This element is not expected/);
    const job = jobWith(NAMES[0]!, { environment: {} });
    assert.equal(taskScheduler.files(job, placeWith())[0]!.path, "keepsake\\claude");
  },
});

/** A directory that is gone after the test. */
class Folder implements Disposable {
  readonly #path = Deno.makeTempDirSync({ prefix: "keepsake-units-" });

  at(name: string): string {
    return join(this.#path, name);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#path, { recursive: true });
  }
}

async function find(program: string): Promise<string | undefined> {
  const { findProgram } = await import("../../../commands/schedule/place.ts");
  return findProgram(program);
}

function named(name: string, program: string, path: string | undefined): string {
  return path === undefined ? `${name} (ignored: ${program} is not installed)` : name;
}
