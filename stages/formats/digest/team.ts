/**
 * How two workers share the reading of conversations: each is read as if there were no other, by
 * whoever comes to it first.
 *
 * @module
 */
import type { OptionsSchema, PrepareContext } from "../../contract.ts";
import { Hashing } from "../hashing.ts";
import { Pace } from "../pace.ts";
import { SecretScanner } from "../secrets/scanner.ts";
import { help, type Work } from "../team.ts";
import { type Apart, readApart } from "./conversation_reader.ts";
import { bytesOf, type Conversation } from "./log_tree.ts";
import type { Tools } from "./model.ts";

/** What is read, and how. */
export interface ReadingOptions {
  readonly from: string;
  readonly tools: Tools;
  readonly redact: boolean;
  readonly patterns: readonly string[];
}

/** What a run is given. */
export type DigestContext = Omit<PrepareContext<OptionsSchema>, "options">;

/** What came of a conversation. */
export interface ReadApart {
  readonly key: string;
  readonly apart: Apart;
}

/** Few enough for both to come to an end at about the same time. */
const BATCH_BYTES = 2 ** 18;

/** Reads what the leader at the other end of `port` does not come to. */
export async function helpReading(
  port: MessagePort,
  options: ReadingOptions,
  context: DigestContext,
): Promise<void> {
  const [scanner, hashing] = await Promise.all([scannerFor(options), Hashing.quick()]);
  const work = readingWith({ ...options, scanner, hashing, pace: new Pace(context) });
  await help(port, context.signal, work);
}

/** What replaces secrets, where that is asked for, ready to work. */
export async function scannerFor(
  { redact, patterns }: Pick<ReadingOptions, "redact" | "patterns">,
): Promise<SecretScanner | undefined> {
  if (!redact) return undefined;
  const scanner = new SecretScanner(patterns);
  await scanner.load();
  return scanner;
}

/** Reads conversations one by one. */
export function readingWith(
  tools: Parameters<typeof readApart>[1],
): Work<Conversation, ReadApart> {
  return async (conversations, isStopped) => {
    const outcomes: ReadApart[] = [];
    for (const conversation of conversations) {
      if (isStopped()) break;
      const { key } = conversation;
      outcomes.push({ key, apart: await readApart(conversation, tools) });
    }
    return outcomes;
  };
}

/** Conversations in their order, some at a time. */
export function* inBatches(
  conversations: readonly Conversation[],
): Generator<readonly Conversation[]> {
  let batch: Conversation[] = [];
  for (const conversation of conversations) {
    batch.push(conversation);
    if (bytesOf(batch) < BATCH_BYTES) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
