/**
 * Cuts credentials out of Claude Code's file of state, which holds its session besides servers,
 * projects and all else that a person has set up.
 *
 * @module
 */
import type { Hashing } from "./hashing.ts";
import type { Pace } from "./pace.ts";
import { MAX_TRIES, openPatiently, type Pause, ReadFault } from "./source_file.ts";
import type { Found } from "./walk.ts";

/** Reads a file without its credentials. */
export interface CutFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Why that may be what the file never was, as a short phrase. */
  readonly fault: string | undefined;
}

/** More than such a file ever has: it is held in memory. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * Reads a file of JSON and leaves the credentials in it out. The same content gives the same bytes.
 *
 * @throws {ReadFault} When it cannot be read, or is no JSON: nobody knows then what is in it.
 */
export async function readWithoutCredentials(
  found: Found,
  { hashing, pace, pause, now }: {
    readonly hashing: Hashing;
    readonly pace: Pace;
    readonly pause: Pause;
    readonly now: () => number;
  },
): Promise<CutFile> {
  for (let tries = 1;; tries++) {
    using file = await openPatiently(found.source, tries === 1 ? found : undefined, pause);
    const { size } = file.info;
    if (size > MOST_BYTES) throw new ReadFault("it is too large to cut its credentials out");
    const whole = new Uint8Array(size);
    const count = file.fill(whole);
    const bytes = withoutCredentials(whole.subarray(0, count));
    const isSettled = count === size &&
      await file.isSettled(size, hashing.of(whole), hashing, pace, now());
    if (bytes !== undefined && isSettled) return { bytes, fault: undefined };
    if (tries === MAX_TRIES) {
      if (bytes !== undefined) return { bytes, fault: "it changed while it was read" };
      throw new ReadFault("its credentials cannot be cut out: it is not JSON");
    }
    await pause(tries);
  }
}

/** The same JSON without credentials; `undefined` for what is none. */
export function withoutCredentials(bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const parsed: unknown = JSON.parse(text, function (key, value: unknown) {
      const isList = Array.isArray(this);
      return !isList && isCredential(key, value) ? undefined : value;
    });
    if (typeof parsed !== "object" || parsed === null) return undefined;
    return new TextEncoder().encode(`${JSON.stringify(parsed, null, 2)}\n`);
  } catch {
    return undefined;
  }
}

/** Of numbers, most that are called so are counts of tokens, and none is a secret. */
function isCredential(key: string, value: unknown): boolean {
  if (WHOLE.test(key)) return true;
  return typeof value === "string" && TEXTS.test(key);
}

/** What is left out whatever it holds. */
const WHOLE = /oauth|^(customApiKeyResponses|credentials?)$/i;

/** Names of texts: those of environments and headers are spelled in capitals or with hyphens. */
const TEXTS =
  /(token|secret|passw(or)?d|passphrase|credentials?|api[-_]?key|access[-_]?key|private[-_]?key|authorization|cookie|[-_]pat|[-_]auth)$|^(auth|bearer)/i;
