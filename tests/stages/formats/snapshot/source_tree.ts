/**
 * Trees on disk to back up, and what comes of that in memory.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { dirname, join, relative } from "node:path";
import type { ByteSink, SourceResult } from "../../../../stages/contract.ts";
import { writeArchive } from "../../../../stages/formats/snapshot/archive.ts";
import type { Selection } from "../../../../stages/formats/snapshot/walk.ts";
import type { Surroundings } from "../../../../stages/formats/source_file.ts";
import { MemorySink } from "../byte_streams.ts";

/** Long ago: no doubt arises about times. */
const LONG_AGO = new Date("2026-01-02T03:04:05.678Z");

/** A directory that goes away with its user. */
export class SourceTree implements Disposable {
  readonly path: string;

  constructor(files: Readonly<Record<string, string>> = {}) {
    this.path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-source-" }));
    for (const [name, content] of Object.entries(files)) this.write(name, content);
  }

  at(name: string): string {
    return join(this.path, name);
  }

  /** Makes a file and the directories above it. A name that ends with a slash is a directory. */
  write(name: string, content: string | Uint8Array = "", mode = 0o644): string {
    const path = this.at(name);
    if (name.endsWith("/")) {
      Deno.mkdirSync(path, { recursive: true });
      return path;
    }
    Deno.mkdirSync(dirname(path), { recursive: true });
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    Deno.writeFileSync(path, bytes);
    Deno.chmodSync(path, mode);
    Deno.utimeSync(path, LONG_AGO, LONG_AGO);
    return path;
  }

  link(name: string, target: string): void {
    Deno.symlinkSync(target, this.at(name));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Options of the stage that say nothing but what is in `changes`. */
export function selectionOf(
  paths: readonly string[],
  changes: Partial<Selection> = {},
): Selection {
  return { paths, exclude: [], include_secrets: false, include_caches: false, ...changes };
}

/** An archive that was made without a worker. */
export interface Archived extends SourceResult {
  readonly archive: Uint8Array<ArrayBuffer>;
}

/** Backs a selection up into memory. */
export async function archiveOf(
  selection: Selection,
  {
    output = new MemorySink(),
    signal = new AbortController().signal,
    surroundings,
    progress = () => {},
    directory,
  }: {
    readonly output?: ByteSink & { bytes(): Uint8Array<ArrayBuffer> };
    readonly signal?: AbortSignal;
    readonly surroundings?: Partial<Surroundings>;
    readonly progress?: (done: number, total?: number) => void;
    readonly directory?: string;
  } = {},
): Promise<Archived> {
  const context = {
    ...{ signal, progress, log: () => {}, output },
    ...(directory !== undefined && { directory }),
  };
  const result = await writeArchive(selection, context, {
    pause: () => Promise.resolve(),
    now: () => Date.now(),
    ...surroundings,
  });
  return { ...result, archive: output.bytes() };
}

/** Everything below a directory: kind, bits, link text or hash of the content. */
export function describeTree(root: string): Record<string, string> {
  const tree: Record<string, string> = {};
  const firstNames = new Map<string, string>();
  const visit = (path: string) => {
    const { isFile, isSymlink, mode, nlink, dev, ino } = Deno.lstatSync(path);
    const name = relative(root, path);
    const bits = (mode! & 0o7777).toString(8);
    if (isSymlink) tree[name] = `link ${Deno.readLinkSync(path)}`;
    else if (isFile) {
      const first = firstNames.get(`${dev}:${ino}`);
      if (first === undefined && nlink! > 1) firstNames.set(`${dev}:${ino}`, name);
      const hash = createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
      tree[name] = first === undefined ? `file ${bits} ${hash}` : `same as ${first}`;
    } else {
      tree[name] = `directory ${bits}`;
      const names = Array.from(Deno.readDirSync(path), ({ name }) => name);
      for (const name of names.sort(compareBytes)) visit(join(path, name));
    }
  };
  visit(root);
  return tree;
}

/** Order of UTF-8 bytes, by another way than the code under test. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Runs a program to its end and answers what it printed. */
export async function output(
  command: string,
  args: readonly string[],
  stdin?: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: stdin ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C.UTF-8" },
  }).spawn();
  const result = child.output();
  if (stdin) await new Blob([stdin]).stream().pipeTo(child.stdin);
  const { success, stdout, stderr } = await result;
  if (success && stderr.length === 0) return stdout;
  throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
}

/** Whether a program can be run. */
export async function has(command: string): Promise<boolean> {
  try {
    await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" })
      .output();
    return true;
  } catch {
    return false;
  }
}
