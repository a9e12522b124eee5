/**
 * Finds the logs of conversations, with those of their sub-agents.
 *
 * @module
 */
import type { Remark } from "../../contract.ts";
import { systemFault } from "../../errors.ts";
import { childPath } from "../paths.ts";
import { wayInto } from "../roots.ts";
import { type Look, lookAt } from "./state.ts";

/** A log, with its path below the directory of all, written with `/`. */
export interface Log {
  /** By this it is known, and told. */
  readonly path: string;
  /** Where it is, if not there: then `path` holds no secret that the name of a file does. */
  readonly file?: string;
  readonly look: Look;
}

/** A conversation's own log, if it is there, and those of its sub-agents. */
export interface Conversation {
  /** Path of its own log, without the ending. */
  readonly key: string;
  readonly main: Log | undefined;
  readonly agents: readonly Log[];
  readonly logs: readonly Log[];
}

const AGENT = /^agent-[^/]+$/;
const DEPTH = 12;

/**
 * Every conversation below a directory, sorted by name.
 *
 * @param unreadable Gets what is below it and cannot be looked into.
 * @throws What the system says of the directory itself.
 */
export async function findConversations(
  from: string,
  unreadable: Remark[],
): Promise<readonly Conversation[]> {
  const mains = new Map<string, Log>();
  const agents = new Map<string, Log[]>();
  for (const log of new Search(from, unreadable).logs()) {
    const parts = log.path.slice(0, -".jsonl".length).split("/");
    if (!AGENT.test(parts.at(-1)!)) {
      if (parts.length <= 2) mains.set(parts.join("/"), log);
      continue;
    }
    const key = parts.length > 2 ? parts.slice(0, 2).join("/") : await sessionOf(from, log, parts);
    agents.set(key, [...agents.get(key) ?? [], log]);
  }
  return [...new Set([...mains.keys(), ...agents.keys()])].map((key) => {
    const main = mains.get(key);
    const below = agents.get(key) ?? [];
    return { key, main, agents: below, logs: [...(main ? [main] : []), ...below] };
  });
}

/** What would be read if it was no link: a log, a conversation's folder, that of its sub-agents. */
const READ = /\.jsonl$|\/subagents$|^[^/]+\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

class Search {
  readonly #from: string;
  /** Its true place. */
  readonly #own: string;
  readonly #unreadable: Remark[];
  readonly #logs: Log[] = [];

  constructor(from: string, unreadable: Remark[]) {
    this.#from = from;
    this.#own = Deno.realPathSync(from);
    this.#unreadable = unreadable;
  }

  logs(): readonly Log[] {
    const links: string[] = [];
    for (const entry of Deno.readDirSync(this.#from)) {
      if (entry.isSymlink) links.push(entry.name);
      else this.#visit(entry.name, entry, 0);
    }
    const seen = [this.#own];
    for (const name of links.sort()) {
      const real = this.#folderBehind(name);
      if (real === undefined || wayInto(real, this.#own) !== undefined) continue;
      // Of what is read already, under its own name or another's, a link tells nothing new.
      if (seen.some((folder) => wayInto(folder, real) !== undefined)) continue;
      seen.push(real);
      this.#visit(name, { name, isFile: false, isDirectory: true, isSymlink: false }, 0);
    }
    return this.#logs.sort((a, b) => a.path < b.path ? -1 : 1);
  }

  /** The true place of a project's folder that is a link: people move large ones to another disk. */
  #folderBehind(name: string): string | undefined {
    return this.#attempt(
      name,
      (path) => Deno.statSync(path).isDirectory ? Deno.realPathSync(path) : undefined,
      "it is a link that leads nowhere",
    );
  }

  #visit(path: string, entry: Deno.DirEntry, depth: number): void {
    const isLog = path.endsWith(".jsonl");
    // Deno shows so what it cannot find again.
    if (entry.name.includes("\ufffd") && (isLog || entry.isDirectory)) {
      this.#attempt(path, Deno.lstatSync, "its name is not UTF-8");
    }
    if (entry.isSymlink && READ.test(path)) {
      if (this.#leadsOut(path)) {
        const reason = "it is a link, and only those of whole projects are followed";
        this.#unreadable.push({ path: childPath(this.#from, path), reason });
      }
    } else if (entry.isFile && isLog) {
      const look = this.#attempt(path, lookAt);
      if (look !== undefined) this.#logs.push({ path, look });
    } else if (entry.isDirectory && depth < DEPTH) {
      const entries = this.#attempt(path, (folder) => Array.from(Deno.readDirSync(folder)));
      for (const inner of entries ?? []) this.#visit(`${path}/${inner.name}`, inner, depth + 1);
    }
  }

  /** Whether a link leads to what is not read under another name. */
  #leadsOut(path: string): boolean {
    try {
      return wayInto(this.#own, Deno.realPathSync(childPath(this.#from, path))) === undefined;
    } catch {
      return true;
    }
  }

  /** @param absence What to say of what is not there; what vanished meanwhile held no log. */
  #attempt<T>(name: string, look: (path: string) => T, absence?: string): T | undefined {
    const path = childPath(this.#from, name);
    try {
      return look(path);
    } catch (error) {
      const fault = systemFault(error);
      if (fault === undefined) throw error;
      const reason = fault.code === "ENOENT" ? absence : fault.state;
      if (reason !== undefined) this.#unreadable.push({ path, reason });
    }
  }
}

/** Sub-agents' logs once lay next to those of their conversations. */
async function sessionOf(from: string, log: Log, parts: readonly string[]): Promise<string> {
  const { headOf } = await import("./log_head.ts");
  const session = headOf(from, log)?.session ?? parts.at(-1)!;
  return [...parts.slice(0, -1), session].join("/");
}

/** The size of all logs. */
export function bytesOf(conversations: readonly Conversation[]): number {
  return conversations.flatMap(({ logs }) => logs).reduce((sum, { look }) => sum + look.size, 0);
}
