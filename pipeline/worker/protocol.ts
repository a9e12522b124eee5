/**
 * The messages between the runner and a stage's worker. Data and ports only.
 *
 * @module
 */
import type { Operation, Team } from "../../stages/contract.ts";
import type { FailureRecord } from "../../stages/errors.ts";
import type { Coding, Passed } from "./channel.ts";

/** A stream's end, as it is handed to a worker. */
export interface Inlet {
  readonly port: MessagePort;
  readonly coding: Coding;
}

/** A stream's beginning, with one port for each reader. */
export interface Outlet {
  readonly ports: readonly MessagePort[];
  readonly coding: Coding;
}

/** One operation of one stage. */
export interface Call {
  readonly operation: Operation;
  /** The stage's options and whatever else its context holds as plain data. */
  readonly context: Readonly<Record<string, unknown>>;
  readonly input?: Inlet;
  readonly output?: Outlet;
  readonly team?: Team;
}

/** Runner to worker. */
export type ToWorker =
  | { readonly type: "call"; readonly id: number; readonly call: Call }
  | { readonly type: "abort"; readonly id: number; readonly reason: FailureRecord }
  /** One reader of the call's output is gone; go on without it. */
  | {
    readonly type: "detach";
    readonly id: number;
    readonly reader: number;
    readonly reason: string;
  }
  /** Asks for a sign of life. */
  | { readonly type: "ping" };

/** Worker to runner. Exactly one `done` or `failed` ends a call. */
export type FromWorker =
  /**
   * Answers a ping, with the calls that bytes moved for since the last, or that waited for a
   * neighbour; or says unasked that a call is at work.
   */
  | { readonly type: "beat"; readonly active: readonly number[] }
  /** All that the first call will need has been loaded. */
  | { readonly type: "ready" }
  | {
    readonly type: "log";
    readonly id: number;
    readonly level: "debug" | "info" | "warn";
    readonly message: string;
  }
  /** The call's stage wants its helper. */
  | { readonly type: "help"; readonly id: number }
  /** The call's stage is about to say nothing for so long at most, until its next message. */
  | { readonly type: "silence"; readonly id: number; readonly milliseconds: number }
  | {
    readonly type: "progress";
    readonly id: number;
    readonly done: number;
    readonly total: number | undefined;
  }
  | {
    readonly type: "done";
    readonly id: number;
    readonly result: unknown;
    /** What went out and came in, counted and hashed where that was. */
    readonly sent: Passed | undefined;
    readonly received: Passed | undefined;
  }
  | { readonly type: "failed"; readonly id: number; readonly failure: FailureRecord };
