/**
 * What is known of secrets besides the preset's rules: rules of ours, and the words without which a
 * rule of the preset cannot match.
 *
 * @module
 */

/** A rule of ours. */
export interface OwnRule {
  readonly name: string;
  /**
   * One of these, of three letters or more, is in every text that it matches. In small letters where
   * the pattern has flag `i`: then they are found in any.
   */
  readonly words: readonly string[];
  /** With flag `g`. The first group, where there is one, is the secret; else all of it. */
  readonly pattern: RegExp;
  /** Whether a match begins with the word: then it is tried where that stands, and nowhere else. */
  readonly begins?: true;
  /** Whether a match is one. */
  readonly accept?: (value: string) => boolean;
}

const ESCAPED = String.raw`\\[nrtbfv]|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|%[0-9a-fA-F]{2}`;
const COLOUR = String.raw`(?:\x1b|\\u001[bB]|\\x1[bB]|\\e|\\0?33)\[[0-?]*[A-Za-z]`;

/**
 * What stands before a secret that is known by its first letters: nothing, a letter that is no ASCII
 * letter or digit, or what stands for one in JSON (`\n`, `\u003d`), in an address (`%3D`) or for a
 * terminal (a colour). A word boundary would take the `n` of `\n` for the beginning of a longer word.
 */
export const APART = `(?<=^|[^A-Za-z0-9]|${ESCAPED}|${COLOUR})`;

function apart(pattern: RegExp): RegExp {
  return new RegExp(`${APART}(?:${pattern.source})`, pattern.flags);
}

const KEY_BEGIN = "-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----";
const KEY_END = KEY_BEGIN.replace("BEGIN", "END");
/** Between the lines of a key. What could be read in two ways, again and again, would take for ever. */
const KEY_GAP = String.raw`(?:[\s"'+,>|]|\\[nrt]?)*`;

/** Rules for what the preset does not know, or takes for too little. */
export const OWN_RULES: readonly OwnRule[] = [
  {
    // Also one that is cut off, one whose line ends are written as `\n`, and one with something before
    // each line: its number, a file's name, what makes it a comment.
    name: "private-key",
    words: ["PRIVATE KEY"],
    pattern: new RegExp(
      `${KEY_BEGIN}(?:(?:[^-]|-(?!${KEY_BEGIN.slice(1)})){0,20000}?${KEY_END}|` +
        `(?:${KEY_GAP}[A-Za-z0-9+/=]{16,}|[^]{0,200}?(?=[A-Za-z+/]{0,60}[0-9])[A-Za-z0-9+/]{40,})` +
        `(?:${KEY_GAP}[A-Za-z0-9+/=]{16,}|[^]{0,200}?[A-Za-z0-9+/]{40,})*` +
        `(?:[^]{0,120}?[A-Za-z0-9+/]{16,}={0,2})?(?:${KEY_GAP}[A-Za-z0-9+/=]{0,15}$)?)`,
      "g",
    ),
  },
  { name: "age", words: ["age-secret-key-"], pattern: /AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{50,}/gi },
  {
    name: "anthropic",
    words: ["sk-ant-"],
    pattern: apart(/sk-ant-[a-z0-9]{2,12}-[A-Za-z0-9_-]{20,}/g),
    begins: true,
  },
  {
    name: "openai",
    words: ["sk-"],
    pattern: apart(/sk-(?:(?:or-v1|proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{32,})/g),
    begins: true,
  },
  { name: "google", words: ["AIza"], pattern: apart(/AIza[0-9A-Za-z_-]{35}/g), begins: true },
  {
    name: "google-oauth",
    words: ["ya29.", "GOCSPX-"],
    pattern: apart(/(?:ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{28})/g),
    begins: true,
  },
  {
    name: "jwt",
    words: ["eyJ"],
    // Also one that is cut off.
    pattern: apart(/eyJ[A-Za-z0-9_-]{14,}(?:\.[A-Za-z0-9_-]*){0,2}/g),
    begins: true,
  },
  {
    name: "authorization",
    words: ["bearer", "authorization"],
    pattern:
      /(?:bearer(?:\s|\\+[nrt])+|authorization\\*["']?\s*[:=]\s*\\*["']?(?:basic|token|digest)\s+)([A-Za-z0-9._~+/-]{16,}={0,2})/gi,
    accept: hasDigitAndLetter,
  },
  {
    // Short ones may have no digit, but say who it is.
    name: "authorization",
    words: ["basic"],
    pattern: /basic(?:\s|\\+[nrt])+([A-Za-z0-9+/]{6,400}={0,2})/gi,
    begins: true,
    accept: isUserAndPassword,
  },
  {
    name: "url-password",
    words: ["://"],
    pattern: /(?<=[a-z][a-z0-9+.-]{1,15}):\/\/[^\s:@/"'<>`]{0,100}:([^\s:@/"'<>`${]{3,200})@/gi,
    begins: true,
  },
  {
    name: "aws",
    words: ["secret"],
    pattern:
      /secret[\w ]{0,20}["']?(?:\s{0,20}[:=,])?\s{0,20}["']?(?<![A-Za-z0-9/+])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])/gi,
    accept: hasDigitAndLetter,
  },
  // The preset takes it for no secret; but with it, who holds the other half can be told.
  { name: "aws", words: ["AKIA", "ASIA"], pattern: apart(/A[KS]IA[A-Z0-9]{16}\b/g), begins: true },
  // These two, and `aws`, the preset finds too, but tells a range that ends before the secret does.
  {
    name: "npm",
    words: ["_authToken", "_auth=", "_password="],
    pattern: /_(?:authToken|auth|password)\s*=\s*["']?([^\s$"']{8,})/g,
  },
  {
    name: "github",
    words: ["x-oauth"],
    pattern: /https?:\/\/([^\s:@/]{8,256}):x-oauth-basic@/g,
  },
  { name: "azure", words: ["accountkey="], pattern: /AccountKey=([A-Za-z0-9+/]{60,}={0,2})/gi },
  {
    name: "assignment",
    words: [
      ...["assword", "asswd", "assphrase", "_pass", "_pwd", "ecret", "oken"],
      ...["api_key", "api-key", "apikey", "access_key", "access-key", "accesskey"],
    ],
    pattern:
      /(?:assw(?:or)?d|assphrase|_pass|_pwd|ecret(?:[_-]?key)?|oken|api[_-]?key|access[_-]?key)s?\\{0,16}["'\]]{0,2}(?:\s|\\{1,16}[nrt]){0,3}(?:=>|:=|[:=]|%3[AD])(?:\s|\\{1,16}[nrt]){0,3}\\{0,16}["'`]?([A-Za-z0-9+/_=.~!@#%^&*-]{10,300})/gi,
    begins: true,
    accept: isRandom,
  },
  {
    name: "assignment",
    words: ["--password", "--passphrase", "--token", "--secret", "--api-key"],
    pattern:
      /--(?:password|passphrase|token|secret|api-key)[ \t]{1,8}["']?([A-Za-z0-9+/_=.~!@#%^&*-]{10,300})/gi,
    begins: true,
    accept: isRandom,
  },
  {
    name: "telegram",
    words: [":AA"],
    pattern: apart(/\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])/g),
  },
  {
    name: "discord",
    words: ["/webhooks/"],
    pattern: /\/api\/(?:v\d+\/)?webhooks\/(\d{15,22}\/[A-Za-z0-9_-]{50,})/g,
  },
  {
    name: "1password",
    words: ["ops_ey"],
    pattern: apart(/ops_ey[A-Za-z0-9+/=]{60,}/g),
    begins: true,
  },
  {
    name: "github",
    words: ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
    pattern: apart(/gh[pousr]_[A-Za-z0-9_.-]{36,}/g),
    begins: true,
  },
  {
    name: "twilio",
    words: Array.from("0123456789abcdef", (digit) => `SK${digit}`),
    pattern: apart(/SK[0-9a-f]{32}\b/g),
    begins: true,
  },
  {
    name: "pypi",
    words: ["pypi-AgE"],
    pattern: apart(/pypi-AgE[A-Za-z0-9_-]{50,}/g),
    begins: true,
  },
  {
    name: "rubygems",
    words: ["rubygems_"],
    pattern: apart(/rubygems_[0-9a-f]{48}/g),
    begins: true,
  },
  {
    name: "digitalocean",
    words: ["dop_v1_", "doo_v1_", "dor_v1_"],
    pattern: apart(/do[opr]_v1_[0-9a-f]{64}/g),
    begins: true,
  },
  {
    name: "gitlab",
    words: [
      "glptt-",
      "gldt-",
      "glrt-",
      "glft-",
      "glsoat-",
      "glcbt-",
      "glimt-",
      "glagent-",
      "gloas-",
    ],
    pattern: apart(/gl(?:ptt|dt|rt|ft|soat|cbt|imt|agent|oas)-[A-Za-z0-9_-]{20,}/g),
    begins: true,
  },
  {
    name: "slack",
    words: ["xox"],
    pattern: apart(/xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,}/g),
    begins: true,
  },
  { name: "stripe", words: ["whsec_"], pattern: apart(/whsec_[A-Za-z0-9+/]{24,}/g), begins: true },
  { name: "mailgun", words: ["key-"], pattern: apart(/key-[0-9a-f]{32}\b/g), begins: true },
  {
    name: "mailchimp",
    words: Array.from("123456789", (digit) => `-us${digit}`),
    pattern: apart(/[0-9a-f]{32}-us\d{1,2}\b/g),
  },
  {
    name: "square",
    words: ["sq0csp-", "sq0atp-"],
    pattern: apart(/sq0(?:csp|atp)-[A-Za-z0-9_-]{22,}/g),
    begins: true,
  },
  { name: "newrelic", words: ["NRAK-"], pattern: apart(/NRAK-[A-Z0-9]{27}/g), begins: true },
  {
    name: "sentry",
    words: ["sntry"],
    pattern: apart(/sntry[su]_[A-Za-z0-9_=+/-]{40,}/g),
    begins: true,
  },
  {
    name: "atlassian",
    words: ["ATATT3"],
    pattern: apart(/ATATT3[A-Za-z0-9_=-]{60,}/g),
    begins: true,
  },
  { name: "replicate", words: ["r8_"], pattern: apart(/r8_[A-Za-z0-9]{37}\b/g), begins: true },
  { name: "supabase", words: ["sbp_"], pattern: apart(/sbp_[0-9a-f]{40}\b/g), begins: true },
  { name: "xai", words: ["xai-"], pattern: apart(/xai-[A-Za-z0-9]{60,}/g), begins: true },
  { name: "perplexity", words: ["pplx-"], pattern: apart(/pplx-[A-Za-z0-9]{40,}/g), begins: true },
];

/**
 * For each rule of the preset, by its short name, words of which one is in every text that it
 * matches, in small letters or not. A rule that is not named here is tried on every text.
 */
export const PRESET_WORDS: Readonly<Record<string, readonly string[]>> = {
  "1password": ["ops_ey"],
  "anthropic": ["sk-ant-"],
  "aws": ["ecret"],
  "basicauth": ["://"],
  "cloudflare": ["cfk_", "cfut_", "cfat_"],
  "database-connection-string": ["://"],
  "databricks": ["dapi"],
  "docker": ["dckr_pat_"],
  "figma": ["figd_"],
  "gcp": ["PRIVATE KEY"],
  "github": ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
  "gitlab": ["glpat-"],
  "grafana": ["glc_", "glsa_"],
  "groq": ["gsk_"],
  "hashicorp-vault": ["hvs.", "hvb.", "hvr."],
  "huggingface": ["hf_"],
  "linear": ["lin_api_"],
  "notion": ["ntn_"],
  "npm": ["npm_", "_authToken", "x-oauth"],
  "openai": ["T3BlbkFJ"],
  "privatekey": ["PRIVATE KEY"],
  "sendgrid": ["SG."],
  "shopify": ["shppa_", "shpca_", "shpat_", "shpss_"],
  "slack": ["xox", "xapp-", "hooks.slack"],
  "stripe": ["sk_live", "sk_test", "rk_live", "rk_test"],
  "tailscale": ["tskey-"],
  "vercel": ["vcp_", "vci_", "vca_", "vcr_", "vck_"],
};

function hasDigitAndLetter(value: string): boolean {
  return /\d/.test(value) && /[A-Za-z]/.test(value);
}

/** Whether a value is what browsers send of both. */
function isUserAndPassword(value: string): boolean {
  try {
    return /^[\x20-\x7e]*:[\x20-\x7e]+$/.test(atob(value));
  } catch {
    return false;
  }
}

/** Whether a value looks drawn by chance, not like a name, a path or a call in a program. */
function isRandom(value: string): boolean {
  if (!hasDigitAndLetter(value) || /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$/.test(value)) return false;
  if (/^(https?|file):/.test(value)) return false;
  const counts = new Map<string, number>();
  for (const letter of value) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) {
    bits -= count / value.length * Math.log2(count / value.length);
  }
  return bits >= 2.8;
}
