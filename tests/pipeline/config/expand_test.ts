import assert from "node:assert/strict";
import { expandPath } from "../../../pipeline/config/expand.ts";

const environment = {
  ADDRESS: "s3://backups",
  NAME: "value",
  EMPTY: "",
  TILDE: "~/there",
  SPEND: "$NAME",
};

function expand(written: string, home: string | undefined = "/home/user"): string {
  const expansion = expandPath(written, "/etc/keepsake", { environment, home });
  return expansion.ok ? expansion.path : `${expansion.message}. ${expansion.hint}`;
}

const PATHS: Readonly<Record<string, string>> = {
  "/absolute": "/absolute",
  "relative": "/etc/keepsake/relative",
  "../up/./x//y/": "/etc/up/x/y",
  "~": "/home/user",
  "~/x": "/home/user/x",
  "x/~/y": "/etc/keepsake/x/~/y",
  "/a/$NAME/b": "/a/value/b",
  "/a/${NAME}b": "/a/valueb",
  "/a/$NAME-b": "/a/value-b",
  "${NAME:-other}": "/etc/keepsake/value",
  "${UNSET:-other}/x": "/etc/keepsake/other/x",
  "${EMPTY:-/other}": "/other",
  "${UNSET:-~/.claude}/projects": "/home/user/.claude/projects",
  "${UNSET:-${NAME}}": "/etc/keepsake/value",
  "${UNSET:-$EMPTY_TOO$NAME}":
    "Cannot expand $EMPTY_TOO: it is not set. Set it, or write a default: ${EMPTY_TOO:-…}",
  "${UNSET:-${ALSO:-/deep}/x}/y": "/deep/x/y",
  "${UNSET:-}/x": "/x",
  "$TILDE": "/home/user/there",
  "/a/$SPEND": "/a/$NAME",
  "/costs/$5/$": "/costs/$5/$",
  "./~file": "/etc/keepsake/~file",
  "./s3://backups": "/etc/keepsake/s3:/backups",
  "a/b@c:d": "/etc/keepsake/a/b@c:d",
  "me@host": "/etc/keepsake/me@host",
  "12:30": "/etc/keepsake/12:30",
};

for (const [written, path] of Object.entries(PATHS)) {
  Deno.test(`the path ${written} becomes ${path.split(". ")[0]}`, () => {
    assert.equal(expand(written), path);
  });
}

const REFUSED: Readonly<Record<string, string>> = {
  "$UNSET/x": "Cannot expand $UNSET: it is not set",
  "${UNSET}/x": "Cannot expand $UNSET: it is not set",
  // Else a folder at the root would take the place of what was meant.
  "$EMPTY/projects": "Cannot expand $EMPTY: it is not set",
  // No variable, but a property of every object.
  "$constructor/x": "Cannot expand $constructor: it is not set",
  "~user/x": "Cannot expand this path: only ~ and ~/ stand for a home directory",
  "${NAME": "Cannot expand this path: ${ must be followed by a name",
  "${": "Cannot expand this path: ${ must be followed by a name",
  "${}": "Cannot expand this path: ${ must be followed by a name",
  "${NAME:=x}": "Cannot expand this path: ${ must be followed by a name",
  "${NAME:-x": "Cannot expand this path: ${ must be followed by a name",
  "s3://backups/claude": "Cannot use this path: it is an address",
  "file:///mnt/usb": "Cannot use this path: it is an address",
  "git+ssh://host/b": "Cannot use this path: it is an address",
  "git@host:me/backup.git": "Cannot use this path: it is an address",
  "sftp:me@host:/b": "Cannot use this path: it is an address",
  "s3:host/bucket": "Cannot use this path: it is an address",
  "nas:/backups": "Cannot use this path: it is an address",
  "$ADDRESS": "Cannot use this path: it is an address",
  "/a\0b": "Cannot use this path: it has a character no path can have",
  "/a\ud800b": "Cannot use this path: it has a character no path can have",
};

for (const [written, message] of Object.entries(REFUSED)) {
  Deno.test(`the path ${JSON.stringify(written)} is refused with what to do`, () => {
    const said = expand(written);
    assert.ok(said.startsWith(message), said);
    assert.match(said, /\. [A-Z].*[^.]$/);
  });
}

Deno.test("a path below ~ is refused where there is no home directory", () => {
  const expansion = expandPath("~/x", "/", { environment, home: undefined });
  assert.deepEqual(expansion, {
    ok: false,
    message: "Cannot expand ~: there is no home directory",
    hint: "Set HOME to its absolute path, or write the path in full",
  });
});

Deno.test("defaults within defaults are refused when they go too deep to be meant", () => {
  const depth = 50_000;
  const said = expand("${A:-".repeat(depth) + "x" + "}".repeat(depth));
  assert.ok(said.startsWith("Cannot expand this path"), said.slice(0, 80));
});
