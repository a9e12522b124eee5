/**
 * Finds secrets in text: the rules of secretlint's recommended preset, rules of ours for what that
 * does not know, and patterns of the user's.
 *
 * Rules cost 33 ms a megabyte. So a text is first searched for the words without which no rule can
 * match (1 ms a megabyte), and then only the rules whose words it has are tried. Letters that are not
 * written as themselves are read where there is a sign of them: a word that only they have, or, near
 * another word, a slash with a backslash before it.
 *
 * It is long because it is the one place that knows how a text is searched.
 *
 * @module
 */
import { APART, OWN_RULES, type OwnRule, PRESET_WORDS } from "./rules.ts";
import { readAround, readSpelled, type Spelled, SPELLING_WORDS } from "./spelled_text.ts";

/** A secret, where it is in the text. Never its value. */
export interface Secret {
  /** Name of the rule that found it: `github`, `jwt`. */
  readonly rule: string;
  readonly start: number;
  readonly end: number;
}

/** A rule that is ready to be tried. */
interface Rule {
  readonly name: string;
  /** Adds what it finds; `places` are those of its words. */
  readonly find: (text: string, found: Secret[], places: readonly number[]) => void;
}

/** A word to look for, and what to try when it is there. */
interface Trigger {
  readonly word: string;
  /** Whether it is one in capital letters, too. */
  readonly inAnyCase: boolean;
  /** A rule of the preset, by its name, or one of ours. */
  readonly rule: string | Rule;
}

/** Finds and replaces secrets. One is enough for any number of texts. */
export class SecretScanner {
  readonly #patterns: readonly Rule[];
  readonly #words: WordFinder;
  #rules: ReadonlyMap<string, Rule> | undefined;
  /** Rules that are tried on every text, because nothing is known of them. */
  #always: readonly Rule[] = [];
  #hasMore = false;

  /** @param patterns Regular expressions of the user's; their rules are called `pattern-1` and on. */
  constructor(patterns: readonly string[] = []) {
    this.#patterns = patterns.map((pattern, index) =>
      ruleOf({ name: `pattern-${index + 1}`, pattern: new RegExp(pattern, "gu") })
    );
    this.#words = new WordFinder([
      ...OWN_RULES.flatMap((own) => {
        const rule = ruleOf(own);
        const inAnyCase = own.pattern.ignoreCase;
        return own.words.map((word) => ({ word, inAnyCase, rule }));
      }),
      ...Object.entries(PRESET_WORDS).flatMap(([rule, words]) =>
        words.map((word) => ({ word: word.toLowerCase(), inAnyCase: true, rule }))
      ),
      ...SPELLING_WORDS.map((word) => ({ word, inAnyCase: false, rule: SPELLED })),
    ]);
  }

  /** Loads the rules, which takes 30 ms. Must have been awaited before anything is searched. */
  async load(): Promise<void> {
    if (this.#rules !== undefined) return;
    const { rules } = await import("@secretlint/secretlint-rule-preset-recommend");
    const known = new Map<string, Rule>();
    const always: Rule[] = [];
    for (const creator of rules as readonly PresetRule[]) {
      // A filter would let the text itself say that it holds no secrets.
      if (creator.meta.type !== "scanner" || /filter/.test(creator.meta.id)) continue;
      const rule = presetRule(creator);
      if (Object.hasOwn(PRESET_WORDS, rule.name)) known.set(rule.name, rule);
      else always.push(rule);
    }
    this.#always = always;
    this.#hasMore = always.length + this.#patterns.length > 0;
    this.#rules = known;
  }

  /** Every secret in a text, in order, without overlaps. */
  find(text: string): readonly Secret[] {
    if (this.#rules === undefined) throw new TypeError("Cannot search: the rules are not loaded");
    const words = this.#words.in(text);
    if (words === undefined && !this.#hasMore) return NONE;
    const found: Secret[] = [];
    if (words !== undefined) {
      this.#tryRules(text, words, found);
      const places = spelledPlaces(text, words);
      if (places.length > 0) {
        for (const part of readAround(text, places)) {
          const inPart: Secret[] = [];
          this.#tryRules(part.text, this.#words.in(part.text) ?? new Map(), inPart);
          addPlaced(inPart, part, found);
        }
      }
    }
    if (this.#hasMore) this.#tryMore(text, found);
    return found.length > 0 ? merge(found) : found;
  }

  #tryRules(text: string, words: ReadonlyMap<Trigger["rule"], readonly number[]>, found: Secret[]) {
    for (const [rule, places] of words) {
      (typeof rule === "string" ? this.#rules!.get(rule) : rule)?.find(text, found, places);
    }
  }

  #tryMore(text: string, found: Secret[]): void {
    const rules = [...this.#always, ...this.#patterns];
    for (const rule of rules) rule.find(text, found, []);
    if (!text.includes("\\") && !text.includes("\x1b")) return;
    const spelled = readSpelled(text);
    const inText: Secret[] = [];
    for (const rule of rules) rule.find(spelled.text, inText, []);
    addPlaced(inText, spelled, found);
  }

  /**
   * The text with `[REDACTED:<rule>]` for every secret; `tell` is told each.
   *
   * @param most Where the text is to end: what follows only shows whether a secret begins before.
   */
  redact(
    text: string,
    tell: (secret: Secret) => void = () => {},
    most: number = text.length,
  ): string {
    let result = "";
    let at = 0;
    for (const secret of this.find(text)) {
      tell(secret);
      if (secret.start >= most) continue;
      result += `${text.slice(at, secret.start)}[REDACTED:${secret.rule}]`;
      at = secret.end;
    }
    return at === 0 && most >= text.length ? text : result + text.slice(at, Math.max(at, most));
  }
}

const NONE: readonly Secret[] = [];

/** Stands for the words of letters that are not written as themselves. */
const SPELLED: Rule = { name: "spelled", find: () => {} };

/** How far behind a word a letter with a backslash may hide a secret from the word's rules. */
const NEAR = 120;

/** Places around which letters are not written as themselves. */
function spelledPlaces(
  text: string,
  words: ReadonlyMap<Trigger["rule"], readonly number[]>,
): readonly number[] {
  const found = [...words.get(SPELLED) ?? []];
  for (const [rule, places] of words) {
    if (rule === SPELLED) continue;
    for (const at of places) if (text.slice(at, at + NEAR).includes("\\/")) found.push(at);
  }
  return found;
}

/** Adds what was found in a text as it is read, where it is written. */
function addPlaced(secrets: readonly Secret[], { placeOf }: Spelled, found: Secret[]): void {
  for (const { rule, start, end } of secrets) {
    const place = placeOf(start, end);
    if (place !== undefined) found.push({ rule, start: place[0], end: place[1] });
  }
}

/** What is used of a rule of the preset. */
interface PresetRule {
  readonly meta: { readonly id: string; readonly type: string };
  create(context: PresetContext, options: object): {
    file?(source: PresetSource): void | Promise<void>;
  };
}

interface PresetContext {
  readonly sharedOptions: object;
  createTranslator(): () => object;
  report(descriptor: { readonly range: readonly [number, number] }): void;
  ignore(): void;
}

interface PresetSource {
  readonly content: string;
  readonly filePath: string;
  readonly ext: string;
  readonly contentType: string;
}

function presetRule({ meta, create }: PresetRule): Rule {
  const name = meta.id.replace(/^.*secretlint-rule-/, "");
  let found: Secret[] = [];
  const { file } = create({
    sharedOptions: {},
    createTranslator: () => () => ({}),
    report: ({ range: [start, end] }) => void found.push({ rule: name, start, end }),
    ignore: () => {},
  }, {});
  const search = (text: string, into: Secret[]) => {
    found = into;
    void file?.({ content: text, filePath: "text.md", ext: ".md", contentType: "text" });
  };
  return {
    name,
    find: (text, into, places) => {
      search(text, into);
      // What is written as `\n`, and a letter of another alphabet, pass for the beginning of a longer
      // word, so that the rule is also tried as if there was nothing before.
      let last = 0;
      for (const at of places) {
        if (at < last || !isBehindLetter(text, at)) continue;
        let hidden: Secret[] = [];
        for (const length of HIDDEN_LENGTHS) {
          search(text.slice(at, at + length), hidden = []);
          if (!hidden.some(({ start, end }) => start === 0 && end === length)) break;
        }
        for (const { start, end } of hidden) {
          if (start !== 0 || end < HIDDEN_LEAST) continue;
          into.push({ rule: name, start: at, end: last = at + end });
        }
      }
    },
  };
}

/** Letters that are searched of what may be hidden: more where it goes on. It must have so many. */
const HIDDEN_LENGTHS = [256, 2048];
const HIDDEN_LEAST = 24;

const APART_HERE = new RegExp(APART, "y");

/** Whether a letter stands before a place that belongs to no word which goes on there. */
function isBehindLetter(text: string, at: number): boolean {
  if (!/[\w\x80-\uffff]/.test(text.charAt(at - 1))) return false;
  APART_HERE.lastIndex = at;
  return APART_HERE.test(text);
}

function ruleOf({ name, pattern, accept = () => true, begins }: Omit<OwnRule, "words">): Rule {
  const add = (match: RegExpExecArray | null, found: Secret[]): boolean => {
    if (match === null) return false;
    const [whole, value = whole] = match;
    if (value === "" || !accept(value)) return false;
    const start = match.index + whole.lastIndexOf(value);
    found.push({ rule: name, start, end: start + value.length });
    return true;
  };
  if (begins) {
    const sticky = new RegExp(pattern.source, pattern.flags.replace("g", "y"));
    return {
      name,
      find: (text, found, places) => {
        let end = 0;
        for (const at of places) {
          if (at < end) continue; // Each word within a long secret would be read to its end.
          sticky.lastIndex = at;
          if (add(sticky.exec(text), found)) end = sticky.lastIndex;
        }
      },
    };
  }
  return {
    name,
    find: (text, found) => text.matchAll(pattern).forEach((one) => void add(one, found)),
  };
}

/** One secret for all that overlap, called after the one that starts first. */
function merge(secrets: Secret[]): Secret[] {
  const merged: Secret[] = [];
  for (const secret of secrets.sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = merged.at(-1);
    if (last === undefined || secret.start >= last.end) merged.push(secret);
    else if (secret.end > last.end) merged[merged.length - 1] = { ...last, end: secret.end };
  }
  return merged;
}

const ENCODER = new TextEncoder();

/** Letters of a word that the search goes by; words are at least as long. */
const WINDOW = 3;

/** Letters that are looked through at once: as bytes they fit into 64 KiB, whatever they are. */
const CHUNK = Math.floor(2 ** 16 / 3);

/** Looks for many words at once (Wu and Manber, 1994), two letters at a time. */
class WordFinder {
  /** How far to go on after two letters; 0: a word may end its first three letters here. */
  readonly #steps = new Uint8Array(2 ** 16).fill(WINDOW - 1);
  /** Whether a word begins with two letters. */
  readonly #starts = new Uint8Array(2 ** 16);
  readonly #triggers = new Map<number, Trigger[]>();
  readonly #bytes = new Uint8Array(3 * CHUNK);
  readonly #longest: number;

  constructor(triggers: readonly Trigger[]) {
    for (const trigger of triggers) {
      const { word } = trigger;
      if (word.length < WINDOW) throw new TypeError(`Cannot look for "${word}": it is too short`);
      const beginning = word.slice(0, WINDOW);
      for (const letters of trigger.inAnyCase ? casesOf(beginning) : [beginning]) {
        this.#add(letters, trigger);
      }
    }
    this.#longest = Math.max(...triggers.map(({ word }) => word.length));
  }

  #add(letters: string, trigger: Trigger): void {
    const [a, b, c] = [0, 1, 2].map((at) => letters.charCodeAt(at)) as [number, number, number];
    this.#steps[a << 8 | b] = Math.min(this.#steps[a << 8 | b]!, 1);
    this.#steps[b << 8 | c] = 0;
    this.#starts[a << 8 | b] = 1;
    const start = a << 16 | b << 8 | c;
    this.#triggers.set(start, [...this.#triggers.get(start) ?? [], trigger]);
  }

  /** Rules of which a word is there, with the places; `undefined` when there is none. */
  in(text: string): ReadonlyMap<Trigger["rule"], readonly number[]> | undefined {
    let found: Places | undefined;
    // Bytes are looked through several times as fast as letters, which may stand in pieces.
    for (let at = 0; at < text.length;) {
      const chunk = at === 0 && text.length <= CHUNK ? text : text.slice(at, at + CHUNK);
      const { written } = ENCODER.encodeInto(chunk, this.#bytes);
      const isLast = at + CHUNK >= text.length;
      // A word that begins at the end of it is found in the next one.
      const next = isLast ? text.length : at + CHUNK - this.#longest;
      found = this.#inBytes(text, { at, next, isAscii: written === chunk.length, written }, found);
      at = next;
    }
    return found;
  }

  /** Looks through a part of a text, which lies in the buffer. */
  #inBytes(
    text: string,
    { at: from, next, isAscii, written }: Part,
    found: Places | undefined,
  ): Places | undefined {
    const steps = this.#steps;
    const starts = this.#starts;
    const bytes = this.#bytes;
    /** Of a place that was counted up to: bytes, and letters. */
    let [counted, letters] = [0, from];
    for (let at = WINDOW - 1; at < written;) {
      const left = bytes[at - 1]!;
      const step = steps[left << 8 | bytes[at]!]!;
      if (step === 0 && starts[bytes[at - 2]! << 8 | left] === 1) {
        const start = at - 2;
        if (isAscii) letters = from + start;
        else {
          for (; counted < start; counted++) letters += unitsAt(bytes[counted]!);
        }
        if (letters >= next) break;
        found = this.#check(text, letters, found);
      }
      at += step || 1;
    }
    return found;
  }

  #check(text: string, at: number, found: Places | undefined): Places | undefined {
    const start = text.charCodeAt(at) << 16 | text.charCodeAt(at + 1) << 8 |
      text.charCodeAt(at + 2);
    for (const { word, inAnyCase, rule } of this.#triggers.get(start) ?? []) {
      const isThere = inAnyCase
        ? text.slice(at, at + word.length).toLowerCase() === word
        : text.startsWith(word, at);
      if (!isThere) continue;
      const places = (found ??= new Map()).get(rule);
      if (places === undefined) found.set(rule, [at]);
      else places.push(at);
    }
    return found;
  }
}

/** Some letters in every mixture of small and capital ones. */
function casesOf(letters: string): readonly string[] {
  let cases = [""];
  for (const letter of letters) {
    const both = new Set([letter.toLowerCase(), letter.toUpperCase()]);
    cases = cases.flatMap((begun) => [...both].map((one) => begun + one));
  }
  return cases;
}

type Places = Map<Trigger["rule"], number[]>;

interface Part {
  /** Where it begins in the text. */
  readonly at: number;
  /** Where the next one begins. */
  readonly next: number;
  readonly isAscii: boolean;
  /** Bytes of it. */
  readonly written: number;
}

/** How many units of a string the letter has that begins with a byte; 0 for bytes within a letter. */
function unitsAt(byte: number): number {
  if ((byte & 0xc0) === 0x80) return 0;
  return byte >= 0xf0 ? 2 : 1;
}
