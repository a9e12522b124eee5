/**
 * Ordinary work in a conversation: prompts, answers, reading, searching, editing and running, with
 * the repetition that real logs have, where every edit quotes the whole file again.
 *
 * @module
 */
import type { Random } from "./random.ts";
import { fileName, markdown, prose, sourceCode, title } from "./text.ts";
import type { Place, Transcript } from "./transcript.ts";

/** A project that somebody works on with Claude. */
export interface Project extends Place {
  /** Its files by absolute path, as lines; edits change them. */
  readonly files: Map<string, string[]>;
}

/** Makes up a project with some files of some lines each. */
export function makeProject(
  random: Random,
  cwd: string,
  { files, lines }: { readonly files: number; readonly lines: number },
): Project {
  const project = { cwd, branch: "main", version: "2.1.214", files: new Map<string, string[]>() };
  while (project.files.size < files) {
    const path = `${cwd}/src/${random.pick(FOLDERS)}/${fileName(random)}.ts`;
    project.files.set(path, sourceCode(random, random.between(lines >> 2, lines * 2)));
  }
  return project;
}

/** One prompt and what Claude does about it, in some steps. */
export function turn(random: Random, project: Project, log: Transcript, steps: number): void {
  const prompt = prose(random, random.between(1, 4));
  log.note("file-history-snapshot", {
    messageId: random.uuid(),
    snapshot: { messageId: random.uuid(), trackedFileBackups: {}, timestamp: stamp(log) },
    isSnapshotUpdate: false,
  });
  log.user(prompt, { thinkingMetadata: { level: "high", disabled: false }, todos: [] });
  if (random.chance(0.5)) {
    log.attachment("todo_reminder", { content: [], itemCount: 0, reminder: REMINDER });
  }
  // Work stays with a few files for a while, so that what is repeated was said not long ago.
  const paths = [...project.files.keys()];
  const focus = [random.pick(paths), random.pick(paths)];
  for (let i = 0; i < steps; i++) {
    if (random.chance(0.5)) log.assistant([thinking(random)]);
    if (random.chance(0.35)) log.assistant([{ type: "text", text: prose(random, 1) }]);
    step(random, project, log, random.pick(focus));
  }
  log.assistant([{ type: "text", text: markdown(random, random.between(1, 6)) }]);
  log.note("last-prompt", { lastPrompt: prompt.slice(0, 200) });
}

function step(random: Random, project: Project, log: Transcript, path: string): void {
  const lines = project.files.get(path) ?? [];
  const roll = random.fraction();
  if (roll < 0.24) read(random, log, path, lines);
  else if (roll < 0.5) edit(random, log, path, lines);
  else if (roll < 0.6) search(random, project, log);
  else if (roll < 0.8) test(random, project, log);
  else show(random, project, log, path, lines);
}

function read(random: Random, log: Transcript, path: string, lines: readonly string[]): void {
  const numLines = Math.min(lines.length, random.between(40, 400));
  const first = random.between(0, lines.length - numLines);
  const part = lines.slice(first, first + numLines);
  log.tool(
    "Read",
    { file_path: path, offset: first + 1, limit: numLines },
    part.map((line, i) => `${String(first + i + 1).padStart(6)}→${line}`).join("\n"),
    {
      type: "text",
      file: {
        filePath: path,
        content: part.join("\n"),
        numLines,
        startLine: first + 1,
        totalLines: lines.length,
      },
    },
  );
}

function edit(random: Random, log: Transcript, path: string, lines: string[]): void {
  const originalFile = lines.join("\n");
  const at = random.between(0, Math.max(0, lines.length - 12));
  const before = lines.slice(at, at + random.between(1, 6));
  const after = sourceCode(random, random.between(1, 9));
  lines.splice(at, before.length, ...after);
  const input = { file_path: path, old_string: before.join("\n"), new_string: after.join("\n") };
  const context = lines.slice(at, at + after.length + 4);
  log.tool(
    "Edit",
    { replace_all: false, ...input },
    `The file ${path} has been updated. Here's the result of running \`cat -n\` on a snippet of the edited file:\n` +
      context.map((line, i) => `${String(at + i + 1).padStart(6)}→${line}`).join("\n"),
    {
      filePath: path,
      oldString: input.old_string,
      newString: input.new_string,
      originalFile,
      structuredPatch: [{
        oldStart: at + 1,
        oldLines: before.length,
        newStart: at + 1,
        newLines: after.length,
        lines: [...before.map((line) => `-${line}`), ...after.map((line) => `+${line}`)],
      }],
      userModified: false,
      replaceAll: false,
    },
  );
}

function search(random: Random, project: Project, log: Transcript): void {
  const found: string[] = [];
  for (const [path, lines] of project.files) {
    if (!random.chance(0.15)) continue;
    const at = random.between(0, lines.length - 1);
    for (const line of lines.slice(at, at + 4)) found.push(`${path}:${at + 1}:${line}`);
  }
  const content = found.join("\n") || "No matches found";
  log.tool(
    "Grep",
    { pattern: fileName(random), path: project.cwd, output_mode: "content", "-n": true },
    content,
    { mode: "content", numFiles: 0, filenames: [], content, numLines: found.length },
  );
}

function test(random: Random, project: Project, log: Transcript): void {
  const results = Array.from(
    { length: random.between(4, 30) },
    () => `${title(random)} ... ok (${random.between(1, 900)}ms)`,
  );
  const passed = results.length;
  const stdout = `running ${passed} tests from ./src\n${results.join("\n")}\n\n` +
    `ok | ${passed} passed | 0 failed (${random.between(200, 9000)}ms)`;
  const id = bash(log, `cd ${project.cwd} && deno test -A`, title(random), stdout);
  for (let i = random.between(0, 2); i > 0; i--) {
    const output = results.slice(-i * 4).join("\n");
    log.progress(id, { type: "bash_progress", output, fullOutput: output, elapsedTimeSeconds: i });
  }
}

function show(
  random: Random,
  project: Project,
  log: Transcript,
  path: string,
  lines: readonly string[],
): void {
  const first = random.between(0, lines.length >> 1);
  const last = first + random.between(20, 160);
  const stdout = lines.slice(first, last).join("\n");
  bash(log, `cd ${project.cwd} && sed -n '${first + 1},${last}p' ${path}`, title(random), stdout);
}

function bash(log: Transcript, command: string, description: string, stdout: string): string {
  const outcome = { stdout, stderr: "", interrupted: false, isImage: false };
  return log.tool("Bash", { command, description }, stdout, {
    ...outcome,
    noOutputExpected: false,
  });
}

/** Thinking with its signature, which no compressor makes smaller than three quarters. */
export function thinking(random: Random): { readonly type: "thinking" } & Record<string, unknown> {
  return {
    type: "thinking",
    thinking: prose(random, random.between(2, 12)),
    signature: random.token(random.between(400, 5600)),
  };
}

function stamp(log: Transcript): string {
  return new Date(log.time).toISOString();
}

const FOLDERS = ["core", "http", "store", "views", "jobs", "shared"];
const REMINDER =
  "The task list has not been used recently. If there are several steps ahead, consider keeping one.";
