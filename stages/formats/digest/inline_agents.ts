/**
 * Sub-agents whose lines stand in the log of the conversation itself, as Claude Code 1 wrote them:
 * finds the call that each line belongs below.
 *
 * @module
 */
import { type Call, type Entry, fingerprint, type InlineAgent } from "./model.ts";

/** What the entries of such a sub-agent are kept in. */
export type Host = Call | InlineAgent;

/** Knows which calls wait for a sub-agent, and whose lines are whose. */
export class InlineAgents {
  readonly #waiting = new Set<Call>();
  /** What a line belongs to, by its uuid. */
  readonly #hosts = new Map<string, Host>();

  /** A sub-agent was called. */
  begin(call: Call): void {
    this.#waiting.add(call);
  }

  /** A call has its answer. */
  end(call: Call): void {
    this.#waiting.delete(call);
  }

  /** What a line belongs to: by what it follows, else by what it says, else what was called last. */
  hostOf(parentUuid: unknown, text: string): Host | undefined {
    if (typeof parentUuid === "string") {
      const host = this.#hosts.get(parentUuid);
      if (host !== undefined) return host;
    }
    const calls = [...this.#waiting];
    const asked = fingerprint(text);
    return calls.find((call) => call.inner === undefined && call.asked === asked) ?? calls.at(-1);
  }

  /** From now on, what follows that line belongs there. */
  adopt(uuid: unknown, host: Host): void {
    if (typeof uuid !== "string") return;
    this.#hosts.set(uuid, host);
    host.tip = uuid;
  }
}

/** Entries, each with those of the sub-agent in it. */
export function withInner(entries: readonly Entry[]): readonly Entry[] {
  return entries.flatMap((entry) =>
    entry.kind === "call" || entry.kind === "agent"
      ? [entry, ...withInner(entry.inner ?? [])]
      : [entry]
  );
}
