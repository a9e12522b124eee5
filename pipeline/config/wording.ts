/**
 * Says what is wrong with a value without repeating it, as it may be a secret: the validator's own
 * messages end in "but received …".
 *
 * @module
 */
import type * as v from "valibot";
import { sayChoices } from "./problems.ts";
import { suggest } from "./suggest.ts";

/** What is wrong, and what to do about it where that is not plain. */
export interface Wording {
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Words one issue that the validator found. */
export function wordingOf(issue: v.BaseIssue<unknown>): Wording {
  switch (issue.type) {
    case "string":
      return typeof issue.input === "object" && !(issue.input instanceof Date)
        ? { message: "Expected text, not a list or a table" }
        : { message: "Expected text", hint: "Put it in double quotes" };
    case "number":
      return { message: "Expected a number", hint: "Write it in digits, without quotes" };
    case "boolean":
      return {
        message: "Expected true or false",
        hint: "Write it in small letters, without quotes",
      };
    case "array":
      return typeof issue.input === "string"
        ? { message: "Expected a list", hint: "Put it in brackets" }
        : { message: "Expected a list" };
    case "picklist":
      return wordingOfChoice(issue);
  }
  // A declared message names what is expected alone; the validator's own starts with "Invalid".
  return issue.message.startsWith("Expected ")
    ? { message: issue.message }
    : { message: "Cannot use this value" };
}

function wordingOfChoice(issue: v.BaseIssue<unknown>): Wording {
  const words = [...(issue.expected ?? "").matchAll(/"([^"]+)"/g)].map(([, word]) => word!);
  const near = typeof issue.input === "string" ? suggest(issue.input, words) : undefined;
  const message = `Expected ${sayChoices(words)}`;
  return near === undefined
    ? { message, hint: "Write one of these" }
    : { message: `${message}, did you mean "${near}"?`, hint: `Write "${near}"` };
}
