import { ok } from "node:assert/strict";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Entry } from "../../../../stages/contract.ts";
import { unpack } from "../../../../stages/formats/snapshot/unpack.ts";
import { entriesOf, inPieces, type Member } from "../tar/tar_bytes.ts";

/** What is in the archive, unless a test says otherwise. */
export const SAMPLE: readonly Member[] = [
  { path: "x", type: "5", mode: 0o500 },
  { path: "x/a", content: "first", mode: 0o640 },
  { path: "x/b", type: "5", mode: 0o1777 },
  { path: "x/b/empty", mode: 0o400 },
  { path: "x/b/tool", content: "c".repeat(1000), mode: 0o6755 },
  { path: "x/b/way", type: "2", link: "../../elsewhere" },
  { path: "x/c", type: "1", link: "x/b/tool", mode: 0o6755 },
  { path: `x/${"n".repeat(150)}`, content: "long name" },
];

/** What is unpacked, and how; what is left out is as in {@linkcode SAMPLE}. */
export interface Job {
  readonly archive: Uint8Array | AsyncIterable<Uint8Array>;
  readonly entries?: readonly Entry[];
  readonly into?: Readonly<Record<string, string>>;
  readonly wanted?: readonly string[];
  readonly quickly?: boolean;
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, total?: number) => void;
}

/** Unpacks. */
export function start({ archive, into, wanted, ...job }: Job): ReturnType<typeof unpack> {
  return unpack({
    entries: entriesOf(SAMPLE),
    into,
    wanted,
    input: archive instanceof Uint8Array ? inPieces(archive, 700) : archive,
    signal: new AbortController().signal,
    log: (_, message) => ok(false, message),
    progress: () => {},
    ...job,
  });
}

/** Every path below a directory: mode, number of names, content. */
export function treeOf(root: string): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const name of readdirSync(root, { recursive: true }) as string[]) {
    const stat = lstatSync(join(root, name));
    const kind = stat.isFile() ? "file" : stat.isDirectory() ? "directory" : "other";
    const content = stat.isFile() ? ` ${Deno.readTextFileSync(join(root, name))}` : "";
    tree[name] = `${kind} ${(stat.mode & 0o7777).toString(8)}${content}`;
  }
  return tree;
}

/** Lends a directory to a test. */
export async function inDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "keepsake-unpack-" });
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** The tree that comes out of it. */
export const UNPACKED = {
  "x": "directory 700",
  "x/a": "file 640 first",
  "x/b": "directory 700",
  "x/b/empty": "file 400 ",
  "x/b/tool": `file 755 ${"c".repeat(1000)}`,
  [`x/${"n".repeat(150)}`]: "file 644 long name",
};
