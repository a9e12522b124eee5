import assert from "node:assert/strict";
import { withoutCredentials } from "../../../stages/formats/credentials.ts";

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
        env: { HOST: "example.org" },
        headers: { Accept: "text/plain" },
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
          ...kept.mcpServers.github.env,
          GITHUB_TOKEN: "canary",
          API_KEY: "canary",
          AWS_SECRET_ACCESS_KEY: "canary",
          DB_PASSWORD: "canary",
          GITLAB_PAT: "canary",
        },
        headers: {
          ...kept.mcpServers.github.headers,
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
