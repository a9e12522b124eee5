import { deepEqual, equal, match, throws } from "node:assert/strict";
import { join } from "node:path";
import { type Status, tooOld } from "../../../pipeline/status.ts";
import { renderMetrics, writeMetrics } from "../../../pipeline/watch/metrics.ts";

const NOW = new Date("2026-11-21T03:00:00Z");
const PLACE = {
  ...{ destination: 'a"b\\c\nd', location: "/b", snapshot: "claude", count: 3, bytes: 1e12 },
  placeBytes: undefined,
  missing: 0,
  ...{ newest: NOW, confirmed: NOW, proven: undefined, drillFailed: undefined, damaged: undefined },
};
const STATUS: Status = {
  ...{
    pipeline: "p",
    file: "/p.toml",
    now: NOW,
    open: undefined,
    pause: undefined,
    suspicions: [],
    troubles: [],
    endangered: [],
    unseen: [],
  },
  last: { run: 1, started: NOW, finished: new Date(NOW.getTime() + 1500), status: 2 },
  places: [PLACE],
};

Deno.test("metrics are lines that Prometheus reads: help and type first, labels escaped, nothing unknown", () => {
  const text = renderMetrics(STATUS);
  equal(text.endsWith("\n"), true);
  let family = "";
  for (const line of text.trimEnd().split("\n")) {
    const [, help, type] = /^# HELP (\w+) \S|^# TYPE (\w+) gauge$/.exec(line) ?? [];
    family = help ?? family;
    if (line.startsWith("#")) equal(help ?? type, family);
    else match(line, new RegExp(`^${family}\\{(\\w+="([^"\\\\]|\\\\["\\\\n])*",?)+\\} [0-9.e+]+$`));
  }
  match(text, /^keepsake_last_run_status\{pipeline="p"\} 2$/m);
  match(text, /^keepsake_last_run_duration_seconds\{pipeline="p"\} 1\.5$/m);
  match(text, /^keepsake_stored_bytes\{.*destination="a\\"b\\\\c\\nd"\} 1000000000000$/m);
  equal(text.includes("proven"), false);
  equal(renderMetrics({ ...STATUS, last: undefined, places: [] }).includes("last_run"), false);
});

Deno.test("the file is replaced in one step, for others to read, and leaves nothing beside it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "keepsake-" });
  try {
    const path = join(folder, "new", "keepsake.prom");
    writeMetrics(path, "a 1\n");
    writeMetrics(path, "a 2\n");
    equal(await Deno.readTextFile(path), "a 2\n");
    if (Deno.build.os !== "windows") equal((await Deno.stat(path)).mode! & 0o777, 0o644);
    await Deno.mkdir(join(folder, "directory"));
    throws(() => writeMetrics(join(folder, "directory"), "a 3\n"));
    const left = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    deepEqual(left.toSorted(), ["directory", "new"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("too old is what was never confirmed, not for so long, or only by a clock that was wrong", () => {
  const hour = 3_600_000;
  const at = (confirmed: Date | undefined) =>
    tooOld({ ...STATUS, places: [{ ...PLACE, confirmed }] }, 36 * hour).length === 1;
  equal(at(undefined), true);
  equal(at(new Date(NOW.getTime() - 36 * hour)), false);
  equal(at(new Date(NOW.getTime() - 36 * hour - 1)), true);
  equal(at(new Date(NOW.getTime() + 365 * 24 * hour)), true);
});
