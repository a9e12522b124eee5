import { deepEqual, equal, match } from "node:assert/strict";
import { constants } from "node:os";
import { StageError, systemCode, systemFault, toRecord } from "../../stages/errors.ts";

Deno.test("a refusal of the system has its name, also where the runtime knows only its number", () => {
  const known = constants.errno as Readonly<Record<string, number>>;
  for (const code of ["EDQUOT", "EFBIG", "EILSEQ", "ENODEV", "ENXIO", "ENFILE", "ESTALE"]) {
    equal(systemCode(new Error(`Whatever (os error ${known[code]}): open '/x'`)), code);
  }
  equal(systemCode(Object.assign(new Error(), { code: "ENOSPC" })), "ENOSPC");
  equal(systemCode(new Error("Who knows (os error 9999)")), "error 9999");
});

Deno.test("what the system did not refuse has no name of the system's", () => {
  equal(systemCode(new Error("(os error x)")), undefined);
  equal(systemCode(Object.assign(new Error(), { code: "ERR_SQLITE_ERROR" })), undefined);
  equal(systemCode(new StageError("stage-failed", "Said before (os error 28)")), undefined);
  equal(systemCode(new Deno.errors.NotCapable("Requires read access")), undefined);
  equal(systemCode("ENOENT"), undefined);
});

Deno.test("a code means what is said of the place where it is met", () => {
  const error = Object.assign(new Error(), { code: "ENOENT" });
  equal(systemFault(error)?.kind, "other");
  const { kind, state } = systemFault(error, { ENOENT: "nothing is there" })!;
  deepEqual([kind, state], ["refused", "nothing is there"]);
});

Deno.test("what a machine or a disk refused is no bug, wherever it is met", () => {
  const quota = toRecord(new Error(`Disk quota exceeded (os error ${constants.errno.EDQUOT})`));
  equal(quota.code, "storage-full");
  equal(quota.message, "Cannot go on: the quota there is used up");
  const files = toRecord(
    new Error(`Too many open files in system (os error ${constants.errno.ENFILE}): open '/a/b'`),
  );
  equal(files.code, "stage-failed");
  equal(files.message, 'Cannot use "/a/b": too many files are open on this machine');
  match(files.causes[0]!, /^Too many open files in system/);
  equal(toRecord(Object.assign(new Error("no"), { code: "EBADF" })).code, "bug");
});
