/**
 * What happens, as data. The terminal, the JSON report, alerts and the catalog read it; the engine
 * never prints.
 *
 * @module
 */
import type { Remark, Removal } from "../stages/contract.ts";
import type { FailureCode } from "../stages/errors.ts";
import type { FoundSecret } from "../stages/formats/secrets/search.ts";
import type { Verdict } from "./catalog/proofs.ts";
import type { Suspicion } from "./catalog/suspicions.ts";
import type { HorizonReport } from "./horizon.ts";
import type { Shrinkage } from "./run/tripwire.ts";

/** Something that happened during a run, a restore or a verification. */
export type Event =
  | {
    readonly type: "run-started";
    readonly run: number;
    readonly started: Date;
    /** How many runs were cut off since the last that ended; left out when none was. */
    readonly cutOff?: number;
  }
  | { readonly type: "stage-started"; readonly stage: string; readonly snapshot?: string }
  | {
    readonly type: "stage-progress";
    readonly stage: string;
    /** Bytes. */
    readonly done: number;
    readonly total: number | undefined;
  }
  | { readonly type: "stage-finished"; readonly report: StageReport }
  | {
    readonly type: "snapshot-removed";
    /** The destination's stage id. */
    readonly stage: string;
    /** `id/name`. */
    readonly snapshot: string;
    readonly reason: string;
  }
  | {
    readonly type: "log";
    readonly level: "debug" | "info" | "warn";
    readonly stage: string | undefined;
    readonly message: string;
  };

/** Takes events as they come. Must not throw. */
export type Listener = (event: Event) => void;

/** Tells what is no stage's own. */
export function warn(listener: Listener | undefined, message: string): void {
  listener?.({ type: "log", level: "warn", stage: undefined, message });
}

/** Why something failed, for a person. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
  readonly hint: string | undefined;
}

/** How a stage fared in a run. */
export interface StageReport {
  readonly id: string;
  readonly use: string;
  readonly status: "ok" | "unchanged" | "failed" | "skipped";
  /** One phrase for a person, without a full stop. */
  readonly message: string;
  readonly seconds: number;
  /** Whether it made or updated files on this machine; what it did stands in no snapshot. */
  readonly isPrepare?: true;
  readonly failure?: Failure;
}

/** How one destination fared with one snapshot. */
export interface DeliveryReport {
  /** The destination's stage id. */
  readonly id: string;
  readonly status: "ok" | "unchanged" | "failed" | "skipped";
  /** Where it is kept; `null` when it is not. */
  readonly location: string | null;
  readonly message: string;
  readonly failure?: Failure;
  /**
   * How many snapshots were stored there and are gone, and how many of them this run is the first to
   * miss; nothing when it could not be asked.
   */
  readonly missing?: { readonly count: number; readonly news: number };
}

/** What changed since the snapshot before, by entry; `undefined` when nothing is known of that. */
export interface Changes {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
}

/** One snapshot of a run. */
export interface SnapshotReport {
  /** The snapshot stage's id. */
  readonly id: string;
  /** `<stamp>-<hash>`, or `null` when none was made. */
  readonly name: string | null;
  readonly contentHash: string | null;
  readonly files: number;
  /** Of the files' contents. */
  readonly bytes: number;
  readonly changes: Changes | undefined;
  readonly unreadable: readonly Remark[];
  readonly skipped: readonly Remark[];
  readonly notes: readonly Remark[];
  /** Where destinations that do not allow them would get secrets, but for those that are known. */
  readonly secrets?: readonly FoundSecret[];
  readonly destinations: readonly DeliveryReport[];
  /** What seems to be lost at the source: this snapshot was made and is marked, pruning pauses. */
  readonly suspect?: SuspectReport;
}

/** What seems to be lost since an earlier snapshot, and is neither back nor accepted. */
export interface SuspectReport extends Suspicion {
  /** What of it this run is the first to see: what there is to raise an alarm for. */
  readonly news: readonly Shrinkage[];
}

/** What retention makes of one snapshot at one destination, or of an archive without a manifest. */
export interface PrunedItem {
  /** The snapshot stage's id. */
  readonly id: string;
  /** `<stamp>-<hash>`. */
  readonly name: string;
  readonly what: "snapshot" | "archive";
  readonly created: Date;
  /** That it takes up there. */
  readonly bytes: number;
  readonly keep: boolean;
  /** Whether it is known to be gone now. */
  readonly removed: boolean;
  /** Phrases for a person, without a full stop; never empty. */
  readonly reasons: readonly string[];
}

/** How pruning fared at one destination. */
export interface Pruning {
  /** The destination's stage id. */
  readonly id: string;
  readonly location: string;
  /** The keys that keep, as the file has them; empty: nothing is ever removed there. */
  readonly policy: readonly string[];
  /** Whether the room of what was removed is free again, or a history or older versions keep it. */
  readonly removal: Removal;
  /** Oldest first within an id. */
  readonly items: readonly PrunedItem[];
  readonly failure?: Failure;
}

/** How one drill ended. */
export interface Drill {
  /** The snapshot stage's id; `null` when not even that could be found out. */
  readonly id: string | null;
  /** `<stamp>-<hash>` of the snapshot that was brought back; `null`: none. */
  readonly name: string | null;
  /** The destination's stage id. */
  readonly destination: string;
  readonly location: string;
  readonly verdict: Verdict;
  readonly files: number;
  /** Of the files' contents. */
  readonly bytes: number;
  /** Lines of logs that could be read. */
  readonly lines: number;
  /** Databases that were opened and checked. */
  readonly databases: number;
  /** What is of no use although it came back as it was stored. */
  readonly flaws: readonly Remark[];
  /** What came back as it was stored, and could not be looked into. */
  readonly unchecked: readonly Remark[];
  /** What could not be read when it was made; left out when its manifest cannot tell. */
  readonly unreadable?: readonly Remark[];
  readonly seconds: number;
  /** Why it is not proven. */
  readonly failure?: Failure;
}

/** What was not proven for longer than its destination allows with `max_unproven`. */
export interface Unproven {
  /** The destination's stage id. */
  readonly destination: string;
  /** The snapshot stage's id. */
  readonly id: string;
  /** When something was first stored there. */
  readonly since: Date;
  /** When a drill last proved it; `undefined`: never. */
  readonly proven: Date | undefined;
  /** Milliseconds. */
  readonly maxUnproven: number;
}

/** A whole run. */
export interface RunReport {
  /** Everything was read and every destination holds what it should. */
  readonly ok: boolean;
  /** Number of this run in the catalog. */
  readonly run: number;
  readonly dryRun: boolean;
  /** Whether only some of the stages were asked for. */
  readonly partial?: true;
  readonly started: Date;
  readonly finished: Date;
  readonly stages: readonly StageReport[];
  readonly snapshots: readonly SnapshotReport[];
  /** What was removed after it at destinations with a policy, as far as they were looked at. */
  readonly pruned?: readonly Pruning[];
  /** The drills that were due. One that failed makes the run end with status 2. */
  readonly drills?: readonly Drill[];
  /** What is overdue for a drill: makes the run end with status 2. */
  readonly unproven?: readonly Unproven[];
  /** What Claude Code is about to delete, where a stage reads its conversations. */
  readonly horizon?: HorizonReport;
  /** When the run before began, if that is unusually long ago. */
  readonly pause?: Date;
  /** What failed that is no stage's own: the catalog, which then lacks a part of this run. */
  readonly failure?: Failure;
  /** Exit status by the table of `stages/errors.ts`: 0, or that of the gravest failure. */
  readonly status: number;
}
