import assert from "node:assert/strict";
import { withoutCredentials } from "../../../../stages/formats/claude/credentials.ts";

function cut(value: unknown): unknown {
  const bytes = withoutCredentials(new TextEncoder().encode(JSON.stringify(value)));
  return JSON.parse(new TextDecoder().decode(bytes));
}

Deno.test("what is a credential by its name is cut out, at any depth", () => {
  const kept = {
    numStartups: 12,
    projects: {
      "/home/me/token": { lastTotalInputTokens: 12, allowedTools: ["Bash"], hasTrustDialog: true },
    },
    mcpServers: {
      github: {
        command: "npx",
        args: ["-y", "server"],
        env: {},
        headers: {},
      },
    },
    maxOutputTokens: 4096,
    list: ["a", { name: "b" }],
  };
  const secrets = {
    ...kept,
    oauthAccount: { emailAddress: "me@example.org", accountUuid: "canary" },
    claudeAiOauth: { accessToken: "canary", refreshToken: "canary", expiresAt: 1 },
    mcpOAuth: { "server|1": { clientId: "canary" } },
    primaryApiKey: "canary",
    customApiKeyResponses: { approved: ["canary"] },
    mcpServers: {
      github: {
        ...kept.mcpServers.github,
        env: {
          HOST: "canary.example.org",
          PGPASS: "canary",
          DATABASE_URL: "postgres://me:canary@db.example.org/it",
          GITHUB_TOKEN: "canary",
          API_KEY: "canary",
          AWS_SECRET_ACCESS_KEY: "canary",
          DB_PASSWORD: "canary",
          GITLAB_PAT: "canary",
        },
        headers: {
          "X-Whatever": "canary",
          Authorization: "Bearer canary",
          "X-Api-Key": "canary",
          Cookie: "canary",
        },
      },
    },
    list: ["a", { name: "b", password: "canary" }],
  };
  assert.deepEqual(cut(secrets), kept);
});

Deno.test("a credential is cut out whatever its name looks like and whatever it is made of", () => {
  const value = { value: "canary" };
  const secrets = {
    ...{ accessToken: value, refreshToken: ["canary"], tokens: ["canary"], sessionKey: "canary" },
    ...{ tokenData: { a: [value] }, "accessToken ": "canary", "api key": "canary", APIKey: value },
    ...{ password: 1234, DB_PASS: "canary", "x-auth": "canary", OPENAIAPIKEY: "canary" },
    ...{ tokens2: { canary: "canary" }, authorization: value, jwt: "canary", PGPASS: "canary" },
  };
  for (const [key, inner] of Object.entries(secrets)) {
    assert.deepEqual(cut({ deep: [{ [key]: inner, other: 1 }] }), { deep: [{ other: 1 }] }, key);
  }
});

Deno.test("counts, switches, settings and what people gave names to stay", () => {
  const kept = {
    ...{ maxOutputTokens: 4096, tokens: { input: 1, output: [2] }, hasApiKey: true, secret: null },
    ...{ apiKeyHelper: "/bin/key", tokenFile: "/a", authMethod: "sso", tokenExpiresAt: "2027" },
    ...{ author: { name: "me" }, bypass: "no", compass: "n", lastSessionId: "1", keyBinding: "v" },
    ...{ tokenizer: "x", shortcutKey: "k", env: "production" },
    skillUsage: {
      "password-maker": { usageCount: 3, lastUsedAt: 1767225600000 },
      "secret-scan": { usageCount: 3, lastUsedAt: "yesterday" },
      token: { usageCount: 3, lastUsedAt: "yesterday" },
      env: { usageCount: 3 },
    },
    mcpServers: { "auth-token": { type: "http", url: "https://example.org/a?page=2#top" } },
    ...{ claudeCodeFirstTokenDate: "2025-06-01", tokenLimit: "8k", maxThinkingTokens: "8000" },
    ...{ hasApiKey: "true", tokens: { input: "12", since: "2026-01-01T00:00:00.000Z" } },
    tipsHistory: { "api-key": 2, "oauth-setup": 3, token: "2" },
    toolUsage: { mcp__auth__login: { usageCount: 3, lastUsedAt: "yesterday" } },
    cachedStatsigGates: { tengu_auth: "v1", tengu_oauth: true },
    cachedGrowthBookFeatures: { tengu_token: { name: "a", headers: {} }, tengu_jwt: "1.2.3" },
    githubRepoPaths: { "me/my-token": ["/home/me/my-token"] },
    remotes: ["ssh://git@example.org/a", "http://localhost:3000/@scope/a", "git@example.org:a.git"],
    allowedTools: ["Bash(gh auth status:*)", "WebFetch(domain:example.org)"],
    args: ["-y", "@scope/server@1.2.3", "--port", "80", "--token-file", "/a", "--no-auth", "--all"],
    limits: ["--max-tokens", "8000", "--max-tokens", 8000, "--max-tokens=8000", "--auth", "off"],
  };
  assert.deepEqual(cut(kept), kept);
});

Deno.test("a credential below a name is cut out, and a text of digits by a name that is no count", () => {
  const secrets = {
    ...{ password: "12345678", otp: "123456", token: "123456", apiKey: "2026-01-01" },
    ...{ maxTokens: "canary", tokens: { input: "canary" }, accessTokens: "1234567890" },
  };
  assert.deepEqual(cut(secrets), {});
  assert.deepEqual(
    cut({
      mcpServers: { token: "canary" },
      cachedStatsigGates: {
        tengu_auth_token: "canary",
        tokens: ["canary"],
        tengu_auth: { token: "canary" },
      },
      skillUsage: { token: { token: "canary" }, secret: "canary" },
    }),
    { mcpServers: {}, cachedStatsigGates: { tengu_auth: {} }, skillUsage: { token: {} } },
  );
});

Deno.test("what follows a flag that asks for a credential, or is joined to it, is cut out", () => {
  const gone = "[REDACTED]";
  const cases: readonly (readonly [readonly unknown[], readonly unknown[]])[] = [
    [["--api-key", "canary", "--all"], ["--api-key", gone, "--all"]],
    [["--api-key=canary"], [`--api-key=${gone}`]],
    [["--token", 1234], ["--token", gone]],
    [["--token", "-canary"], ["--token", gone]],
    [["--header", "X-Key: canary"], ["--header", gone]],
    [["-H", "Authorization: Bearer canary"], ["-H", gone]],
    [["Authorization: Bearer canary"], [`Authorization: ${gone}`]],
    [["-e", "NAME=canary", "image"], ["-e", `NAME=${gone}`, "image"]],
    [["--env=NAME=canary"], [`--env=NAME=${gone}`]],
    [["-e", "console.log(1)"], ["-e", "console.log(1)"]],
    [["GITHUB_TOKEN=canary"], [`GITHUB_TOKEN=${gone}`]],
    [["-c", "A=1 b --all --api-key 'can ary' c"], ["-c", `A=1 b --all --api-key ${gone} c`]],
    [["-c", 'TOKEN="can ary" b'], ["-c", `TOKEN=${gone}`]],
  ];
  for (const [written, expected] of cases) {
    assert.deepEqual(cut({ a: { args: written } }), { a: { args: expected } }, String(written));
  }
  assert.deepEqual(cut({ command: "a --token canary b" }), { command: `a --token ${gone} b` });
});

Deno.test("what a variable, flag or key holds is cut out in a text, whatever stands before it", () => {
  const gone = "[REDACTED]";
  const cases: Readonly<Record<string, string>> = {
    'env "TOKEN=canary" foo': `env "TOKEN=${gone}" foo`,
    'env "TOKEN=can ary" foo': `env "TOKEN=${gone}" foo`,
    "a 'TOKEN=can ary' b": `a 'TOKEN=${gone}' b`,
    'sh -c "TOKEN=\\"can ary\\" b"': `sh -c "TOKEN=${gone}"`,
    'sh -c \\"TOKEN=can ary\\" b': `sh -c \\"TOKEN=${gone}\\" b`,
    'a "TOKEN="can" ary" b': `a "TOKEN=${gone}" b`,
    "a;TOKEN='can ary' b": `a;TOKEN=${gone} b`,
    "a&&TOKEN=canary b|PASSWORD=canary c": `a&&TOKEN=${gone} b|PASSWORD=${gone} c`,
    "Bash(PGPASSWORD=canary psql)": `Bash(PGPASSWORD=${gone} psql)`,
    "Bash(TOKEN=canary npm run x)": `Bash(TOKEN=${gone} npm run x)`,
    "Bash(TOKEN=canary:*)": `Bash(TOKEN=${gone})`,
    "Bash(export TOKEN=canary)": `Bash(export TOKEN=${gone})`,
    "Bash(a --api-key canary)": `Bash(a --api-key ${gone})`,
    'a "--api-key" "can ary" b': `a "--api-key" ${gone} b`,
    "x `TOKEN=canary a` b": `x \`TOKEN=${gone}\` b`,
    "Bearer canary": `Bearer ${gone}`,
    "bearer  canary ": `bearer  ${gone}`,
    "a Authorization: Bearer canary b": `a Authorization: ${gone} b`,
    "a 'Authorization: Basic canary' b": `a 'Authorization: ${gone}' b`,
    "curl -d Authorization:canary": `curl -d Authorization:${gone}`,
    'x "X-Api-Key: can ary" b': `x "X-Api-Key: ${gone}" b`,
    [`run --config '{"braveApiKey":"can ary","a":1}'`]:
      `run --config '{"braveApiKey":"${gone}","a":1}'`,
    '--config={\\"apiKey\\": \\"canary\\"}': `--config={\\"apiKey\\": \\"${gone}\\"}`,
    'x {"tokens":{"a":"canary","b":"canary"}}': `x {"tokens":${gone}`,
    'x {"otp":123456,"b":1}': `x {"otp":${gone},"b":1}`,
    [`x '["--token","canary","b"]'`]: `x '["--token","${gone}","b"]'`,
  };
  for (const [written, expected] of Object.entries(cases)) {
    assert.deepEqual(cut({ allowedTools: [written] }), { allowedTools: [expected] }, written);
    assert.deepEqual(cut({ command: written }), { command: expected }, written);
    assert.deepEqual(cut({ command: expected }), { command: expected }, "a second time");
  }
});

Deno.test("a text that is JSON is cut as what it says, and stays as it is where nothing is cut", () => {
  const cases: Readonly<Record<string, string>> = {
    '{"braveApiKey":"canary"}': "{}",
    ' { "a" : 1, "env": {"X":"canary"} }': '{"a":1,"env":{}}',
    '["--token","canary"]': '["--token","[REDACTED]"]',
    '{"a":"{\\"apiKey\\":\\"canary\\"}"}': '{"a":"{}"}',
    '{"token":"canary","token":null}': '{"token":"[REDACTED]","token":null}',
    ' { "a" : 1.0, "url": "https://example.org" }': ' { "a" : 1.0, "url": "https://example.org" }',
    '{"maxTokens": "8000", "tokens": [1], "secret": true, "auth": {}}':
      '{"maxTokens": "8000", "tokens": [1], "secret": true, "auth": {}}',
    "[]": "[]",
  };
  for (const [written, expected] of Object.entries(cases)) {
    const whole = { args: ["--config", written], text: written };
    assert.deepEqual(cut(whole), { args: ["--config", expected], text: expected }, written);
    assert.deepEqual(cut({ args: ["-e", written] }), { args: ["-e", expected] });
  }
  assert.deepEqual(cut({ headers: '{"X":"canary"}' }), { headers: "{}" });
});

Deno.test("what a header says is cut out of any text", () => {
  assert.deepEqual(
    cut({ a: "Bearer canary", b: 'say {"Authorization": "Bearer canary"}', c: "Bearer" }),
    { a: "Bearer [REDACTED]", b: 'say {"Authorization": "[REDACTED]"}', c: "Bearer" },
  );
});

Deno.test("what was cut once stays the same when it is cut again, and each time", () => {
  const parts = ["TOKEN", "--api-key", "Authorization", "Bearer", "a", "=", ": ", " ", '"', "'"];
  parts.push(...[
    "\\",
    "(",
    ")",
    ";",
    "&",
    "?",
    "|",
    "`",
    ",",
    "{",
    "}",
    "[",
    "]",
    "://",
    "@",
    "1",
  ]);
  let seed = 1;
  const next = (): number => seed = seed * 48271 % 2147483647;
  for (let count = 0; count < 3000; count++) {
    const text = Array.from({ length: next() % 14 + 1 }, () => parts[next() % parts.length]).join(
      "",
    );
    const whole = { args: ["a", text, text], text, [text]: { command: text } };
    const once = cut(whole);
    assert.deepEqual(cut(whole), once);
    assert.deepEqual(cut(once), once, JSON.stringify(text));
  }
});

Deno.test("what addresses hold of users, passwords and secrets is cut out", () => {
  const gone = "[REDACTED]";
  const cases: Readonly<Record<string, string>> = {
    "https://example.org/a?x=1&token=canary&y=2": `https://example.org/a?x=1&token=${gone}&y=2`,
    "https://example.org/?key=canary#access_token=canary":
      `https://example.org/?key=${gone}#access_token=${gone}`,
    "https://canary@example.org/a": `https://${gone}@example.org/a`,
    "see postgres://me:can@ary@db/it and more": `see postgres://${gone}@db/it and more`,
    "postgres://me:can/ary@db/it": `postgres://${gone}@db/it`,
    "jdbc:x://db;user=me;password=canary;a=b": `jdbc:x://db;user=me;password=${gone};a=b`,
  };
  for (const [written, expected] of Object.entries(cases)) {
    assert.deepEqual(cut({ url: written, list: [written] }), { url: expected, list: [expected] });
    assert.deepEqual(cut({ [written]: 1 }), { [expected]: 1 });
  }
});

Deno.test("a key that is a path is no credential, and neither is what a list holds", () => {
  const kept = { projects: { "/home/me/my-secret": {} }, names: ["token", "secret"] };
  assert.deepEqual(cut(kept), kept);
});

Deno.test("what is not JSON, or no table, is not taken", () => {
  for (const text of ["", "{", "canary", '"canary"', "null", "\u0000", '{"a":1}}']) {
    assert.equal(withoutCredentials(new TextEncoder().encode(text)), undefined, text);
  }
  assert.equal(withoutCredentials(new Uint8Array([0x7b, 0xff, 0x7d])), undefined);
});
