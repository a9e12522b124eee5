import { equal } from "node:assert/strict";
import { isManifest } from "../../../stages/formats/stored_names.ts";

const NAME = "claude/20260102T030405Z-0123456789ab";

Deno.test("a manifest is told by its name, whatever was done to it", () => {
  for (const ending of [".json", ".json.zst", ".json.gz", ".json.age", ".json.zst.age"]) {
    equal(isManifest(NAME + ending), true, ending);
  }
  for (const ending of ["", ".tar", ".tar.zst.age", ".tar.json", ".jsonl", ".json.part-0001"]) {
    equal(isManifest(NAME + ending), false, ending);
  }
  for (const key of ["claude/notes.json", `files/${NAME}.json`, "package.json"]) {
    equal(isManifest(key), false, key);
  }
});
