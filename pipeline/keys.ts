/**
 * What there is to say of the keys of a pipeline: whether what it encrypts can be opened, and by whom
 * alone.
 *
 * @module
 */
import { dirname, sep } from "node:path";
import type { ByteSink } from "../stages/contract.ts";
import { BackupError } from "../stages/errors.ts";
import { optionTypeOf } from "./config/common.ts";
import type { Pipeline, PipelineStage } from "./config/pipeline.ts";
import { readText } from "./config/read.ts";

/** Something about keys that may cost everything one day. */
export interface KeyWarning {
  readonly code:
    | "one-recipient"
    | "identity-in-source"
    | "identity-beside-backups"
    | "identity-foreign"
    | "identity-readable";
  /** One sentence without a full stop. */
  readonly message: string;
  /** What to do about it: one imperative sentence. */
  readonly hint: string;
}

/** What the warnings rest on. Paths are true ones. */
export interface KeyFacts {
  /** Stages that encrypt, each with its recipients. */
  readonly sealing: readonly { readonly id: string; readonly recipients: readonly string[] }[];
  /** The identity's file; `undefined` when the pipeline names none, or it is not there. */
  readonly identity: { readonly path: string; readonly mode: number | null } | undefined;
  /** What is backed up. */
  readonly sources: readonly { readonly id: string; readonly path: string }[];
  /** Directories that hold backups. */
  readonly destinations: readonly { readonly id: string; readonly path: string }[];
}

/** Judges the keys. Pure. */
export function judgeKeys({ sealing, identity, sources, destinations }: KeyFacts): KeyWarning[] {
  const warnings: KeyWarning[] = sealing.filter(({ recipients }) => recipients.length === 1)
    .map(({ id }) => ({
      code: "one-recipient",
      message: `"${id}" encrypts for one recipient: if its identity is lost, so is everything`,
      hint:
        "Make a second one with keepsake keygen --output FILE, see that its recipient stands in recipients.txt, and keep FILE elsewhere",
    }));
  if (identity === undefined) return warnings;
  const { path, mode } = identity;
  const source = sources.find((one) => isWithin(path, one.path));
  if (source !== undefined) {
    warnings.push({
      code: "identity-in-source",
      message: `The identity "${path}" is a part of what "${source.id}" backs up`,
      hint: "Move it away: a backup that holds its own key opens for nobody who lacks it",
    });
  }
  const beside = destinations.find((one) =>
    isWithin(path, one.path) || isWithin(one.path, dirname(path))
  );
  if (beside !== undefined) {
    warnings.push({
      code: "identity-beside-backups",
      message: `The identity "${path}" lies beside the backups at "${beside.id}"`,
      hint: "Move it away: whoever finds or loses the one finds or loses the other",
    });
  }
  if (mode !== null && (mode & 0o077) !== 0) {
    warnings.push({
      code: "identity-readable",
      message: `The identity "${path}" can be read by others`,
      hint: `Take that right away: chmod 600 ${path}`,
    });
  }
  return warnings;
}

function isWithin(path: string, directory: string): boolean {
  return path === directory ||
    path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}

/**
 * Looks at the keys of a pipeline, and at where its identities lie. Reads no key.
 *
 * @param named Identity files that somebody names besides the pipeline's own.
 */
export async function lookAtKeys(
  { stages, identity }: Pipeline,
  named: readonly string[] = [],
): Promise<KeyWarning[]> {
  const sealing = stages.filter(isSealing).map((stage) => (
    { id: stage.id, recipients: recipientsOf(stage) }
  ));
  if (sealing.length === 0) return [];
  const paths = await Promise.all(
    [...identity === undefined ? [] : [identity], ...named].map(truePath),
  );
  const files = [...new Set(paths)].filter((path) => path !== undefined);
  const warnings = judgeKeys({ sealing, identity: undefined, sources: [], destinations: [] });
  if (files.length === 0) return warnings;
  const placed = (kind: "source" | "destination", key: "read" | "write") =>
    Promise.all(
      stages.filter(({ stage }) => stage.kind === kind).flatMap(({ id, stage, options }) =>
        (stage.permissions(options, "run")[key] ?? []).map(async (path) => (
          { id, path: await truePath(path) ?? path }
        ))
      ),
    );
  const [sources, destinations] = await Promise.all([
    placed("source", "read"),
    placed("destination", "write"),
  ]);
  const all = await Promise.all(files.map(async (path) => {
    const info = await Deno.stat(path).catch(() => undefined);
    const identity = info && { path, mode: info.mode };
    return judgeKeys({ sealing: [], identity, sources, destinations });
  }));
  return [...warnings, ...all.flat()];
}

/**
 * Finds stages that encrypt for recipients to none of whom the pipeline's identity belongs: with it,
 * nothing of what they store opens. Of an identity that cannot be read nothing is said here: whatever
 * needs it tells.
 *
 * @param options.believe Take the word of what `keygen` notes beside a key: to look for oneself takes
 *   a library that is some 15 ms in loading.
 */
export async function findForeign(
  { stages, identity }: Pipeline,
  { believe = false }: { readonly believe?: boolean } = {},
): Promise<KeyWarning[]> {
  const sealing = stages.filter(isSealing);
  if (identity === undefined || sealing.length === 0) return [];
  const reading = await readText(identity);
  if (!reading.ok) return [];
  const { text } = reading;
  const foreignTo = (own: readonly string[]) =>
    sealing.filter((stage) => !recipientsOf(stage).some((recipient) => own.includes(recipient)));
  const noted = Array.from(text.matchAll(NOTED_REGEXP), ([, recipient]) => recipient!);
  if (believe && foreignTo(noted).length === 0) return [];
  const recipients = await import("../stages/formats/age/recipients.ts");
  const { identities, problems } = await recipients.parseIdentities(text, identity);
  if (problems.length > 0) return [];
  return foreignTo(await recipients.recipientsOf(identities)).map(({ id }) => ({
    code: "identity-foreign",
    message:
      `The identity "${identity}" belongs to none of the recipients that "${id}" encrypts for`,
    hint:
      "Add its recipient there, or name an identity that belongs to one of them: with this one, nothing that is stored now opens",
  }));
}

/** How `keygen`, age's and ours, notes the recipient of a key in its file. */
const NOTED_REGEXP = /^# public key: (age1\w+)\r?$/gm;

async function truePath(path: string): Promise<string | undefined> {
  return await Deno.realPath(path).catch(() => undefined);
}

/** Whether what comes out of a stage can be read by nobody without an identity. */
export function isSealing({ stage }: PipelineStage): boolean {
  return stage.kind === "transform" && stage.seals;
}

/** The recipients that a stage encrypts for. */
export function recipientsOf({ stage, options }: PipelineStage): string[] {
  return Object.entries(stage.options.entries).flatMap(([name, entry]) =>
    optionTypeOf(entry as Parameters<typeof optionTypeOf>[0]) === "recipients"
      ? options[name] as string[]
      : []
  );
}

/**
 * Proves that an identity is at hand that opens what a pipeline encrypts: each stage that does gets a
 * challenge sealed to its recipients, which must come out again.
 *
 * @param files Files with identities, in the place of the pipeline's own.
 * @returns How many stages were proven.
 * @throws {BackupError} `identity-wrong`.
 */
export async function proveKeys(
  pipeline: Pipeline,
  files: readonly string[] | undefined,
): Promise<number> {
  const stages = pipeline.stages.filter(isSealing);
  if (stages.length === 0) return 0;
  const own = pipeline.identity === undefined ? [] : [pipeline.identity];
  const named = files !== undefined && files.length > 0 ? files : own;
  if (named.length === 0) {
    throw new BackupError(
      "identity-wrong",
      "Cannot prove that the identity is held: none is named",
      {
        hint: "Name its file with --identity FILE",
      },
    );
  }
  const { readIdentities } = await import("./identities.ts");
  const identities = await readIdentities(named);
  const [{ seal }, { open }, { unlockWith }] = await Promise.all([
    import("../stages/formats/age/seal.ts"),
    import("../stages/formats/age/open.ts"),
    import("../stages/formats/age/unlock.ts"),
  ]);
  for (const stage of stages) {
    const challenge = crypto.getRandomValues(new Uint8Array(32));
    const [sealed, opened] = [new Memory(), new Memory()];
    await seal(pieces(challenge), recipientsOf(stage), sealed);
    try {
      await open(pieces(sealed.bytes()), unlockWith(identities), opened);
    } catch (cause) {
      if (!(cause instanceof BackupError)) throw cause;
      const subject = `Cannot open what "${stage.id}" encrypts with ${sayFiles(named)}`;
      throw new BackupError("identity-wrong", `${subject}: it belongs to other recipients`, {
        hint: "Name the file of an identity that belongs to one of them with --identity FILE",
        cause,
      });
    }
    if (!opened.bytes().every((byte, index) => byte === challenge[index])) {
      throw new Error("What was sealed came out as something else");
    }
  }
  return stages.length;
}

function sayFiles(files: readonly string[]): string {
  return files.map((file) => `"${file}"`).join(" or ");
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes;
}

/** Takes a few bytes. */
class Memory implements ByteSink {
  readonly #room = new Uint8Array(1 << 16);
  #used = 0;

  bytes(): Uint8Array {
    return this.#room.slice(0, this.#used);
  }

  space(): Uint8Array {
    return this.#room.subarray(this.#used);
  }

  commit(count: number): undefined {
    this.#used += count;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.space().set(bytes);
    this.commit(bytes.length);
    return Promise.resolve();
  }
}
