/**
 * How everything comes back from each destination with stock tools alone. Pure: what the pipeline
 * file says goes in, lines for a shell come out.
 *
 * @module
 */
import type { SourceStage } from "../stages/contract.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { isSealing, recipientsOf } from "./keys.ts";
import { fileName } from "./names.ts";
import { routesOf } from "./routes.ts";
import { streamsFor } from "./run/flow.ts";

/** The way back from one destination. */
export interface WayBack {
  /** The destination's stage id. */
  readonly destination: string;
  readonly location: string;
  /** Whether it takes an identity. */
  readonly sealed: boolean;
  /** Programs that it takes. */
  readonly tools: readonly string[];
  /** What has to be there before: sentences. */
  readonly before: readonly string[];
  /**
   * Lines for a shell, in an empty folder, with the identity in `identity.txt` where it takes one:
   * they leave the newest of every snapshot id in `restored/ID`. Empty where there is no way without
   * keepsake.
   */
  readonly lines: readonly string[];
}

/** Everything that a recovery sheet tells. */
export interface Recovery {
  readonly pipeline: string;
  /** The pipeline file. */
  readonly file: string;
  /** Where the identity is kept, as the file says; `undefined`: it does not say. Never what it holds. */
  readonly identity: string | undefined;
  /** Whether that one opens nothing of what is encrypted now. */
  readonly isForeign: boolean;
  /** The public halves of the identities that open what is encrypted. */
  readonly recipients: readonly string[];
  /** What is backed up: snapshot id and paths. */
  readonly sources: readonly { readonly id: string; readonly paths: readonly string[] }[];
  readonly ways: readonly WayBack[];
}

/**
 * Finds the way back from every destination.
 *
 * @param isForeign Whether the pipeline's identity belongs to none of its recipients.
 */
export function recoveryOf(
  { name, file, identity, stages }: Pipeline,
  isForeign = false,
): Recovery {
  const recipients = stages.filter(isSealing).flatMap(recipientsOf);
  const sources = stages.filter(({ stage }) => stage.kind === "source").map((source) => (
    { id: source.id, paths: source.stage.permissions(source.options, "run").read ?? [] }
  ));
  const ways = stages.flatMap(({ id, stage, options }): WayBack[] => {
    if (stage.kind !== "destination") return [];
    const location = stage.location(options);
    const byHand = stage.byHand?.(options);
    const about = { destination: id, location };
    if (byHand === undefined) {
      return [{ ...about, sealed: false, tools: [], before: [], lines: [] }];
    }
    const unpacking = unpackingFrom(id, stages, byHand.restore);
    const tools = [...new Set([...byHand.tools, ...unpacking.tools, "tar"])];
    const lines = [...byHand.lines, ...unpacking.lines, RENEW_TIMES];
    return [{ ...about, sealed: unpacking.sealed, tools, before: byHand.before, lines }];
  });
  return {
    ...{ pipeline: name, file, identity, isForeign, sources, ways },
    recipients: [...new Set(recipients)],
  };
}

/** In an archive all times are those of 1970, by which Claude Code deletes conversations as old. */
const RENEW_TIMES = "find restored -type f -exec touch {} +";

/** Lines that unpack the newest of every snapshot that comes to a destination. */
function unpackingFrom(
  destination: string,
  stages: Pipeline["stages"],
  restore: ((id: string) => readonly string[]) | undefined,
): Pick<WayBack, "sealed" | "tools" | "lines"> {
  const tools: string[] = [];
  let sealed = false;
  const lines = routesOf(stages).flatMap(({ source, steps }) => {
    if (!steps.some(({ stage }) => stage.id === destination)) return [];
    const target = `restored/${source.id}`;
    const room = `mkdir -p ${target}`;
    if (restore !== undefined) return [room, ...restore(source.id)];
    const streams = streamsFor(source.id, steps, new Set([destination]));
    const transforms = streams.flatMap(({ transform }) =>
      transform?.stage.kind === "transform" ? [transform.stage] : []
    );
    const codec = (source.stage as SourceStage).codec(source.options);
    sealed ||= transforms.some(({ seals }) => seals);
    const suffixes = transforms.map(({ suffix }) => suffix);
    const ending = fileName({ name: "", kind: "archive", codec, transforms: suffixes });
    const undoing = [
      ...transforms.toReversed().map(({ byHand, suffix }) => byHand ?? `undo ${suffix}`),
      ...{ zstd: ["zstd -d"], gzip: ["gzip -d"], none: [] }[codec],
    ];
    tools.push(...undoing.map((command) => command.split(" ")[0]!));
    const folder = `stored/${source.id}`;
    return [
      room,
      // A snapshot exists when its manifest does; names sort by time. Large files may be divided.
      `newest=$(ls ${folder} | grep '\\.json' | sort | tail -n 1)`,
      [
        `cat ${folder}/"\${newest%%.*}"${ending}*`,
        ...undoing,
        `tar -x -f - -C ${target}`,
      ].join(" | "),
    ];
  });
  return { sealed, tools, lines };
}
