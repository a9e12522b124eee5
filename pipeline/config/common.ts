/**
 * The keys of the file that belong to no single stage, in the vocabulary that stages use.
 *
 * @module
 */
import * as v from "valibot";
import {
  choice,
  command,
  duration,
  flag,
  hook,
  hooks,
  integer,
  list,
  type Option,
  optional,
  type OptionNotes,
  options,
  type OptionType,
  path,
  type StageKind,
  text,
} from "../../stages/contract.ts";

/** What names and ids are made of. */
export const NAME_REGEXP = /^[a-z0-9-]{1,32}$/;

/** The shapes in which an alert can be sent. */
export const SHAPES = ["discord", "slack", "teams", "ntfy", "json"] as const;

/** One of {@linkcode SHAPES}. */
export type Shape = typeof SHAPES[number];

/** Where known secrets are, unless a file says otherwise. */
export const KNOWN_SECRETS = "~/.config/keepsake/known-secrets.txt";

/** The keys of `[pipeline]`. */
export const pipelineOptions = options({
  name: optional(
    name("Names this pipeline's state and schedule.", { example: "claude" }),
    "claude",
  ),
  state: optional(
    path("Directory for catalog, lock and spool; each pipeline has one of its name in it."),
    "~/.local/state/keepsake",
  ),
  known_secrets: optional(
    path(
      "File with the fingerprints of secrets that may be stored, one a line, as runs tell them.",
    ),
    KNOWN_SECRETS,
  ),
  identity: optional(
    path(
      "File with the identities for `list`, `restore`, `verify`, `drill`, `prune`, `rekey` and `schedule install`; `run` needs it for drills alone, and warns when it belongs to no recipient.",
      { example: "~/.config/keepsake/identity.txt" },
    ),
  ),
  drill_every: optional(
    duration(
      "How often `run` drills every destination: brings the newest back and looks into it.",
      {
        example: "7d",
      },
    ),
  ),
  alert: optional(
    hooks(
      SHAPES,
      "Addresses that are told, once, when something begins to fail, and when it is well again.",
      { example: ["https://ntfy.sh/my-own-topic"] },
    ),
  ),
  command: optional(
    command(
      "A program that is told the same: a title and a text are its last words, and JSON its input.",
      { example: ["notify-send", "--urgency=critical"] },
    ),
  ),
  heartbeat: optional(
    hook("Asked for when a run starts (`/start`), is all well, or fails (`/fail`).", {
      example: "https://hc-ping.com/your-own-id",
    }),
  ),
  log: optional(
    path(
      "Directory with a line for each event of each run; at 5 MiB a new file is begun, five stay.",
      {
        example: "~/.local/state/keepsake/log",
      },
    ),
  ),
  metrics: optional(
    path("A text file for Prometheus, written anew after each run.", {
      example: "~/.local/state/keepsake/keepsake.prom",
    }),
  ),
});

/** The keys that only matter to whoever wants to be told: the example leaves them to choice. */
export const WATCH_KEYS = ["alert", "command", "heartbeat", "log", "metrics"] as const;

/** The keys of any `[[stage]]`, of whatever kind. */
const id = optional(
  name("Names the stage, and the folder of a snapshot; left out, `use`, numbered if repeated.", {
    example: "claude",
  }),
);
const only = optional(
  list("Ids of the snapshots that it acts on; left out, all that stand above.", {
    example: ["claude"],
  }),
);
const input = optional(
  text("Id of the stage whose output it takes; left out, the nearest above.", {
    example: "claude",
  }),
);
const plaintext = optional(
  flag("Says that this destination may get plaintext.", { example: true }),
  false,
);

const secrets = optional(
  choice(
    ["allow", "warn", "block"],
    "What secrets in a snapshot mean: nothing, a list, or that it gets none. Left out: `allow` for what is encrypted, `block` for plaintext that leaves this machine, else `warn`.",
    { example: "block" },
  ),
);

const MOST = 100_000;

/** The keys that say which snapshots stay at a destination; without any that keeps, all do. */
export const RETENTION_OPTIONS = {
  keep_last: optional(
    integer([1, MOST], "Keeps so many of the newest snapshots; without a `keep_` key, all stay.", {
      example: 3,
    }),
  ),
  keep_daily: optional(
    integer([1, MOST], "Keeps the last snapshot of so many days (UTC) that have one.", {
      example: 7,
    }),
  ),
  keep_weekly: optional(
    integer([1, MOST], "Keeps the last snapshot of so many ISO weeks (UTC) that have one.", {
      example: 8,
    }),
  ),
  keep_monthly: optional(
    integer([1, MOST], "Keeps the last snapshot of so many months (UTC) that have one.", {
      example: 12,
    }),
  ),
  keep_yearly: optional(
    integer([1, MOST], "Keeps the last snapshot of so many years (UTC) that have one.", {
      example: 10,
    }),
  ),
  keep_within: optional(
    duration("Keeps every snapshot that is less than so much older than the newest.", {
      example: "30d",
    }),
  ),
  forget_deleted: optional(
    flag("Also removes snapshots that are the last to hold files which were deleted since."),
    false,
  ),
} as const;

/** The keys that say how often it has to be proven that a destination gives things back. */
export const PROOF_OPTIONS = {
  drill_every: optional(
    duration("How often `run` drills this destination; left out, what [pipeline] says.", {
      example: "7d",
    }),
  ),
  max_unproven: optional(
    duration(
      "How long it may be that no drill has proven it: after that `run` ends with status 2.",
      {
        example: "14d",
      },
    ),
  ),
} as const;

/** The keys that a stage may carry besides `use` and its own options, by what it does. */
export const COMMON_OPTIONS = {
  prepare: { id },
  source: { id },
  gate: { id, only, input },
  transform: { id, only, input },
  destination: { id, only, input, plaintext, secrets, ...RETENTION_OPTIONS, ...PROOF_OPTIONS },
} as const satisfies Record<StageKind, v.ObjectEntries>;

/** An id or a name: it ends up in file names and on command lines. */
function name(summary: string, notes: OptionNotes): Option<string> {
  return v.pipe(
    text(summary, notes),
    v.regex(
      NAME_REGEXP,
      "Expected at most 32 lower-case letters, digits and hyphens",
    ),
  );
}

/** Whether an option may be left out, and what holds then. */
export function isOptional(
  option: v.GenericSchema,
): option is v.OptionalSchema<v.GenericSchema, unknown> {
  return option.type === "optional";
}

/** How an option's strings are to be read. */
export function optionTypeOf(option: v.GenericSchema): OptionType | undefined {
  const inner = isOptional(option) ? option.wrapped : option;
  return v.getMetadata(inner)["x-type"] as OptionType | undefined;
}
