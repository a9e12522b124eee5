/**
 * Made-up prose and source code that compress about as well as what people and Claude write.
 *
 * @module
 */
import type { Random } from "./random.ts";

/** Some sentences. */
export function prose(random: Random, sentences: number): string {
  let text = "";
  for (let i = 0; i < sentences; i++) text += (i === 0 ? "" : " ") + sentence(random);
  return text;
}

/** Paragraphs, lists and code, as Claude answers. */
export function markdown(random: Random, blocks: number): string {
  const parts: string[] = [];
  for (let i = 0; i < blocks; i++) {
    const roll = random.fraction();
    if (roll < 0.55) parts.push(prose(random, random.between(1, 4)));
    else if (roll < 0.8) {
      const items = random.between(2, 6);
      parts.push(Array.from({ length: items }, () => `- ${sentence(random)}`).join("\n"));
    } else {
      parts.push("```ts\n" + sourceCode(random, random.between(3, 12)).join("\n") + "\n```");
    }
  }
  return parts.join("\n\n");
}

/** A short title, without a full stop. */
export function title(random: Random): string {
  const words = Array.from({ length: random.between(3, 6) }, () => noun(random));
  return capitalize(`${random.pick(VERBS)} the ${words.join(" ")}`);
}

/** A name in camelCase. */
export function identifier(random: Random): string {
  return random.pick(VERBS) + capitalize(noun(random)) +
    (random.chance(0.4) ? capitalize(noun(random)) : "");
}

/** A name in snake_case, for a file. */
export function fileName(random: Random): string {
  return `${noun(random)}_${noun(random)}`;
}

/** Lines of a source file. */
export function sourceCode(random: Random, lines: number): string[] {
  const code: string[] = [];
  const names = Array.from({ length: 4 + (lines >> 3) }, () => identifier(random));
  while (code.length < lines) {
    const [name, other, third] = [random.pick(names), random.pick(names), noun(random)];
    if (random.chance(0.3)) code.push(`/** ${sentence(random)} */`);
    code.push(
      `export function ${name}(${third}: ${random.pick(TYPES)}, options: Options): ${
        random.pick(TYPES)
      } {`,
    );
    const body = random.between(2, 9);
    for (let i = 0; i < body; i++) code.push(statement(random, random.pick(names), other, third));
    code.push(`  return ${other}(${third});`, "}", "");
  }
  return code.slice(0, lines);
}

function statement(random: Random, name: string, other: string, third: string): string {
  switch (random.between(0, 7)) {
    case 0:
      return `  if (${third} === undefined) return ${random.between(0, 4096)};`;
    case 1:
      return `  const ${noun(random)} = await ${name}(${third}, { ${noun(random)}: ${
        random.between(1, 64)
      } });`;
    case 2:
      return `  // ${sentence(random)}`;
    case 3:
      return `  for (const ${noun(random)} of ${third}.${noun(random)}s) ${other}(${name});`;
    case 4:
      return `  throw new ${capitalize(noun(random))}Error("${sentence(random)}");`;
    case 5:
      return `  options.${noun(random)}.${name}("${noun(random)}-${noun(random)}");`;
    case 6:
      return `  ${third}.${noun(random)} = ${other}(options.${noun(random)}) ?? ${name};`;
    default:
      return `    .map(({ ${noun(random)}, ${noun(random)} }) => ${name}(${noun(random)}))`;
  }
}

function sentence(random: Random): string {
  const length = random.between(5, 17);
  let word = random.rank(WORDS.length);
  let text = capitalize(WORDS[word]!);
  for (let i = 1; i < length; i++) {
    // As in a language, what follows a word is mostly one of a few.
    word = random.chance(0.6)
      ? FOLLOWERS[word * FOLLOWER_COUNT + random.rank(FOLLOWER_COUNT)]!
      : random.rank(WORDS.length);
    text += (random.chance(0.05) ? ", " : " ") + WORDS[word]!;
  }
  return text + ".";
}

function noun(random: Random): string {
  return NOUNS[random.rank(NOUNS.length)]!;
}

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

const COMMON =
  ("the of to and a in is it that for on with as be this are not by we or from an at so can if " +
    "will when has but have which now only all then one its was use there no same more you do what")
    .split(
      " ",
    );

const NOUNS =
  ("file test value error line name path state user result type list option key index change table " +
    "request server query cache response message event field config version token entry page node " +
    "module branch commit column record worker stream buffer chunk parser route schema column " +
    "session handler queue lock retry timeout window cursor header footer layout widget invoice " +
    "ledger account balance tide harbour anchor cargo manifest pilot channel berth signal chart " +
    "sensor gauge reading sample alarm report draft section chapter note reference appendix margin " +
    "policy license plan budget forecast supplier warehouse parcel shipment courier depot pallet")
    .split(" ");

const VERBS =
  ("add fix move read write parse check load store send fetch merge split rename remove update " +
    "create close open start stop wrap trim sort filter count group render format validate resolve " +
    "collect schedule publish measure compare restore verify rotate").split(" ");

const TYPES =
  "string number boolean Promise<void> readonly string[] Uint8Array Map<string, number> unknown"
    .match(/readonly \S+|Map<[^>]+>|\S+/g) ?? [];

/** Common words first: {@linkcode Random.rank} draws them most often. */
const WORDS: readonly string[] = [
  ...COMMON,
  ...NOUNS.flatMap((word, i) => [
    word,
    `${word}s`,
    VERBS[i % VERBS.length]!,
    `${VERBS[(i * 7) % VERBS.length]!}s`,
  ]),
  ...VERBS.flatMap((verb) =>
    NOUNS.filter((_, i) => (i + verb.length) % 5 === 0).map((word) => `${verb}-${word}`)
  ),
];

const FOLLOWER_COUNT = 24;
const FOLLOWERS: readonly number[] = WORDS.flatMap((_, word) =>
  Array.from({ length: FOLLOWER_COUNT }, (_, i) => {
    const mixed = Math.imul(word * FOLLOWER_COUNT + i + 1, 0x9e3779b1) >>> 0;
    return Math.floor(WORDS.length ** (mixed / 0x100000000)) - 1;
  })
);
