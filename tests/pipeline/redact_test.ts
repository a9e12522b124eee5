import { deepEqual, equal } from "node:assert/strict";
import { BackupError } from "../../pipeline/errors.ts";
import { redactError, redactForms, redactorFor } from "../../pipeline/redact.ts";
import { load, stages } from "./config/support.ts";

Deno.test("passwords in addresses and identities are taken out of any text", () => {
  equal(
    redactForms(
      "at https://me:pw@host/x, ssh://u@h, ssh://u:p@h, https://t@h, a@b and s3://k:p@@h",
    ),
    "at https://(hidden)@host/x, ssh://u@h, ssh://(hidden)@h, https://(hidden)@h, a@b and s3://(hidden)@h",
  );
  equal(redactForms("key AGE-SECRET-KEY-1QQQPQ99 here"), "key (hidden) here");
});

Deno.test("what the file's references stand for is taken out, in every form that it is sent in", async () => {
  const folder = await Deno.makeTempDir({ prefix: "keepsake-" });
  try {
    const [hook, git, keys] = ["hook", "git", "keys"].map((name) => `${folder}/${name}`);
    await Deno.writeTextFile(hook!, "https://hooks.example/T0/very/secret?token=abcdef\n");
    await Deno.writeTextFile(git!, 'me:p"ss wörd\n');
    await Deno.writeTextFile(keys!, "[default]\naws_secret_access_key = wJalrXUtnFEMI\n");
    const pipeline = await load([
      "[pipeline]",
      `alert = ["file:${hook}"]`,
      'heartbeat = "https://hc.example/heart-beat-id"',
      stages(
        'snapshot; paths = ["/data"]',
        `git; remote = "https://h.example/x.git"; credentials = "file:${git}"; plaintext = true`,
        `s3; bucket = "backups"; credentials = "file:${keys}"; plaintext = true`,
      ),
    ].join("\n"));
    const redact = redactorFor(pipeline);
    for (
      const secret of [
        "https://hooks.example/T0/very/secret?token=abcdef",
        "/T0/very/secret",
        "token=abcdef",
        'me:p"ss wörd',
        'p"ss wörd',
        encodeURIComponent('p"ss wörd'),
        'p\\"ss wörd',
        btoa(String.fromCharCode(...new TextEncoder().encode('me:p"ss wörd'))),
        "wJalrXUtnFEMI",
        "heart-beat-id",
      ]
    ) {
      equal(redact(`before ${secret} after`).includes(secret), false, secret);
    }
    equal(redact("hooks.example answers with 404"), "hooks.example answers with 404");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an error keeps its code, and what is a bug its stack", () => {
  const redact = redactForms;
  const error = new BackupError("stage-failed", "at https://a:b@c", { hint: "See https://a:b@c" });
  const clean = redactError(error, redact) as BackupError;
  deepEqual([clean.code, clean.message, clean.hint], [
    "stage-failed",
    "at https://(hidden)@c",
    "See https://(hidden)@c",
  ]);
  const bug = redactError(new Error("at https://a:b@c"), redact) as Error;
  equal(bug.stack?.includes("a:b@"), false);
  equal(bug.stack?.includes("redact_test"), true);
});
