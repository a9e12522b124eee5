/**
 * Which snapshots stay at a destination, and why. Pure: what there is and the clock go in, an answer
 * for each snapshot comes out. docs/decisions/0005-retention.md says what was weighed.
 *
 * @module
 */

/** The rules that keep, in the order in which they are told. `keep_<rule>` in the file. */
export const KEEP_RULES = ["last", "daily", "weekly", "monthly", "yearly", "within"] as const;

/** One of {@linkcode KEEP_RULES}. */
export type KeepRule = typeof KEEP_RULES[number];

/** What a destination's keys say: counts, and `within` in milliseconds. At least one is there. */
export type Policy = Readonly<Partial<Record<KeepRule, number>>> & {
  /** Whether snapshots may go that are the last to hold some file. */
  readonly forgetDeleted: boolean;
};

/** A snapshot that is to be judged. */
export interface Candidate {
  /** The snapshot stage's id. Snapshots of different ids know nothing of each other. */
  readonly id: string;
  /** `<stamp>-<hash>`; of two of one id, the newer is the one whose name comes later. */
  readonly name: string;
  /** By the clock that was on the wall when it was made. */
  readonly created: Date;
  /**
   * `incomplete`: something could not be read when it was made. `damaged`: what is stored is not
   * what was made. Neither ever takes the place of one that is `whole`.
   */
  readonly state: "whole" | "incomplete" | "damaged";
  /** Whether the last that is known of it is that it could be read back in full. */
  readonly verified: boolean;
}

/** Files of one snapshot that are in no other: how many, and the path of one. */
export interface OnlyCopies {
  readonly count: number;
  readonly example: string | undefined;
}

/** What the judgement rests on besides the snapshots. */
export interface Circumstances {
  readonly now: Date;
  /** What a snapshot holds that none of the others holds for certain; `undefined`: not known. */
  readonly onlyIn: (snapshot: Candidate, others: readonly Candidate[]) => OnlyCopies | undefined;
}

/** What becomes of one snapshot. */
export interface Verdict<T extends Candidate = Candidate> {
  readonly snapshot: T;
  readonly keep: boolean;
  /** Phrases for a person, without a full stop; never empty. */
  readonly reasons: readonly string[];
}

/**
 * Judges every snapshot at one destination, oldest first within its id.
 *
 * The rules that keep are restic's: each counts back from the newest; what any of them keeps, stays.
 * Beyond that stay the newest, the newest whole one, the last verified one, what was made ahead of
 * the clock and, unless the policy lets go of it, whatever is the last to hold some file.
 */
export function judge<T extends Candidate>(
  snapshots: readonly T[],
  policy: Policy,
  circumstances: Circumstances,
): Verdict<T>[] {
  return [...Map.groupBy(snapshots, ({ id }) => id).values()].flatMap((group) => {
    const newestFirst = group.toSorted((a, b) => a.name < b.name ? 1 : a.name > b.name ? -1 : 0);
    return judgeOne(newestFirst, policy, circumstances).toReversed();
  });
}

function judgeOne<T extends Candidate>(
  snapshots: readonly T[],
  policy: Policy,
  { now, onlyIn }: Circumstances,
): Verdict<T>[] {
  const reasons = new Map<T, string[]>(snapshots.map((snapshot) => [snapshot, []]));
  const keep = (snapshot: T | undefined, reason: string) => {
    const known = snapshot && reasons.get(snapshot)!;
    if (known?.includes(reason) === false) known.push(reason);
  };
  const isEarly = ({ created }: T) => created.getTime() > now.getTime() + TOLERANCE;
  const isWhole = ({ state }: T) => state === "whole";
  const timely = snapshots.filter((snapshot) => !isEarly(snapshot));
  keep(snapshots[0], "newest");
  // What the clock says may be wrong: there is always one that it does not speak against.
  if (timely[0] !== snapshots[0]) keep(timely[0], "newest by the clock");
  if (!snapshots.slice(0, 1).every(isWhole)) keep(snapshots.find(isWhole), "newest complete one");
  for (const [snapshot, reason] of keptBy(policy, timely)) keep(snapshot, reason);
  for (const [snapshot, reason] of keptBy(policy, timely.filter(isWhole))) {
    const plainly = reasons.get(snapshot)!.some((known) => ruleOf(known) === ruleOf(reason));
    if (!plainly) keep(snapshot, `${reason}, of the complete ones`);
  }
  keep(snapshots.find(({ state, verified }) => verified && state !== "damaged"), LAST_VERIFIED);
  for (const snapshot of snapshots.filter(isEarly)) {
    keep(snapshot, `its time, ${dayOf(snapshot.created)}, lies ahead of the clock`);
  }
  const kept: T[] = [];
  return snapshots.map((snapshot): Verdict<T> => {
    const own = reasons.get(snapshot)!;
    if (own.length === 0 && !policy.forgetDeleted) {
      const others = kept.filter(({ state }) => state !== "damaged");
      const reason = sayOnlyCopies(onlyIn(snapshot, others));
      if (reason !== undefined) own.push(reason);
    }
    if (own.length === 0) return { snapshot, keep: false, reasons: [sayBeyond(policy)] };
    kept.push(snapshot);
    return { snapshot, keep: true, reasons: own };
  });
}

/** Clocks of two machines differ, and a second run within a second is given the next one. */
const TOLERANCE = 86_400_000;
const LAST_VERIFIED = "last verified one";

/** What the rules keep of these, newest first, each with the reason. */
function* keptBy<T extends Candidate>(
  policy: Policy,
  snapshots: readonly T[],
): Generator<[T, string]> {
  const { last = 0, within = 0 } = policy;
  for (const [index, snapshot] of snapshots.slice(0, last).entries()) {
    yield [snapshot, `last ${index + 1} of ${last}`];
  }
  for (const [rule, periodOf] of Object.entries(PERIODS)) {
    const count = policy[rule as keyof typeof PERIODS] ?? 0;
    for (const [snapshot, period] of lastOfEach(snapshots, count, periodOf)) {
      yield [snapshot, `${rule} ${period}`];
    }
  }
  for (const [snapshot, age] of agesOf(snapshots)) {
    if (age < within) yield [snapshot, `within ${sayDuration(within)} of the newest`];
  }
}

/**
 * The last snapshot of each of so many periods that have one. While there is room, also the oldest
 * of all: what is kept reaches back as far as it can.
 */
function* lastOfEach<T extends Candidate>(
  snapshots: readonly T[],
  count: number,
  periodOf: (time: Date) => string,
): Generator<[T, string]> {
  let left = count;
  let previous: string | undefined;
  for (const [index, snapshot] of snapshots.entries()) {
    if (left === 0) return;
    const period = periodOf(snapshot.created);
    const isOldest = index === snapshots.length - 1;
    if (period === previous && !isOldest) continue;
    yield [snapshot, period === previous ? `${period}, the oldest` : period];
    previous = period;
    left--;
  }
}

/**
 * How much older than the newest each is. A gap of more than a year is a clock that leapt, or a
 * machine that was away: it counts as nothing, so that no window closes over all that came before.
 */
function* agesOf<T extends Candidate>(snapshots: readonly T[]): Generator<[T, number]> {
  let age = 0;
  for (const [index, snapshot] of snapshots.entries()) {
    const newer = snapshots[index - 1] ?? snapshot;
    const gap = Math.max(0, newer.created.getTime() - snapshot.created.getTime());
    age += gap > LEAP ? 0 : gap;
    yield [snapshot, age];
  }
}

const LEAP = 400 * 86_400_000;

/** In UTC, like the names: the same on every machine, in every season. */
const PERIODS = {
  daily: dayOf,
  weekly: weekOf,
  monthly: (time: Date) => dayOf(time).slice(0, -3),
  yearly: (time: Date) => dayOf(time).slice(0, -6),
} as const;

function dayOf(time: Date): string {
  return time.toISOString().replace(/T.*$/, "");
}

/** By ISO 8601: a week belongs to the year that its Thursday is in. */
function weekOf(time: Date): string {
  const thursday = new Date(time);
  thursday.setUTCDate(time.getUTCDate() + 3 - (time.getUTCDay() + 6) % 7);
  const year = thursday.getUTCFullYear();
  const days = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / 86_400_000);
  return `${year}-W${String(1 + Math.floor(days / 7)).padStart(2, "0")}`;
}

function ruleOf(reason: string): string {
  return reason.split(" ", 1)[0]!;
}

/** Why a snapshot stays of which nobody knows what would be lost with it. */
export const UNKNOWN_HERE = "what it holds is not known here";

function sayOnlyCopies(only: OnlyCopies | undefined): string | undefined {
  if (only === undefined) return UNKNOWN_HERE;
  if (only.count === 0) return undefined;
  const files = only.count === 1 ? "1 file" : `${only.count} files`;
  const example = only.example === undefined ? "" : `: ${only.example}`;
  const more = only.count > 1 && example !== "" ? " and others" : "";
  return `the only copy of ${files} that no newer kept snapshot holds${example}${more}`;
}

function sayBeyond(policy: Policy): string {
  return `beyond ${sayPolicy(policy).join(", ")}`;
}

/** The keys that keep, as the file has them. */
export function sayPolicy(policy: Policy): string[] {
  return KEEP_RULES.flatMap((rule) => {
    const value = policy[rule];
    if (value === undefined) return [];
    return [`keep_${rule} = ${rule === "within" ? `"${sayDuration(value)}"` : value}`];
  });
}

const UNITS = [["w", 604_800_000], ["d", 86_400_000], ["h", 3_600_000], ["m", 60_000]] as const;

/** As the file could have it. Whole weeks up to a month or so are days to most people. */
function sayDuration(milliseconds: number): string {
  for (const [unit, size] of UNITS) {
    const count = milliseconds / size;
    if (Number.isInteger(count) && (unit !== "w" || count >= 8)) return `${count}${unit}`;
  }
  return `${milliseconds / 1000}s`;
}
