/**
 * Sample conversations that put others to work: sub-agents, also of sub-agents, teams and workflows,
 * whose logs lie in a folder next to the conversation's own.
 *
 * @module
 */
import type { Stage } from "./scenes.ts";
import { markdown, prose, title } from "./text.ts";
import { Transcript } from "./transcript.ts";
import { turn } from "./work.ts";

/** A sub-agent that calls another one; both logs lie side by side. */
export function agents(stage: Stage): void {
  const { random, project, log } = stage;
  turn(random, project, log, 1);
  const inner = agent(stage, log, "Explore", "subagents");
  const nested = agent(stage, inner.log, "general-purpose", "subagents");
  nested.save();
  inner.save();
  log.user(
    `<task-notification><task-id>${inner.agentId}</task-id><status>completed</status></task-notification>`,
  );
  log.assistant([{ type: "text", text: markdown(random, 2) }]);
}

/** Agents that write to each other. */
export function teammates(stage: Stage): void {
  const { random, project, log } = stage;
  log.note("agent-name", { agentName: "team-lead" });
  log.user(
    `<teammate-message teammate_id="pilot" summary="${title(random)}">${
      prose(random, 2)
    }</teammate-message>`,
  );
  log.tool("SendMessage", { to: "pilot", message: prose(random, 1) }, "Message sent", {
    success: true,
    message: "Message sent to pilot",
  });
  turn(random, project, log, 2);
}

/** Agents of a workflow, in a folder of its own. */
export function workflow(stage: Stage): void {
  const { random, project, log } = stage;
  const run = `subagents/workflows/wf_${random.hex(8)}`;
  log.user("ultrathink: review the whole ledger");
  agent(stage, log, "reviewer", run).save();
  agent(stage, log, "reviewer", run).save();
  stage.keep(
    `${run}/journal.jsonl`,
    JSON.stringify({ type: "started", key: "review" }) + "\n" +
      JSON.stringify({ type: "result", key: "review", result: title(random) }) + "\n",
  );
  turn(random, project, log, 1);
}

function agent(
  { random, project, keep }: Stage,
  parent: Transcript,
  agentType: string,
  folder: string,
): { readonly agentId: string; readonly log: Transcript; save(): void } {
  const agentId = `a${random.hex(16)}`;
  const description = title(random);
  const prompt = prose(random, 3);
  const answer = markdown(random, 2);
  const toolUseId = parent.tool(
    "Task",
    { description, prompt, subagent_type: agentType },
    [{ type: "text", text: answer }],
    { status: "completed", prompt, agentId, totalDurationMs: 48_211, totalToolUseCount: 2 },
  );
  parent.progress(toolUseId, { type: "agent_progress", prompt, agentId });
  const { sessionId, time } = parent;
  const log = new Transcript(random, project, time, { sessionId, sidechain: { agentId } });
  log.user(prompt);
  turn(random, project, log, 2);
  function save(): void {
    log.assistant([{ type: "text", text: answer }]);
    keep(`${folder}/agent-${agentId}.jsonl`, log.text);
    keep(
      `${folder}/agent-${agentId}.meta.json`,
      JSON.stringify({ agentType, description, toolUseId, spawnDepth: 1 }),
    );
  }
  return { agentId, log, save };
}
