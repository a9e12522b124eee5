/**
 * What stands in a sample home besides conversations: what a person wrote, what Claude remembers,
 * what must never leave the machine and what is not worth keeping.
 *
 * @module
 */
import type { Random } from "./random.ts";
import { markdown, prose, title } from "./text.ts";
import type { Transcript } from "./transcript.ts";
import type { Project } from "./work.ts";

/** A file to make. */
export interface SampleFile {
  /** Below the home. */
  readonly path: string;
  readonly text: string;
  /** Permission bits; `0o644` when left out. */
  readonly mode?: number;
}

/** Stands in every secret of the sample home, so that its absence elsewhere can be shown. */
export const CANARY = "CANARY-NOT-A-SECRET";

/** What a person wrote or chose. */
export function settings(random: Random): readonly SampleFile[] {
  const hook = {
    matcher: "Edit",
    hooks: [{ type: "command", command: "~/.claude/hooks/format.sh" }],
  };
  return [
    { path: "dotfiles/claude/CLAUDE.md", text: `# How I work\n\n${markdown(random, 4)}\n` },
    {
      path: ".claude/settings.json",
      text: json({
        cleanupPeriodDays: 30,
        model: "opus",
        statusLine: { type: "command", command: "~/.claude/statusline.sh" },
        hooks: { PostToolUse: [hook] },
      }),
      mode: 0o600,
    },
    { path: ".claude/keybindings.json", text: json({ "ctrl+k": "clear" }) },
    { path: ".claude/statusline.sh", text: "#!/bin/sh\necho tide: rising\n", mode: 0o755 },
    { path: ".claude/hooks/format.sh", text: "#!/bin/sh\nexec deno fmt --quiet\n", mode: 0o755 },
    { path: ".claude/rules/style.md", text: `${markdown(random, 2)}\n` },
    { path: ".claude/output-styles/terse.md", text: front({ name: "terse" }, prose(random, 2)) },
    {
      path: ".claude/agents/reviewer.md",
      text: front({ name: "reviewer", tools: "Read, Grep" }, markdown(random, 3)),
    },
    {
      path: ".claude/commands/ship.md",
      text: front({ description: title(random) }, markdown(random, 2)),
    },
    {
      path: ".claude/skills/tide-tables/SKILL.md",
      text: front({ name: "tide-tables", description: title(random) }, markdown(random, 4)),
    },
    { path: ".claude/skills/tide-tables/scripts/fetch.py", text: "print('tide')\n", mode: 0o755 },
    {
      path: ".claude/plugins/known_marketplaces.json",
      text: json({ harbour: { source: { source: "github", repo: "ada/harbour" } } }),
    },
    {
      path: ".claude/plugins/data/harbour/notes.json",
      text: json({ visits: random.between(2, 90) }),
    },
    { path: ".claude/plans/quiet-rising-tide.md", text: `# Plan\n\n${markdown(random, 5)}\n` },
    { path: ".claude/paste-cache/5f0c2b.txt", text: prose(random, 8) },
    { path: ".claude/stats-cache.json", text: json({ version: 1, totalSessions: 14 }) },
    { path: ".claude/skills/empty.md", text: "" },
  ];
}

/** What Claude remembers of a project. */
export function memory(random: Random, folder: string): readonly SampleFile[] {
  const topics = ["decisions", "people", "Überblick – Gezeiten"];
  const index = topics.map((topic) => `- [${topic}](${topic}.md): ${prose(random, 1)}`);
  return [
    { path: `${folder}/memory/MEMORY.md`, text: `# Memory\n\n${index.join("\n")}\n` },
    ...topics.map((topic) => ({
      path: `${folder}/memory/${topic}.md`,
      text: front({ type: "project", modified: "2026-01-05" }, markdown(random, 3)),
    })),
  ];
}

/** What belongs to a conversation but lies elsewhere. */
export function traces(
  random: Random,
  project: Project,
  { sessionId }: Transcript,
): readonly SampleFile[] {
  const [lines] = project.files.values();
  return [
    {
      path: `.claude/file-history/${sessionId}/${random.hex(16)}@v1`,
      text: (lines ?? []).join("\n"),
    },
    { path: `.claude/tasks/${sessionId}/1.json`, text: json({ id: "1", subject: title(random) }) },
    { path: `.claude/todos/${sessionId}-agent-${sessionId}.json`, text: "[]" },
  ];
}

/** A prompt as the history keeps it. */
export function historyLine(random: Random, project: Project, log: Transcript): string {
  return JSON.stringify({
    display: prose(random, 1),
    pastedContents: {},
    timestamp: log.time,
    project: project.cwd,
    sessionId: log.sessionId,
  }) + "\n";
}

/** What must not be in any archive: each holds {@linkcode CANARY}. */
export function secrets(random: Random): readonly SampleFile[] {
  const token = `${CANARY}-${random.hex(8)}`;
  const path = (below: string) => `.claude/${below}`;
  return [
    {
      path: path(".credentials.json"),
      text: json({ claudeAiOauth: { accessToken: token, refreshToken: token } }),
      mode: 0o600,
    },
    { path: path("ide/x.lock"), text: json({ pid: 4242, authToken: token }), mode: 0o600 },
    { path: path("channels/telegram/.env"), text: `TELEGRAM_BOT_TOKEN=${token}\n`, mode: 0o600 },
    { path: path("session-env/1/hook-0.sh"), text: `export API_TOKEN=${token}\n`, mode: 0o600 },
    { path: path("shell-snapshots/snapshot-bash-1.sh"), text: `export API_TOKEN=${token}\n` },
    { path: path("backups/.claude.json.backup.1"), text: json({ oauthAccount: token }) },
  ];
}

/** What Claude Code makes again by itself. */
export function caches(random: Random): readonly SampleFile[] {
  return [
    { path: ".claude/cache/changelog.md", text: markdown(random, 6) },
    { path: ".claude/debug/latest.txt", text: prose(random, 20) },
    { path: ".claude/statsig/statsig.session_id.1", text: random.uuid() },
    { path: ".claude/logs/mcp.log", text: prose(random, 4) },
    { path: ".claude/sessions/4242.json", text: json({ pid: 4242 }) },
    { path: ".claude/.last-cleanup", text: "2026-01-05T00:00:00.000Z" },
    { path: ".claude/plugins/cache/harbour/index.js", text: "export default 1;\n" },
  ];
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2) + "\n";
}

function front(fields: Readonly<Record<string, string>>, body: string): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  return `---\n${lines.join("\n")}\n---\n\n${body}\n`;
}
