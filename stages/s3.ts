/**
 * Keeps archives in a bucket of any server that speaks S3.
 *
 * @module
 */
import * as v from "valibot";
import {
  choice,
  credentials,
  defineDestination,
  duration,
  integer,
  type Option,
  optional,
  type OptionNotes,
  options,
  type SpoolFile,
  type StoredFile,
  text,
} from "./contract.ts";
import type { S3Session } from "./formats/s3/client.ts";
import {
  addressOf,
  faultOf,
  grantsFor,
  keyOf,
  objectOf,
  parseAddress,
  placeOf,
  prefixOf,
  USUAL_REGION,
} from "./formats/s3/place.ts";
import { shellWord } from "./formats/shell.ts";
import { isManifest } from "./formats/stored_names.ts";

const OPTIONS = options({
  bucket: shaped(
    "Name of the bucket.",
    /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/,
    "Expected the name of a bucket: 2 to 255 letters, digits, dots, hyphens and underscores, a letter or digit first",
    { example: "backups" },
  ),
  prefix: optional(
    v.pipe(
      shaped(
        "What the names of all objects begin with.",
        // deno-lint-ignore no-control-regex
        /^(?!\/)(?!.*\/\/)[^\\?#\x00-\x1f\x7f]+$/,
        'Expected names with slashes between them, such as "backups/claude/"',
        { example: "claude/" },
      ),
      v.transform((prefix) => prefix.replace(/\/?$/, "/")),
    ),
  ),
  endpoint: optional(
    server(
      "Address of the server, without the bucket; left out, Amazon's.",
      'Expected an address such as "https://s3.example.org", without a password',
      { example: "https://s3.example.org" },
    ),
  ),
  region: optional(
    shaped(
      "Region of the bucket. Servers other than Amazon's mostly take any.",
      /^[a-z0-9-]{1,32}$/,
      'Expected the name of a region, such as "eu-central-1"',
      { example: "eu-central-1" },
    ),
    USUAL_REGION,
  ),
  credentials: optional(
    credentials(
      "Where the keys are: env (AWS_ACCESS_KEY_ID and so on), profile:NAME (in ~/.aws/credentials) or file:PATH (of that format).",
      { example: "env" },
    ),
    "env",
  ),
  storage_class: optional(
    shaped(
      "Storage class of new objects, one that can be read at once; left out, the bucket's own.",
      /^(?!(GLACIER|DEEP_ARCHIVE)$)[A-Za-z0-9_-]{1,64}$/,
      'Expected a class that can be read at once, such as "STANDARD_IA"',
    ),
  ),
  sse: optional(
    choice(["AES256", "aws:kms"], "Has the server encrypt too, with its own keys or KMS."),
  ),
  kms_key: optional(text('Key of KMS, for sse = "aws:kms"; left out, the account\'s own.')),
  lock_days: optional(
    integer(
      [1, 36500],
      "For how many days nobody may delete or change an object. The bucket must have object lock. What is pruned stays as an older version, and takes room, until a lifecycle rule of the bucket or you remove that.",
    ),
  ),
  lock_mode: optional(
    choice(
      ["governance", "compliance"],
      "Whether special rights can lift the lock (governance), or nothing can (compliance).",
    ),
    "governance",
  ),
  addressing: optional(
    choice(
      ["path", "host"],
      "Where the bucket stands in an address; left out, in the host at Amazon, in the path elsewhere.",
    ),
  ),
  proxy: optional(
    server(
      "HTTP proxy to go through. Those that the environment names are not used.",
      'Expected an address such as "http://proxy.example.org:3128", without a password',
    ),
  ),
  timeout: optional(
    duration("For how long the server may be silent before it is asked again.", {
      example: "60s",
    }),
    "60s",
  ),
});

export default defineDestination({
  name: "s3",
  summary: "Keeps archives in a bucket of Amazon S3 or of a server like it",
  description:
    "Large files go up in parts, with bounded memory. A file counts as stored when the server's hash of it is ours, or when it reads back. No bucket is made: it has to be there. --from takes addresses such as s3://backups/claude/?endpoint=https://s3.example.org.",
  options: OPTIONS,

  permissions: (options) => grantsFor(options),
  prepare: async () => {
    const { loadLibrary } = await import("./formats/s3/client.ts");
    await loadLibrary();
  },
  takesFiles: false,
  // In a bucket with a lock, which has versions, what is removed goes behind a mark.
  removal: ({ lock_days }) => lock_days === undefined ? "frees" : "versions",
  location: (options) => addressOf(options),
  place: (options) => placeOf(options),
  byHand: ({ bucket, prefix = "", endpoint, region }) => ({
    tools: ["aws"],
    before: [
      "Have AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment: the keys are in no backup.",
    ],
    lines: [
      [
        `aws s3 sync ${shellWord(`s3://${bucket}/${prefix}`)} stored --region ${region}`,
        ...(endpoint === undefined ? [] : [`--endpoint-url ${shellWord(endpoint)}`]),
      ].join(" "),
    ],
  }),
  addressForm: 'a bucket, such as "s3://backups/claude/?endpoint=https://s3.example.org"',
  fromAddress(address) {
    const parsed = v.safeParse(OPTIONS, parseAddress(address, Deno.env));
    return parsed.success ? parsed.output : undefined;
  },
  addressFault(address) {
    const { issues = [] } = v.safeParse(OPTIONS, parseAddress(address, Deno.env) ?? {});
    const wrong = issues.map(({ path, type, message, expected }) => ({
      name: `${path?.[0]?.key}`,
      // The library's own messages repeat what they received.
      expected: type === "picklist"
        ? expected?.replace(/^\((.*)\)$/, "$1").replaceAll(" | ", " or ")
        : /^Expected (.+)$/.exec(message)?.[1],
    }));
    return faultOf(address, Deno.env, wrong);
  },

  async run({ options, files, signal, log, alive, progress }) {
    const [{ warnOfExposure, withClient }, { storeAll }] = await Promise.all([
      import("./formats/s3/client.ts"),
      import("./formats/s3/store.ts"),
    ]);
    const location = addressOf(options);
    warnOfExposure(options, log);
    let current = files[0]?.key;
    const action = () => `Cannot store "${current}" in "${location}"`;
    await withClient(options, { signal, log, alive }, action, (session) => {
      const started = ({ key }: SpoolFile) => void (current = key);
      return storeAll(session, options, files, { started, progress });
    });
    return { location };
  },

  async list({ options, signal, log, alive }) {
    const { withClient } = await import("./formats/s3/client.ts");
    const action = () => `Cannot list "${addressOf(options)}"`;
    return await withClient(options, { signal, log, alive }, action, listAll);
  },

  async fetch({ options, key, output, signal, log, progress }) {
    const [{ withClient }, { readObject }] = await Promise.all([
      import("./formats/s3/client.ts"),
      import("./formats/s3/fetch.ts"),
    ]);
    const object = objectOf(options, key);
    const action = () => `Cannot fetch "${key}" from "${addressOf(options)}"`;
    let done = 0;
    await withClient(
      options,
      { signal, log },
      action,
      (session) =>
        readObject(session, object, async (bytes, size) => {
          await output.write(bytes);
          progress(done += bytes.length, size);
        }),
    );
  },

  async remove({ options, keys, signal, log, alive }) {
    const { withClient } = await import("./formats/s3/client.ts");
    // A snapshot exists when its manifest does: a crash halfway must not leave a manifest alone.
    const ordered = keys.toSorted((a, b) => Number(isManifest(b)) - Number(isManifest(a)));
    const objects = ordered.map((key) => [key, objectOf(options, key)] as const);
    let current = ordered[0];
    const action = () => `Cannot remove "${current}" from "${addressOf(options)}"`;
    await withClient(options, { signal, log }, action, async ({ client, library }) => {
      // One by one: of the request for many, every server has an idea of its own.
      for (const [key, Key] of objects) {
        current = key;
        const command = new library.DeleteObjectCommand({ Bucket: options.bucket, Key });
        await client.send(command, { abortSignal: signal });
        alive?.();
      }
    });
  },
});

/** Every file of ours below the prefix. */
async function listAll(session: S3Session): Promise<StoredFile[]> {
  const { objectsOf } = await import("./formats/s3/list.ts");
  const files: StoredFile[] = [];
  for await (const { Key = "", Size = 0 } of objectsOf(session, prefixOf(session.place))) {
    const key = keyOf(session.place, Key);
    if (key !== undefined) files.push({ key, size: Size });
  }
  return files;
}

/** Address of a host, which is shown and so holds no password. */
function server(summary: string, expected: string, notes?: OptionNotes) {
  const shape = /^https?:\/\/[^@?#\s]+$/;
  // What has not even the shape is told once.
  const isAddress = (address: string) => !shape.test(address) || URL.canParse(address);
  return v.pipe(
    shaped(summary, shape, expected, notes),
    v.check(isAddress, expected),
  ) satisfies Option<string>;
}

/** Text of which more is known than that there is some. */
function shaped(summary: string, shape: RegExp, expected: string, notes?: OptionNotes) {
  return v.pipe(text(summary, notes), v.regex(shape, expected)) satisfies Option<string>;
}
