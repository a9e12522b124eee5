/**
 * Cuts credentials out of one text: words for a program, headers, addresses. What was cut once
 * stays the same when it is cut again.
 *
 * @module
 */
import { isHarmless, namesCredential } from "./credential_names.ts";

/** What stands where a part of a text was taken out. */
export const GONE = "[REDACTED]";

/** Whether a word is a flag that a credential follows. */
export function isFlag(word: unknown): boolean {
  if (typeof word !== "string" || !/^-{1,2}[A-Za-z][\w.-]*$/.test(word)) return false;
  return /^(-H|--headers?|--key)$/.test(word) || namesCredential(word);
}

/** Cuts what a variable for an environment holds, whatever it is called. */
export function cutVariable(text: string): string {
  return text.replace(/^((?:--env=)?[A-Za-z_]\w*=).*$/s, `$1${GONE}`);
}

/** Cuts what flags, variables, headers and keys hold that stand in one text, and in addresses. */
export function cutWords(text: string): string {
  if (text.startsWith("--env=")) return cutVariable(text);
  const whole = /^(-{0,2}[A-Za-z][\w.-]{0,80})(\s*[=:]\s*)(?!\/\/)./s.exec(text);
  const [start = "", first = "", sign = ""] = whole ?? [];
  if (isFlag(first) || namesCredential(first)) {
    const isKept = isHarmless(first, text.slice(start.length - 1));
    return isKept ? text : `${first}${sign}${GONE}`;
  }
  return cutText(cutNamed(text, namesValue));
}

/** Cuts what headers hold, and addresses, in a text of any kind. */
export function cutText(text: string): string {
  const lone = /^(\s*Bearer\s+)\S+\s*$/i.exec(text);
  if (lone !== null) return `${lone[1]}${GONE}`;
  return cutAddresses(
    cutNamed(text, ({ name, sign }) => AUTHORIZATION.test(name) && isColon(sign)),
  );
}

/** A name in a text, and what is around it. */
interface Named {
  /** The sign before it; empty at the start. */
  readonly lead: string;
  readonly name: string;
  /** What is between it and its value, with the quote that ends the name. */
  readonly sign: string;
}

const NAMED = /(?<=^|[\s("'`;&|,{])(-{0,2}[A-Za-z][\w.-]{0,80})(=|\\?["'`]?(?:\s*[:,]\s*|\s+))/g;

const AUTHORIZATION = /authorization$/i;

function isColon(sign: string): boolean {
  return sign.includes(":");
}

/** Whether what follows is a value of that name, and one to cut. */
function namesValue({ lead, name, sign }: Named): boolean {
  if (sign === "=") return isFlag(name) || namesCredential(name);
  if (sign.includes(",")) return isFlag(name) && /["'`]/.test(sign);
  if (!isColon(sign)) return isFlag(name);
  return AUTHORIZATION.test(name) || (/["'`{,]/.test(lead) && namesCredential(name));
}

function cutNamed(text: string, isWanted: (named: Named) => boolean): string {
  let result = "";
  let done = 0;
  for (const { 0: all, 1: name = "", 2: sign = "", index } of text.matchAll(NAMED)) {
    const named = { lead: text.slice(Math.max(0, index - 1), index), name, sign };
    if (index < done || !isWanted(named)) continue;
    const start = index + all.length;
    const isEscaped = text[index - 2] === "\\";
    const rest = text.slice(start);
    const [, open = "", value = ""] = valuePattern(named, isEscaped, rest).exec(rest) ?? [];
    if (value === "" || value === "null" || isHarmless(name, value)) continue;
    if (sign !== "=" && value.startsWith("--")) continue;
    result += text.slice(done, start) + open + GONE;
    done = start + open.length + value.length;
  }
  return result + text.slice(done);
}

/** What matches, in that order, a quote that stays and a value that goes. */
function valuePattern({ lead, sign }: Named, isEscaped: boolean, rest: string): RegExp {
  // A key, as in JSON: the quotes of its value stay.
  if (/["'`]\s*[:,]/.test(sign)) {
    if (/^\\["'`]/.test(rest)) return ESCAPED;
    return /^["'`]/.test(rest) ? STRING : BARE;
  }
  // Quotes are around both name and value.
  if (/["'`]/.test(lead) && !/["'`]/.test(sign)) {
    return isEscaped ? new RegExp(`^()((?:(?!\\\\${lead}).)*)`, "s") : QUOTED[lead] ?? WORD;
  }
  if (isColon(sign)) return HEADER;
  // It can be in an address, of which other parts stay.
  return /[&;]/.test(lead) ? PART : WORD;
}

const ESCAPED = /^(\\["'`])((?:(?!\1).)*)/s;
const STRING = /^(["'`])((?:\\.|(?!\1).)*)/s;
const BARE = /^()(\[REDACTED\]|[{[].*|[^\s,}]*)/s;
const QUOTED: Readonly<Record<string, RegExp>> = {
  '"': /^()((?:"(?:[^"\\]|\\.)*"?|'[^']*'?)?(?:[^"\\]|\\.)*)/s,
  "'": /^()((?:'[^']*'?)?[^']*)/s,
  "`": /^()([^`]*)/s,
};
const START = String.raw`(?:\\(["']).*?(?:\\\3|$)|"(?:[^"\\]|\\.)*"?|'[^']*'?)?`;
const REST = String.raw`(?:[^\s)]|\)+(?![\s)]|$))*`;
const WORD = new RegExp(`^()(${START}${REST})`, "s");
const HEADER = new RegExp(
  String.raw`^()((?:(?:Bearer|Basic|Digest|Token)\s+)?${START}[^\s"'\\]*)`,
  "is",
);
const PART = new RegExp(String.raw`^()(${START}[^&#;\s"'<>]*)`, "s");

/** Cuts who and with what out of addresses, and what their queries say by such names. */
function cutAddresses(text: string): string {
  return text
    .replaceAll(
      // Also with signs in a password that should have been escaped, unless a port stands there.
      /:\/\/(?:[^\s/?#]*|[^\s/?#:@]*:(?!\d+(?:[/?#]|$))\S{1,256}?)@/g,
      (all, at: number) => {
        const isUserAlone = !all.includes(":", 3) && text.slice(0, at).endsWith("ssh");
        return isUserAlone ? all : `://${GONE}@`;
      },
    )
    .replaceAll(
      /([?&#;])([^=&#;?\s]{1,80})=[^&#;\s"'<>]+/g,
      (all, sign: string, name: string) => {
        const isNamed = /^(key|sig|signature|x-amz-signature)$/i.test(name) ||
          namesCredential(name);
        return isNamed ? `${sign}${name}=${GONE}` : all;
      },
    );
}
