import { equal, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import { flush, flushDirectory, lstatIfThere } from "../../../stages/formats/durable.ts";

function fails(code: string) {
  return { sync: () => Promise.reject(Object.assign(new Error(code), { code })) } as Deno.FsFile;
}

Deno.test("a flush passes over what a share does not know, and nothing else", async () => {
  for (const code of ["EINVAL", "ENOTSUP", "EOPNOTSUPP"]) await flush(fails(code));
  for (const code of ["EIO", "ENOSPC", "EROFS"]) await rejects(flush(fails(code)), { code });
});

Deno.test("a directory that is gone needs no flush, and what is wrong with one is said", async () => {
  const path = await Deno.makeTempDir();
  try {
    await flushDirectory(path);
    await flushDirectory(join(path, "gone"));
    if (Deno.build.os === "windows") return;
    await rejects(flushDirectory(path, () => flush(fails("EIO"))), { code: "EIO" });
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("lstatIfThere knows nothing from what cannot be looked at", () => {
  equal(lstatIfThere(import.meta.filename!)?.isFile, true);
  equal(lstatIfThere(`${import.meta.filename}.gone`), undefined);
  throws(() => lstatIfThere(`${import.meta.filename}\0`));
});
