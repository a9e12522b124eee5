/** What the library offers: what is taken out of it breaks programs of others. */
import assert from "node:assert/strict";
import * as library from "../../pipeline/mod.ts";

Deno.test("the library offers what stands here, and no more", () => {
  const offered = [
    ...["findPipelineFile", "loadPipeline"],
    ...["forecast", "planOf", "statusOf", "endingOf", "lastAttempt", "lastReport"],
    ...["runPipeline", "tellOfFile", "watchRun"],
    ...["listSnapshots", "readSnapshot", "restoreSnapshot", "verifySnapshots", "drillPipeline"],
    ...["prunePipeline", "acceptLosses", "openSuspicions"],
    ...["rekeyPipeline", "lookAtKeys", "proveKeys"],
    ...["BackupError", "PipelineError"],
  ];
  assert.deepEqual(Object.keys(library).toSorted(), offered.toSorted());
});
