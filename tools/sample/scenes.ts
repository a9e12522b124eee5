/**
 * What happens in the sample conversations. Together they show every type of line, note, attachment,
 * content block and tag that Claude Code 2.1 is known to write.
 *
 * @module
 */
import type { Random } from "./random.ts";
import { agents, teammates, workflow } from "./scenes_agents.ts";
import { markdown, prose, title } from "./text.ts";
import type { Transcript } from "./transcript.ts";
import { type Project, thinking, turn } from "./work.ts";

/** What a scene has at hand. */
export interface Stage {
  readonly random: Random;
  readonly project: Project;
  readonly log: Transcript;
  /** Conversations of the same project that took place earlier. */
  readonly earlier: readonly Transcript[];
  /** Keeps a file in the folder next to the log that is named after the conversation. */
  keep(path: string, text: string): void;
}

/** The conversations in order: the project each belongs to, and what happens. */
export const SCENES: readonly {
  readonly project: number;
  readonly play: (stage: Stage) => void;
}[] = [
  { project: 0, play: titles },
  { project: 0, play: tags },
  { project: 0, play: attachments },
  { project: 0, play: compaction },
  { project: 1, play: agents },
  { project: 1, play: teammates },
  { project: 1, play: fork },
  { project: 1, play: workflow },
  { project: 2, play: worktree },
  { project: 2, play: steering },
  { project: 2, play: results },
  { project: 3, play: longRun },
  { project: 3, play: legacy },
  { project: 4, play: languages },
];

function titles({ random, project, log }: Stage): void {
  // Real logs begin with notes: the first line says nothing about the file.
  log.note("permission-mode", { permissionMode: "acceptEdits" });
  log.note("mode", { mode: "normal" });
  turn(random, project, log, 3);
  log.note("file-history-delta", {
    messageId: random.uuid(),
    trackingPath: [...project.files.keys()][0],
    backup: { backupFileName: `${random.hex(16)}@v2`, version: 2, backupTime: time(log) },
    timestamp: time(log),
  });
  log.note("ai-title", { aiTitle: title(random) });
  log.note("custom-title", { customTitle: "Tide tables, part one" });
  log.note("agent-name", { agentName: "harbour" });
  log.note("agent-color", { agentColor: "blue" });
  log.note("agent-setting", { agentSetting: "reviewer" });
  log.note("pr-link", {
    prNumber: 41,
    prUrl: "https://github.example/ada/tidewater/pull/41",
    prRepository: "ada/tidewater",
    timestamp: time(log),
  });
}

function tags({ random, project, log }: Stage): void {
  log.user(
    "<command-name>/model</command-name>\n<command-message>model</command-message>\n<command-args>opus</command-args>",
  );
  log.user("<local-command-stdout>Set model to opus</local-command-stdout>");
  log.user("<bash-input>git status --short</bash-input>");
  log.user("<bash-stdout> M src/core/tide.ts</bash-stdout><bash-stderr></bash-stderr>");
  log.user([
    { type: "text", text: "<ide_opened_file>The user opened src/core/tide.ts</ide_opened_file>" },
    { type: "text", text: "<ide_selection>Lines 3 to 9 of src/core/tide.ts</ide_selection>" },
    { type: "text", text: "<ide_diagnostics>1 error: 'tide' is not defined</ide_diagnostics>" },
    { type: "text", text: prose(random, 2) },
  ]);
  log.assistant([thinking(random), { type: "text", text: markdown(random, 2) }]);
  log.user("<user-memory-input>Always run the linter before a commit</user-memory-input>");
  log.user([
    { type: "text", text: prose(random, 1) },
    { type: "text", text: `<system-reminder>${prose(random, 2)}</system-reminder>` },
  ], { isMeta: true });
  log.user(
    "<task-notification><task-id>b7f3</task-id><status>completed</status></task-notification>",
  );
  turn(random, project, log, 2);
}

function attachments({ random, project, log }: Stage): void {
  const hook = {
    hookName: "PostToolUse:Edit",
    hookEvent: "PostToolUse",
    toolUseID: `toolu_01${random.token(22)}`,
  };
  const command = "~/.claude/hooks/format.sh";
  const outcome = { command, stdout: "formatted 1 file", stderr: "", exitCode: 0, durationMs: 81 };
  const [path = "", lines = []] = [...project.files][0] ?? [];
  log.attachment("instructions", { path: "~/.claude/CLAUDE.md", content: prose(random, 3) });
  log.attachment("prompt_snapshot", { hash: random.hex(40), content: prose(random, 4) });
  log.user(prose(random, 2));
  log.attachment("file", {
    filename: path,
    displayPath: "src/core/tide.ts",
    content: { type: "text", file: { filePath: path, content: lines.join("\n") } },
  });
  log.attachment("directory", { path: project.cwd, content: "src\ntests\nREADME.md" });
  log.attachment("edited_text_file", { filename: path, snippet: lines.slice(0, 4).join("\n") });
  log.attachment("todo_reminder", { content: [], itemCount: 0 });
  log.attachment("hook_success", { ...hook, ...outcome, content: "" });
  log.attachment("hook_additional_context", { ...hook, content: [prose(random, 1)] });
  log.attachment("hook_blocking_error", {
    ...hook,
    blockingError: { blockingError: "Tests fail", command },
  });
  log.attachment("hook_non_blocking_error", { ...hook, ...outcome, stderr: "slow", exitCode: 1 });
  log.attachment("queued_command", {
    prompt: [
      { type: "text", text: "And look at this while you are there" },
      { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } },
    ],
    commandMode: "prompt",
  });
  turn(random, project, log, 2);
}

function compaction({ random, project, log }: Stage): void {
  turn(random, project, log, 3);
  const logicalParentUuid = log.cut();
  log.system("compact_boundary", "info", {
    content: "Conversation compacted",
    logicalParentUuid,
    compactMetadata: { trigger: "auto", preTokens: 167_342 },
  });
  log.user(`This session continues an earlier one. ${prose(random, 6)}`, {
    isCompactSummary: true,
    isVisibleInTranscriptOnly: true,
  });
  turn(random, project, log, 2);
  log.system("stop_hook_summary", "warning", {
    hookCount: 1,
    hookInfos: [{ command: "~/.claude/hooks/format.sh", durationMs: 2104 }],
    hookErrors: ["took longer than 2 s"],
    preventedContinuation: false,
    stopReason: "",
  });
  log.system("away_summary", "info", { content: prose(random, 2) });
  log.system("api_error", "error", {
    error: { status: 529, type: "overloaded_error" },
    retryInMs: 1200,
    retryAttempt: 1,
    maxRetries: 10,
  });
}

function fork({ random, project, log, earlier }: Stage): void {
  const origin = earlier.at(-1);
  log.note("mode", { mode: "plan" });
  log.replay(origin?.lines.filter((line) => line.includes('"uuid"')).slice(0, 8) ?? []);
  turn(random, project, log, 1);
  log.note("continued-in", { continuedInSessionId: random.uuid() });
}

function worktree({ random, project, log }: Stage): void {
  const worktreePath = `${project.cwd}/.claude/worktrees/berths`;
  log.note("worktree-state", {
    worktreeSession: {
      originalCwd: project.cwd,
      worktreePath,
      worktreeName: "berths",
      worktreeBranch: "worktree-berths",
    },
  });
  log.note("bridge-session", { bridgeSessionId: `session_01${random.token(22)}`, lastSequence: 7 });
  log.note("atis-latch", { latched: true });
  log.note("relocated", { fromCwd: project.cwd, toCwd: worktreePath });
  turn(random, project, log, 2);
}

function steering({ random, project, log }: Stage): void {
  const enqueue = { operation: "enqueue", timestamp: time(log) };
  log.note("queue-operation", { ...enqueue, content: "also fix the failing test" });
  log.note("queue-operation", { operation: "dequeue", timestamp: time(log), content: null });
  turn(random, project, log, 2);
  log.note("queue-operation", { ...enqueue, content: "never mind" });
  log.note("queue-operation", { operation: "remove", timestamp: time(log) });
  log.attachment("queued_command", {
    prompt: "use the new table instead",
    commandMode: "prompt",
  });
  log.assistant([{ type: "text", text: prose(random, 2) }]);
}

function results({ random, project, log, keep }: Stage): void {
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } };
  log.user([{ type: "text", text: "What is wrong with this chart?" }, image]);
  log.tool("Read", { file_path: `${project.cwd}/chart.png` }, [image], {
    type: "image",
    file: { base64: PIXEL, type: "image/png", originalSize: 70 },
  });
  log.tool(
    "Bash",
    { command: "deno test", description: "Run the tests" },
    "Exit code 1\nerror: Test failed",
    "Error: Exit code 1\nerror: Test failed",
    { is_error: true },
  );
  log.tool(
    "WebFetch",
    { url: "https://tides.example/tables", prompt: "List the harbours" },
    [{ type: "text", text: markdown(random, 3) }],
    { bytes: 18_211, code: 200, codeText: "OK", durationMs: 902 },
  );
  const whole = Array.from({ length: 600 }, () => prose(random, 1)).join("\n");
  const id = log.tool(
    "Bash",
    { command: "deno task report", description: "Write the report" },
    `<persisted-output>\nOutput too large (${whole.length} characters).\n${
      whole.slice(0, 2000)
    }\n</persisted-output>`,
    { stdout: whole.slice(0, 2000), stderr: "", interrupted: false, isImage: false },
  );
  keep(`tool-results/${id}.txt`, whole);
  turn(random, project, log, 1);
}

function longRun({ random, project, log }: Stage): void {
  turn(random, project, log, 1);
  const id = log.tool("Bash", { command: "deno task migrate" }, "done", { stdout: "done" });
  for (let i = 1; i <= 120; i++) {
    const output = `${i} of 120 ledgers migrated`;
    log.progress(id, { type: "bash_progress", output, fullOutput: output, elapsedTimeSeconds: i });
  }
  log.assistant([{ type: "text", text: prose(random, 1) }]);
}

function legacy({ random, project, log }: Stage): void {
  const last = log.user("hello");
  const leafUuid = log.assistant([{ type: "text", text: prose(random, 1) }]) || last;
  log.raw({ type: "summary", summary: title(random), leafUuid });
  log.note("queue-operation", { operation: "enqueue", timestamp: time(log), content: null });
  turn(random, project, log, 1);
}

function languages({ random, project, log }: Stage): void {
  log.user("Übersetze die Gezeitentafel für Zürich 🌊 nach 日本語 und العربية, bitte.");
  log.assistant([{
    type: "text",
    text: "満潮は 06:12、干潮は 12:31。 — Hochwasser: 06:12 Uhr ✅",
  }]);
  turn(random, project, log, 2);
}

function time(log: Transcript): string {
  return new Date(log.time).toISOString();
}

/** A picture of one pixel. */
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
