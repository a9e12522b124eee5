import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BackupError } from "../../../pipeline/errors.ts";
import { beat, channelsOf } from "../../../pipeline/watch/channels.ts";
import { ADDRESS } from "../../../pipeline/watch/messenger.ts";
import { noticeOf } from "../../../pipeline/watch/notice.ts";
import { messengersOf } from "../../../pipeline/watch/planned.ts";
import { StageWorker } from "../../../pipeline/worker/host.ts";
import { writeScript } from "../../scripts.ts";
import { Hooks } from "../../servers/hooks.ts";

/** Whose `deno.json` programs take that are started there. */
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const CHANNELS = new URL("../../../pipeline/watch/channels.ts", import.meta.url);
/** For what answers, however busy the machine is, and for what does not. */
const PATIENT = { timeout: 30_000, attempts: 2, pause: 1 };
const QUICK = { ...PATIENT, timeout: 300 };
const NOW = new Date("2026-11-21T03:00:00Z");
const TROUBLE = {
  subject: "stage s3",
  since: NOW,
  message: 'Cannot reach "s3.example": it did not answer',
  hint: "Check the network",
  passing: false,
} as const;
const NOTICE = noticeOf(
  { raised: [TROUBLE], over: [], still: [] },
  { pipeline: "claude", host: "laptop", now: NOW },
);

async function tell(address: string, patience = PATIENT): Promise<void> {
  const alerts = [{ address, shape: undefined }];
  const watch = { command: undefined, heartbeat: undefined, log: undefined, metrics: undefined };
  const [channel] = await channelsOf({ ...watch, alerts }, patience);
  await channel!.tell(NOTICE);
}

async function refusal(work: Promise<void>): Promise<string> {
  let message = "";
  await rejects(work, (error) => {
    message = (error as BackupError).message;
    return error instanceof BackupError;
  });
  return message;
}

Deno.test("an alert is one POST of JSON, and is sent again when the server is at fault", async () => {
  await using hooks = new Hooks();
  for (const status of [429, 408, 500]) {
    hooks.received.length = 0;
    hooks.answers = [status, 204];
    await tell(hooks.at("/hook?key=1"));
    equal(hooks.received.length, 2, `${status}`);
  }
  const [{ method, target, headers, body }] = hooks.received as [Hooks["received"][number]];
  deepEqual([method, target], ["POST", "/hook?key=1"]);
  equal(headers.get("content-type"), "application/json");
  const { event, failed, pipeline } = JSON.parse(body);
  deepEqual([event, pipeline, failed[0].what], ["failure", "claude", "stage s3"]);
});

Deno.test("a refusal is final, a redirect is not followed, and silence has an end", async () => {
  await using hooks = new Hooks();
  hooks.answers = [404];
  const where = `Cannot tell "${hooks.host}"`;
  equal(await refusal(tell(hooks.at("/secret"))), `${where}: it answers with status 404`);
  equal(hooks.received.length, 1);
  hooks.answers = [{ to: "/elsewhere" }];
  match(await refusal(tell(hooks.at("/secret"))), /status 302, which leads elsewhere$/);
  deepEqual(hooks.received.map(({ target }) => target), ["/secret", "/secret"]);
  hooks.answers = ["hangs"];
  equal(
    await refusal(tell(hooks.at("/secret"), QUICK)),
    `${where}: it did not answer within 0.3 s`,
  );
  equal(hooks.received.length, 4);
});

Deno.test("where nobody listens, that is told without the address's secrets", async () => {
  const hooks = new Hooks();
  const address = `http://me:password@${hooks.host}/secret`;
  await hooks[Symbol.asyncDispose]();
  const message = await refusal(tell(address));
  equal(message, `Cannot tell "${hooks.host}": the connection was refused`);
});

Deno.test("a user and a password in an address become a header", async () => {
  await using hooks = new Hooks();
  await tell(`http://me:pass%20word@${hooks.host}/`);
  equal(hooks.received[0]!.headers.get("authorization"), `Basic ${btoa("me:pass word")}`);
});

Deno.test("an address may stand in a variable or a file, and must be http or https", async () => {
  await using hooks = new Hooks();
  const file = await Deno.makeTempFile({ prefix: "keepsake-" });
  try {
    await Deno.writeTextFile(file, `${hooks.at("/from-file")}\n`);
    await tell(`file:${file}`);
    equal(hooks.received[0]!.target, "/from-file");
    await Deno.writeTextFile(file, "file:///etc/passwd");
    match(await refusal(tell(`file:${file}`)), /no http or https address$/);
    match(await refusal(tell("env:KEEPSAKE_TEST_NOT_SET")), /nothing stands there$/);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("a heartbeat has its ending in the path, before a query", async () => {
  await using hooks = new Hooks();
  for (const ending of ["/start", "", "/fail"] as const) {
    await beat(hooks.at("/ping/id?x=1"), ending, PATIENT);
  }
  deepEqual(hooks.received.map(({ method, target }) => `${method} ${target}`), [
    "GET /ping/id/start?x=1",
    "GET /ping/id?x=1",
    "GET /ping/id/fail?x=1",
  ]);
});

Deno.test("no proxy that the environment names hears of an alert or a heartbeat", async () => {
  await using proxy = new Hooks();
  await using hooks = new Hooks();
  const addresses = ["http://hc.invalid/token-1", "https://hc.invalid/token-1", hooks.at("/token")];
  const script = `
    import { beat } from "${CHANNELS}";
    for (const address of ${JSON.stringify(addresses)}) {
      await beat(address, "", { timeout: 3000, attempts: 1, pause: 1 }).catch(() => {});
    }`;
  const names = ["http_proxy", "https_proxy", "all_proxy"];
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", script],
    cwd: ROOT,
    env: {
      ...Object.fromEntries(names.flatMap((name) => [
        [name, proxy.at("/")],
        [name.toUpperCase(), proxy.at("/")],
      ])),
      ...{ NO_PROXY: "", no_proxy: "", NODE_USE_ENV_PROXY: "1", DENO_NO_UPDATE_CHECK: "1" },
    },
  }).output();
  equal(success, true);
  deepEqual(proxy.received.map(({ target }) => target), []);
  deepEqual(hooks.received.map(({ target }) => target), ["/token"]);
});

Deno.test("what tells may reach that host alone, and read nothing", async () => {
  await using hooks = new Hooks();
  await using others = new Hooks();
  const secret = await Deno.makeTempFile({ prefix: "keepsake-" });
  using worker = new StageWorker(ADDRESS, { net: [hooks.host] });
  const send = (url: string) => {
    const message = { kind: "http", url, method: "GET", headers: {}, body: undefined, ...PATIENT };
    return worker.call({ operation: "run", context: { message } });
  };
  try {
    await send(hooks.at("/"));
    await rejects(send(others.at("/")), /cannot be reached/);
    await rejects(send(`file://${secret}`), BackupError);
    equal(others.received.length, 0);
    const start = { kind: "program", program: "/bin/true", words: [], input: "", ...PATIENT };
    const context = { message: { ...start, environment: {}, shell: undefined } };
    await rejects(worker.call({ operation: "run", context }), /its worker may not do so/);
  } finally {
    await Deno.remove(secret);
  }
  const watch = { command: ["sh", "-c", "true"], log: undefined, metrics: undefined };
  const [alert, heartbeat, command] = messengersOf({
    ...watch,
    alerts: [{ address: "https://me:pw@hooks.example/secret", shape: undefined }],
    heartbeat: "http://beat.example:81/secret",
  });
  const nothing = { env: false, ffi: false, import: false, read: false, sys: false, write: false };
  deepEqual(alert!.permissions, { ...nothing, net: ["hooks.example:443"], run: false });
  deepEqual(heartbeat!.permissions, { ...nothing, net: ["beat.example:81"], run: false });
  equal(command!.permissions.net, false);
  match(JSON.stringify(command!.permissions.run), /^\["\/.*\/sh"\]$/);
});

Deno.test("a program gets title and text as words and JSON as input, and is ended when it hangs", async () => {
  const folder = await Deno.makeTempDir({ prefix: "keepsake-" });
  const program = join(folder, "notify");
  const watch = { alerts: [], heartbeat: undefined, log: undefined, metrics: undefined };
  const tell = async (patience = PATIENT) => {
    const [channel] = await channelsOf({ ...watch, command: [program, "--first"] }, patience);
    await channel!.tell(NOTICE);
  };
  const tellProgram = async (script: string, patience = PATIENT) => {
    await writeScript(program, `#!/bin/sh\n${script}\n`);
    await tell(patience);
  };
  try {
    await tellProgram(`printf '%s\\n' "$@" > "${folder}/words"; cat > "${folder}/input"`);
    const words = await Deno.readTextFile(join(folder, "words"));
    equal(words, `--first\n${NOTICE.title}\n${NOTICE.text}\n`);
    equal(JSON.parse(await Deno.readTextFile(join(folder, "input"))).title, NOTICE.title);
    equal(await refusal(tellProgram("exit 3")), `Cannot tell "${program}": it ended with status 3`);
    match(
      await refusal(tellProgram("exec sleep 60", QUICK)),
      /: it did not end within 0\.3 s, and was ended$/,
    );
    await writeScript(program, "#!/nowhere/sh\n");
    match(await refusal(tell()), /^Cannot start ".*": there is no such program, or none that its/);
    await Deno.chmod(program, 0o644);
    equal(await refusal(tell()), `Cannot start "${program}": permission denied`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a program that hangs is ended with all that it started, traps or none", async () => {
  if (Deno.build.os === "windows") return;
  const folder = await Deno.makeTempDir({ prefix: "keepsake-" });
  try {
    const program = join(folder, "notify");
    const [said, leave] = [join(folder, "said"), join(folder, "leave")];
    await new Deno.Command("mkfifo", { args: [said, leave] }).output();
    const started = `(echo begun; read word < "${leave}"; echo late) > "${said}"`;
    const script = `trap "" TERM\n${started} &\nwait`;
    await writeScript(program, `#!/bin/sh\n${script}\n`);
    const watch = { alerts: [], heartbeat: undefined, log: undefined, metrics: undefined };
    const [channel] = await channelsOf({ ...watch, command: [program] }, {
      ...QUICK,
      timeout: 2000, // So long it has to begin.
    });
    // It ends when nobody has it open any more.
    const heard = Deno.readTextFile(said);
    match(await refusal(channel!.tell(NOTICE)), /did not end within 2 s/);
    // Whoever is left goes on. To open it for both waits for nobody.
    using gate = await Deno.open(leave, { read: true, write: true });
    await gate.write(new TextEncoder().encode("go\n"));
    equal(await heard, "begun\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a program is told where the environment names libraries for others, and gets the rest", async () => {
  if (Deno.build.os === "windows") return;
  const folder = await Deno.makeTempDir({ prefix: "keepsake-" });
  try {
    const command = ["sh", "-c", `env > "${folder}/env"`];
    const script = `
      import { channelsOf } from "${CHANNELS}";
      const watch = { alerts: [], command: ${JSON.stringify(command)} };
      const patience = { timeout: 10_000, attempts: 1, pause: 1 };
      const [channel] = await channelsOf(watch, patience);
      await channel.tell(${
      JSON.stringify(NOTICE)
        .replace(/"now":("[^"]*")/, '"now":new Date($1)')
        .replaceAll(/"since":("[^"]*")/g, '"since":new Date($1)')
    });`;
    const env = { LD_LIBRARY_PATH: "/nowhere", DYLD_LIBRARY_PATH: "/nowhere", TOLD_BY: "a test" };
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", script],
      cwd: ROOT,
      env,
    }).output();
    equal(success, true, new TextDecoder().decode(stderr));
    const lines = (await Deno.readTextFile(join(folder, "env"))).split("\n");
    equal(lines.includes("TOLD_BY=a test"), true);
    equal(lines.some((line) => /^(LD|DYLD)_/.test(line)), false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
