/**
 * Flags and values that several commands have in common.
 *
 * @module
 */
import { type Message, message, text } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import type { Parser, Suggestion } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import { integer, string, type ValueParser } from "@optique/core/valueparser";
import { expandTilde } from "../pipeline/config/expand.ts";
import { BackupError } from "../pipeline/errors.ts";
import { homeDirectory } from "./home.ts";
import { sayOr } from "./ui/format.ts";

type Flag<T> = Parser<"sync", T>;

/** A path, which a shell completes; a leading `~/` is the home directory, whatever a shell does. */
export function pathValue(
  metavar: "FILE" | "DIR" | "DESTINATION",
  type: "file" | "directory",
): ValueParser<"sync", string> {
  const plain = string({ metavar });
  return {
    ...plain,
    parse(input: string) {
      const result = plain.parse(input);
      if (!result.success) return result;
      return { ...result, value: expandTilde(result.value, homeDirectory()) };
    },
    *suggest(prefix: string): Iterable<Suggestion> {
      yield { kind: "file", type, pattern: prefix };
    },
  };
}

/** A number from 1 on. */
export function numberValue(
  metavar: "N" | "NUMBER",
  max: number = Number.MAX_SAFE_INTEGER,
): ValueParser<"sync", number> {
  // The library's own sentence tells programmers what to do.
  const unsafeInteger = (input: string) => message`Expected a smaller number, but got ${input}.`;
  return integer({ metavar, min: 1, max, errors: { unsafeInteger } });
}

/** `--config FILE` */
export function configFlag(description: Message = CONFIG): Flag<string | undefined> {
  return optional(option("-c", "--config", pathValue("FILE", "file"), { description }));
}

const CONFIG =
  message`The pipeline file. Else $KEEPSAKE_CONFIG, ./pipeline.toml, ~/.config/keepsake/pipeline.toml.`;

/** `--json` */
export function jsonFlag(): Flag<boolean> {
  return option("--json", {
    description: message`Print one JSON document on standard output, and nothing else there.`,
  });
}

/** `--quiet` */
export function quietFlag(): Flag<boolean> {
  return option("-q", "--quiet", {
    description: message`Say nothing unless something is wrong.`,
  });
}

/** `--from DESTINATION` */
export function fromFlag(): Flag<string | undefined> {
  return optional(option("--from", pathValue("DESTINATION", "directory"), {
    description:
      message`A destination of the pipeline, by its id, or an address such as a directory: no pipeline file is needed then.`,
  }));
}

/** What {@linkcode readingFlags} give. */
export interface ReadingValues {
  readonly identity: readonly string[];
  readonly config: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** The flags of whatever reads what is stored. */
export function readingFlags(): { [Name in keyof ReadingValues]: Flag<ReadingValues[Name]> } {
  return {
    identity: identityFlag(),
    config: configFlag(),
    json: jsonFlag(),
    quiet: quietFlag(),
  };
}

/** `--identity FILE`, any number of times */
export function identityFlag(): Flag<readonly string[]> {
  return multiple(option("-i", "--identity", pathValue("FILE", "file"), {
    description:
      message`A file with an age identity, may be repeated. Else $KEEPSAKE_IDENTITY, then what the pipeline names.`,
  }));
}

/** What an object of parsers says when the word is not there that it begins with. */
export function missing(
  metavar: string,
  choices: readonly string[],
): { readonly errors: { readonly endOfInput: Message } } {
  const state = `${metavar} is missing: one of ${sayOr(choices)}`;
  return { errors: { endOfInput: [text(state)] } };
}

/**
 * Refuses flags that one action of a command alone takes.
 *
 * @param given Which are there.
 * @throws {BackupError} `usage`
 */
export function refuseElsewhere(
  action: string,
  only: string,
  given: Readonly<Record<string, boolean>>,
): void {
  const flag = Object.keys(given).find((flag) => given[flag]);
  if (flag === undefined || action === only) return;
  throw new BackupError("usage", `Cannot use "${flag}" with ${action}: it is for ${only}`, {
    hint: "Leave it out",
  });
}

/**
 * Milliseconds that `--max-age` names.
 *
 * @throws {BackupError} `usage`
 */
export async function parseAge(written: string | undefined): Promise<number | undefined> {
  if (written === undefined) return undefined;
  const { parseDuration } = await import("../pipeline/durations.ts");
  const age = parseDuration(written);
  if (age > 0) return age;
  const state = age === 0 ? "everything is older than that" : "it is no duration";
  throw new BackupError("usage", `Cannot use "${written}" as an age: ${state}`, {
    hint: 'Write for example "36h" or "14d"',
  });
}
