/**
 * Names for logs in what is written of them: a folder has the name of a directory, and a log any that
 * somebody gave it, so that a secret may stand in it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { SecretScanner } from "../secrets/scanner.ts";
import type { Conversation, Log } from "./log_tree.ts";
import type { DigestOptions } from "./settled.ts";

/** Conversations under names without secrets; their files are where they were. */
export async function nameSafely(
  conversations: readonly Conversation[],
  { redact, patterns }: Pick<DigestOptions, "redact" | "patterns">,
): Promise<readonly Conversation[]> {
  if (!redact) return conversations;
  const expressions = [SUSPECT, ...patterns.map((pattern) => new RegExp(pattern, "u"))];
  const isSuspect = (name: string) => expressions.some((expression) => expression.test(name));
  if (!conversations.some(({ key, logs }) => [key, ...logs.map(pathOf)].some(isSuspect))) {
    return conversations;
  }
  const { scannerFor } = await import("./team.ts");
  const scanner = await scannerFor({ redact, patterns });
  const nameLog = async (log: Log): Promise<Log> => {
    const path = await safeName(log.path, scanner!);
    return path === log.path ? log : { ...log, path, file: log.path };
  };
  return await Promise.all(conversations.map(async ({ key, main, agents }) => {
    const own = main && await nameLog(main);
    const named = await Promise.all(agents.map(nameLog));
    const below = named.sort((a, b) => a.path < b.path ? -1 : 1);
    const logs = [...(own ? [own] : []), ...below];
    return { key: await safeName(key, scanner!), main: own, agents: below, logs };
  }));
}

/** A path of which each part that holds a secret is a hash: the same for the same part. */
export async function safeName(path: string, scanner: SecretScanner): Promise<string> {
  const parts = path.split("/").map(async (part) => {
    const [, agent, name, ending] = PART.exec(part) as unknown as [string, string, string, string];
    if (!variantsOf(name).some((one) => scanner.find(one).length > 0)) return part;
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(name));
    return `${agent}redacted-${Buffer.from(hash).toString("hex").slice(0, 16)}${ending}`;
  });
  return (await Promise.all(parts)).join("/");
}

/** Most names have nothing like it: only for those that do, the rules are loaded. */
const SUSPECT = /[A-Za-z0-9_]{20,}|[=:]/;

/** What tells a sub-agent's log, its name, and the ending. */
const PART = /^((?:agent-)?)([^]*?)((?:\.jsonl)?)$/;

/** In the name of a folder, `-` stands for whatever is no letter or digit, as in `ghp_…`. */
function variantsOf(name: string): readonly string[] {
  const variants = [name, name.replaceAll("-", "_")];
  for (let at = name.indexOf("-"); at >= 0; at = name.indexOf("-", at + 1)) {
    variants.push(`${name.slice(0, at)}_${name.slice(at + 1)}`);
  }
  return variants;
}

function pathOf({ path }: Log): string {
  return path;
}
