/** Other programs' view of an archive: GNU tar, libarchive's bsdtar and Python's tarfile. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { contentHash } from "../../stages/formats/snapshot/entries.ts";
import {
  archiveOf,
  describeTree,
  has,
  output,
  selectionOf,
  SourceTree,
} from "../stages/formats/snapshot/source_tree.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

interface Program {
  readonly command: string;
  /** Names in the archive's order, as they stand there. */
  list(archive: string): Promise<string[]>;
  extract(archive: string, directory: string): Promise<unknown>;
}

/** `names` prints every name with a NUL behind it. */
const PYTHON = {
  names: `import sys, tarfile
for m in tarfile.open(sys.argv[1], encoding="utf-8"):
    print(m.name + ("/" if m.isdir() else ""), end="\\0")`,
  extract: `import sys, tarfile
with tarfile.open(sys.argv[1], encoding="utf-8") as tar:
    tar.extraction_filter = lambda member, path: member
    tar.extractall(sys.argv[2])`,
};

const PROGRAMS: readonly Program[] = [
  {
    command: "tar",
    list: async (archive) =>
      unescapeLines(await output("tar", ["-tf", archive, "--quoting-style=escape"])),
    extract: (archive, directory) => output("tar", ["-xpf", archive, "-C", directory]),
  },
  {
    command: "bsdtar",
    list: async (archive) => unescapeLines(await output("bsdtar", ["-tf", archive])),
    extract: (archive, directory) => output("bsdtar", ["-xpf", archive, "-C", directory]),
  },
  {
    command: "python3",
    list: async (archive) => {
      const bytes = await output("python3", ["-c", PYTHON.names, archive]);
      return decoder.decode(bytes).split("\0").slice(0, -1);
    },
    extract: (archive, directory) => output("python3", ["-c", PYTHON.extract, archive, directory]),
  },
];

/** Undoes the escapes of a list of names: those of C, and bytes in octal. */
function unescapeLines(bytes: Uint8Array): string[] {
  return Buffer.from(bytes).toString("latin1").split("\n").slice(0, -1).map((line) => {
    const name = line.replaceAll(
      /\\([0-7]{3}|.)/g,
      (_, code: string) => ESCAPES[code] ?? String.fromCharCode(parseInt(code, 8)),
    );
    return decoder.decode(Buffer.from(name, "latin1"));
  });
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\",
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

const ODD_NAMES = [
  "line\nbreak",
  "quote\"and's",
  "tab\t",
  "-rf",
  "--checkpoint-action=exec=true",
  " leading",
  "trailing ",
  "back\\slash\\n",
  "*?[a]{b}",
  "host:file",
  "...",
  "..dots",
  "\u{1f511}\u{1f468}\u200d\u{1f469}",
  "\u00e9 composed",
  "e\u0301 composed",
  "straße",
  "strasse",
  "Case",
  "case",
  "real \ufffd",
  "\ufeffmark",
  "\x7f\x1b[31m",
  "n".repeat(255),
  "é".repeat(127),
  "n".repeat(99),
  "n".repeat(100),
  "n".repeat(101),
  `${"p".repeat(155)}/${"n".repeat(100)}`,
  `${"p".repeat(156)}/${"n".repeat(100)}`,
];

/** Odd names of every length, the same at each run. */
const MORE_NAMES = fc.sample(
  fc.string({ unit: "binary", minLength: 1, maxLength: 60 })
    .map((name) => name.replaceAll(/[/\0]/g, "_"))
    .filter((name) => name !== "." && name !== ".."),
  { seed: 1, numRuns: 500 },
);

function oddTree(): SourceTree {
  const tree = new SourceTree();
  for (const [index, name] of ODD_NAMES.entries()) tree.write(`root/${name}`, `odd ${index}`);
  for (const [index, name] of MORE_NAMES.entries()) tree.write(`root/more/${name}`, `${index}`);
  // Room for the temporary directory in the 4096 bytes that a path may have.
  let deep = "root";
  while (deep.length < 3950) deep += `/${"d".repeat(Math.min(200, 3960 - deep.length))}`;
  tree.write(`${deep}/deep file`, "deep");
  tree.write("root/empty/");
  tree.write("root/tool", "tool", 0o4755);
  Deno.chmodSync(tree.at("root/empty"), 0o1777);
  Deno.linkSync(tree.at(`root/${ODD_NAMES[0]}`), tree.at("root/z hard link"));
  Deno.linkSync(tree.at(`root/more/${MORE_NAMES[0]}`), tree.at(`root/y ${"é".repeat(100)}`));
  tree.link("root/short link", "tool");
  tree.link("root/odd link", `${"ü".repeat(40)} \n`);
  tree.link("root/long link", `${"../".repeat(400)}etc/passwd`);
  return tree;
}

for (const { command, list, extract } of PROGRAMS) {
  const isThere = Deno.build.os === "linux" && await has(command);
  const unless = isThere ? "" : ` (ignored: no ${command} here)`;

  Deno.test({
    name: `${command} lists and extracts an archive as what it was made of${unless}`,
    ignore: !isThere,
    async fn() {
      using tree = oddTree();
      const { archive, entries, ...remarks } = await archiveOf(selectionOf([tree.at("root")]));
      assert.deepEqual([remarks.unreadable, remarks.skipped], [[], []]);
      await Deno.writeFile(tree.at("archive.tar"), archive);
      await Deno.mkdir(tree.at("to"));

      const names = entries.map(({ path, kind }) => kind === "directory" ? `${path}/` : path);
      assert.deepEqual(await list(tree.at("archive.tar")), names);

      await extract(tree.at("archive.tar"), tree.at("to"));
      assert.deepEqual(describeTree(tree.at("to/root")), describeTree(tree.at("root")));
      const again = await archiveOf(selectionOf([tree.at("to/root")]));
      assert.equal(await contentHash(again.entries), await contentHash(entries));
    },
  });
}
