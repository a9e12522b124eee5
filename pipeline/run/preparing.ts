/**
 * Has a prepare stage do its work, with a second worker where it wants one.
 *
 * @module
 */
import { dirname } from "node:path";
import type { PrepareResult, Stage, Team } from "../../stages/contract.ts";
import type { CallOptions, StageWorker } from "../worker/host.ts";

/** What the stage works with. */
export interface PrepareCall {
  /** As the stage receives them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Its worker, or the one that helps, both with what the stage is granted. */
  readonly workerFor: (role: Team["role"]) => StageWorker;
}

/**
 * Runs the stage to its end.
 *
 * @throws {BackupError} What the stage raises.
 */
export async function runPrepare(
  stage: Stage,
  { options, workerFor }: PrepareCall,
  { signal, ...call }: CallOptions,
): Promise<PrepareResult | void> {
  const awaited = stage.kind === "prepare" ? stage.awaits?.(options) : undefined;
  const isEarly = awaited !== undefined && await isYetToBeMade(awaited);
  const job = { operation: "run", context: { options, isEarly } } as const;
  const leader = workerFor("leader");
  if (stage.kind !== "prepare" || !stage.hasHelper) {
    return (await leader.call<PrepareResult | void>(job, { ...call, signal })).result;
  }
  const { port1, port2 } = new MessageChannel();
  const failing = new AbortController();
  let helper: StageWorker | undefined;
  let helped = 0;
  const onHelp = () => {
    helper = workerFor("helper");
    const onProgress = (done: number) => {
      helped = done;
      leader.noteProgress(); // It waits for what the helper has in hand.
    };
    helper.call({ ...job, team: { role: "helper", port: port2 } }, { signal, onProgress })
      .catch((error) => failing.abort(error)); // It would be waited for for ever.
  };
  try {
    const { result } = await leader.call<PrepareResult | void>(
      { ...job, team: { role: "leader", port: port1 } },
      {
        ...call,
        signal: AbortSignal.any([failing.signal, ...(signal ? [signal] : [])]),
        onHelp,
        onProgress(done, total) {
          helper?.noteProgress();
          call.onProgress?.(done + helped, total);
        },
      },
    );
    return result;
  } finally {
    if (helper === undefined) port2.close();
  }
}

/** A link that leads nowhere is no such thing: its disk may not be connected. */
async function isYetToBeMade(path: string): Promise<boolean> {
  const isAbsent = await Deno.lstat(path).then(
    () => false,
    (error) => error instanceof Deno.errors.NotFound,
  );
  return isAbsent && await Deno.stat(dirname(path)).then((info) => info.isDirectory, () => false);
}
