/** Servers behind TLS: which certificates are trusted, and that no others are. */
import assert from "node:assert/strict";
import { Home, type Outcome } from "../commands/harness.ts";
import { works } from "../stages/git_harness.ts";
import { startHttpGit, unlessHttpGit } from "./git.ts";
import { startS3, unlessS3 } from "./s3.ts";
import { TlsFront, unlessTls } from "./tls.ts";

const unless = unlessS3 || unlessTls;

/** What the system trusts, on Debian and its kin. */
const SYSTEM = "/etc/ssl/certs/ca-certificates.crt";
const mayMount = works("unshare", "-rm", "sh", "-c", `mount --bind ${SYSTEM} ${SYSTEM}`);
const unlessGit = unlessHttpGit || unlessTls ||
  (mayMount ? "" : " (ignored: nothing can be mounted over what the system trusts)");

Deno.test({
  name: `a bucket is reached by TLS with what this machine trusts, and not without${unless}`,
  ignore: unless !== "",
  async fn() {
    await using server = await startS3();
    await using front = await TlsFront.start(server.port);
    await using home = await Home.make();
    await home.furnish();
    const place = {
      bucket: await server.makeBucket(),
      endpoint: `https://localhost:${front.port}`,
    };
    await keepAt(home, "s3", place);
    const keys = {
      AWS_ACCESS_KEY_ID: server.keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.keys.secretAccessKey,
    };
    const keepsake = (words: readonly string[], env: Readonly<Record<string, string>>) =>
      home.keepsake(words, { env: { ...keys, ...env } });
    const { authority } = front;

    // As Node has it behind a company's proxy, as Deno has it, and as the system has it.
    const trusting: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      node: { NODE_EXTRA_CA_CERTS: authority },
      deno: { DENO_CERT: authority },
      system: { DENO_TLS_CA_STORE: "system", SSL_CERT_FILE: authority },
      "system, by Node": { NODE_EXTRA_CA_CERTS: authority, NODE_USE_SYSTEM_CA: "1" },
    };
    for (const [name, env] of Object.entries(trusting)) {
      const made = await keepsake(["run", "--force"], env);
      assert.equal(made.status, 0, `${name}: ${made.stderr}`);
      const verified = await keepsake(["verify"], env);
      assert.equal(verified.status, 0, `${name}: ${verified.stderr}`);
      const to = home.at(`back ${name}`);
      const restored = await keepsake(["restore", "--to", to], env);
      assert.equal(restored.status, 0, `${name}: ${restored.stderr}`);
      assert.equal(await Deno.readTextFile(`${to}/.claude/CLAUDE.md`), "Be kind.\n");
    }

    const distrusting: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      nothing: {},
      "others alone": { NODE_EXTRA_CA_CERTS: "/etc/ssl/certs/ca-certificates.crt" },
      "a file that is not there": { NODE_EXTRA_CA_CERTS: "/nowhere.pem" },
      "whoever asks not to look": { NODE_TLS_REJECT_UNAUTHORIZED: "0" },
    };
    for (const [name, env] of Object.entries(distrusting)) {
      assertDistrusted(await keepsake(["run", "--force"], env), name);
    }

    // A proxy that shows a certificate of its own has to be trusted like any other server.
    await using stranger = await TlsFront.start(server.port);
    await keepAt(home, "s3", { ...place, proxy: `https://localhost:${stranger.port}` });
    const env = { NODE_EXTRA_CA_CERTS: authority, NODE_TLS_REJECT_UNAUTHORIZED: "0" };
    const { status, stderr } = await keepsake(["run", "--force"], env);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /the certificate of the proxy localhost:\d+ is not trusted/);
  },
});

Deno.test({
  name: `a repository is reached by TLS with what the system trusts, and not without${unlessGit}`,
  ignore: unlessGit !== "",
  async fn() {
    await using server = startHttpGit();
    await using front = await TlsFront.start(server.port);
    await using home = await Home.make();
    await home.furnish();
    const { remote, credentials } = server.optionsFor(server.makeRepository());
    const url = remote!.replace(/^http:..127\.0\.0\.1:\d+/, `https://localhost:${front.port}`);
    await keepAt(home, "git", { remote: url, credentials: credentials! });

    for (const env of [{}, { GIT_SSL_NO_VERIFY: "1" }, { GIT_SSL_CAINFO: front.authority }]) {
      const { status, stderr } = await home.keepsake(["run"], { env });
      assert.equal(status, 2, stderr);
      assert.match(stderr, /Cannot reach "https:.*": its certificate does not hold/);
    }
    const trusted = await home.write("trusted.pem", await Deno.readTextFile(front.authority));
    const words = ["run", "verify", `restore --to '${home.at("back")}'`];
    const line = `mount --bind '${trusted}' ${SYSTEM}; ${
      words.map((all) => `keepsake ${all}`).join(" && ")
    }`;
    const { status, stderr } = await home.bash(`unshare -rm bash -c "${line}"`);
    assert.equal(status, 0, stderr);
    assert.equal(await Deno.readTextFile(home.at("back/.claude/CLAUDE.md")), "Be kind.\n");
  },
});

/** Has the one destination of a furnished home be another. */
async function keepAt(
  home: Home,
  use: string,
  options: Readonly<Record<string, string>>,
): Promise<void> {
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  const [head = ""] = text.split(/^\[\[stage\]\]\nuse = "(?:local|s3|git)"/m);
  const lines = Object.entries(options).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  const stage = ["[[stage]]", `use = "${use}"`, ...lines];
  await Deno.writeTextFile(file, `${head}${stage.join("\n")}\n`);
}

function assertDistrusted({ status, stderr }: Outcome, name: string): void {
  assert.equal(status, 2, `${name}: ${stderr}`);
  assert.match(stderr, /the certificate of localhost:\d+ is not trusted/, name);
  assert.match(stderr, /DENO_TLS_CA_STORE=system .* NODE_EXTRA_CA_CERTS=FILE/, name);
  assert.doesNotMatch(stderr, /Report this/, name);
}
