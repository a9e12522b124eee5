/**
 * What the digests' own folder remembers from run to run, so that a run reads no more than it must.
 * A cache: without it, or where it does not fit, logs are read anew, and digests stay as they are.
 *
 * @module
 */
import { systemCode } from "../../errors.ts";
import { flushDirectory, lstatIfThere } from "../durable.ts";
import { childPath } from "../paths.ts";
import { writeAll } from "../write_all.ts";
import type { Meta, Part } from "./file.ts";
import type { Heading } from "./log_parser.ts";
import type { Entry, LogStats, Piece, Tools } from "./model.ts";

/** The folder, below the one with the digests. */
export const STATE_FOLDER = ".keepsake";

/** All folders below the one with the digests. */
export const FOLDERS: readonly string[] = [STATE_FOLDER, `${STATE_FOLDER}/left-out`];

/** A file as it was: how it looked, and what it held. */
export interface Mark {
  readonly look: string;
  readonly hash: string;
}

/** What is read at every run. */
export interface Index {
  readonly version: number;
  /** What the digests look like follows from this. */
  readonly rendering: string;
  /** Which conversations are chosen. */
  readonly selection: string;
  /** By what time they were chosen, in milliseconds since 1970. */
  readonly chosen?: number;
  /** When it was written, in milliseconds since 1970. */
  readonly written: number;
  readonly logs: Readonly<Record<string, Mark>>;
  /** Digests, and what is kept of those that are too big. */
  readonly files: Readonly<Record<string, Mark>>;
}

/** How far a log was read, and what is not settled yet. */
export interface LogState {
  readonly offset: number;
  readonly lines: number;
  /** Of the bytes up to `offset`. */
  readonly hash: string;
  readonly heading: Heading;
  readonly stats: LogStats;
  readonly usages: readonly [string, readonly number[]][];
  /** Calls without an answer, with what they are of, by their id. */
  readonly waiting: readonly [string, Piece][];
  readonly uuids: string;
  /** The newest time in it, which is that of lines without one. */
  readonly time?: string;
  /** What may still change: see `Reading`. */
  readonly open: readonly Entry[];
}

/** Where the text of a sub-agent stands in that of its conversation. */
export interface Place {
  readonly at: number;
  readonly length: number;
  /** Id of the call that it was started by. */
  readonly call?: string;
}

/** A conversation whose logs were read. */
export interface ConversationState {
  readonly meta: Meta;
  readonly logs: Readonly<Record<string, LogState>>;
  /** Letters of its text that stay as they are. */
  readonly settled: number;
  /** Of sub-agents that stand in what is not settled, by log. Without it, all is read anew. */
  readonly places?: Readonly<Record<string, Place>>;
}

/** A project, with all that its digest holds. */
export interface ProjectState {
  readonly version: number;
  readonly cwd: string;
  readonly slug: string;
  readonly tools: Tools;
  readonly conversations: Readonly<Record<string, ConversationState>>;
  readonly shown: readonly Meta[];
  readonly leftOut: readonly Meta[];
}

/** Where a project's state is kept. */
export function stateName(slug: string): string {
  return `${STATE_FOLDER}/${slug}.json`;
}

/** Where the part of a digest is kept that is left out for its size. */
export function leftOutName(slug: string): string {
  return `${STATE_FOLDER}/left-out/${slug}.md`;
}

/** As JSON, in parts, of which there is one for each conversation. */
export function writeState({ conversations, ...rest }: ProjectState): readonly string[] {
  const parts = Object.entries(conversations).map(([key, state], place) =>
    `${place === 0 ? "" : ","}${JSON.stringify(key)}:${JSON.stringify(state)}`
  );
  return [`${JSON.stringify(rest).slice(0, -1)},"conversations":{`, ...parts, "}}"];
}

/** What is counted at the end needs no more than this, and all projects' are held until then. */
export function withoutText(state: ProjectState): ProjectState {
  const conversations = Object.entries(state.conversations).map(([key, conversation]) => {
    const logs = Object.entries(conversation.logs).map(([path, log]) => [path, {
      ...log,
      uuids: "",
      waiting: [],
      open: [],
    }]);
    return [key, { ...conversation, logs: Object.fromEntries(logs) }];
  });
  return { ...state, conversations: Object.fromEntries(conversations) };
}

/** Of a conversation whose logs are gone: what was counted, and whose lines are whose. */
export function withoutWords(state: ConversationState): ConversationState {
  const logs = Object.entries(state.logs).map(([path, log]) => [path, {
    ...log,
    heading: { titles: {} },
    waiting: [],
    open: [],
  }]);
  const meta = { ...state.meta, title: "" };
  return { meta, logs: Object.fromEntries(logs), settled: 0 };
}

/** The layout of what is remembered, and what is made of a log. After a change, all is read anew. */
export const VERSION = 4;

/** Reads and writes below the folder with the digests. */
export class DigestStore {
  readonly root: string;
  readonly #touched = new Set<string>();

  constructor(root: string) {
    this.root = root;
  }

  /** Makes the folders, and removes what a run that was killed left behind. */
  prepare(): void {
    for (const folder of [this.root, ...FOLDERS.map((name) => this.#at(name))]) {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      for (const { name, isFile } of Deno.readDirSync(folder)) {
        if (isFile && PART.test(name)) Deno.removeSync(childPath(folder, name));
      }
    }
  }

  /** Waits until no other run writes here; gives way when what is answered is closed. */
  async lock(): Promise<Deno.FsFile> {
    const path = this.#at(`${STATE_FOLDER}/lock`);
    const file = await Deno.open(path, { write: true, create: true, mode: 0o600 });
    await file.lock?.(true);
    return file;
  }

  /** The text of a file; `undefined` when there is none. */
  read(name: string): string | undefined {
    try {
      return Deno.readTextFileSync(this.#at(name));
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** A JSON file of ours; `undefined` when there is none, or it is of another version or damaged. */
  readJson<T extends { readonly version: number }>(name: string): T | undefined {
    try {
      const value = JSON.parse(this.read(name) ?? "null");
      return value?.version === VERSION ? value : undefined;
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** How a file looks now; `undefined` when there is none. */
  look(name: string): Look | undefined {
    return lookAt(this.#at(name));
  }

  /**
   * Writes a file so that it is there whole or not at all, also after a power cut.
   *
   * @param seen Is shown the bytes as they are written.
   */
  async write(
    name: string,
    parts: readonly Part[],
    seen: (bytes: Uint8Array) => void = () => {},
  ): Promise<void> {
    const path = this.#at(name);
    const part = `${path}.${crypto.randomUUID().slice(0, 8)}.part`;
    try {
      using file = await Deno.open(part, { write: true, createNew: true, mode: 0o600 });
      for (const bytes of encodePieces(parts)) {
        seen(bytes);
        writeAll(file, bytes);
      }
      await file.sync();
      await Deno.rename(part, path);
      this.#touched.add(this.#at(name.slice(0, name.lastIndexOf("/") + 1)));
    } catch (error) {
      await Deno.remove(part).catch(() => {});
      throw error;
    }
  }

  /** Keeps a file as it is under another name, too. */
  async copy(name: string, to: string): Promise<void> {
    await this.write(to, [Deno.readFileSync(this.#at(name))]);
  }

  /** Removes a file that may be there. */
  async remove(name: string): Promise<void> {
    await Deno.remove(this.#at(name)).catch((error) => {
      if (systemCode(error) !== "ENOENT") throw error;
    });
  }

  /** Makes the new names outlast a power cut. */
  async flush(): Promise<void> {
    for (const folder of this.#touched) await flushDirectory(folder);
    this.#touched.clear();
  }

  #at(name: string): string {
    return childPath(this.root, name);
  }
}

/** Letters that are encoded at once. */
const PIECE = 2 ** 14;
const ENCODER = new TextEncoder();

/** Parts as bytes, in pieces, each valid until the next: the whole of it would take more room. */
export function* encodePieces(parts: readonly Part[]): Generator<Uint8Array> {
  const room = new Uint8Array(3 * PIECE);
  for (const text of parts) {
    if (typeof text !== "string") {
      yield text;
      continue;
    }
    for (let at = 0; at < text.length;) {
      const end = at + PIECE;
      // Not within a pair of units that are one letter.
      const isTorn = end < text.length && (text.codePointAt(end - 1) ?? 0) > 0xffff;
      const piece = text.slice(at, isTorn ? end - 1 : end);
      yield room.subarray(0, ENCODER.encodeInto(piece, room).written);
      at += piece.length;
    }
  }
}

const PART = /\.[0-9a-f]{8}\.part$/;

/** How a file looks from outside. */
export interface Look {
  readonly size: number;
  /** Changes with every write, also one that sets the time back. */
  readonly text: string;
  /** When the system says it was changed; `undefined` where it does not. */
  readonly changed: number | undefined;
}

/** How a file looks; `undefined` when there is no such file. */
export function lookAt(path: string): Look | undefined {
  const info = lstatIfThere(path);
  return info?.isFile ? lookOf(info) : undefined;
}

function lookOf({ size, mtime, ctime, ino, dev }: Deno.FileInfo): Look {
  const changed = ctime?.getTime();
  return { size, text: [size, mtime?.getTime(), changed, ino, dev].join(" "), changed };
}

/**
 * Whether a file is certain to hold what it held, by its look alone. Not when it was changed so
 * shortly before it was looked at that a later change may have got the same time.
 */
export function isUntouched(look: Look, mark: Mark | undefined, written: number): boolean {
  if (look.changed === undefined || look.text !== mark?.look) return false;
  // Deno 2.9 tells this time in whole seconds, and some file systems count in two; where more is
  // told, the system's ticks are 1 to 10 ms.
  const tick = look.changed % 1000 === 0 ? 2000 : 20;
  return look.changed < written - tick;
}
