/** What people write for sizes and durations, and what stages receive. */
import assert from "node:assert/strict";
import * as v from "valibot";
import { credentials, duration, type Option, secret, size } from "../../stages/options.ts";

function said(option: Option<string, number | string>, written: string): number | string {
  const { success, output, issues } = v.safeParse(option, written);
  return success ? output : issues[0].message;
}

const SIZES: Readonly<Record<string, number | string>> = {
  "1B": 1,
  "2kB": 2000,
  "2KB": 2000,
  "5MB": 5_000_000,
  "3GB": 3_000_000_000,
  "1TB": 1_000_000_000_000,
  "2KiB": 2048,
  "64MiB": 67_108_864,
  "3GiB": 3_221_225_472,
  "1TiB": 1_099_511_627_776,
  "0MB": "Expected more than nothing",
  "9007TB": 9_007_000_000_000_000,
  "9008TB": "Expected a smaller size",
  "5": 'Expected a size such as "5MB" or "64MiB"',
  "5 MB": 'Expected a size such as "5MB" or "64MiB"',
  "-5MB": 'Expected a size such as "5MB" or "64MiB"',
};

for (const [written, expected] of Object.entries(SIZES)) {
  Deno.test(`a size of "${written}" is ${expected}`, () => {
    assert.equal(said(size("A size."), written), expected);
  });
}

const DURATIONS: Readonly<Record<string, number | string>> = {
  "90s": 90_000,
  "2m": 120_000,
  "36h": 129_600_000,
  "14d": 1_209_600_000,
  "2w": 1_209_600_000,
  "99999999999999999999w": "Expected a shorter duration",
  "36": 'Expected a duration such as "90s", "36h" or "14d"',
  "-1d": 'Expected a duration such as "90s", "36h" or "14d"',
  "1d12h": 'Expected a duration such as "90s", "36h" or "14d"',
};

for (const [written, expected] of Object.entries(DURATIONS)) {
  Deno.test(`a duration of "${written}" is ${expected}`, () => {
    assert.equal(said(duration("A duration."), written), expected);
  });
}

const KEY = "AKIAIOSFODNN7EXAMPLE";

Deno.test("credentials are where they stand, and never what they are", () => {
  for (const written of ["env", "profile:backup", "file:~/keys#backup"]) {
    assert.equal(said(credentials("Keys."), written), written);
  }
  for (const written of [KEY, "environment", "profile:", "file:"]) {
    assert.equal(
      said(credentials("Keys."), written),
      'Expected "env", "profile:NAME" or "file:PATH"',
    );
  }
});

Deno.test("a secret is where it stands, and never what it is", () => {
  for (const written of ["env:MY_KEY", "file:~/key"]) {
    assert.equal(said(secret("A key."), written), written);
  }
  for (const written of [KEY, "env:", "env:MY KEY", "env:1", "file:"]) {
    assert.equal(
      said(secret("A key."), written),
      'Expected a reference such as "env:NAME" or "file:PATH"',
    );
  }
});
