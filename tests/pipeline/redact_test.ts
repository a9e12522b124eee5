import { deepEqual, equal, rejects } from "node:assert/strict";
import { BackupError } from "../../pipeline/errors.ts";
import { readHookFacts } from "../../pipeline/hook_facts.ts";
import { type Environment, redactError, redactForms, redactorFor } from "../../pipeline/redact.ts";
import { runPipeline } from "../../pipeline/run.ts";
import { World } from "../end_to_end/world.ts";
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

Deno.test("a password is taken out of an address whatever it holds, and however that is written", () => {
  for (
    const [written, shown] of [
      ["https://bob:S3C/RETpw@h/x.git", "https://(hidden)@h/x.git"],
      ["https://bob:S3C?RETpw@h/x.git", "https://(hidden)@h/x.git"],
      ["https://bob:S3C#RETpw@h/x.git", "https://(hidden)@h/x.git"],
      ["https://bob:S3C'RETpw@h/x.git", "https://(hidden)@h/x.git"],
      ["https://bob:S3C RETpw@h/x.git", "https://(hidden)@h/x.git"],
      ["https://S3C/RETpw@h/x.git", "https://(hidden)@h/x.git"],
      ["git+ssh://bob:S3C/RETpw@h/x.git", "git+ssh://(hidden)@h/x.git"],
      ["https%3A%2F%2Fbob%3AS3CRETpw%40h", "https%3A%2F%2F(hidden)%40h"],
      ["https%253a%252f%252fbob%253aS3CRETpw%2540h", "https%253a%252f%252f(hidden)%2540h"],
      ["s3://b/x?endpoint=http%3A%2F%2Fbob:S3CRETpw@h", "s3://(hidden)@h"],
      ["s3://b/x@y?endpoint=http%3A%2F%2FS3CRETpw@h", "s3://(hidden)@h"],
      ["bob:S3CRETpw@h:x.git", "(hidden)@h:x.git"],
      ["bob:S3C/RET@pw@h:x.git", "(hidden)@h:x.git"],
      ["bob%3AS3CRETpw%40h", "(hidden)%40h"],
    ] as const
  ) {
    equal(redactForms(`Cannot look in "${written}": it is`), `Cannot look in "${shown}": it is`);
    if (written.includes(" ")) continue;
    equal(redactForms(written), shown);
    equal(redactForms(`--from '${written}' a@b`), `--from '${shown}' a@b`);
  }
});

Deno.test("what is no password stays in addresses, paths and stacks", () => {
  for (
    const text of [
      "git@host:x.git, ssh://git@host/x.git and me@example.org: all well",
      "s3://backups/me@laptop/?endpoint=https://s3.example",
      "at file:///C:/Users/me/npm/@optique/core/index.js:12:5",
      "at https://jsr.io/@std/x/mod.ts:12:5 and npm:@optique/core@1.0.2",
      'cannot read "C:\\Users\\me@work\\x", "file:~/me@work" or "/srv/a:b@c"',
    ]
  ) equal(redactForms(text), text);
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
    const redact = redactorFor(pipeline, environmentOf({}));
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

function environmentOf(variables: Record<string, string>): Environment {
  return { get: (name) => variables[name], toObject: () => variables };
}

Deno.test("credentials that git finds in the environment by itself are taken out", async () => {
  const remote = "https://h.example/x.git";
  const pipeline = await load(
    stages('snapshot; paths = ["/data"]', `git; remote = "${remote}"; plaintext = true`),
  );
  const variables = { KEEPSAKE_GIT_CREDENTIALS: "me:hunter2pw\n" };
  const redact = redactorFor(pipeline, environmentOf(variables));
  equal(redact("remote: no hunter2pw, me:hunter2pw"), "remote: no (hidden), (hidden)");
});

Deno.test("what stands in the environment is taken out where the file refers to it, and nothing else", async () => {
  const pipeline = await load([
    "[pipeline]",
    'alert = ["env:TEAM_HOOK"]',
    stages('snapshot; paths = ["/data"]', 's3; bucket = "backups"; plaintext = true'),
  ].join("\n"));
  const redact = redactorFor(
    pipeline,
    environmentOf({
      TEAM_HOOK: "https://hooks.example/T0/very/secret\n",
      AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI",
      AWS_SESSION_TOKEN: "FwoGZXIvYXdzE",
      AWS_REGION: "eu-central-1",
      EDITOR: "/usr/bin/ordinary",
    }),
  );
  equal(redact("at https://hooks.example/T0/very/secret now"), "at https:(hidden) now");
  equal(redact("key wJalrXUtnFEMI FwoGZXIvYXdzE"), "key (hidden) (hidden)");
  equal(redact("/usr/bin/ordinary in eu-central-1"), "/usr/bin/ordinary in eu-central-1");
});

function redactorOf(...alerts: readonly string[]) {
  const hooks = alerts.map((address) => ({ address, shape: undefined }));
  const others = { command: undefined, heartbeat: undefined, log: undefined, metrics: undefined };
  const pipeline = { stages: [], watch: { ...others, alerts: hooks } };
  return redactorFor(pipeline, environmentOf({}));
}

Deno.test("ordinary words in an alert's address stay in paths, and are hidden behind its host", () => {
  const address = "http://127.0.0.1:8765/backups?source=projects";
  const redact = redactorOf(address, "https://ntfy.sh/keepsake", "https://n8n.example/claude/");
  const told = 'Cannot list "/srv/backups/projects/claude/d2": keepsake restore --to projects';
  equal(redact(told), told);
  equal(redact(`at ${address} now`), "at http://(hidden) now");
  equal(redact("at https://ntfy.sh/keepsake"), "at https://(hidden)");
  equal(redact("source=projects"), "(hidden)");
});

Deno.test("what a usual receiver takes for a key is hidden wherever it stands", () => {
  const [slack, discord] = ["XXXXXXXXXXXXXXXXXXXXXXXX", "a-Zl0".repeat(14)];
  const uuid = "f3a6dd4c-9ccd-4a49-8ac2-7a5e3e5dbb1a";
  const redact = redactorOf(
    `https://hooks.slack.com/services/T00000000/B00000000/${slack}`,
    `https://discord.com/api/webhooks/112233445566778899/${discord}`,
    `https://prod-1.westeurope.logic.azure.com/workflows/${uuid}/run?sig=Ab3_x9&sp=%2Ftriggers`,
    `https://hc-ping.com/${uuid.replace("f", "e")}`,
    "https://ntfy.sh/nas-4711",
    "https://teatime:chamomile@hooks.example/x",
  );
  const keys = [
    "teatime",
    "chamomile",
    slack,
    discord,
    "112233445566778899",
    uuid,
    uuid.replace("f", "e"),
    "nas-4711",
  ];
  for (const key of [...keys, "Ab3_x9", "/T00000000/B00000000/" + slack]) {
    equal(redact(`before ${key} after`).includes(key), false, key);
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

Deno.test("what ends a run is told and left without the secrets that the file refers to", async () => {
  using world = await World.make();
  const keys = world.at("keys");
  await Deno.writeTextFile(keys, "[default]\naws_secret_access_key = wJalrXUtnFEMI\n");
  const pipeline = await world.pipeline(stages(
    `snapshot; paths = ["${world.at("wJalrXUtnFEMI")}"]`,
    `s3; bucket = "backups"; credentials = "file:${keys}"; plaintext = true`,
  ));
  const told = `Cannot back up "${world.at("(hidden)")}"`;
  await rejects(runPipeline(pipeline), ({ message }: Error) => message.startsWith(told));
  equal(readHookFacts(pipeline.state)!.failures[0]!.includes(told), true);
});
