/**
 * What is particular to the `s3` stage: what it asks of the server, what it makes of the server's
 * refusals, and what it may touch. The rest is in `destinations_test.ts` and `tests/faults/`.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  CreateMultipartUploadCommand,
  GetObjectRetentionCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import * as v from "valibot";
import { removalAt } from "../../pipeline/places.ts";
import type { SpoolFile } from "../../stages/contract.ts";
import type { S3Session } from "../../stages/formats/s3/client.ts";
import { readObject } from "../../stages/formats/s3/fetch.ts";
import {
  endpointOf,
  isAmazon,
  isPathStyle,
  parseAddress,
  prefixOf,
  type S3Place,
} from "../../stages/formats/s3/place.ts";
import { storeAll } from "../../stages/formats/s3/store.ts";
import { cleanUploads, staleUploads } from "../../stages/formats/s3/uploads.ts";
import s3 from "../../stages/s3.ts";
import { rejection } from "../faults/harness.ts";
import { childFor, runStage, type StageJob } from "../stages/harness.ts";
import { type Answer, FaultProxy } from "./fault_proxy.ts";
import { type S3Server, startS3, unlessS3 } from "./s3.ts";

const NAME = "20260102T030405Z-0123456789ab";
const ARCHIVE = `claude/${NAME}.tar.zst.age`;
const MANIFEST = `claude/${NAME}.json.zst.age`;

/** What a server says, and what a person reads. */
const REFUSALS: Readonly<Record<string, readonly [Partial<Answer>, code: string, state: RegExp]>> =
  {
    "an unknown key": [said(403, "InvalidAccessKeyId"), "refused", /does not know the access key$/],
    "a wrong secret": [said(403, "SignatureDoesNotMatch"), "refused", /secret key is not that of/],
    "a lack of rights": [
      said(403, "AccessDenied"),
      "refused",
      /access is denied \(AccessDenied, HTTP/,
    ],
    "a bare 403": [said(403), "refused", /access is denied \(HTTP 403\)$/],
    "a bare 404": [said(404), "refused", /there is nothing at that address \(HTTP 404\)$/],
    "a missing bucket": [said(404, "NoSuchBucket"), "refused", /there is no bucket "/],
    "an expired token": [said(400, "ExpiredToken"), "refused", /the session token has expired$/],
    "an invalid token": [said(400, "InvalidToken"), "refused", /the session token is not valid$/],
    "a clock that is wrong": [
      {
        ...said(403, "RequestTimeTooSkewed"),
        headers: { "date": new Date(Date.now() - 42 * 60_000).toUTCString() },
      },
      "refused",
      /differ too much: this one is 4[2-5] minutes ahead$/,
    ],
    "another region": [
      { ...said(301, "PermanentRedirect"), headers: { "x-amz-bucket-region": "eu-west-1" } },
      "refused",
      /the bucket is not in region "us-east-1" but in "eu-west-1"$/,
    ],
    "a signature for another region": [
      said(400, "AuthorizationHeaderMalformed"),
      "refused",
      /the bucket is not in region "us-east-1"$/,
    ],
    "too many requests": [
      { ...said(503, "SlowDown"), times: Infinity, headers: { "retry-after": "600" } },
      "unreachable",
      /it asks for fewer requests, for 600 s$/,
    ],
    "a full server": [said(507), "full", /the server is full$/],
    "a quota": [said(403, "QuotaExceeded"), "full", /there is no room for it$/],
    "a redirect": [
      { status: 302, headers: { location: "http://127.0.0.1:9/" } },
      "refused",
      /sends its clients elsewhere \(HTTP 302\)$/,
    ],
    "a login page": [
      { status: 200, body: "<html><body>Please sign in</body></html>", times: Infinity },
      "unreachable",
      /not that of an S3 server/,
    ],
  };

function said(status: number, code?: string): Partial<Answer> {
  const secret = "canary-secret-0123456789";
  const body =
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${secret}</Message></Error>`;
  return { status, ...(code !== undefined && { body }), times: Infinity };
}

/** Each at a bucket of its own. */
const RULES: Record<string, (place: Place) => Promise<void>> = {
  async "stores large files in parts, and asks that no other be there"(place) {
    await place.store([place.file(ARCHIVE, 20 << 20), place.file(MANIFEST, 10)]);
    const { requests } = place.proxy.traffic;
    const puts = requests.filter(({ method }) => method === "PUT");
    assert.equal(puts.filter(({ target }) => target.includes("partNumber=")).length, 3);
    for (const { headers } of puts) {
      assert.ok(headers["content-md5"]);
      assert.match(headers["x-amz-content-sha256"]!, /^[0-9a-f]{64}$/);
    }
    // Nothing is read back where the server's hash is ours.
    assert.ok(!requests.some(({ method, target }) => method === "GET" && target.includes("/cl")));
    const named = requests.filter(({ headers }) => headers["if-none-match"] === "*");
    assert.deepEqual(named.map(({ method }) => method), ["POST", "PUT"]);
  },

  async "gives a line that is slow its time, and says that it is at work"(place) {
    // In its first half: the other is about what a system takes at once, and sends when it can.
    const waits = Array.from({ length: 16 }, (_, index) => (index + 1) << 18);
    place.proxy.arm(
      ...waits.map((after) => ({ kind: "delay", ms: 250, direction: "up", after }) as const),
    );
    const file = place.file(ARCHIVE, 8 << 20);
    await place.store([file], { timeout: "3s" }, { stall: 3000 });
    const puts = place.proxy.traffic.requests.filter(({ method }) => method === "PUT");
    assert.equal(puts.length, 1);
    assert.equal(await place.hash(ARCHIVE), file.sha256);
  },

  async "does without conditions where the server knows none"(place) {
    const isConditional: Answer["matches"] = ({ headers }) => "if-none-match" in headers;
    place.proxy.arm({ kind: "answer", status: 501, matches: isConditional, times: Infinity });
    // In one piece, and in parts.
    const files = [place.file(ARCHIVE, 17 << 20), place.file(MANIFEST, 1000)];
    await place.store(files);
    assert.equal(place.proxy.fired, 2);
    assert.equal(await place.hash(ARCHIVE), files[0]!.sha256);
    assert.equal(await place.hash(MANIFEST), files[1]!.sha256);
  },

  async "asks for storage class, encryption by the server and lock"(place) {
    const locked = await place.withLock();
    await locked.store([locked.file(ARCHIVE, 1000)], {
      ...{ storage_class: "STANDARD", sse: "AES256", lock_days: 3, lock_mode: "governance" },
    }).catch((error) => {
      // The test server takes encryption over TLS alone.
      assert.match(error.message, /refused/);
    });
    const put = place.proxy.traffic.requests.find(({ method }) => method === "PUT")!;
    assert.equal(put.headers["x-amz-storage-class"], "STANDARD");
    assert.equal(put.headers["x-amz-server-side-encryption"], "AES256");
    assert.equal(put.headers["x-amz-object-lock-mode"], "GOVERNANCE");
  },

  async "locks what it stores, also in parts, for as long as it is told"(place) {
    const locked = await place.withLock();
    const files = [locked.file(ARCHIVE, 17 << 20), locked.file(MANIFEST, 10)];
    await locked.store(files, { lock_days: 3 });
    const client = place.server.client();
    for (const { key } of files) {
      const { Retention } = await client.send(
        new GetObjectRetentionCommand({ Bucket: locked.bucket, Key: key }),
      );
      assert.equal(Retention?.Mode, "GOVERNANCE");
      const days = (Retention.RetainUntilDate!.getTime() - Date.now()) / 86_400_000;
      assert.ok(days > 2.9 && days < 3.1, String(days));
    }
  },

  async "says so when a bucket has no lock"(place) {
    const error = await rejection(place.store([place.file(ARCHIVE, 10)], { lock_days: 3 }));
    assert.equal(error.code, "destination-refused");
  },

  async "reads back what the server gives no hash of"(place) {
    // A server that answers with a hash of its own making, as one does that encrypts.
    const isHead: Answer["matches"] = ({ method }) => method === "HEAD";
    const headers = { "etag": '"f00"', "content-length": "1000" };
    place.proxy.arm({ kind: "answer", status: 200, headers, matches: isHead, times: Infinity });
    const file = place.file(ARCHIVE, 1000);
    await place.store([file]);
    const gets = place.proxy.traffic.requests.filter(({ method, target }) =>
      method === "GET" && target.includes(NAME) && !target.includes("list-type")
    );
    assert.equal(gets.length, 1);
    assert.equal(await place.hash(ARCHIVE), file.sha256);
  },

  async "believes no server that has stored something else, and takes it back"(place) {
    const isPut: Answer["matches"] = ({ method }) => method === "PUT";
    const answer = { kind: "answer", status: 200, matches: isPut, times: Infinity } as const;
    const file = place.file(ARCHIVE, 1000);
    place.proxy.arm({ ...answer, headers: { "etag": `"${md5(file)}"` } });
    const error = await rejection(place.store([file]));
    assert.match(error.message, /says that it has it, and does not find it$/);
    place.proxy.arm();
    assert.equal((await place.run("list", {})).result instanceof Array, true);
    // One that keeps less than it was sent.
    const shorter = { "content-length": "999", "etag": `"${md5(file)}"` };
    const isHead: Answer["matches"] = ({ method }) => method === "HEAD";
    const isGet: Answer["matches"] = ({ method, target }) =>
      method === "GET" && !target.includes("list-type") && !target.includes("uploads");
    place.proxy.arm(
      { kind: "answer", status: 200, headers: shorter, matches: isHead },
      { kind: "answer", status: 200, body: "shorter", matches: isGet },
    );
    const other = await rejection(place.store([file]));
    assert.match(other.message, /what it stored is not what was sent$/);
    place.proxy.arm();
    assert.deepEqual((await place.run("list", {})).result, []);
  },

  async "takes a refusal that comes as a success for what it is"(place) {
    const isComplete: Answer["matches"] = ({ method, target }) =>
      method === "POST" && target.includes("uploadId");
    const body = `<?xml version="1.0"?><Error><Code>InternalError</Code></Error>`;
    place.proxy.arm({ kind: "answer", status: 200, body, matches: isComplete, times: 2 });
    const files = [place.file(ARCHIVE, 17 << 20)];
    await place.store(files);
    assert.equal(place.proxy.fired, 2);
    assert.equal(await place.hash(ARCHIVE), files[0]!.sha256);
  },

  async "gives up an upload that fails, and leaves no parts"(place) {
    const isSecond: Answer["matches"] = ({ target }) => target.includes("partNumber=2");
    place.proxy.arm({ kind: "answer", ...said(403, "AccessDenied"), matches: isSecond } as Answer);
    const error = await rejection(place.store([place.file(ARCHIVE, 40 << 20)]));
    assert.equal(error.code, "destination-refused");
    assert.deepEqual(await place.uploads(), []);
  },

  async "ends uploads that were left behind a day ago, its own alone"(place) {
    const client = place.server.client();
    const keys = [ARCHIVE, `claude-work/${NAME}.tar.age`, "claude/notes.txt", `x/${ARCHIVE}`];
    for (const Key of keys) {
      await client.send(new CreateMultipartUploadCommand({ Bucket: place.bucket, Key }));
    }
    const session = await place.session();
    await cleanUploads(session, "claude");
    assert.equal((await place.uploads()).length, 4);
    await cleanUploads(session, "claude", Date.now() + 25 * 3_600_000);
    assert.deepEqual((await place.uploads()).toSorted(), keys.slice(1).toSorted());
  },

  async "never overwrites or removes what another stored under the same name"(place) {
    const size = 17 << 20;
    const moments: Readonly<Record<string, readonly [command: string, key: string]>> = {
      "while it sent its own": ["UploadPartCommand", ARCHIVE],
      "right after its own": ["HeadObjectCommand", ARCHIVE],
      "before its manifest": ["ListObjectsV2Command", MANIFEST],
      "beside its manifest": ["PutObjectCommand", MANIFEST],
    };
    for (const [moment, [command, key]] of Object.entries(moments)) {
      const own = await Place.make(place.server);
      await using _own = own;
      const theirs = [own.file(ARCHIVE, size), own.file(MANIFEST, 10)]
        .map((file) => ({ ...file, Body: Deno.readFileSync(file.path) }));
      const client = own.server.client();
      let due = moment === "before its manifest" ? theirs : theirs.slice(0, 1);
      const session = await own.session(async (name, object) => {
        if (name !== command || object !== key) return;
        const now = due;
        due = [];
        for (const { key, Body } of now) {
          await client.send(new PutObjectCommand({ Bucket: own.bucket, Key: key, Body }));
        }
      });
      const files = [own.file(ARCHIVE, size), own.file(MANIFEST, 11)];
      const reports = { started: () => {}, progress: () => {} };
      const stored = storeAll(session, { lock_mode: "governance" }, files, reports);
      const error = await rejection(stored);
      assert.match(error.message, /another file of \d+ bytes has that name$/, moment);
      assert.equal(await own.hash(ARCHIVE), theirs[0]!.sha256, moment);
      const { result } = await own.run<readonly unknown[]>("list", {});
      assert.equal(result.length, moment === "before its manifest" ? 2 : 1, moment);
      assert.deepEqual(await own.uploads(), [], moment);
    }
  },

  async "lets others have their turn while it compares a file with what is there"(place) {
    const body = { Bucket: place.bucket, Key: ARCHIVE, Body: "theirs" };
    await place.server.client().send(new PutObjectCommand(body));
    let turns = 0;
    const seen = new Set<number>();
    const timer = setInterval(() => turns++);
    const session = { ...await place.session(), alive: () => void seen.add(turns) };
    const reports = { started: () => {}, progress: () => {} };
    const files = [place.file(ARCHIVE, 64 << 20)];
    const error = await rejection(
      storeAll(session, { lock_mode: "governance" }, files, reports),
    );
    clearInterval(timer);
    assert.match(error.message, /another file of 6 bytes has that name$/);
    assert.ok(seen.size >= 8, `${seen.size} turns`);
  },

  async "reads on in the object that it began with, and in no other"(place) {
    const client = place.server.client();
    const body = { Bucket: place.bucket, Key: ARCHIVE };
    await client.send(new PutObjectCommand({ ...body, Body: "one of them" }));
    const session = await place.session();
    async function* cutShort(): AsyncGenerator<Uint8Array> {
      yield new TextEncoder().encode("one");
      await client.send(new PutObjectCommand({ ...body, Body: "another one" }));
      throw new Error("The connection was reset");
    }
    let isFirst = true;
    session.client.middlewareStack.add((next) => async (request) => {
      const { response, output } = await next(request);
      if (!isFirst) return { response, output };
      isFirst = false;
      return { response, output: { ...output, Body: Object.assign(cutShort(), { destroy() {} }) } };
    }, { step: "initialize" });
    let text = "";
    const take = (bytes: Uint8Array) => {
      text += new TextDecoder().decode(bytes);
      return Promise.resolve();
    };
    await assert.rejects(readObject(session, ARCHIVE, take), { name: "PreconditionFailed" });
    assert.equal(text, "one");
  },

  async "lists more than one page of files"(place) {
    const client = place.server.client();
    const names = Array.from({ length: 1_100 }, (_, index) => `claude/${index}.tar.age`);
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(
        names.slice(at, at + 50).map((Key) =>
          client.send(new PutObjectCommand({ Bucket: place.bucket, Key, Body: "x" }))
        ),
      );
    }
    const { result } = await place.run<readonly { key: string }[]>("list", {});
    assert.deepEqual(result.map(({ key }) => key).toSorted(), names.toSorted());
  },

  async "does not go where a redirect leads, and sends nobody its keys"(place) {
    let seen = 0;
    await using other = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
      seen++;
      return new Response();
    });
    const location = `http://127.0.0.1:${other.addr.port}/`;
    for (const status of [301, 302, 303, 307, 308]) {
      const headers = { location };
      place.proxy.arm({ kind: "answer", status, headers, times: Infinity });
      assert.equal((await rejection(place.run("list", {}))).code, "destination-refused");
    }
    assert.equal(seen, 0);
  },

  async "takes no proxy from the environment, and the one that it is told"(place) {
    let seen = 0;
    await using proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
      seen++;
      return new Response(null, { status: 502 });
    });
    const address = `http://127.0.0.1:${proxy.addr.port}`;
    const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"];
    const tunnel = await Tunnel.open();
    const env = {
      ...Object.fromEntries(names.map((name) => [name, address])),
      NODE_USE_ENV_PROXY: "1",
      DENO_NO_UPDATE_CHECK: "1",
    };
    assert.deepEqual(await place.listWith(env), []);
    assert.deepEqual(await place.listWith(env, { proxy: tunnel.address }), []);
    assert.equal(seen, 0);
    assert.deepEqual(tunnel.targets, [new URL(place.options.endpoint).host]);
    await tunnel.close();
    const options = v.parse(s3.options, { ...place.options, proxy: address });
    assert.deepEqual(s3.permissions(options, "run").net, [new URL(address).host]);
  },

  async "reads keys from the environment too"(place) {
    const { accessKeyId, secretAccessKey } = place.server.keys;
    const credentials = "env";
    const missing = await rejection(place.run("list", {}, { credentials }));
    assert.match(missing.message, /the environment has no AWS_ACCESS_KEY_ID$/);
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    assert.deepEqual(await place.listWith(env, { credentials }), []);
  },

  async "says what is wrong with a file of keys"(place) {
    const states: Readonly<Record<string, RegExp>> = {
      [place.keys("[other]\nx=y\n")]: /has no \[default\]$/,
      [place.keys("[default]\naws_access_key_id = x\n")]: /has no aws_secret_access_key$/,
      [`${place.keys("")}-not-there`]: /has no keys, there is no such file$/,
    };
    for (const [path, state] of Object.entries(states)) {
      const error = await rejection(place.run("list", {}, { credentials: `file:${path}` }));
      assert.equal(error.code, "destination-refused");
      assert.match(error.message, state);
    }
  },

  async "warns of a file of keys that others can read"(place) {
    if (Deno.build.os === "windows") return;
    const { accessKeyId, secretAccessKey } = place.server.keys;
    const path = place.keys(
      `# keys\n[default]\n[profile work]\naws_access_key_id=${accessKeyId}\n` +
        `aws_secret_access_key = ${secretAccessKey}\n`,
    );
    await Deno.chmod(path, 0o644);
    const logs: string[] = [];
    const onLog = (level: string, message: string) => void logs.push(`${level}: ${message}`);
    await place.run("list", {}, { credentials: `file:${path}#work` }, { onLog });
    assert.deepEqual(logs, [`warn: Others on this machine can read "${path}", which holds keys`]);
  },
};

for (const [what, [answer, code, state]] of Object.entries(REFUSALS)) {
  RULES[`has a sentence of its own for ${what}`] = async (place) => {
    place.proxy.arm({ kind: "answer", ...answer } as Answer);
    const error = await rejection(place.run("list", {}));
    assert.match(error.message, /^Cannot list "s3:\/\/[^"]+": /);
    assert.match(error.message, state);
    assert.ok(error.code.endsWith(code), `${error.code}: ${error.message}`);
    assert.match(error.hint!, /^[A-Z].*[^.]$/);
    // A clock is set by the server's answer, and tried once more.
    const most = code === "unreachable" ? 5 : what === "a clock that is wrong" ? 2 : 1;
    assert.ok(place.proxy.fired <= most, `${place.proxy.fired} requests`);
    const told = [error.message, error.hint, (error.cause as Error | undefined)?.message].join(" ");
    assert.ok(!told.includes("canary"), told);
  };
}

Deno.test({
  name: `s3 does right by a real server${unlessS3}`,
  ignore: unlessS3 !== "",
  async fn(t) {
    await using server = await startS3();
    for (const [name, rule] of Object.entries(RULES)) {
      await t.step(`s3 ${name}`, async () => {
        await using place = await Place.make(server);
        await rule(place);
      });
    }
  },
});

Deno.test("s3 says that nothing listens where nothing listens", async () => {
  using folder = new KeysFolder();
  const credentials = `file:${
    folder.write("[default]\naws_access_key_id=a\naws_secret_access_key=b")
  }`;
  const options = { bucket: "backups", endpoint: "http://127.0.0.1:9", credentials };
  const error = await rejection(runStage({ use: "s3", operation: "list", options }));
  assert.equal(error.code, "destination-unreachable");
  assert.match(error.message, /: nothing listens at 127\.0\.0\.1:9$/);
});

Deno.test("s3 asks for the net of one host, and reads one file at most", () => {
  const grants = (written: Record<string, unknown>) =>
    s3.permissions(v.parse(s3.options, { bucket: "backups", ...written }), "run");
  assert.deepEqual(grants({}).net, ["backups.s3.us-east-1.amazonaws.com:443"]);
  assert.deepEqual(grants({ bucket: "a.b", region: "cn-north-1" }).net, [
    "s3.cn-north-1.amazonaws.com.cn:443",
  ]);
  assert.deepEqual(grants({ endpoint: "http://[::1]:9000" }).net, ["[::1]:9000"]);
  assert.deepEqual(grants({ endpoint: "https://s3.example", addressing: "host" }).net, [
    "backups.s3.example:443",
  ]);
  assert.equal(grants({}).read, undefined);
  const withFile = grants({ credentials: "file:/home/me/.aws/credentials#work" });
  assert.deepEqual(withFile.read, ["/home/me/.aws/credentials"]);
  assert.ok(!withFile.env!.includes("AWS_SECRET_ACCESS_KEY"));
  assert.equal(withFile.write, undefined);
  assert.equal(withFile.run, undefined);
});

Deno.test("s3 shows one address for one place, without secrets", () => {
  const location = (written: Record<string, unknown>) =>
    s3.location(v.parse(s3.options, { bucket: "backups", ...written }));
  assert.equal(location({}), "s3://backups/");
  assert.equal(location({ prefix: "a/b" }), location({ prefix: "a/b/", region: "us-east-1" }));
  assert.equal(location({ endpoint: "https://s3.eu-west-1.amazonaws.com" }), "s3://backups/");
  assert.equal(
    location({ endpoint: "https://S3.Example:443/" }),
    "s3://backups/?endpoint=https://s3.example",
  );
  // What was delivered is remembered by these: they stay as they are.
  assert.equal(location({ prefix: "50% off/ä b+c" }), "s3://backups/50% off/ä b+c/");
  assert.equal(location({ addressing: "host" }), "s3://backups/");
});

Deno.test("s3 shows an address that leads to the very place, whatever its options say", () => {
  const nowhere = { get: () => undefined };
  const prefixes = [undefined, "a/b", "100%/", "a%2Fb", "%41%zz", "%25", "a&b=c+d", "ä é"];
  const endpoints = [
    undefined,
    "https://s3.eu-west-1.amazonaws.com",
    "https://s3.example",
    "http://127.0.0.1:9000/base/",
    "https://s3.example/a%41b",
    "https://s3.example/a&region=x/b+c",
  ];
  for (const prefix of prefixes) {
    for (const endpoint of endpoints) {
      for (const region of [undefined, "us-east-1", "eu-west-1", "cn-north-1", "garage"]) {
        for (const addressing of [undefined, "path", "host"]) {
          for (const bucket of ["backups", "my.backups"]) {
            const written = { bucket, prefix, endpoint, region, addressing };
            const own = v.parse(s3.options, written);
            const location = s3.location(own);
            const read = v.parse(s3.options, parseAddress(location, nowhere));
            const about = `${JSON.stringify(written)} as ${location}`;
            assert.deepEqual(meaningOf(read), meaningOf(own), about);
            assert.equal(s3.location(read), location, about);
          }
        }
      }
    }
  }
});

/** All that decides which objects are meant. At Amazon, every server of a region has them. */
function meaningOf(place: S3Place) {
  const server = isAmazon(place) ? "Amazon" : endpointOf(place).href.replace(/\/+$/, "");
  return [place.bucket, prefixOf(place), server, place.region, isPathStyle(place)];
}

Deno.test("s3 frees no room where it locks what it stores", () => {
  const removal = (written: Record<string, unknown>) => {
    const options = v.parse(s3.options, { bucket: "backups", ...written });
    const [id, location, folder] = ["s3", "s3://backups/", undefined];
    return removalAt({ id, use: "s3", stage: s3 as never, options, location, folder });
  };
  assert.deepEqual([removal({}), removal({ lock_days: 7 })], ["frees", "versions"]);
});

Deno.test("s3 reads its own addresses back", () => {
  for (const written of [{}, { prefix: "a/b" }, { endpoint: "http://127.0.0.1:9000/base" }]) {
    const location = s3.location(v.parse(s3.options, { bucket: "backups", ...written }));
    assert.equal(s3.location(s3.fromAddress(location)!), location);
  }
  for (const address of ["s3://", "s3:backups", "s3://b/?what=x", "s3://b//x", "s3://bu cket/"]) {
    assert.equal(s3.fromAddress(address), undefined, address);
  }
});

Deno.test("s3 takes a variable that is set to nothing for one that is not", () => {
  const all: Readonly<Record<string, string>> = {
    AWS_REGION: "",
    AWS_DEFAULT_REGION: "eu-west-3",
    AWS_ENDPOINT_URL_S3: "",
    AWS_ENDPOINT_URL: "https://s3.example.org",
  };
  const found = parseAddress("s3://backups/", { get: (name) => all[name] });
  assert.deepEqual(found, {
    bucket: "backups",
    endpoint: "https://s3.example.org",
    region: "eu-west-3",
  });
});

Deno.test("s3 says which part of an address is wrong, without its value", () => {
  const fault = (address: string) => {
    assert.equal(s3.fromAddress(address), undefined, address);
    return s3.addressFault!(address);
  };
  const region = 'to be the name of a region, such as "eu-central-1"';
  const endpoint = 'to be an address such as "https://s3.example.org", without a password';
  for (
    const [address, state, hint] of [
      ["s3://b/x", /^its bucket has to be the name of a bucket: 2 to 255 /, /^Write /],
      ["s3://", /^it names no bucket$/, /^Write /],
      ["s3:backups", /^it names no bucket$/, /^Write /],
      ["s3://backups//x", /^its prefix has to be names with slashes /, /^Write /],
      ["s3://backups/#x", /^it has a "#", /, /^Write /],
      [
        "s3://backups/?S3CRET=x",
        /^of what stands behind its "\?", not all /,
        /endpoint, region/,
      ],
      ["s3://backups/?credentials=S3CRET", /^its credentials have to be "env", /, /^Write /],
      [
        "s3://backups/?addressing=S3CRET",
        /^its addressing has to be "path" or "host"$/,
        /^Wri/,
      ],
      ["s3://backups/?region=S3CRET", `its region has ${region}`, /^Write /],
      ["s3://backups/?endpoint=https://me:S3CRET@h", `its endpoint has ${endpoint}`, /^Write /],
      ["s3://b/?region=E", /^its bucket has .*; its region has /, /^Write /],
      ["s3://backups/?endpoint=http://[x", `its endpoint has ${endpoint}`, /^Write /],
    ] as const
  ) {
    const found = fault(address);
    if (typeof state === "string") assert.equal(found?.state, state);
    else assert.match(found?.state ?? "", state);
    assert.match(found?.hint ?? "", hint);
    assert.doesNotMatch(JSON.stringify(found), /S3CRET/);
  }
  for (const address of ["", "/mnt/s3", "https://h/x.git", "me@s3:x.git"]) {
    assert.equal(fault(address), undefined, address);
  }
});

Deno.test("s3 refuses options that could not work, or would hold a secret", () => {
  for (
    const wrong of [
      { bucket: "" },
      { bucket: "../x" },
      { prefix: "/x" },
      { prefix: "a//b" },
      { endpoint: "s3.example" },
      { endpoint: "http://[x" },
      { proxy: "http://h:99999" },
      { endpoint: "https://user:password@s3.example" },
      { endpoint: "https://s3.example/?key=secret" },
      { proxy: "http://user:password@proxy:3128" },
      { credentials: "AKIAEXAMPLE:secret" },
      { storage_class: "GLACIER" },
      { storage_class: "DEEP_ARCHIVE" },
      { sse: "none" },
      { lock_days: 0 },
      { region: "eu west" },
    ]
  ) {
    const { success } = v.safeParse(s3.options, { bucket: "backups", ...wrong });
    assert.equal(success, false, JSON.stringify(wrong));
  }
});

Deno.test("s3 says how long the name of a bucket may be, and of what", () => {
  const say = (bucket: string) => v.safeParse(s3.options, { bucket }).issues?.[0].message;
  assert.equal(
    say("b"),
    "Expected the name of a bucket: 2 to 255 letters, digits, dots, hyphens and underscores, a letter or digit first",
  );
  assert.equal(say(".b"), say("b"));
  assert.equal(say("b".repeat(256)), say("b"));
  for (const bucket of ["b0", "B.c-d_e", "b".repeat(255)]) assert.equal(say(bucket), undefined);
});

Deno.test("uploads count as left behind after a day, with a name of ours in our folder", () => {
  const now = Date.parse("2026-01-10T00:00:00Z");
  const upload = (Key: string, hours: number) => ({
    ...{ Key, UploadId: "1", Initiated: new Date(now - hours * 3_600_000) },
  });
  const uploads = [
    upload(`p/m/${NAME}.tar.age`, 25),
    upload(`p/m/${NAME}.tar.age`, 23),
    upload(`p/m-work/${NAME}.tar.age`, 25),
    upload(`p/m/other.tar`, 25),
    upload(`m/${NAME}.tar.age`, 25),
    { Key: `p/m/${NAME}.tar.age` },
  ];
  assert.deepEqual(staleUploads(uploads, { prefix: "p/" }, "m", now), [uploads[0]]);
});

/** A folder for files of keys. */
class KeysFolder implements Disposable {
  readonly path: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-keys-" }));
  #count = 0;

  write(text: string): string {
    const path = join(this.path, `keys-${this.#count++}`);
    Deno.writeTextFileSync(path, text, { mode: 0o600 });
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** A bucket behind a proxy. */
class Place implements AsyncDisposable {
  readonly server: S3Server;
  readonly bucket: string;
  readonly proxy: FaultProxy;
  readonly options: { readonly endpoint: string } & Readonly<Record<string, unknown>>;
  readonly #folder: KeysFolder;

  private constructor(
    server: S3Server,
    bucket: string,
    proxy = new FaultProxy(server.port),
    folder = new KeysFolder(),
  ) {
    this.server = server;
    this.bucket = bucket;
    this.proxy = proxy;
    this.#folder = folder;
    const { accessKeyId, secretAccessKey } = server.keys;
    const credentials = `file:${
      this.keys(
        `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`,
      )
    }`;
    this.options = { bucket, endpoint: `http://127.0.0.1:${this.proxy.port}`, credentials };
  }

  static async make(server: S3Server): Promise<Place> {
    return new Place(server, await server.makeBucket());
  }

  /** The same, with a bucket that has object lock; it goes with this one. */
  async withLock(): Promise<Place> {
    const bucket = await this.server.makeBucket({ lock: true });
    return new Place(this.server, bucket, this.proxy, this.#folder);
  }

  keys(text: string): string {
    return this.#folder.write(text);
  }

  file(key: string, size: number): SpoolFile {
    const bytes = new Uint8Array(size).fill(7);
    crypto.getRandomValues(bytes.subarray(0, Math.min(size, 60_000)));
    const path = join(this.#folder.path, key.replaceAll("/", "-"));
    Deno.writeFileSync(path, bytes);
    return { key, path, size, sha256: createHash("sha256").update(bytes).digest("hex") };
  }

  async store(
    files: readonly SpoolFile[],
    options: Record<string, unknown> = {},
    call: StageJob["call"] = {},
  ): Promise<void> {
    await this.run("run", { files, owner: "x" }, options, call);
  }

  run<T>(
    operation: StageJob["operation"],
    context: Readonly<Record<string, unknown>>,
    options: Record<string, unknown> = {},
    call: StageJob["call"] = {},
  ) {
    return runStage<T>({
      ...{ use: "s3", operation, context, call },
      options: { ...this.options, ...options },
      output: operation === "fetch",
      ...(operation === "run" && { grants: { read: [this.#folder.path] } }),
    });
  }

  /** What `list` answers in a process that has these in its environment, which all tests here share. */
  async listWith(
    env: Readonly<Record<string, string>>,
    options: Record<string, unknown> = {},
  ): Promise<unknown> {
    const [program, ...args] = childFor({
      ...{ use: "s3", operation: "list", options: { ...this.options, ...options } },
    });
    const { stdout } = await new Deno.Command(program, { args, env, stderr: "inherit" }).output();
    const { result, failure } = JSON.parse(new TextDecoder().decode(stdout));
    assert.equal(failure, undefined);
    return result;
  }

  /** Hash of what is stored, by way of the stage, past the proxy's faults. */
  async hash(key: string): Promise<string> {
    this.proxy.arm();
    const { output } = await this.run("fetch", { key });
    return createHash("sha256").update(output).digest("hex");
  }

  /** What the stage works with, in this thread; `before` is waited for ahead of each request. */
  async session(
    before: (command: string, object: string | undefined) => Promise<void> = async () => {},
  ): Promise<S3Session> {
    const client = this.server.client();
    client.middlewareStack.add(
      (next, { commandName }) => async (request) => {
        const { Key, Prefix } = request.input as {
          readonly Key?: string;
          readonly Prefix?: string;
        };
        await before(commandName!, Key ?? Prefix);
        return await next(request);
      },
      { step: "initialize" },
    );
    return {
      ...{ client, library: await import("@aws-sdk/client-s3"), address: "" },
      ...{ place: v.parse(s3.options, this.options), signal: new AbortController().signal },
      log: () => {},
    };
  }

  /** Keys of the uploads that nobody finished. */
  async uploads(): Promise<string[]> {
    const command = new ListMultipartUploadsCommand({ Bucket: this.bucket });
    const { Uploads = [] } = await this.server.client().send(command);
    return Uploads.map(({ Key }) => Key!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

/** An HTTP proxy that opens tunnels, and notes where to. */
class Tunnel {
  readonly targets: string[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #serving = this.#serve();

  static open(): Promise<Tunnel> {
    return Promise.resolve(new Tunnel());
  }

  get address(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async close(): Promise<void> {
    this.#listener.close();
    await this.#serving;
  }

  async #serve(): Promise<void> {
    const open: Promise<unknown>[] = [];
    try {
      for await (const client of this.#listener) open.push(this.#connect(client));
    } catch {
      // Closed while it was accepting.
    }
    await Promise.allSettled(open);
  }

  async #connect(client: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(4096);
    const count = await client.read(buffer) ?? 0;
    const head = new TextDecoder().decode(buffer.subarray(0, count));
    const [, target = ""] = /^CONNECT (\S+) /.exec(head) ?? [];
    this.targets.push(target);
    const [hostname, port] = target.split(":");
    const server = await Deno.connect({ hostname: hostname!, port: Number(port) });
    await client.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    await Promise.allSettled([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  }
}

function md5({ path }: SpoolFile): string {
  return createHash("md5").update(Deno.readFileSync(path)).digest("hex");
}
