/** What Deno makes of disks, names and times. Findings C10, C13 and C14. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Folder, works } from "./probe.ts";

const onWindows = Deno.build.os === "windows";
const mounts = await works("unshare", "-rm", "true");

async function shell(script: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", script, ...args],
    stderr: "inherit",
  }).output();
  return new TextDecoder().decode(stdout);
}

for (const write of ["writeSync", "write"] as const) {
  Deno.test({
    name: `FsFile.${write}() to a disk that gets full takes a part and tells no error (C10)` +
      (mounts ? "" : " (ignored: no mount of its own is allowed here)"),
    ignore: !mounts,
    async fn() {
      using folder = new Folder();
      const code = `
        const file = Deno.openSync("${folder.path}/file", { write: true, create: true });
        console.log(await file.${write}(new Uint8Array(2 ** 22)));
        try {
          await file.${write}(new Uint8Array(2 ** 22));
        } catch (error) {
          console.log(error.name, error.code);
        }
      `;
      const script = 'mount -t tmpfs -o size=2m none "$1" && exec "$0" run -A --quiet "$2"';
      const url = `data:text/javascript,${encodeURIComponent(code)}`;
      const stdout = await shell(
        `exec unshare -rm sh -c '${script}' "$0" "$@"`,
        Deno.execPath(),
        folder.path,
        url,
      );
      assert.equal(stdout, "2097152\nError ENOSPC\n");
    },
  });
}

Deno.test({
  name: "a name that is not UTF-8 is listed as another and cannot be opened (C13)",
  ignore: onWindows || Deno.build.os === "darwin",
  async fn() {
    using folder = new Folder();
    await shell(
      `cd "$0" && touch "$(printf 'bad\\377\\376name')" "$(printf 'bad\\377\\375name')"`,
      folder.path,
    );
    const names = await Array.fromAsync(Deno.readDir(folder.path), ({ name }) => name);
    assert.deepEqual(names, ["bad\uFFFD\uFFFDname", "bad\uFFFD\uFFFDname"]);
    await assert.rejects(Deno.open(join(folder.path, names[0]!)), Deno.errors.NotFound);
  },
});

Deno.test({
  name: "a lone surrogate in a name is replaced without a word (C13)",
  ignore: onWindows,
  async fn() {
    using folder = new Folder();
    await Deno.writeTextFile(join(folder.path, "half\uD800"), "");
    const names = await Array.fromAsync(Deno.readDir(folder.path), ({ name }) => name);
    assert.deepEqual(names, ["half\uFFFD"]);
  },
});

Deno.test({
  name: "mtime is known to the millisecond, ctime to the second (C14)",
  ignore: onWindows,
  async fn() {
    using folder = new Folder();
    const path = join(folder.path, "file");
    for (const fraction of [0.123456, 0.234567, 0.987654]) {
      await Deno.writeTextFile(path, String(fraction));
      await Deno.utime(path, 2 + fraction, 2 + fraction);
      const { mtime, ctime } = await Deno.lstat(path);
      assert.equal(mtime?.getTime(), 2000 + Math.floor(fraction * 1000));
      assert.equal(ctime?.getMilliseconds(), 0);
    }
  },
});

Deno.test({
  name: "two states of a file within one second can look the same (C14)",
  ignore: onWindows,
  async fn() {
    using folder = new Folder();
    const path = join(folder.path, "file");
    const look = async (content: string) => {
      await Deno.writeTextFile(path, content);
      await Deno.utime(path, 1, 1);
      const { size, mtime, ctime, ino } = await Deno.lstat(path);
      return JSON.stringify({ size, mtime, ctime, ino });
    };
    // The clock may go over to the next second between the two.
    const looks = [await look("one"), await look("two"), await look("six")];
    assert.ok(new Set(looks).size < looks.length);
  },
});
