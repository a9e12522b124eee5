import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { acceptLosses } from "../../../pipeline/accept.ts";
import { Catalog } from "../../../pipeline/catalog.ts";
import { BackupError } from "../../../pipeline/errors.ts";
import {
  type Event,
  loadPipeline,
  type Pipeline,
  runPipeline,
  type RunReport,
  verifySnapshots,
} from "../../../pipeline/mod.ts";
import { statusOf, tooOld } from "../../../pipeline/status.ts";
import { tellOfFile, watchRun } from "../../../pipeline/watch/watcher.ts";
import { Hooks } from "../../servers/hooks.ts";

const PATIENCE = { timeout: 2000, attempts: 1, pause: 1 };
const DAY = 86_400_000;

/** A small home, a receiver, and a clock that a test sets. */
class Watchtower implements AsyncDisposable {
  readonly path: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-watch-" }));
  readonly hooks: Hooks = new Hooks();
  readonly events: Event[] = [];
  readonly file: string = `${this.path}/pipeline.toml`;
  now: Date = new Date("2026-11-01T03:00:00Z");

  constructor() {
    Deno.mkdirSync(`${this.path}/src`);
    Deno.writeTextFileSync(`${this.path}/src/a.txt`, "a");
  }

  /** Writes the file, with these keys below `[pipeline]`. */
  write(keys: string): void {
    Deno.writeTextFileSync(
      this.file,
      `[pipeline]
      name = "small"
      state = "${this.path}/state"
      ${keys}
      [[stage]]
      use = "snapshot"
      id = "src"
      paths = ["${this.path}/src"]
      [[stage]]
      use = "hash-gate"
      [[stage]]
      use = "local"
      path = "${this.path}/dst"
      plaintext = true`,
    );
  }

  load(): Promise<Pipeline> {
    return loadPipeline(this.file, { environment: {}, home: this.path });
  }

  async run(dryRun = false, signal?: AbortSignal): Promise<RunReport> {
    const { watch, ...pipeline } = await this.load();
    const watched = { ...pipeline, watch: watch! };
    const clock = () => this.now;
    return await watchRun(
      watched,
      { ...this.surroundings, extent: dryRun ? "nothing" : "all" },
      (listener) => runPipeline(watched, { listener, clock, dryRun, signal }),
    );
  }

  get surroundings() {
    return {
      listener: (event: Event) => void this.events.push(event),
      home: this.path,
      clock: () => this.now,
      patience: PATIENCE,
    };
  }

  /** Has the destination die: what should be its directory is a file. */
  kill(): void {
    Deno.renameSync(`${this.path}/dst`, `${this.path}/dst.away`);
    Deno.writeTextFileSync(`${this.path}/dst`, "");
  }

  revive(): void {
    Deno.removeSync(`${this.path}/dst`);
    Deno.renameSync(`${this.path}/dst.away`, `${this.path}/dst`);
  }

  change(): void {
    Deno.writeTextFileSync(`${this.path}/src/a.txt`, "b");
  }

  /** Removes the files of a day from the destination, and answers how many they were. */
  lose(day: string): number {
    const stored = `${this.path}/dst/src`;
    const lost = Array.from(Deno.readDirSync(stored), ({ name }) => name)
      .filter((name) => name.startsWith(day));
    for (const name of lost) Deno.removeSync(`${stored}/${name}`);
    return lost.length;
  }

  /** Leaves a file that is no TOML. */
  spoil(): void {
    Deno.writeTextFileSync(this.file, "[[stage\n");
  }

  read(path: string): string {
    return Deno.readTextFileSync(`${this.path}/${path}`);
  }

  /** The requests for heartbeats since the last time, and the titles of alerts. */
  take(): { beats: string[]; titles: string[] } {
    const all = this.hooks.received.splice(0);
    return {
      beats: all.filter(({ method }) => method === "GET").map(({ target }) => target),
      titles: all.filter(({ method }) => method === "POST").map(({ body }) =>
        JSON.parse(body).title.replace(/^.*?: .*?: /, "")
      ),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hooks[Symbol.asyncDispose]();
    await Deno.remove(this.path, { recursive: true });
  }
}

Deno.test("a snapshot that is gone from its destination raises one alert, and one when that was meant", async () => {
  await using tower = new Watchtower();
  tower.write(`alert = ["${tower.hooks.at("/alert")}"]`);
  await tower.run();
  tower.change();
  tower.now = new Date(tower.now.getTime() + DAY);
  await tower.run();
  equal(tower.lose("20261101"), 2);
  deepEqual(tower.take().titles, []);

  for (const titles of [["the snapshots of src at local failed"], []]) {
    tower.now = new Date(tower.now.getTime() + DAY);
    const { status, snapshots: [snapshot] } = await tower.run();
    deepEqual([status, snapshot!.destinations[0]!.missing?.count], [0, 1]);
    deepEqual(tower.take().titles, titles);
  }
  const pipeline = await tower.load();
  const subjects = () => statusOf(pipeline, tower.now).troubles.map(({ subject }) => subject);
  deepEqual(subjects(), ["store local/src"]);
  // Nobody can tell while it does not answer.
  tower.kill();
  await tower.run();
  deepEqual(tower.take().titles, ["local failed"]);
  tower.revive();

  equal((await verifySnapshots({ pipeline, forgetMissing: true })).status, 0);
  deepEqual(subjects(), ["stage local"]);
  await tower.run();
  deepEqual(tower.take().titles, ["2 things are well again"]);
  deepEqual(subjects(), []);
});

Deno.test("what seems to be lost raises one alert, and one that tells what was accepted from what is back", async () => {
  await using tower = new Watchtower();
  const folder = `${tower.path}/src/projects/-w/memory`;
  await Deno.mkdir(folder, { recursive: true });
  const [a, b, c] = ["a", "b", "c"].map((name) => `${folder}/${name}.md`) as [
    string,
    string,
    string,
  ];
  for (const file of [a, b, c]) await Deno.writeTextFile(file, "green");
  tower.write(`alert = ["${tower.hooks.at("/alert")}"]\nlog = "${tower.path}/log"`);
  const next = async () => {
    tower.now = new Date(tower.now.getTime() + DAY);
    await tower.run();
  };
  await tower.run();
  for (const file of [a, b, c]) await Deno.remove(file);
  await next();
  deepEqual(tower.take().titles, ["3 things failed"]);
  await Deno.writeTextFile(c, "green");
  await next();
  deepEqual(tower.take().titles, ["src/src/projects/-w/memory/c.md (perhaps lost) is well again"]);

  const pipeline = await tower.load();
  equal((await acceptLosses(pipeline, "src")).length, 1);
  deepEqual(statusOf(pipeline, tower.now).troubles, []);
  await next();
  const [alert] = tower.hooks.take();
  match(String(alert!["title"]), /: 2 losses were accepted$/);
  equal(
    alert!["text"],
    "Accepted as gone: src/src/projects/-w/memory/a.md (since 2026-11-02 03:00 UTC)\n" +
      "Accepted as gone: src/src/projects/-w/memory/b.md (since 2026-11-02 03:00 UTC)",
  );
  deepEqual([alert!["event"], alert!["recovered"]], ["recovery", []]);
  deepEqual((alert!["accepted"] as { what: string }[]).map(({ what }) => what), [
    "accepted src/src/projects/-w/memory/a.md",
    "accepted src/src/projects/-w/memory/b.md",
  ]);
  match(tower.read("log/small.log"), / Told of it: .*: 2 losses were accepted$/m);
  await next();
  deepEqual(tower.take().titles, []);

  // What is lost again is news again.
  await Deno.remove(c);
  await next();
  deepEqual(tower.take().titles, ["src/src/projects/-w/memory/c.md (perhaps lost) failed"]);
});

Deno.test("a destination that dies raises one alert, and one when it is back", async () => {
  await using tower = new Watchtower();
  const { hooks } = tower;
  tower.write(`
    alert = ["${hooks.at("/alert-secret-path")}"]
    heartbeat = "${hooks.at("/beat")}"
    log = "log"
    metrics = "small.prom"`);
  equal((await tower.run()).status, 0);
  deepEqual(tower.take(), { beats: ["/beat/start", "/beat"], titles: [] });
  match(tower.read("small.prom"), /^keepsake_last_run_status\{.*\} 0$/m);

  tower.kill();
  tower.now = new Date(tower.now.getTime() + DAY);
  equal((await tower.run()).status, 2);
  deepEqual(tower.take(), { beats: ["/beat/start", "/beat/fail"], titles: ["local failed"] });
  tower.now = new Date(tower.now.getTime() + DAY);
  equal((await tower.run()).status, 2);
  deepEqual(tower.take(), { beats: ["/beat/start", "/beat/fail"], titles: [] });

  const pipeline = await tower.load();
  const status = statusOf(pipeline, tower.now);
  deepEqual(status.troubles.map(({ subject, since }) => [subject, since.toISOString()]), [
    ["stage local", "2026-11-02T03:00:00.000Z"],
  ]);
  deepEqual(tooOld(status, 3 * DAY), []);
  deepEqual(tooOld(status, DAY).map(({ destination }) => destination), ["local"]);
  match(tower.read("small.prom"), /^keepsake_last_run_status\{.*\} 2$/m);

  tower.revive();
  equal((await tower.run()).status, 0);
  deepEqual(tower.take(), {
    beats: ["/beat/start", "/beat"],
    titles: ["local is well again"],
  });
  const log = tower.read("log/small.log");
  match(log, /^2026-11-02T03:00:00\.000Z 2 error local: failed: Cannot /m);
  match(log, /^2026-11-03T03:00:00\.000Z 4 info The run ended well$/m);
  equal(log.includes("alert-secret-path"), false);
});

Deno.test("a run of a part is no heartbeat", async () => {
  await using tower = new Watchtower();
  tower.write(`heartbeat = "${tower.hooks.at("/beat")}"`);
  const { watch, ...pipeline } = await tower.load();
  const { status } = await watchRun(
    { ...pipeline, watch: watch! },
    { ...tower.surroundings, extent: "part" },
    (listener) => runPipeline(pipeline, { listener, only: ["local"] }),
  );
  equal(status, 0);
  deepEqual(tower.take().beats, []);
});

Deno.test("the heartbeat succeeds only while every destination holds what it was given, whole and not in doubt", async () => {
  await using tower = new Watchtower();
  tower.write(`heartbeat = "${tower.hooks.at("/beat")}"`);
  const next = async () => {
    tower.now = new Date(tower.now.getTime() + DAY);
    equal((await tower.run()).status, 0);
    return tower.take().beats.at(-1);
  };
  equal(await next(), "/beat");
  tower.change();
  equal(await next(), "/beat");
  const pipeline = await tower.load();
  equal(tower.lose("20261102"), 2);
  for (let day = 0; day < 2; day++) equal(await next(), "/beat/fail");
  equal((await verifySnapshots({ pipeline, forgetMissing: true })).status, 0);
  equal(await next(), "/beat");

  // A drill of an earlier run, and what nobody has mended since.
  const drilled = (verdict: "failed" | "proven") => {
    const catalog = Catalog.openIfThere(pipeline.state)!;
    catalog.proofs.add("src", `${tower.path}/dst`, tower.now, verdict);
    const subject = "drill local/src";
    if (verdict === "proven") catalog.watch.end(subject);
    else catalog.watch.raise({ subject, message: "It failed", hint: undefined }, tower.now);
    catalog[Symbol.dispose]();
  };
  drilled("failed");
  for (let day = 0; day < 2; day++) equal(await next(), "/beat/fail");
  drilled("proven");
  equal(await next(), "/beat");

  // Found damaged while a run is under way: it has decided by then.
  const { watch, ...rest } = pipeline;
  const report = await watchRun(
    { ...rest, watch: watch! },
    { ...tower.surroundings, extent: "all" },
    async (listener) => {
      const report = await runPipeline(pipeline, { listener, clock: () => tower.now });
      const catalog = Catalog.openIfThere(pipeline.state)!;
      const { newest: name } = catalog.watch.held("src", `${tower.path}/dst`);
      const copy = { id: "src", name: name!, location: `${tower.path}/dst` };
      catalog.addVerification(copy, tower.now, "damaged");
      catalog[Symbol.dispose]();
      return report;
    },
  );
  equal(report.status, 0);
  deepEqual(tower.take().beats, ["/beat/start", "/beat/fail"]);
  equal(await next(), "/beat");
});

Deno.test("an alert that nobody took is news the next time, and fails no backup", async () => {
  await using tower = new Watchtower();
  const { hooks } = tower;
  tower.write(`alert = ["${hooks.at("/one")}", "${hooks.at("/two")}", "env:KEEPSAKE_TEST_NONE"]`);
  equal((await tower.run()).status, 0);
  const warnings = () =>
    tower.events.splice(0).flatMap((event) =>
      event.type === "log" && event.level === "warn" ? [event.message] : []
    );
  deepEqual(warnings(), [
    'Cannot tell anybody at "env:KEEPSAKE_TEST_NONE": nothing stands there. ' +
    "Put the address there, or name another place",
  ]);
  tower.kill();
  hooks.answers = [500];
  equal((await tower.run()).status, 2);
  equal(tower.take().titles.length, 2);
  deepEqual(warnings().filter((text) => text.includes("status 500")).length, 2);
  hooks.answers = [200, 503, 200];
  await tower.run();
  deepEqual(tower.take().titles, ["local failed", "local failed"]);
  await tower.run();
  deepEqual(tower.take().titles, ["local failed"]); // For the one who answered with 503.
  await tower.run();
  deepEqual(tower.take().titles, []);
});

Deno.test("what is in the way of a log or of metrics is told once in words, and fails no backup", async () => {
  await using tower = new Watchtower();
  const { path } = tower;
  await Deno.writeTextFile(`${path}/file`, "");
  await Deno.mkdir(`${path}/directory/small.log`, { recursive: true });
  const warnings = () =>
    tower.events.splice(0).flatMap((event) =>
      event.type === "log" && event.level === "warn" ? [event.message] : []
    );
  const moveAway = (key: string) =>
    `. Move away what is there, or choose another place with ${key} = "…" under [pipeline]`;
  for (
    const [keys, told] of [
      [
        `log = "${path}/file"`,
        `Cannot write the log "${path}/file/small.log": a part of its path is no directory`,
      ],
      [
        `log = "${path}/directory"`,
        `Cannot write the log "${path}/directory/small.log": it is a directory`,
      ],
      [
        `metrics = "${path}/directory"`,
        `Cannot write the metrics "${path}/directory": it is a directory`,
      ],
      [
        `metrics = "${path}/file/metrics"`,
        `Cannot write the metrics "${path}/file/metrics": a part of its path is no directory`,
      ],
    ] as const
  ) {
    tower.write(keys);
    equal((await tower.run()).status, 0);
    deepEqual(warnings(), [told + moveAway(keys.split(" ")[0]!)]);
  }
});

Deno.test("a pipeline file that no longer parses is told to those whom it named last, once", async () => {
  await using tower = new Watchtower();
  const { hooks } = tower;
  const keys = `alert = ["${hooks.at("/alert")}"]\nheartbeat = "${hooks.at("/beat")}"`;
  tower.write(keys);
  await tower.run();
  tower.take();
  const tell = async () => {
    let caught: unknown;
    await rejects(tower.load(), (error) => {
      caught = error;
      return true;
    });
    await tellOfFile(tower.file, caught, tower.surroundings);
  };
  tower.spoil();
  await tell();
  deepEqual(tower.take(), { beats: ["/beat/fail"], titles: ["the pipeline file failed"] });
  await Deno.remove(tower.file);
  await tell();
  deepEqual(tower.take(), { beats: ["/beat/fail"], titles: [] });
  tower.write(keys);
  await tower.run();
  deepEqual(tower.take().titles, ["the pipeline file is well again"]);
  if (Deno.build.os !== "windows") {
    const { mode } = await Deno.stat(`${tower.path}/state/small/watch.json`);
    equal(mode! & 0o777, 0o600);
  }

  // Whoever takes the addresses out of the file has nobody told any more.
  tower.write("");
  await runPipeline(await tower.load());
  tower.spoil();
  await tell();
  deepEqual(tower.take(), { beats: [], titles: [] });
});

Deno.test("a run that ends with an error is told; one that somebody ended, or a dry one, is not", async () => {
  await using tower = new Watchtower();
  const { hooks } = tower;
  tower.write(`alert = ["${hooks.at("/alert")}"]\nheartbeat = "${hooks.at("/beat")}"`);
  const reason = new BackupError("interrupted", "Interrupted");
  await rejects(tower.run(false, AbortSignal.abort(reason)), /Interrupted/);
  equal((await tower.run(true)).status, 0);
  deepEqual(tower.take().titles, []);
  await Deno.rename(`${tower.path}/src`, `${tower.path}/gone`);
  await rejects(tower.run(true));
  deepEqual(tower.take().titles, []);
  for (const titles of [["the run failed"], []]) {
    await rejects(tower.run(), (error) => (error as BackupError).code === "source-missing");
    deepEqual(tower.take(), { beats: ["/beat/start", "/beat/fail"], titles });
  }
  await Deno.rename(`${tower.path}/gone`, `${tower.path}/src`);
  await tower.run();
  deepEqual(tower.take().titles, ["the run is well again"]);
});

Deno.test("a run that ends with a bug is told like any other that ends with an error", async () => {
  await using tower = new Watchtower();
  tower.write(`alert = ["${tower.hooks.at("/alert")}"]\nheartbeat = "${tower.hooks.at("/beat")}"`);
  const { watch, ...pipeline } = await tower.load();
  const options = { ...tower.surroundings, extent: "all" } as const;
  const work = () => Promise.reject(new TypeError("x is not a function"));
  await rejects(watchRun({ ...pipeline, watch: watch! }, options, work), TypeError);
  deepEqual(tower.take(), { beats: ["/beat/fail"], titles: ["the run failed"] });
});

Deno.test("what fails still is told without secrets, too, and with what is to be typed", async () => {
  await using tower = new Watchtower();
  const { hooks } = tower;
  tower.write(`alert = ["http://me:hook-password@${hooks.host}/alert"]`);
  await tower.run();
  const { watch, ...pipeline } = await tower.load();
  const options = {
    ...tower.surroundings,
    extent: "all",
    nextCommands: (text: string) => text.replace("keepsake log", "keepsake log -c x"),
  } as const;
  const error = new BackupError("stage-failed", "hook-password", { hint: "See keepsake log" });
  await rejects(watchRun({ ...pipeline, watch: watch! }, options, () => Promise.reject(error)));
  hooks.take();
  await tellOfFile(tower.file, new BackupError("pipeline-invalid", "No"), options);
  const [told] = hooks.take()[0]!["still_failing"] as Record<string, unknown>[];
  deepEqual({ message: told!["message"], hint: told!["hint"] }, {
    message: "(hidden)",
    hint: "See keepsake log -c x",
  });
});

Deno.test("runs that were cut off are told as the next one begins, and over once a run comes to its end", async () => {
  await using tower = new Watchtower();
  tower.write(`
    alert = ["${tower.hooks.at("/alert")}"]
    metrics = "small.prom"`);
  const pipeline = await tower.load();
  /** What a run leaves behind that is killed at once. */
  const cut = (dryRun = false) => {
    tower.now = new Date(tower.now.getTime() + DAY);
    const catalog = Catalog.openIfThere(pipeline.state)!;
    catalog.runs.begin(tower.now, dryRun);
    catalog[Symbol.dispose]();
  };
  const next = (dryRun = false) => {
    tower.now = new Date(tower.now.getTime() + DAY);
    return tower.run(dryRun);
  };
  const endings = () => statusOf(pipeline, tower.now).troubles.map(({ message }) => message);
  await next();
  cut(true);
  cut(true);
  await next();
  deepEqual(tower.take().titles, []);

  // A dry run tells nobody, and is none that ended.
  cut();
  await next(true);
  deepEqual([tower.take().titles, endings()], [[], []]);
  // One that somebody ends tells of those before it, and is none of them.
  const reason = new BackupError("interrupted", "Interrupted");
  const stopped = new AbortController();
  const said: string[] = [];
  const listener = (event: Event) => {
    if (event.type === "log") said.push(event.message);
    if (event.type === "stage-started") stopped.abort(reason);
  };
  const options = { listener, clock: () => tower.now, signal: stopped.signal };
  await rejects(runPipeline(pipeline, options), /Interrupted/);
  match(said.join("\n"), /^The last run was cut off: .* Look in the system's log/m);
  deepEqual(endings(), ["The last run was cut off: it began and told of no end"]);

  cut();
  cut();
  const titles: string[] = [];
  let metrics = "";
  await Deno.remove(`${tower.path}/small.prom`);
  const { watch, ...rest } = pipeline;
  await watchRun(
    { ...rest, watch: watch! },
    { ...tower.surroundings, extent: "all" },
    async (listener) => {
      const report = await runPipeline(pipeline, { listener, clock: () => tower.now });
      const late = performance.now() + 60_000; // A machine may be busy.
      while (metrics === "" && performance.now() < late) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        titles.push(...tower.take().titles);
        metrics = await Deno.readTextFile(`${tower.path}/small.prom`).catch(() => "");
      }
      return report;
    },
  );
  deepEqual([...titles, ...tower.take().titles], [
    "the end of the run failed",
    "the end of the run is well again",
  ]);
  match(metrics, /^keepsake_troubles\{.*\} 1$/m);
  deepEqual(endings(), []);
  await next();
  deepEqual(tower.take().titles, []);
});

Deno.test("runs that are cut off end no pause, and status tells of them whatever came before", async () => {
  await using tower = new Watchtower();
  tower.write("");
  const pipeline = await tower.load();
  const run = (signal?: AbortSignal) => runPipeline(pipeline, { clock: () => tower.now, signal });
  const later = (days: number) => tower.now = new Date(tower.now.getTime() + days * DAY);
  for (let day = 0; day < 3; day++, later(1)) await run();
  const last = new Date(tower.now.getTime() - DAY);
  for (let night = 0; night < 9; night++, later(1)) {
    const catalog = Catalog.openIfThere(pipeline.state)!;
    catalog.runs.begin(tower.now);
    catalog[Symbol.dispose]();
  }
  deepEqual(statusOf(pipeline, tower.now).pause, last);
  await Deno.rename(`${tower.path}/src`, `${tower.path}/gone`);
  await rejects(run(), (error) => (error as BackupError).code === "source-missing");
  // It came to an end, if to no good one.
  deepEqual(statusOf(pipeline, tower.now).troubles, []);
  await Deno.rename(`${tower.path}/gone`, `${tower.path}/src`);
  later(1);
  equal((await run()).pause, undefined);
});

Deno.test("a machine that was off for a week says so, once, even if nobody hears at first", async () => {
  await using tower = new Watchtower();
  tower.write(`alert = ["${tower.hooks.at("/alert")}"]`);
  for (let day = 0; day < 3; day++) {
    await tower.run();
    tower.now = new Date(tower.now.getTime() + DAY);
  }
  tower.now = new Date(tower.now.getTime() + 8 * DAY);
  equal(statusOf(await tower.load(), tower.now).pause?.toISOString(), "2026-11-03T03:00:00.000Z");
  tower.hooks.answers = [500];
  tower.events.length = 0;
  equal((await tower.run()).status, 0);
  const said = tower.events.flatMap((event) => event.type === "log" ? [event.message] : []);
  equal(said.includes("No run came to an end for 9 days, until now"), true);
  tower.take();
  tower.hooks.answers = [200];
  await tower.run();
  const [alert] = tower.hooks.take();
  match(
    String(alert?.["text"]),
    /^No run came to an end for 9 days, until now \(since 2026-11-03 03:00 UTC\)/,
  );
  await tower.run();
  deepEqual(tower.take().titles, []);
});
