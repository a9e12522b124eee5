/**
 * What Claude Code 2.1 writes into its logs besides what is said and done, by type, so that it is not
 * counted as something that nobody knows. By what Claude Code wrote on many machines; it documents
 * none of this.
 *
 * @module
 */

/** Lines of bookkeeping, of which a reader needs nothing. */
export const SILENT_LINES: ReadonlySet<string> = new Set([
  ...["file-history-snapshot", "file-history-delta", "last-prompt", "agent-name", "agent-color"],
  ...["agent-setting", "permission-mode", "mode", "pr-link", "worktree-state", "bridge-session"],
  ...["relocated", "continued-in", "atis-latch", "attribution-snapshot", "content-replacement"],
  ...["speculation-accept", "tag", "task-summary"],
]);

/** Notes of the program that say nothing in words. */
export const SILENT_SYSTEM: ReadonlySet<string> = new Set(["turn_duration", "stop_hook_summary"]);

/** Parts of an answer that are no words. */
export const SILENT_PARTS: ReadonlySet<unknown> = new Set(["tool_reference", "document"]);

/** What is handed to Claude at each turn, and what tells it where things stand. */
export const SILENT_ATTACHMENTS: ReadonlySet<string> = new Set([
  // Instructions, and what was said in other conversations.
  ...["instructions", "nested_memory", "relevant_memories", "output_style", "prompt_snapshot"],
  ...["invoked_skills", "skill_listing", "skill_discovery", "dynamic_skill", "plan_file_reference"],
  // Tools, agents and servers that are there now.
  ...["deferred_tools_delta", "deferred_tools_record", "agent_listing_delta", "agent_mention"],
  ...["mcp_instructions_delta", "command_permissions", "credential_org"],
  // How things stand.
  ...["environment", "session_context", "model", "date", "date_change", "remote_session_change"],
  ...["auto_mode", "auto_mode_exit", "plan_mode", "plan_mode_exit", "plan_mode_reentry"],
  ...["total_tokens_reminder", "token_usage", "output_token_usage", "budget_usd"],
  ...["ultrathink_effort", "task_status", "team_context", "diagnostics", "structured_output"],
  // Reminders.
  ...["todo_reminder", "task_reminder", "silent_turn_reminder", "compaction_reminder"],
  ...["critical_system_reminder", "verify_plan_reminder", "context_efficiency"],
  // What was read before, and is handed over once more.
  ...["already_read_file", "compact_file_reference"],
  // Hooks that did as they should.
  ...["hook_success", "hook_additional_context", "hook_permission_decision", "hook_cancelled"],
  "async_hook_response",
]);

/** Attachments that are files, and what is said of them. */
export const FILES: ReadonlyMap<string, string> = new Map([
  ["file", "Attached"],
  ["directory", "Attached"],
  ["pdf_reference", "Attached"],
  ["mcp_resource", "Attached"],
  ["edited_text_file", "Edited meanwhile"],
  ["edited_image_file", "Edited meanwhile"],
  ["opened_file_in_ide", "Open in the editor"],
  ["selected_lines_in_ide", "Selected in the editor"],
]);

/** Attachments that hooks gave rise to: what is said of them, and under which key they say why. */
export const HOOK_NOTES: ReadonlyMap<string, readonly [label: string, key: string]> = new Map([
  ["hook_non_blocking_error", ["A hook failed", "stderr"]],
  ["hook_error_during_execution", ["A hook failed", "content"]],
  ["hook_stopped_continuation", ["A hook stopped this", "message"]],
  ["hook_system_message", ["A hook says", "content"]],
]);
