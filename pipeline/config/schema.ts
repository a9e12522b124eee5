/**
 * The JSON Schema of a pipeline file, for editors: `pipeline.schema.json`.
 *
 * @module
 */
import type { Stage } from "../../stages/contract.ts";
import { COMMON_OPTIONS, pipelineOptions } from "./common.ts";
import { tableSchemaOf } from "./describe.ts";

/** The schema as JSON, by draft 2020-12; one alternative for each stage, told apart by `use`. */
export function schemaOf(stages: readonly Stage[]): string {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Keepsake pipeline",
    description: "The stages that make a backup, in order.",
    type: "object",
    properties: {
      pipeline: {
        description: "What holds for the pipeline as a whole.",
        type: "object",
        ...tableSchemaOf(pipelineOptions.entries),
        additionalProperties: false,
      },
      stage: {
        description: "A stage. It acts on everything that the stages above it made.",
        type: "array",
        minItems: 1,
        items: { type: "object", required: ["use"], oneOf: stages.map(alternativeOf) },
      },
    },
    required: ["stage"],
    additionalProperties: false,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function alternativeOf(stage: Stage): unknown {
  const entries = { ...COMMON_OPTIONS[stage.kind], ...stage.options.entries };
  const { properties, required } = tableSchemaOf(entries);
  return {
    title: stage.name,
    description: `${stage.summary}. ${stage.description}`,
    type: "object",
    properties: { use: { description: `${stage.summary}.`, const: stage.name }, ...properties },
    required: ["use", ...required],
    additionalProperties: false,
  };
}
