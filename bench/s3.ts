/**
 * Compares the upload of one large archive with `aws s3 cp` and `rclone copyto`, to the server that
 * the tests use, a new one for every sample.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type S3Server, startS3, unlessS3 } from "../tests/servers/s3.ts";
import { type Command, median, run, Stopwatch } from "./measure.ts";
import { type Bar, renderBars } from "./table.ts";

/** What was measured of one program. */
export interface S3Row {
  readonly peer: string;
  readonly seconds: readonly number[];
  /** Of all cores together: what other programs on the machine disturb less. */
  readonly cpuSeconds: readonly number[];
  readonly peakBytes: readonly number[];
  /** Why there is nothing. */
  readonly absent: string | undefined;
}

/** All of it. */
export interface S3Result {
  readonly bytes: number;
  readonly rows: readonly S3Row[];
  readonly bars: readonly Bar[];
}

const KEY = "bench/20260102T030405Z-0123456789ab.tar.zst.age";

/** Who uploads, and what they are started with. */
const UPLOADERS: Readonly<
  Record<string, (server: S3Server, bucket: string, file: Upload) => Command>
> = {
  "keepsake": ({ endpoint, keys }, bucket, { path, sha256 }) => ({
    program: Deno.execPath(),
    args: [
      ...["run", "-A", "--no-prompt", new URL("./s3_upload.ts", import.meta.url).href],
      ...[path, KEY, sha256, JSON.stringify({ bucket, endpoint })],
    ],
    env: variables(keys),
  }),
  "aws": ({ endpoint, keys }, bucket, { path }) => ({
    program: "aws",
    args: ["s3", "cp", "--only-show-errors", "--endpoint-url", endpoint, path, `s3://${bucket}/x`],
    env: variables(keys),
  }),
  "rclone": ({ endpoint, keys }, bucket, { path }) => ({
    program: "rclone",
    args: ["copyto", "--s3-no-check-bucket", path, `bench:${bucket}/x`],
    env: {
      ...variables(keys),
      RCLONE_CONFIG: "/dev/null",
      RCLONE_CONFIG_BENCH_TYPE: "s3",
      RCLONE_CONFIG_BENCH_PROVIDER: "Ceph",
      RCLONE_CONFIG_BENCH_ENV_AUTH: "true",
      RCLONE_CONFIG_BENCH_ENDPOINT: endpoint,
    },
  }),
};

interface Samples {
  readonly seconds: number[];
  readonly cpuSeconds: number[];
  readonly peakBytes: number[];
  absent?: string;
}

interface Upload {
  readonly path: string;
  readonly sha256: string;
}

/**
 * Measures uploads, in turns.
 *
 * @param work A directory for the file.
 */
export async function benchS3(
  work: string,
  bytes: number,
  rounds: number,
  say: (text: string) => void,
): Promise<S3Result> {
  if (unlessS3 !== "") throw new Error(`Cannot measure uploads${unlessS3}`);
  const file = await makeFile(join(work, "archive"), bytes);
  const stopwatch = await Stopwatch.create(work);
  const samples = new Map<string, Samples>();
  for (let round = 0; round < rounds; round++) {
    for (const [peer, commandFor] of Object.entries(UPLOADERS)) {
      const sample = samples.get(peer) ?? { seconds: [], cpuSeconds: [], peakBytes: [] };
      samples.set(peer, sample);
      if (sample.absent !== undefined) continue;
      await using server = await startS3();
      const command = commandFor(server, await server.makeBucket(), file);
      if (round === 0 && !(await run(command.program, ["--version"])).success) {
        sample.absent = "not installed";
        continue;
      }
      const { seconds, usage } = await stopwatch.measure(command);
      sample.seconds.push(seconds);
      if (usage !== undefined) {
        sample.cpuSeconds.push(usage.cpuSeconds);
        sample.peakBytes.push(usage.peakBytes);
      }
      say(`${peer}: ${seconds.toFixed(2)} s`);
    }
  }
  const rows = Array.from(samples, ([peer, sample]): S3Row => ({
    peer,
    absent: undefined,
    ...sample,
  }));
  return { bytes, rows, bars: judgeS3(rows) };
}

/** The goals of an upload, and whether they were reached. */
export function judgeS3(rows: readonly S3Row[]): readonly Bar[] {
  const own = rows.find(({ peer }) => peer === "keepsake");
  const others = rows.filter(({ peer, seconds }) => peer !== "keepsake" && seconds.length > 0);
  const ratio = own === undefined || others.length === 0
    ? undefined
    : median(own.seconds) / Math.min(...others.map(({ seconds }) => median(seconds)));
  const peak = own?.peakBytes.length ? Math.max(...own.peakBytes) / 1e6 : undefined;
  return [
    barOf("upload: at most 1.5 × the faster of aws and rclone", 1.5, ratio),
    barOf("upload, peak memory: less than 300 MB", 300, peak),
  ];
}

/** Renders what was measured. */
export function renderS3({ bytes, rows, bars }: S3Result): string {
  const lines = rows.map(({ peer, seconds, cpuSeconds, peakBytes, absent }) => {
    const name = `  ${peer.padEnd(12)}`;
    if (absent !== undefined) return `${name}${absent}`;
    const peak = peakBytes.length === 0 ? "–" : (median(peakBytes) / 1e6).toFixed(0);
    const range = `${Math.min(...seconds).toFixed(2)} to ${Math.max(...seconds).toFixed(2)}`;
    const cpu = cpuSeconds.length === 0 ? "–" : median(cpuSeconds).toFixed(2);
    const cells = [median(seconds).toFixed(2), range, cpu, peak];
    const [time, span, processor, memory] = cells.map((cell) => cell.padStart(10));
    return `${name}${time} s  ${span}  cpu ${processor} s  peak ${memory} MB`;
  });
  const size = `${(bytes / 1e6).toFixed(0)} MB to an S3 server on this machine, kept in memory`;
  return `\n${size}\n\n${lines.join("\n")}\n\nbars\n${renderBars(bars)}`;
}

function barOf(goal: string, limit: number, measured: number | undefined): Bar {
  const reached = measured === undefined ? undefined : measured <= limit;
  return { goal, limit, measured, reached };
}

/** Bytes that nothing on the way makes smaller. */
async function makeFile(path: string, bytes: number): Promise<Upload> {
  const block = new Uint8Array(1 << 20);
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const hash = createHash("sha256");
  for (let done = 0; done < bytes; done += block.length) {
    crypto.getRandomValues(block.subarray(0, 65_536));
    const part = block.subarray(0, bytes - done);
    for (let at = 0; at < part.length;) at += await file.write(part.subarray(at));
    hash.update(part);
  }
  return { path, sha256: hash.digest("hex") };
}

function variables({ accessKeyId, secretAccessKey }: S3Server["keys"]): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
    // rclone cannot use what others may have set here.
    AWS_CA_BUNDLE: "",
  };
}
