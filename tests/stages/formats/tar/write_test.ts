import assert from "node:assert/strict";
import fc from "fast-check";
import { TarReader } from "../../../../stages/formats/tar/read.ts";
import type { TarMember } from "../../../../stages/formats/tar/read_header.ts";
import {
  END_SIZE,
  paddingOf,
  type TarFields,
  tarHeader,
} from "../../../../stages/formats/tar/write.ts";
import { has, output, SourceTree } from "../snapshot/source_tree.ts";

const decoder = new TextDecoder();
const GIB = 2 ** 30;

Deno.test("a header that ustar can hold is one block, with nothing of the machine in it", () => {
  const block = tarHeader({ path: ".claude/a", kind: "file", mode: 0o100644, size: 1234 });
  const text = decoder.decode(block).replaceAll("\0", "·").replace(/·+$/, "");
  assert.equal(block.length, 512);
  assert.equal(
    text.replace(/^\.claude\/a·+/, ""),
    [
      "0000644·", // mode
      "0000000·", // uid
      "0000000·", // gid
      "00000002322·", // size
      "00000000000·", // mtime
      `${checksumOf(block)}· `,
      "0", // type
      "·".repeat(100), // link
      "ustar·00",
    ].join(""),
  );
});

Deno.test("a header splits a name where it can, and else says it in a pax record", () => {
  const blocks = (path: string, kind: TarFields["kind"] = "file") =>
    tarHeader({ path, kind, mode: 0o644 }).length / 512;
  const name = (length: number) => "n".repeat(length);
  assert.equal(blocks(name(100)), 1);
  assert.equal(blocks(name(101)), 3);
  assert.equal(blocks(`${name(155)}/${name(100)}`), 1);
  assert.equal(blocks(`${name(156)}/${name(99)}`), 3);
  assert.equal(blocks(`${name(155)}/${name(101)}`), 3);
  assert.equal(blocks(name(99), "directory"), 1);
  assert.equal(blocks(name(100), "directory"), 3);
  assert.equal(blocks(`${name(100)}/${name(99)}`, "directory"), 1);
  assert.equal(blocks(`${name(100)}/${name(100)}`, "directory"), 3);
  assert.equal(blocks("é"), 3);
  assert.equal(blocks(name(4000)), 2 + Math.ceil(4000 / 512));
});

Deno.test("a header says a name in pax that libarchive would not change, and no other if it can", () => {
  const blocks = (name: string) => [
    tarHeader({ path: name, kind: "directory", mode: 0o755 }).length / 512,
    tarHeader({ path: "l", kind: "symlink", mode: 0o777, link: name }).length / 512,
  ];
  assert.deepEqual(blocks("\u00e9"), [3, 3]);
  assert.deepEqual(blocks("e\u0301"), [1, 1]);
  assert.deepEqual(blocks("e\u0301".repeat(40)), [3, 3]);
});

Deno.test("a header comes back from keepsake's own reader as it went in", () => {
  const path = fc.array(
    fc.oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 80 }),
      fc.constantFrom("a".repeat(99), "b".repeat(100), "c".repeat(255), "é".repeat(127)),
    ).map((name) => name.replaceAll(/[/\0]/g, "_")),
    { minLength: 1, maxLength: 20 },
  ).map((names) => names.join("/")).filter((path) => !path.endsWith("/"));
  const mode = fc.nat({ max: 0o7777 });
  const size = fc.oneof(fc.nat({ max: 3 * 512 }), fc.constantFrom(8 * GIB - 1, 8 * GIB, 2 ** 50));
  const fields: fc.Arbitrary<TarFields> = fc.oneof(
    fc.record({ path, mode, kind: fc.constant("directory" as const) }),
    fc.record({ path, mode, kind: fc.constant("file" as const), size }),
    fc.record({ path, mode, kind: fc.constantFrom("symlink", "hardlink"), link: path }),
  );
  fc.assert(fc.property(fields, (fields) => {
    const [member] = membersOf(tarHeader(fields));
    assert.deepEqual(member, { size: 0, link: "", ...fields });
  }));
});

Deno.test("a header that is cut for old readers keeps whole characters and its kind", () => {
  const name = (path: string) => {
    const block = tarHeader({ path, kind: "file", mode: 0o644 }).subarray(-512);
    return new TextDecoder("utf-8", { fatal: true }).decode(block.subarray(0, 100))
      .replace(/\0+$/, "");
  };
  assert.equal(name("x" + "é".repeat(100)), "x" + "é".repeat(49));
  // With a slash at its end it would be taken for a directory.
  assert.equal(name("d".repeat(99) + "/" + "n".repeat(200)), "d".repeat(99));
});

Deno.test("padding fills the last block", () => {
  assert.deepEqual([0, 1, 511, 512, 513, 8 * GIB + 1].map(paddingOf), [0, 511, 1, 0, 511, 511]);
});

const READERS: readonly (readonly [string, (path: string) => Promise<readonly string[]>])[] = [
  ["tar", async (path) => {
    const lines = decoder.decode(await output("tar", ["--numeric-owner", "-tvf", path]));
    return lines.trim().split("\n").map((line) => line.split(/ +/).toSpliced(1, 1).join(" "));
  }],
  ["bsdtar", async (path) => {
    const lines = decoder.decode(await output("bsdtar", ["--numeric-owner", "-tvf", path]));
    return lines.trim().split("\n").map((line) =>
      line.split(/ +/).toSpliced(1, 3).toSpliced(2, 3, "1970-01-01", "00:00").join(" ")
    );
  }],
  ["python3", async (path) => {
    const script = `import sys, tarfile
for m in tarfile.open(sys.argv[1]):
    mode = "-" if m.isreg() else "d"
    print(mode + "rw-r--r--", m.size, "1970-01-01 00:00", m.name)`;
    return decoder.decode(await output("python3", ["-c", script, path])).trim().split("\n");
  }],
];

for (const [command, list] of READERS) {
  const isThere = await has(command);
  Deno.test({
    name: `${command} finds what stands behind a file of 9 GiB${isThere ? "" : " (not installed)"}`,
    ignore: !isThere,
    async fn() {
      using tree = new SourceTree();
      const path = tree.at("big.tar");
      const size = 9 * GIB + 5;
      {
        using file = await Deno.open(path, { write: true, createNew: true });
        await file.write(tarHeader({ path: "big", kind: "file", mode: 0o644, size }));
        // A hole: nothing of it is on disk.
        await file.seek(size + paddingOf(size), Deno.SeekMode.Current);
        await file.write(tarHeader({ path: "small", kind: "file", mode: 0o644 }));
        await file.write(new Uint8Array(END_SIZE));
      }
      assert.deepEqual(await list(path), [
        `-rw-r--r-- ${size} 1970-01-01 00:00 big`,
        "-rw-r--r-- 0 1970-01-01 00:00 small",
      ]);
    },
  });
}

/** What keepsake's reader makes of a header that nothing stands behind. */
function membersOf(header: Uint8Array): TarMember[] {
  const members: TarMember[] = [];
  const reader = new TarReader({
    begin: (member) => members.push(member),
    data: () => {},
    end: () => {},
  });
  reader.push(header);
  return members;
}

function checksumOf(block: Uint8Array): string {
  const sum = Array.from(block).toSpliced(148, 8).reduce((sum, byte) => sum + byte, 8 * 0x20);
  return sum.toString(8).padStart(6, "0");
}
