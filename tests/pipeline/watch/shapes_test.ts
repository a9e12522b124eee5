import { deepEqual, equal } from "node:assert/strict";
import type { Shape } from "../../../pipeline/config/common.ts";
import { noticeOf } from "../../../pipeline/watch/notice.ts";
import { jsonOf, postOf, shapeOf, wordsOf } from "../../../pipeline/watch/shapes.ts";
import type { News, Told, Trouble } from "../../../pipeline/watch/troubles.ts";

const NOW = new Date("2026-11-21T03:00:00Z");
const ABOUT = { pipeline: "claude", host: "laptop", now: NOW };
const S3: Trouble = {
  subject: "stage s3",
  since: new Date("2026-11-18T03:00:00Z"),
  message: "Cannot reach <b>@everyone</b> & [x](http://y)",
  hint: "Check the network",
  passing: false,
};
const NEWS: News = {
  raised: [S3, {
    ...S3,
    subject: "snapshot claude",
    message: "Cannot read it",
    hint: "Second hint",
  }],
  over: [{ subject: "stage git", since: S3.since }],
  still: [{ ...S3, subject: "stage local" }],
};

function bodyOf(address: string, shape?: Shape): Record<string, unknown> {
  return JSON.parse(postOf(noticeOf(NEWS, ABOUT), new URL(address), shape).body);
}

Deno.test("an address tells its shape, and what is not known gets plain JSON", () => {
  const cases = {
    "https://discord.com/api/webhooks/1/x": "discord",
    "https://discord.com/api/webhooks/1/x/slack": "slack",
    "https://canary.discord.com/api/webhooks/1/x": "discord",
    "https://hooks.slack.com/services/T/B/x": "slack",
    "https://contoso.webhook.office.com/webhookb2/x": "teams",
    "https://prod-1.westeurope.logic.azure.com:443/workflows/x": "teams",
    "https://ntfy.sh/topic": "ntfy",
    "https://ntfy.example.org/topic": "ntfy",
    "https://evildiscord.com/x": "json",
    "https://example.org/discord.com": "json",
  };
  for (const [address, shape] of Object.entries(cases)) equal(shapeOf(new URL(address)), shape);
});

Deno.test("one alert tells what failed, since when, the first hint, and what is well again", () => {
  const { title, text, event } = noticeOf(NEWS, ABOUT);
  equal(event, "failure");
  equal(title, 'Keepsake: backup "claude" on laptop: 2 things failed');
  deepEqual(text.split("\n"), [
    "s3: Cannot reach <b>@everyone</b> & [x](http://y) (since 2026-11-18 03:00 UTC)",
    "What to do: Check the network",
    "claude (incomplete): Cannot read it (since 2026-11-18 03:00 UTC)",
    "Well again: git (since 2026-11-18 03:00 UTC)",
    "Still failing: local (since 2026-11-18 03:00 UTC)",
  ]);
  const recovery = noticeOf({ ...NEWS, raised: [], still: [] }, ABOUT);
  equal(recovery.event, "recovery");
  equal(recovery.title, 'Keepsake: backup "claude" on laptop: git is well again');
  const accepted: Told = { subject: "accepted claude/memory/a.md", since: S3.since };
  const titleOf = (...over: readonly Told[]) =>
    noticeOf({ raised: [], over, still: [] }, ABOUT).title.replace(/^.*: .*: /, "");
  equal(titleOf(accepted), "claude/memory/a.md was accepted as gone");
  equal(titleOf(accepted, accepted), "2 losses were accepted");
  equal(
    titleOf(accepted, accepted, ...NEWS.over),
    "git is well again, and 2 losses were accepted",
  );
});

Deno.test("what a file is called makes no line of its own, and moves no cursor", () => {
  const message = 'Cannot read "a\nWhat to do: x\x1b[2J": permission denied';
  const lost = { ...S3, subject: "loss claude/b\nc", message } as const;
  const { title, text } = noticeOf({ raised: [lost], over: [lost], still: [lost] }, ABOUT);
  equal(title, 'Keepsake: backup "claude" on laptop: claude/b c (perhaps lost) failed');
  const since = "(since 2026-11-18 03:00 UTC)";
  deepEqual(text.split("\n"), [
    'claude/b c (perhaps lost): Cannot read "a What to do: x\\u{1b}[2J": permission denied ' +
    since,
    "What to do: Check the network",
    `Well again: claude/b c (perhaps lost) ${since}`,
    `Still failing: claude/b c (perhaps lost) ${since}`,
  ]);
});

Deno.test("however much may be lost, every receiver gets the command that brings it back", () => {
  const command = "See how it was before: keepsake restore claude/20260101 --to restored";
  const losses = Array.from({ length: 50 }, (_, index): Trouble => ({
    ...S3,
    subject: `loss claude/projects/-home-me-work/memory/a-topic-${index}.md`,
    message: `projects/-home-me-work/memory/a-topic-${index}.md is gone (1234 bytes)`,
    hint: command,
  }));
  const notice = noticeOf({ raised: [S3, ...losses], over: [], still: [] }, ABOUT);
  equal(notice.text.includes("… and 44 more"), true);
  for (const shape of ["discord", "slack", "teams", "ntfy", "json"] as const) {
    const { body } = postOf(notice, new URL("https://example.org/topic"), shape);
    equal(body.includes(command), true, shape);
  }
});

Deno.test("thousands of things make no alert that a program or a receiver cannot take", () => {
  const many = Array.from({ length: 3000 }, (_, index): Trouble => ({
    ...S3,
    subject: `loss claude/projects/-home-me-work/memory/a-topic-${index}.md`,
    message: "🗝".repeat(9000),
  }));
  const gone = many.map(({ since }, index): Told => ({
    subject: `accepted claude/${index}.md`,
    since,
  }));
  const news = { raised: [S3, ...many], over: [...many, ...gone], still: many };
  const notice = noticeOf(news, ABOUT);
  const rests = notice.text.split("\n").filter((line) => /^… and \d+ more$/.test(line));
  deepEqual(rests, Array(4).fill("… and 2994 more"));
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  for (const word of wordsOf(notice)) equal(bytes(word) < 64 * 1024, true);
  const json = jsonOf(noticeOf({ ...news, still: news.raised }, ABOUT)) as Record<string, unknown>;
  equal((json["failed"] as unknown[]).length, 50);
  deepEqual(json["counts"], {
    failed: 3001,
    recovered: 3000,
    accepted: 3000,
    still_failing: 3001,
  });
  const usual = many.map((trouble) => ({ ...trouble, message: "It is gone (1234 bytes)" }));
  const body = JSON.stringify(jsonOf(noticeOf({ raised: usual, over: gone, still: usual }, ABOUT)));
  equal(bytes(body) < 64 * 1024, true);
});

Deno.test("each receiver gets the keys that it reads, and nothing that it would act on", () => {
  const discord = bodyOf("https://discord.com/api/webhooks/1/x");
  deepEqual(Object.keys(discord), ["content", "allowed_mentions"]);
  deepEqual(discord["allowed_mentions"], { parse: [] });
  equal(String(discord["content"]).includes("[x](http://y)"), false);
  const slack = bodyOf("https://hooks.slack.com/services/x");
  deepEqual(Object.keys(slack), ["text"]);
  equal(/[<>]|&(?!amp;|lt;|gt;)/.test(String(slack["text"])), false);
  const teams = JSON.stringify(bodyOf("https://x.webhook.office.com/y"));
  equal(teams.includes('"type":"AdaptiveCard"'), true);
  equal(teams.includes("[x](http://y)"), false);
});

Deno.test("ntfy takes the topic in the message, below whatever path its server has", () => {
  const post = postOf(noticeOf(NEWS, ABOUT), new URL("https://h.example/base/topic"), "ntfy");
  equal(post.url, "https://h.example/base/");
  const { topic, priority } = JSON.parse(post.body);
  deepEqual([topic, priority], ["topic", 4]);
  equal(postOf(noticeOf(NEWS, ABOUT), new URL("https://ntfy.sh/topic")).url, "https://ntfy.sh/");
});

Deno.test("a % that escapes nothing in an address stands for itself", () => {
  const notice = noticeOf(NEWS, ABOUT);
  const { headers } = postOf(notice, new URL("http://u:p%zz@h.example/x%"));
  equal(headers["authorization"], `Basic ${btoa("u:p%zz")}`);
  equal(JSON.parse(postOf(notice, new URL("https://ntfy.sh/50%")).body).topic, "50%");
  equal(JSON.parse(postOf(notice, new URL("https://ntfy.sh/%C3%A4")).body).topic, "ä");
});

Deno.test("plain JSON holds each kind with its count, and no message is longer than its receiver takes", () => {
  const json = bodyOf("https://example.org/");
  deepEqual(Object.keys(json), [
    ...["event", "pipeline", "host", "time", "title", "text", "failed", "recovered"],
    ...["accepted", "still_failing", "counts"],
  ]);
  deepEqual(json["counts"], { failed: 2, recovered: 1, accepted: 0, still_failing: 1 });
  const long = noticeOf({ ...NEWS, raised: [{ ...S3, message: "🗝".repeat(9000) }] }, ABOUT);
  const { content } = JSON.parse(postOf(long, new URL("https://discord.com/x")).body);
  equal([...content].length <= 2000, true);
});
