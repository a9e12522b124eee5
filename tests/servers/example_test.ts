/**
 * The example pipeline as a new user would take it: its three destinations switched on, their real
 * addresses filled in, everything else as it stands there.
 */
import assert from "node:assert/strict";
import { contentsOf } from "../faults/harness.ts";
import { startSshGit } from "./git.ts";
import { startS3 } from "./s3.ts";
import { type Addresses, PLACES, Site, unlessThreePlaces } from "./three_places.ts";

const EXAMPLE = await Deno.readTextFile(new URL("../../pipeline.example.toml", import.meta.url));

Deno.test({
  name:
    `the example with all three destinations backs up, tells of an outage, catches up, and each gives the same back${unlessThreePlaces}`,
  ignore: unlessThreePlaces !== "",
  async fn() {
    await using server = await startS3();
    await using gitServer = await startSshGit();
    const outages = { git: gitServer, s3: server };
    await using site = await Site.make(server, gitServer, fromExample);
    const { home } = site;
    for (const status of ["ok", "unchanged", "unchanged"]) await assertRun(status);
    assert.equal(site.commits(), 1);
    assert.equal((await site.objects()).length, 2, "an archive and its manifest");

    for (const [lost, stopped] of Object.entries(outages)) {
      await home.write(`.claude/projects/-tmp-a/${lost}.jsonl`, LINE);
      await stopped.pause();
      const failed = await site.run();
      assert.equal(failed.status, 2, failed.stderr);
      for (const place of PLACES) {
        assert.equal(site.statusAt(failed, place), place === lost ? "failed" : "ok", place);
      }
      await stopped.resume();
      const caught = await site.run();
      assert.equal(caught.status, 0, caught.stderr);
      for (const place of PLACES) {
        assert.equal(site.statusAt(caught, place), place === lost ? "ok" : "unchanged", place);
      }
    }
    assert.equal(site.commits(), 3);
    assert.equal((await site.objects()).length, 6);

    const sources = [".claude", ".local/share/keepsake/digests"];
    const trees: string[][] = [];
    for (const place of PLACES) {
      const restored = await site.assertRestores("claude", sources, ["--from", place], place);
      trees.push(contentsOf(restored));
    }
    assert.deepEqual(trees[1], trees[0]);
    assert.deepEqual(trees[2], trees[0]);
    for (const { stdout, stderr } of site.outcomes) {
      assert.ok(!`${stdout}${stderr}`.includes(server.keys.secretAccessKey));
    }

    async function assertRun(status: string): Promise<void> {
      const report = await site.run();
      assert.equal(report.status, 0, report.stderr);
      for (const place of PLACES) assert.equal(site.statusAt(report, place), status, place);
    }
  },
});

const LINE = '{"type":"user","message":{"role":"user","content":"hello"}}\n';

/** The example's text, with the two destinations that are commented out there. */
function fromExample({ git, bucket, endpoint }: Addresses): string {
  const [before, ...sections] = EXAMPLE.split(/(?=^(?:# )?\[\[stage\]\]$)/m);
  const stages = sections.map((section) => {
    if (/^# use = "s3"$/m.test(section)) return switchedOn(section, { bucket, endpoint });
    return /^# use = "git"$/m.test(section) ? switchedOn(section, git) : section;
  });
  assert.equal(stages.filter((stage, index) => stage !== sections[index]).length, 2);
  return [before, ...stages].join("");
}

/** A stage with the mark of a comment taken from its first lines, and from keys that get values. */
function switchedOn(section: string, values: Readonly<Record<string, string>>): string {
  const plain = section.replace(/^# (\[\[stage\]\]\n)# (use = )/m, "$1$2");
  return Object.entries(values).reduce((text, [key, value]) => {
    const line = new RegExp(`^# ${key} = .*$`, "m");
    assert.match(text, line);
    return text.replace(line, () => `${key} = ${JSON.stringify(value)}`);
  }, plain);
}
