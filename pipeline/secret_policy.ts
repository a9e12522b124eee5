/**
 * Secrets on their way to destinations: which destinations they may reach, and where they stand.
 *
 * @module
 */
import { join } from "node:path";
import { BackupError, stateOf } from "../stages/errors.ts";
import type { FoundSecret } from "../stages/formats/secrets/search.ts";
import type { PipelineStage } from "./config/pipeline.ts";
import type { Step } from "./routes.ts";
import { StageWorker } from "./worker/host.ts";
import type { Inlet } from "./worker/protocol.ts";

/** What becomes of a snapshot with secrets. */
export type SecretPolicy = "allow" | "warn" | "block";

/**
 * What a destination does with secrets: what the file says; else what nobody can read is allowed,
 * what leaves this machine as plaintext is blocked, and what stays on it, as far as can be told from
 * here, is warned of.
 */
export function secretPolicyOf(
  { stage: destination, sealed }: Pick<Step, "stage" | "sealed">,
): SecretPolicy {
  const { stage, options, secrets } = destination;
  if (secrets !== undefined) return secrets;
  if (sealed) return "allow";
  const { net = [], run = [] } = stage.permissions(options, "run");
  return net.length + run.length > 0 ? "block" : "warn";
}

/** Looks for secrets in a stream, in a worker that is granted nothing. */
export class SecretSearch {
  readonly #key: Uint8Array;
  readonly #done = Promise.withResolvers<readonly FoundSecret[]>();

  /** @param key Key of the fingerprints. */
  constructor(key: Uint8Array) {
    this.#key = key;
    this.#done.promise.catch(() => {}); // Whoever needs it asks.
  }

  /** What stands in the stream, once all of it was read. */
  get found(): Promise<readonly FoundSecret[]> {
    return this.#done.promise;
  }

  /** Reads a stream to its end. */
  async read(input: Inlet, signal: AbortSignal): Promise<void> {
    using worker = new StageWorker(MODULE, {});
    try {
      const context = { key: this.#key, codec: input.coding.codec };
      const call = { operation: "run", context, input } as const;
      this.#done.resolve((await worker.call<readonly FoundSecret[]>(call, { signal })).result);
    } catch (error) {
      const message = `Cannot look for secrets: ${stateOf(error)}`;
      this.#done.reject(new BackupError("worker-died", message, { cause: error }));
      throw error;
    }
  }
}

const MODULE = new URL("../stages/formats/secrets/search.ts", import.meta.url).href;

/**
 * The key of a pipeline's fingerprints, made when there is none. With another key, all fingerprints
 * are others, and what was accepted is not any more.
 */
export async function fingerprintKey(state: string): Promise<Uint8Array> {
  const file = join(state, "fingerprints.key");
  const there = await Deno.readFile(file).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array();
    throw error;
  });
  if (there.length === KEY_BYTES) return there;
  const key = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  const part = `${file}.part`; // Whoever runs holds the pipeline's lock.
  await Deno.writeFile(part, key, { mode: 0o600 });
  await Deno.rename(part, file);
  return key;
}

const KEY_BYTES = 32;

/** The secrets that a person has accepted: the first word of each line of a file. */
export async function knownSecrets(file: string | undefined): Promise<ReadonlySet<string>> {
  if (file === undefined) return new Set();
  try {
    const lines = (await Deno.readTextFile(file)).split("\n");
    return new Set(lines.flatMap((line) => /^\s*([0-9a-f]{16})(?:\s|$)/.exec(line)?.[1] ?? []));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Set();
    throw new BackupError("pipeline-invalid", `Cannot read "${file}": ${stateOf(error)}`, {
      hint: 'Name a file that you may read with "known_secrets" under [pipeline]',
    });
  }
}

/** Says why a destination gets nothing. */
export function refusal(
  snapshot: string,
  { id }: PipelineStage,
  secrets: readonly FoundSecret[],
  file: string | undefined,
): BackupError {
  const count = new Set(secrets.map(({ fingerprint }) => fingerprint)).size;
  const state = `${count} secret${count === 1 ? " is" : "s are"} in what it would get`;
  return new BackupError("destination-refused", `Cannot give "${snapshot}" to "${id}": ${state}`, {
    hint: `Rotate them, and write the fingerprints that may stay into ${
      file === undefined ? "a file of known_secrets" : `"${file}"`
    }; or encrypt above it`,
  });
}
