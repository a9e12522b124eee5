import { deepEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { TarReader } from "../../../../stages/formats/tar/read.ts";
import { TarError, type TarMember } from "../../../../stages/formats/tar/read_header.ts";
import { paddingOf, tarHeader } from "../../../../stages/formats/tar/write.ts";
import { bytesOf, concat, END, type Member, octal, paxRecord, sha256, tarOf } from "./tar_bytes.ts";

interface Read extends TarMember {
  readonly sha256: string;
}

/** Everything that stands in an archive. */
function read(archive: Uint8Array, length = archive.length): Read[] {
  const members: Read[] = [];
  let member: TarMember | undefined;
  let content: Uint8Array[] = [];
  const reader = new TarReader({
    begin(next) {
      assertEquals(member, undefined);
      member = next;
      content = [];
    },
    data: (bytes) => void content.push(bytes.slice()),
    end() {
      members.push({ ...member!, sha256: sha256(concat(...content)) });
      member = undefined;
    },
  });
  for (let at = 0; at < archive.length; at += length) {
    const piece = archive.slice(at, at + length);
    reader.push(piece);
    piece.fill(0xee);
  }
  reader.finish();
  return members;
}

const SAMPLE: readonly Member[] = [
  { path: "x", type: "5", mode: 0o700 },
  { path: "x/empty" },
  { path: "x/one block", content: "b".repeat(512) },
  { path: "x/zeros", content: new Uint8Array(3000), mode: 0o4755 },
  { path: `x/${"long/".repeat(60)}name`, content: "deep" },
  { path: "x/link", type: "2", link: `\ufeff${"t".repeat(300)}` },
  { path: "x/second", type: "1", link: "x/one block" },
  { path: "x/\ufeffmark \u{1f4be} \n", content: "text" },
];

Deno.test("TarReader reads the same members whatever the length of the pieces", () => {
  const archive = tarOf(SAMPLE);
  const whole = read(archive);
  assertEquals(
    whole.map(({ path, kind, mode, size, link }) => [path, kind, mode, size, link]),
    [
      ["x", "directory", 0o700, 0, ""],
      ["x/empty", "file", 0o644, 0, ""],
      ["x/one block", "file", 0o644, 512, ""],
      ["x/zeros", "file", 0o4755, 3000, ""],
      [`x/${"long/".repeat(60)}name`, "file", 0o644, 4, ""],
      ["x/link", "symlink", 0o777, 0, `\ufeff${"t".repeat(300)}`],
      ["x/second", "hardlink", 0o644, 0, "x/one block"],
      ["x/\ufeffmark \u{1f4be} \n", "file", 0o644, 4, ""],
    ],
  );
  for (const length of [1, 7, 511, 512, 513, 1023, 1025, 4096]) {
    assertEquals(read(archive, length), whole);
  }
});

Deno.test("TarReader takes all of a 100-byte name and joins it to the prefix", () => {
  const [name, prefix] = ["n".repeat(100), "p".repeat(155)];
  const members = read(tarOf([{ path: name, fields: { 345: prefix } }]));
  assertEquals(members.map(({ path }) => path), [`${prefix}/${name}`]);
});

Deno.test("TarReader believes a pax size where the header's field cannot hold it", () => {
  const size = 9 * 2 ** 30 + 1;
  for (const placeholder of ["00000000000\0", "77777777777\0"]) {
    const member = { path: "big", pax: { size: String(size) }, fields: { 124: placeholder } };
    let bytes = 0;
    const found: number[] = [];
    const reader = new TarReader({
      begin: (member) => void found.push(member.size),
      data: (piece) => void (bytes += piece.length),
      end: () => void found.push(bytes),
    });
    reader.push(tarOf([member], new Uint8Array()));
    const zeros = new Uint8Array(2 ** 26);
    const padded = Math.ceil(size / 512) * 512 + END.length;
    for (let left = padded; left > 0; left -= zeros.length) {
      reader.push(left < zeros.length ? zeros.subarray(0, left) : zeros);
    }
    reader.finish();
    assertEquals(found, [size, size]);
  }
});

Deno.test("TarReader refuses an archive that is cut short at any byte", () => {
  const archive = tarOf(SAMPLE);
  for (let length = 0; length < archive.length; length++) {
    assertThrows(() => read(archive.subarray(0, length)), TarError, `cut at ${length}`);
  }
});

Deno.test("TarReader refuses every size that is not a plain number of bytes", () => {
  const base256 = (first: number, last: number) => {
    const field = new Uint8Array(12);
    field[0] = first;
    field[11] = last;
    return field;
  };
  const fields = [
    "-0000000001\0",
    "+0000000001\0",
    " 0000000001\0",
    "0000000001 x",
    "0x000000001\0",
    "00000000008\0",
    "\0".repeat(12),
    " ".repeat(12),
    base256(0x80, 1),
    new Uint8Array(12).fill(0xff),
  ];
  for (const field of fields) {
    assertThrows(() => read(tarOf([{ path: "x", fields: { 124: field } }])), TarError);
  }
});

Deno.test("TarReader refuses a pax header that is not made of whole records", () => {
  const bodies = [
    "\n",
    "9 path=x",
    "9 path=x\n\0",
    "8 path=x\n",
    "11 path=x\n",
    "010 path=x\n",
    "0 path=x\n",
    "-9 path=x\n",
    "9path=xx\n",
    "path=x\n",
    "8 pathx\n",
    "99999999999999999999 path=x\n",
    "9 path=x\n8 path=x\n",
  ];
  assertEquals(read(tarOf([{ path: "x", paxBody: "9 path=y\n" }]))[0]!.path, "y");
  for (const paxBody of bodies) {
    const archive = tarOf([{ path: "x", paxBody }]);
    assertThrows(() => read(archive), /^TarError: its pax header is malformed$/, paxBody);
  }
});

Deno.test("TarReader refuses a pax record that keepsake does not write", () => {
  const records: readonly [key: string, value: string, says: RegExp][] = [
    ["path", "", /malformed "path"/],
    ["path", "x\0y", /malformed "path"/],
    ["linkpath", "\0", /malformed "linkpath"/],
    ["size", "", /size is not a number/],
    ["size", "-1", /size is not a number/],
    ["size", "1e3", /size is not a number/],
    ["size", "0x10", /size is not a number/],
    ["size", "010", /size is not a number/],
    ["size", " 5", /size is not a number/],
    ["size", "9007199254740993", /size is not a number/],
    ["size", "99999999999999999999", /size is not a number/],
    ["", "x", /holds ""/],
    ["PATH", "x", /holds "PATH"/],
    ["comment", "anything", /holds "comment"/],
    ["hdrcharset", "BINARY", /holds "hdrcharset"/],
    ["mtime", "1700000000.5", /holds "mtime"/],
    ["GNU.sparse.major", "1", /holds "GNU.sparse.major"/],
    ["SCHILY.xattr.user.x", "data", /holds "SCHILY.xattr.user.x"/],
    ["__proto__", "x", /holds "__proto__"/],
  ];
  for (const [key, value, says] of records) {
    const paxBody = paxRecord(key, value);
    assertThrows(() => read(tarOf([{ path: "x", paxBody }])), says);
  }
  const twice = concat(paxRecord("path", "x"), paxRecord("path", "x"));
  assertThrows(() => read(tarOf([{ path: "x", paxBody: twice }])), /"path" twice/);
  for (const name of ["11 path=\xc0\xaf\n", "12 path=\xed\xa0\x80\n"]) {
    const paxBody = bytesOf(name, true);
    assertThrows(() => read(tarOf([{ path: "x", paxBody }])), /not UTF-8/);
  }
});

Deno.test("TarReader refuses a pax header over a mebibyte before it takes memory for it", () => {
  for (const size of [2 ** 20 + 1, 2 ** 33 - 1]) {
    const fields = { 124: octal(size, 12), 156: "x" };
    assertThrows(() => read(tarOf([{ path: "x", fields }])), /pax header has \d+ bytes/);
  }
});

Deno.test("TarReader reads what tarHeader writes, whatever the names", () => {
  const name = fc.string({ unit: "binary", minLength: 1, maxLength: 85 }).filter((name) =>
    !/[/\0]|^\.{1,2}$/.test(name) && name.isWellFormed()
  );
  const path = fc.array(name, { minLength: 1, maxLength: 6 }).map((names) => names.join("/"));
  const mode = fc.nat(0o7777);
  const fields = fc.oneof(
    fc.record({ kind: fc.constant("file" as const), path, mode, size: fc.nat(2000) }),
    fc.record({ kind: fc.constant("directory" as const), path, mode }),
    fc.record({ kind: fc.constantFrom("symlink" as const, "hardlink"), path, mode, link: path }),
  );
  fc.assert(
    fc.property(fc.array(fields), (all) => {
      const archive = concat(
        ...all.flatMap((fields) => {
          const size = "size" in fields ? fields.size : 0;
          return [tarHeader(fields), new Uint8Array(size), new Uint8Array(paddingOf(size))];
        }),
        END,
      );
      const members = read(archive).map(({ sha256: _, ...member }) => member);
      assertEquals(members, all.map((fields) => ({ size: 0, link: "", ...fields })));
    }),
    { seed: 1, numRuns: 300 },
  );
});

for (const format of ["ustar", "pax"]) {
  Deno.test({
    name: `TarReader reads what GNU tar writes as ${format} (needs GNU tar)`,
    ignore: !await hasGnuTar(),
    fn: async () => {
      const directory = await Deno.makeTempDir();
      try {
        await plantTree(join(directory, "tree"), format === "pax");
        const archive = await tar(
          directory,
          `--format=${format} --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 ` +
            (format === "pax" ? "--pax-option=delete=atime,delete=ctime " : "") + "-b 1 -cf - tree",
        );
        const members = read(archive);
        await Deno.writeFile(join(directory, "x.tar"), archive);
        const listing = await tar(directory, "-tf x.tar --quoting-style=literal");
        assertEquals(
          members.map(({ path, kind }) => kind === "directory" ? `${path}/` : path),
          new TextDecoder().decode(listing).trimEnd().split("\n"),
        );
        for (const member of members) await assertSame(directory, member);
        const names = readdirSync(join(directory, "tree"), { recursive: true });
        assertEquals(members.length, names.length + 1);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

async function assertSame(directory: string, member: Read): Promise<void> {
  const place = join(directory, member.path);
  const stat = lstatSync(place);
  assertEquals(member.mode, stat.mode & 0o7777, member.path);
  if (member.kind === "directory") assertEquals(stat.isDirectory(), true);
  else if (member.kind === "symlink") assertEquals(member.link, await Deno.readLink(place));
  else if (member.kind === "hardlink") {
    assertEquals(lstatSync(join(directory, member.link)).ino, stat.ino);
  } else assertEquals(member.sha256, sha256(await Deno.readFile(place)), member.path);
}

async function plantTree(root: string, anyName: boolean): Promise<void> {
  const names = ["a", "with space", "ü", "日本語", "-dash", `n${"a".repeat(99)}`];
  if (anyName) names.push("e".repeat(255), `deep/${"d".repeat(200)}/${"f".repeat(200)}`);
  for (const [index, name] of names.entries()) {
    const folder = join(root, `folder ${index}`, "sub".repeat(index * 6 + 1));
    const place = join(folder, name);
    await Deno.mkdir(join(place, ".."), { recursive: true });
    await Deno.writeFile(place, new Uint8Array(index * 511).fill(index));
    await Deno.chmod(place, 0o600 + index);
    await Deno.symlink(anyName ? "s".repeat(30 * (index + 1)) : "../a", `${folder}/link`);
  }
  await Deno.link(join(root, "folder 0/sub/a"), join(root, "folder 1/second"));
  await Deno.mkdir(join(root, "nothing in it"), { mode: 0o500 });
}

async function tar(cwd: string, flags: string): Promise<Uint8Array> {
  const options = { cwd, args: flags.split(" "), env: { LC_ALL: "C.UTF-8" } };
  const { success, stdout, stderr } = await new Deno.Command("tar", options).output();
  assertEquals(success, true, new TextDecoder().decode(stderr));
  return stdout;
}

async function hasGnuTar(): Promise<boolean> {
  try {
    const { stdout } = await new Deno.Command("tar", { args: ["--version"] }).output();
    return new TextDecoder().decode(stdout).includes("GNU tar");
  } catch {
    return false;
  }
}
