/**
 * Archives that were made to do harm, most of them with a manifest that agrees: whoever has a
 * recipient's public key can make both. And a canary that must not notice.
 *
 * It is one long table on purpose: what is tried should be seen at a glance.
 *
 * @module
 */
import { lstatSync, readdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import type { Entry } from "../../stages/contract.ts";
import {
  bytesOf,
  concat,
  END,
  entriesOf,
  header,
  type Member,
  memberBytes,
  octal,
  paxHeader,
  paxRecord,
  sha256,
  tarOf,
} from "../stages/formats/tar/tar_bytes.ts";

/** One of them, and what has to become of it. */
export interface Attack {
  /** Goes on from "when …". */
  readonly when: string;
  /** Bytes that are not what the members say; `canary` is the canary's absolute path. */
  readonly archive?: (canary: string) => Uint8Array;
  /** What stands in the archive, and in a manifest that agrees. */
  readonly members: readonly Member[] | ((canary: string) => readonly Member[]);
  /** A manifest that does not agree. */
  readonly entries?: readonly Entry[];
  /** What the refusal says. Without it, the archive must turn out harmless. */
  readonly says?: RegExp;
  /** Paths that a harmless one leaves below the target, besides the root `x`. */
  readonly leaves?: readonly string[];
  readonly code?: string;
}

/** The root that all of them have. */
export const X: Member = { path: "x", type: "5" };
/** What does no harm. */
export const HONEST: readonly Member[] = [X, { path: "x/file", content: "content" }];
const FILE = { content: "PWNED" };

/** A path as it stands in the archive and in the manifest. */
function atPath(path: string, says: RegExp, type = "0"): Attack {
  const member = type === "0" ? { path, ...FILE } : { path, type, link: "file" };
  const name = path.length > 50 ? `${path.slice(0, 20)}… of ${path.length}` : path;
  return { when: `a path is ${JSON.stringify(name)}, type ${type}`, members: [X, member], says };
}

/** A type that the manifest cannot even say. */
function ofType(type: string, name: string): Attack {
  return {
    when: `an entry is ${name}`,
    members: [X, { path: "x/file", fields: { 156: type, 329: "0000001\0" + "0000003\0" } }],
    says: /"x\/file" .* which is not written by keepsake$/,
  };
}

/** A header of an honest file with fields changed. */
function withFields(
  when: string,
  fields: NonNullable<Member["fields"]>,
  says: RegExp,
  more: Partial<Member> = {},
): Attack {
  return { when, members: [X, { path: "x/file", ...FILE, fields, ...more }], says };
}

/** An honest manifest beside bytes that hold something else. */
function withBytes(when: string, archive: Uint8Array, says: RegExp): Attack {
  return { when, archive: () => archive, members: HONEST, says };
}

/** What a name means on other systems; here it is a name like any other. */
function namedLike(name: string): Attack {
  const path = `x/${name}`;
  return {
    when: `a name is ${JSON.stringify(name)}`,
    members: [X, { path, ...FILE }],
    leaves: [path],
  };
}

/** A manifest that says what no archive can hold. */
function listing(when: string, entry: Readonly<Record<string, unknown>>, says: RegExp): Attack {
  const base = entriesOf(HONEST);
  const entries = base.with(1, { ...base[1]!, ...entry } as Entry);
  return { when: `the manifest has ${when}`, members: HONEST, entries, says };
}

const SMUGGLED = memberBytes({ path: "../canary/secret.txt", ...FILE });
/** The way to what lies as deep as may be. */
export const LEVELS = "d/".repeat(4998);

/** All of them. */
export const ATTACKS: readonly Attack[] = [
  // Paths that lead out, or are no paths.
  {
    when: "a path is absolute and names a file outside",
    members: (canary) => [X, { path: `${canary}/secret.txt`, ...FILE }],
    says: /empty or absolute/,
  },
  {
    when: "a path is absolute and new",
    members: (canary) => [X, { path: `${canary}/new`, ...FILE }],
    says: /empty or absolute/,
  },
  atPath("/", /empty or absolute/, "5"),
  atPath("//x/new", /empty or absolute/),
  atPath("", /empty or absolute/),
  atPath("..", /has "\.\." in it/, "5"),
  atPath("../canary", /has "\.\." in it/, "5"),
  atPath("../canary/secret.txt", /has "\.\." in it/),
  atPath("x/../../canary/new", /has "\.\." in it/),
  atPath("x/..", /has "\.\." in it/, "5"),
  atPath("x/../x/file", /has "\.\." in it/),
  atPath("x/a/b/../../../../canary/new", /has "\.\." in it/),
  atPath("./x/file", /has "\." in it/),
  atPath("x/./file", /has "\." in it/),
  atPath("x/.", /has "\." in it/, "5"),
  atPath(".", /has "\." in it/, "5"),
  atPath("x//file", /an empty part/),
  atPath("x/file/", /an empty part/),
  atPath("x/directory//", /an empty part/, "5"),
  atPath("x/a\0b", /a NUL in it/),
  atPath("x/\ud800", /not Unicode/),
  atPath("x-evil/file", /below none of the roots/),
  atPath("X/file", /below none of the roots/),
  atPath("canary/secret.txt", /below none of the roots/),
  atPath("~/file", /below none of the roots/),
  atPath("x\\..\\..\\canary\\new", /below none of the roots/),
  atPath("C:/canary/new", /below none of the roots/),
  atPath("canary", /below none of the roots/, "2"),
  { ...atPath(`x/${"n".repeat(256)}`, /is too long for this system/), code: "target-refused" },
  { ...atPath(`x/${"ü".repeat(128)}`, /is too long for this system/), code: "target-refused" },
  atPath(`x/${"n".repeat(1021)}`, /longer than 255 characters/),
  atPath(`x/${"\u{1f4be}".repeat(256)}`, /longer than 255 characters/),
  atPath(`x/${`${"n".repeat(250)}/`.repeat(262)}file`, /longer than 64 KiB/),
  atPath(`x/${LEVELS}d/d`, /more than 5000 levels/),
  {
    when: "a path is 5,000 levels deep, which no call of this system takes",
    members: [X, { path: `x/${LEVELS}f`, ...FILE }],
    code: "target-refused",
    says: /its path has \d+ bytes there/,
  },
  {
    when: "a path has bytes that a lax reader takes for dots and slashes",
    archive: () => {
      const name = bytesOf("x/\xc0\xae\xc0\xae\xc0\xaf\xc0\xae\xc0\xae\xc0\xafcanary", true);
      return tarOf([X, { path: "x/file", fields: { 0: name } }]);
    },
    members: HONEST,
    says: /not UTF-8/,
  },
  namedLike(".. "),
  namedLike("..."),
  namedLike("\uff0e\uff0e"),
  namedLike("..\u2215..\u2215canary"),
  namedLike("..\\..\\canary\\new"),
  namedLike("C:\\canary\\new"),
  namedLike("C:..\\..\\canary"),
  namedLike("file:stream"),
  namedLike("NUL"),
  namedLike("aux.txt"),
  namedLike("ends in a dot."),
  namedLike("~"),
  namedLike("-rf"),
  namedLike("$(touch canary)"),
  namedLike("__proto__"),
  namedLike("\u001b[2J\n"),
  {
    when: "a refused path has control characters in it",
    members: [X, { path: "x/\u001b[2J\n\r/../y", ...FILE }],
    says: /^[^\p{Cc}]*"x\/\\u001b\[2J\\n\\r\/\.\.\/y"[^\p{Cc}]*$/u,
  },

  // One name for two things.
  {
    when: "a file stands twice",
    members: [X, { path: "x/file", content: "a" }, { path: "x/file", content: "b" }],
    says: /listed twice/,
  },
  {
    when: "a directory stands twice",
    members: [X, { path: "x/d", type: "5" }, { path: "x/d", type: "5" }],
    says: /listed twice/,
  },
  {
    when: "a directory becomes a link once it is trusted",
    members: (canary) => [
      X,
      { path: "x/d", type: "5" },
      { path: "x/d", type: "2", link: canary },
      { path: "x/d/secret.txt", ...FILE },
    ],
    says: /listed twice/,
  },
  {
    when: "a link becomes a directory",
    members: (canary) => [
      X,
      { path: "x/d", type: "2", link: canary },
      { path: "x/d", type: "5" },
      { path: "x/d/secret.txt", ...FILE },
    ],
    says: /listed twice/,
  },
  {
    when: "a directory stands behind what is in it",
    members: [X, { path: "x/d/file" }, { path: "x/d", type: "5" }],
    says: /or after what is in it/,
  },
  {
    when: "a link takes the name of a directory that has no entry",
    members: (canary) => [X, { path: "x/d/file" }, { path: "x/d", type: "2", link: canary }],
    says: /or after what is in it/,
  },
  {
    when: "a file stands below a file",
    members: [X, { path: "x/file" }, { path: "x/file/child", ...FILE }],
    says: /below "x\/file", which is a file/,
  },
  {
    when: "two names differ in case alone",
    members: [X, { path: "x/File", content: "a" }, { path: "x/fILE", content: "b" }],
    leaves: ["x/File", "x/fILE"],
  },
  {
    when: "two directories differ in case alone, and one is a link",
    members: (canary) => [
      X,
      { path: "x/D", type: "2", link: canary },
      { path: "x/d/secret.txt", ...FILE },
    ],
    leaves: ["x/d", "x/d/secret.txt"],
  },
  {
    when: "two names differ in Unicode form alone",
    members: [X, { path: "x/\u00e9", content: "a" }, { path: "x/e\u0301", content: "b" }],
    leaves: ["x/\u00e9", "x/e\u0301"],
  },
  {
    when: "two names fold to one, as ß and ss do (CVE-2026-23950)",
    members: (canary) => [
      X,
      { path: "x/coll\u00df", type: "2", link: `${canary}/secret.txt` },
      { path: "x/collss", ...FILE },
    ],
    leaves: ["x/collss"],
  },

  // Links.
  {
    when: "a link leads outside and is followed by a file below it",
    members: (canary) => [
      X,
      { path: "x/link", type: "2", link: canary },
      { path: "x/link/secret.txt", ...FILE },
    ],
    says: /below "x\/link", which is a symlink/,
  },
  {
    when: "a link leads outside and a file goes deep below it",
    members: [
      X,
      { path: "x/link", type: "2", link: "../../canary" },
      { path: "x/link/sub/deep/new", ...FILE },
    ],
    says: /below "x\/link", which is a symlink/,
  },
  {
    when: "a link leads outside and a directory below it changes modes there",
    members: [
      X,
      { path: "x/link", type: "2", link: "../../canary" },
      { path: "x/link/sub", type: "5", mode: 0o777 },
    ],
    says: /below "x\/link", which is a symlink/,
  },
  {
    when: "a file takes the name of a link",
    members: (canary) => [
      X,
      { path: "x/link", type: "2", link: `${canary}/secret.txt` },
      { path: "x/link", ...FILE },
    ],
    says: /listed twice/,
  },
  {
    when: "the root itself is a link",
    members: (
      canary,
    ) => [{ path: "x", type: "2", link: canary }, { path: "x/secret.txt", ...FILE }],
    says: /below "x", which is a symlink/,
  },
  {
    when: "a link is all there is, and absolute",
    members: (canary) => [X, { path: "x/link", type: "2", link: canary }],
    leaves: [],
  },
  {
    when: "links form a chain and a loop",
    members: [
      X,
      { path: "x/a", type: "2", link: "b" },
      { path: "x/b", type: "2", link: "a" },
      { path: "x/c", type: "2", link: "." },
      { path: "x/e", type: "2", link: "c/c/c/../../../../canary" },
    ],
    leaves: [],
  },
  {
    when: "a hard link goes out through a chain of links (CVE-2026-26960)",
    members: [
      X,
      { path: "x/a/b/c/up", type: "2", link: "../.." },
      { path: "x/a/b/escape", type: "2", link: "c/up/../.." },
      { path: "x/stolen", type: "1", link: "x/a/b/escape/canary/secret.txt" },
    ],
    says: /"x\/stolen" .* no file before it/,
  },
  {
    when: "a chain of links is longer than a path may be (CVE-2025-4517)",
    members: [
      X,
      ...Array.from({ length: 16 }, (_, index): readonly Member[] => [
        { path: `x/${"d".repeat(247)}${index}`, type: "5" },
        { path: `x/${"abcdefghijklmnop"[index]}`, type: "2", link: `${"d".repeat(247)}${index}` },
      ]).flat(),
      { path: `x/${"l".repeat(254)}`, type: "2", link: "../".repeat(16) },
      { path: "x/escape", type: "2", link: `${"l".repeat(254)}/../../canary` },
      { path: "x/escape/new", ...FILE },
    ],
    says: /below "x\/escape", which is a symlink/,
  },
  {
    when: "a hard link names an absolute path",
    members: (canary) => [X, { path: "x/hard", type: "1", link: `${canary}/secret.txt` }],
    says: /no file before it/,
  },
  {
    when: "a hard link climbs out, and the file it names is written to",
    members: [
      X,
      { path: "x/hard", type: "1", link: "../canary/secret.txt" },
      { path: "x/hard", ...FILE },
    ],
    says: /no file before it/,
  },
  {
    when: "a hard link names a path of another drive (CVE-2026-29786)",
    members: [X, { path: "x/hard", type: "1", link: "C:../canary/secret.txt" }],
    says: /no file before it/,
  },
  {
    when: "a hard link goes through a link",
    members: (canary) => [
      X,
      { path: "x/link", type: "2", link: canary },
      { path: "x/hard", type: "1", link: "x/link/secret.txt" },
    ],
    says: /no file before it/,
  },
  {
    when: "a hard link names a link",
    members: (canary) => [
      X,
      { path: "x/link", type: "2", link: `${canary}/secret.txt` },
      { path: "x/hard", type: "1", link: "x/link" },
    ],
    says: /no file before it/,
  },
  {
    when: "a hard link names a directory",
    members: [X, { path: "x/hard", type: "1", link: "x" }],
    says: /no file before it/,
  },
  {
    when: "a hard link names itself",
    members: [X, { path: "x/hard", type: "1", link: "x/hard" }],
    says: /no file before it/,
  },
  {
    when: "a hard link names a later file",
    members: [X, { path: "x/hard", type: "1", link: "x/later" }, { path: "x/later" }],
    says: /no file before it/,
  },
  {
    when: "a hard link names a hard link",
    members: [
      X,
      { path: "x/a" },
      { path: "x/b", type: "1", link: "x/a" },
      { path: "x/c", type: "1", link: "x/b" },
    ],
    says: /"x\/c" .* no file before it/,
  },
  {
    when: "a file stands below a hard link",
    members: [X, { path: "x/a" }, { path: "x/b", type: "1", link: "x/a" }, { path: "x/b/c" }],
    says: /below "x\/b", which is a hardlink/,
  },
  {
    when: "a hard link brings content for the file it names",
    archive: () => tarOf([X, { path: "x/a" }, { path: "x/b", type: "1", link: "x/a", ...FILE }]),
    members: [X, { path: "x/a" }, { path: "x/b", type: "1", link: "x/a" }],
    says: /has content and is no file/,
  },
  {
    when: "a link has content",
    archive: () => tarOf([X, { path: "x/a", type: "2", link: "b", content: SMUGGLED }]),
    members: [X, { path: "x/a", type: "2", link: "b" }],
    says: /has content and is no file/,
  },
  {
    when: "a directory has content",
    archive: () => tarOf([{ ...X, content: SMUGGLED }]),
    members: [X],
    says: /has content and is no file/,
  },
  {
    when: "a file names a link's target",
    members: [X, { path: "x/a", fields: { 157: "../canary/secret.txt" } }],
    says: /names a link's target and is none/,
  },
  {
    when: "a link has no text",
    members: [X, { path: "x/a", type: "2", link: "" }],
    says: /a link to nothing/,
  },
  {
    when: "a link's text has a NUL in it",
    members: [X, { path: "x/a", type: "2", link: "a\0b" }],
    says: /a text that no link can have/,
  },
  {
    when: "a link's text is longer than any path",
    members: [X, { path: "x/a", type: "2", link: "../".repeat(30_000) }],
    says: /its link is longer than 64 KiB/,
  },

  // Modes.
  {
    when: "a file would run as its owner",
    members: [X, { path: "x/tool", mode: 0o6777, ...FILE }],
    leaves: ["x/tool"],
  },
  {
    when: "a directory shuts everybody out",
    members: [{ ...X, mode: 0 }, { path: "x/file", mode: 0, ...FILE }],
    leaves: ["x/file"],
  },
  withFields("a mode holds a file type", { 100: "0100644\0" }, /more than permission bits/),
  withFields("a mode is negative", { 100: "-000644\0" }, /mode is not a number/),

  // Types that keepsake does not write.
  ofType("\0", "a file of the oldest format"),
  ofType("3", "a character device"),
  ofType("4", "a block device"),
  ofType("6", "a named pipe"),
  ofType("7", "a contiguous file"),
  ofType("g", "a global pax header"),
  ofType("D", "a GNU directory"),
  ofType("K", "a GNU long link"),
  ofType("L", "a GNU long name"),
  ofType("M", "a GNU continuation"),
  ofType("N", "an old GNU long name"),
  ofType("S", "a GNU sparse file"),
  ofType("V", "a GNU volume"),
  ofType("X", "a Solaris pax header"),
  ofType("Z", "of no known type"),
  withBytes(
    "a global pax header gives every entry another path",
    concat(
      memberBytes(X),
      paxHeader(paxRecord("path", "../canary/new"), { 156: "g" }),
      memberBytes(HONEST[1]!),
      END,
    ),
    /a global pax header/,
  ),
  withBytes(
    "a GNU long name gives the next entry another path",
    tarOf([
      X,
      { path: "././@LongLink", fields: { 156: "L" }, content: "../canary/new\0" },
      HONEST[1]!,
    ]),
    /a GNU long name/,
  ),

  // Two sizes, or none.
  {
    when: "the pax size hides entries that the header's size shows (CVE-2025-62518)",
    members: [
      X,
      {
        path: "x/file",
        content: concat(SMUGGLED, END),
        pax: { size: String(SMUGGLED.length + 1024) },
        fields: { 124: octal(0, 12) },
      },
    ],
    says: /two sizes, 0 and 2048 bytes/,
  },
  {
    when: "the header's size hides entries that the pax size shows",
    members: [X, { path: "x/file", content: SMUGGLED, pax: { size: "0" } }],
    says: /two sizes, 1024 and 0 bytes/,
  },
  {
    when: "the pax size is one less than the header's",
    members: [X, { path: "x/file", ...FILE, pax: { size: "4" } }],
    says: /two sizes, 5 and 4 bytes/,
  },
  {
    when: "the pax size is large and the header's is no placeholder",
    members: [X, { path: "x/file", ...FILE, pax: { size: "10000000000" } }],
    says: /two sizes, 5 and 10000000000 bytes/,
  },
  {
    when: "the pax size is larger than the manifest's",
    members: [X, {
      path: "x/file",
      ...FILE,
      pax: { size: "10000000000" },
      fields: { 124: "77777777777\0" },
    }],
    says: /10000000000 bytes in the archive and 5 in the manifest/,
  },
  {
    when: "a file is larger than the manifest says",
    archive: () => tarOf([X, { path: "x/file", content: new Uint8Array(1e6) }]),
    members: HONEST,
    says: /1000000 bytes in the archive and 7 in the manifest/,
  },
  {
    when: "a file of 8 GiB is promised and ends at once",
    archive: () => tarOf([X, { path: "x/file", fields: { 124: "77777777777\0" } }]),
    members: HONEST,
    entries: entriesOf(HONEST).with(1, {
      path: "x/file",
      kind: "file",
      mode: 0o644,
      mtime: 0,
      size: 2 ** 33 - 1,
      sha256: sha256(new Uint8Array()),
    }),
    says: /"x\/file" .* is cut short/,
  },
  withFields("a size is negative", { 124: "-0000000005\0" }, /size is not a number/),
  withFields("a size is blank", { 124: " ".repeat(12) }, /size is not a number/),
  withFields(
    "a size is in base 256",
    { 124: bytesOf("\x80" + "\0".repeat(10) + "\x05", true) },
    /size is not/,
  ),
  withFields(
    "a size is negative in base 256",
    { 124: bytesOf("\xff".repeat(12), true) },
    /size is not/,
  ),
  withFields("a pax size is negative", {}, /size is not a number/, { pax: { size: "-5" } }),
  withFields("a pax size is in hexadecimal", {}, /size is not a number/, { pax: { size: "0x5" } }),
  withFields("a pax size is no safe number", {}, /size is not/, {
    pax: { size: "9007199254740997" },
  }),
  withFields(
    "a directory has a pax size",
    { 156: "5", 124: octal(0, 12) },
    /content and is no file/,
    {
      content: "",
      pax: { size: "10000000000" },
    },
  ),

  // Pax headers.
  withFields("the pax path leads out", {}, /"\.\.\/canary\/new" is in the archive/, {
    pax: { path: "../canary/new" },
  }),
  withFields("the pax path is ended early by a NUL", {}, /malformed "path"/, {
    pax: { path: "x/file\0/../../canary/new" },
  }),
  withFields("a pax header gives a file a link", {}, /names a link's target/, {
    pax: { linkpath: "../canary/secret.txt" },
  }),
  withFields("a pax header holds a path twice", {}, /"path" twice/, {
    paxBody: concat(paxRecord("path", "x/file"), paxRecord("path", "../canary/new")),
  }),
  withFields("a pax header makes the file sparse", {}, /"GNU\.sparse\.major"/, {
    pax: { "GNU.sparse.major": "1", "GNU.sparse.name": "../canary/new" },
  }),
  withFields("a pax header brings extended attributes", {}, /"SCHILY\.xattr\.security/, {
    pax: { "SCHILY.xattr.security.capability": "x" },
  }),
  withFields("a pax header brings another character set", {}, /"hdrcharset"/, {
    pax: { hdrcharset: "BINARY" },
  }),
  withFields("a pax record is longer than its header", {}, /malformed/, { paxBody: "99 path=x\n" }),
  withFields("a pax record has no length", {}, /malformed/, { paxBody: "path=x\n" }),
  withFields("a pax record has the length 0", {}, /malformed/, { paxBody: "0 path=x\n" }),
  withFields("a pax header is empty", {}, /pax header has 0 bytes/, { paxBody: "" }),
  withFields("a pax header is over a mebibyte", {}, /pax header has 1048577 bytes/, {
    paxBody: new Uint8Array(2 ** 20 + 1),
  }),
  withBytes(
    "a pax header promises 8 GiB",
    concat(memberBytes(X), header({ 0: "PaxHeader", 124: "77777777777\0", 156: "x" }), END),
    /pax header has 8589934591 bytes/,
  ),
  withBytes(
    "two pax headers stand in a row",
    concat(
      memberBytes(X),
      paxHeader(paxRecord("path", "../canary/new")),
      paxHeader(paxRecord("path", "x/file")),
      memberBytes(HONEST[1]!),
      END,
    ),
    /two pax headers/,
  ),
  withBytes(
    "a pax header describes the end",
    concat(...HONEST.map(memberBytes), paxHeader(paxRecord("path", "../canary/new")), END),
    /describes nothing/,
  ),
  withBytes(
    "the padding of a pax header is not empty",
    (() => {
      const before = paxHeader(paxRecord("path", "x/file"));
      before[before.length - 1] = 1;
      return concat(memberBytes(X), before, memberBytes(HONEST[1]!), END);
    })(),
    /padding is not empty/,
  ),

  // Headers and ends.
  withFields("a header has GNU's magic", { 257: "ustar  \0" }, /not a POSIX one/),
  withFields("a header has no magic", { 257: "\0".repeat(8) }, /not a POSIX one/),
  withFields("a header has another version", { 263: "01" }, /not a POSIX one/),
  withFields("a checksum is wrong", {}, /checksum/, { checksum: "000000\0 " }),
  withFields("a checksum is missing", {}, /checksum/, { checksum: "\0".repeat(8) }),
  withBytes("the archive is empty", new Uint8Array(), /"x" .* cut short/),
  withBytes("the archive is its end alone", END, /"x" .* in the manifest and not in the archive/),
  withBytes("the archive has one end block", tarOf(HONEST, new Uint8Array(512)), /cut short/),
  withBytes(
    "the archive has a third end block",
    tarOf(HONEST, new Uint8Array(1536)),
    /after its end/,
  ),
  withBytes("another archive stands behind", concat(tarOf(HONEST), tarOf([X])), /after its end/),
  withBytes("one byte stands behind", concat(tarOf(HONEST), bytesOf("x")), /after its end/),
  withBytes(
    "an entry stands between the end blocks",
    concat(...HONEST.map(memberBytes), END.subarray(512), SMUGGLED, END),
    /after the end of the archive/,
  ),
  withBytes(
    "the padding of a file is not empty",
    (() => {
      const archive = tarOf(HONEST);
      archive.fill(1, archive.length - 1025, archive.length - 1024);
      return archive;
    })(),
    /padding is not empty/,
  ),
  withBytes(
    "an entry more is in the archive",
    tarOf([...HONEST, { path: "x/new" }]),
    /not in the manifest/,
  ),
  withBytes("an entry of the manifest is missing", tarOf([X]), /"x\/file" .* not in the archive/),
  withBytes(
    "an entry leads out and is not in the manifest",
    concat(...HONEST.map(memberBytes), SMUGGLED, END),
    /"\.\.\/canary\/secret\.txt" .* not in the manifest/,
  ),
  withBytes(
    "a device is not in the manifest",
    tarOf([...HONEST, { path: "x/sda", fields: { 156: "4" } }]),
    /a block device/,
  ),

  // Manifests.
  listing("a negative size", { size: -1 }, /size is not a number/),
  listing("half a byte", { size: 0.5 }, /size is not a number/),
  listing("no size", { size: undefined }, /size is not a number/),
  listing("a size beyond numbers", { size: 2 ** 53 }, /size is not a number/),
  listing("more bytes than numbers", { size: Number.MAX_SAFE_INTEGER }, /bytes in the archive and/),
  listing("a mode beyond permission bits", { mode: 0o10644 }, /mode is not permission bits/),
  listing("a negative mode", { mode: -1 }, /mode is not permission bits/),
  listing("an unknown kind", { kind: "device" }, /of an unknown kind/),
  listing("a kind that objects have", { kind: "__proto__" }, /of an unknown kind/),
  listing("a path that is no text", { path: ["x", "file"] }, /path is not a text/),
  listing("a link that is no text", { kind: "symlink", link: 5 }, /a link to nothing/),
  listing("another content", { sha256: sha256(bytesOf("other")) }, /content is not what/),
  {
    when: "the manifest's sizes come to more than numbers",
    members: [X],
    entries: entriesOf([X, { path: "x/a" }, { path: "x/b" }]).map((entry) =>
      entry.kind === "file" ? { ...entry, size: Number.MAX_SAFE_INTEGER } : entry
    ),
    says: /"x\/b" .* all sizes together/,
  },
];

/** Makes what must stay as it is. */
export async function plantCanary(canary: string): Promise<void> {
  await Deno.mkdir(join(canary, "sub/deep"), { recursive: true });
  await Deno.writeTextFile(join(canary, "secret.txt"), "secret", { mode: 0o600 });
  await Deno.writeTextFile(join(canary, "sub/deep/file"), "deep");
  await Deno.link(join(canary, "secret.txt"), join(canary, "second name"));
  await Deno.symlink("secret.txt", join(canary, "link"));
}

/** One thing as it stands somewhere. */
export interface Seen
  extends Pick<Stats, "ino" | "nlink" | "mode" | "size" | "uid" | "mtimeMs" | "ctimeMs"> {
  /** Its path below the directory that was looked at. */
  readonly name: string;
  /** Of a file's content. */
  readonly hash: string | undefined;
}

/** Everything below a directory, but access times: inodes, link counts, modes, times, contents. */
export function picture(directory: string): Seen[] {
  const names = readdirSync(directory, { recursive: true }) as string[];
  return names.sort().map((name) => {
    const place = join(directory, name);
    const { ino, nlink, mode, size, uid, mtimeMs, ctimeMs } = lstatSync(place);
    const isFile = lstatSync(place).isFile();
    const hash = isFile ? sha256(Deno.readFileSync(place)) : undefined;
    return { name, ino, nlink, mode, size, uid, mtimeMs, ctimeMs, hash };
  });
}
