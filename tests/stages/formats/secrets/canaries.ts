/**
 * Secrets of many kinds, each made up and valid as far as its form goes.
 *
 * They are put together here, so that no scanner takes this file for a leak.
 *
 * @module
 */
import { Random } from "../../../../tools/sample/random.ts";

/** A secret, in the words around it, and the part of it that nobody may see. */
export interface Canary {
  readonly kind: string;
  readonly text: string;
  readonly value: string;
}

const LOWER = "abcdefghijklmnopqrstuvwxyz";
const DIGITS = "0123456789";
const HEX = `${DIGITS}abcdef`;
const LETTERS = LOWER + LOWER.toUpperCase();
const WORD = LETTERS + DIGITS;

/** One of every kind; the same seed gives the same ones. */
export function makeCanaries(seed = 1): readonly Canary[] {
  const random = new Random(seed);
  const draw = (alphabet: string, length: number) =>
    Array.from({ length }, () => random.pick([...alphabet])).join("");
  const whole = (kind: string, value: string, around = "the key is $ now"): Canary => (
    { kind, value, text: around.replace("$", () => value) }
  );
  const base64 = (object: unknown) =>
    btoa(JSON.stringify(object)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const pem = Array.from({ length: 12 }, () => draw(`${WORD}+/`, 64)).join("\n");
  const label = (name: string) => `-----${name} RSA PRIVATE ${"KEY"}-----`;
  return [
    whole("aws access key", `AKIA${draw(`${LOWER.toUpperCase()}234567`, 16)}`),
    whole("aws secret key", draw(WORD, 40), "AWS_SECRET_ACCESS_KEY=$"),
    whole("github token", `ghp_${draw(WORD, 36)}`),
    whole("github fine-grained token", `github_pat_${draw(WORD, 82)}`),
    whole("gitlab token", `glpat-${draw(WORD, 20)}`),
    whole("gitlab runner token", `glrt-${draw(WORD, 20)}`),
    whole("npm token", `npm_${draw(WORD, 36)}`),
    whole("npmrc token", draw(HEX, 36), "//registry.example/:_authToken=$"),
    whole("pypi token", `pypi-AgEIcHlwaS5vcmc${draw(WORD, 70)}`),
    whole("slack token", `xoxb-${draw(DIGITS, 12)}-${draw(DIGITS, 12)}-${draw(WORD, 24)}`),
    whole(
      "slack webhook",
      `https://hooks.slack.com/services/T${draw(WORD, 8)}/B${draw(WORD, 8)}/${draw(WORD, 24)}`,
    ),
    whole("stripe key", `sk_live_${draw(WORD, 24)}`),
    whole("sendgrid key", `SG.${draw(WORD, 22)}.${draw(WORD, 43)}`),
    whole("openai key", `sk-proj-${draw(WORD, 74)}T3BlbkFJ${draw(WORD, 74)}`),
    whole("anthropic key", `sk-ant-api03-${draw(WORD, 93)}AA`),
    whole("claude oauth token", `sk-ant-oat01-${draw(WORD, 95)}`),
    whole("google key", `AIza${draw(WORD, 35)}`),
    whole("google oauth secret", `GOCSPX-${draw(WORD, 28)}`),
    whole("hugging face token", `hf_${draw(LETTERS, 34)}`),
    whole(
      "json web token",
      `${base64({ alg: "HS256" })}.${base64({ sub: "ada" })}.${draw(WORD, 43)}`,
    ),
    whole("bearer token", draw(WORD, 40), "curl -H 'Authorization: Bearer $' x"),
    whole("basic authorization", `${draw(WORD, 30)}==`, "Authorization: Basic $"),
    whole("password in an address", draw(WORD, 16), "redis://ada:$@cache.example:6379/0"),
    whole("postgres address", draw(WORD, 16), "postgres://ada:$@db.example/ledger"),
    whole("private key", pem, `${label("BEGIN")}\n$\n${label("END")}`),
    whole("private key, cut off", pem, `${label("BEGIN")}\n$`),
    whole(
      "private key in JSON",
      pem.replaceAll("\n", "\\n"),
      `{"key":"${label("BEGIN")}\\n$\\n${label("END")}\\n"}`,
    ),
    whole("age identity", `AGE-SECRET-KEY-1${draw("023456789ACDEFGHJKLMNPQRSTUVWXYZ", 58)}`),
    whole("telegram bot token", `${draw("123456789", 10)}:AA${draw(WORD, 33)}`),
    whole(
      "discord webhook",
      `${draw("123456789", 18)}/${draw(WORD, 68)}`,
      "https://discord.example/api/webhooks/$",
    ),
    whole("twilio key", `SK${draw(HEX, 32)}`),
    whole("digitalocean token", `dop_v1_${draw(HEX, 64)}`),
    whole("azure account key", `${draw(WORD, 86)}==`, "AccountName=x;AccountKey=$;Suffix=y"),
    whole("docker token", `dckr_pat_${draw(WORD, 27)}`),
    whole("vault token", `hvs.${draw(WORD, 95)}`),
    whole("databricks token", `dapi${draw(HEX, 32)}`),
    whole("shopify token", `shpat_${draw(HEX, 32)}`),
    whole("linear key", `lin_api_${draw(WORD, 40)}`),
    whole("notion token", `ntn_${draw(DIGITS, 11)}${draw(WORD, 35)}`),
    whole("grafana token", `glsa_${draw(WORD, 32)}_${draw(HEX, 8)}`),
    whole("tailscale key", `tskey-auth-${draw(WORD, 16)}-${draw(WORD, 32)}`),
    whole("assigned password", `q7${draw(`${WORD}!%^`, 18)}`, 'DB_PASSWORD="$"'),
    whole("api key in JSON", `k3${draw(WORD, 30)}`, '{"apiKey": "$"}'),
  ];
}

/** Text with a secret that has some letters right before it, or before the words that tell it. */
export function behind({ text }: Canary, before: string): string {
  const words = "the key is ";
  return text.startsWith(words) ? words + before + text.slice(words.length) : before + text;
}

/** Text with a secret as `grep --color` shows it: a part of it in a colour of its own. */
export function coloured({ text, value }: Canary): string {
  const at = text.indexOf(value) + 4;
  return `${text.slice(0, at - 4)}\x1b[01;31m\x1b[K${value.slice(0, 4)}\x1b[m\x1b[K${
    text.slice(at)
  }`;
}

/** Text as JSON writes it whose writer keeps to ASCII and is wary of the letters that are asked for. */
export function spelled(text: string, letters: RegExp): string {
  const code = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const write = (letter: string) => JSON.stringify(letter).slice(1, -1);
  return Array.from(text, (letter) => letters.test(letter) ? code(letter) : write(letter)).join("");
}

/** Whether any twelve letters in a row of a secret stand in a text. */
export function leaks({ value }: Canary, text: string): boolean {
  const length = Math.min(12, value.length);
  for (let at = 0; at + length <= value.length; at++) {
    if (text.includes(value.slice(at, at + length))) return true;
  }
  return false;
}

/** Those of many of which {@linkcode leaks} is so, in one go through a long text. */
export function leaking(canaries: readonly Canary[], text: string): readonly Canary[] {
  const parts = new Map<string, Canary>();
  for (const canary of canaries) {
    const { value } = canary;
    for (let at = 0; at + 12 <= value.length; at++) parts.set(value.slice(at, at + 12), canary);
  }
  const found = new Set<Canary>();
  for (let at = 0; at + 12 <= text.length; at++) {
    const canary = parts.get(text.slice(at, at + 12));
    if (canary !== undefined) found.add(canary);
  }
  return [...found];
}
