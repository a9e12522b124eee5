/**
 * The rules of the house that types cannot hold, as lint: who imports whom, who starts workers, who
 * prints and who ends the process. See docs/architecture.md.
 *
 * @module
 */
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The house's rules, as `deno lint` loads them. Tests and benchmarks are free of them. */
const plugin: Deno.lint.Plugin = {
  name: "keepsake",
  rules: {
    "layers": { create: layers },
    "workers": { create: workers },
    "output": { create: output },
  },
};
export default plugin;

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What the modules of a layer may import from the project: files, or folders that end with `/`. */
interface Layer {
  readonly files: RegExp;
  readonly mayImport: readonly string[];
  /** Of these, types alone. */
  readonly mayImportTypes?: readonly string[];
}

/** The first that fits counts. */
const LAYERS: readonly Layer[] = [
  { files: /^stages\/(errors|options)\.ts$/, mayImport: [] },
  { files: /^stages\/contract\.ts$/, mayImport: ["stages/options.ts", "stages/errors.ts"] },
  { files: /^stages\/mod\.ts$/, mayImport: ["stages/"] },
  {
    files: /^stages\/formats\//,
    mayImport: ["stages/formats/", "stages/errors.ts"],
    mayImportTypes: ["stages/contract.ts"],
  },
  { files: /^stages\//, mayImport: ["stages/contract.ts", "stages/formats/"] },
  {
    files: /^pipeline\//,
    mayImport: [
      "pipeline/",
      "stages/mod.ts",
      "stages/contract.ts",
      "stages/options.ts",
      "stages/errors.ts",
      "stages/formats/",
    ],
  },
  { files: /^commands\//, mayImport: ["commands/", "pipeline/", "deno.json"] },
  { files: /^main\.ts$/, mayImport: ["commands/"] },
];

/** What a module may name by its address, though its layer may not import it. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  // A stage's file that is run as a script is a command.
  "stages/contract.ts": "commands/stage_alone.ts",
  // A hook starts the program, in a process of its own, when a session ends.
  "commands/hook/answer.ts": "main.ts",
};

/** Names of the import map that lead into the project. */
const OWN_NAMES: Readonly<Record<string, string>> = { "keepsake/stage": "stages/contract.ts" };

function layers(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const file = placeOf(context);
  const layer = LAYERS.find(({ files }) => files.test(file));
  if (layer === undefined) return {};
  const { mayImport, mayImportTypes = [] } = layer;
  const check = (source: Deno.lint.Node | null, typesAlone: boolean, isAddress = false) => {
    const target = targetOf(source, file, isAddress);
    if (source === null || target === undefined) return;
    if (isAddress && EXCEPTIONS[file] === target) return;
    if (mayImport.some((place) => isAt(place, target))) return;
    if (typesAlone && mayImportTypes.some((place) => isAt(place, target))) return;
    context.report({
      node: source,
      message: `"${file}" must not import "${target}"`,
      hint: hintOf(layer),
    });
  };
  return {
    // What is loaded by its address is imported all the same.
    NewExpression({ callee, arguments: [source, base] }) {
      const [name, from] = [callee, base].map((node) => node && context.sourceCode.getText(node));
      if (name === "URL" && from === "import.meta.url") check(source ?? null, false, true);
    },
    TSImportType: ({ argument }) =>
      check(argument.type === "TSLiteralType" ? argument.literal : null, true),
    ImportDeclaration: (node) => check(node.source, node.importKind === "type"),
    ImportExpression: (node) => check(node.source, false),
    ExportAllDeclaration: (node) => check(node.source, node.exportKind === "type"),
    ExportNamedDeclaration: (node) => check(node.source, node.exportKind === "type"),
  };
}

function workers(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const file = placeOf(context);
  if (isFree(file) || file === "pipeline/worker/host.ts") return {};
  const hint = "Use StageWorker of pipeline/worker/host.ts, which writes out all eight permissions";
  return {
    NewExpression(node) {
      if (/(^|\.)(Shared)?Worker$/.test(context.sourceCode.getText(node.callee))) {
        context.report({ node, message: `"${file}" must not make workers`, hint });
      }
    },
    ImportDeclaration(node) {
      if (/^(node:)?worker_threads$/.test(node.source.value)) {
        context.report({
          node,
          message: `"${file}" must not use threads without permissions`,
          hint,
        });
      }
    },
  };
}

function output(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const file = placeOf(context);
  if (isFree(file) || /^(commands|tools)\/|^main\.ts$/.test(file)) return {};
  return {
    MemberExpression(node) {
      const [, verb] = /(?:^|\.)(?:Deno|process)\.(stdout|stderr|exit|exitCode)$/
        .exec(context.sourceCode.getText(node)) ?? [];
      if (verb === undefined) return;
      context.report({
        node,
        message: verb.startsWith("exit")
          ? `"${file}" must not end the process`
          : `"${file}" must not write to ${verb}`,
        hint: "Throw, answer or raise an event: commands alone speak to the user",
      });
    },
  };
}

/** Where a module stands in the project, with `/`. */
function placeOf({ filename }: Deno.lint.RuleContext): string {
  return relative(ROOT, filename).replaceAll("\\", "/");
}

/** Where the module that is imported stands in the project; `undefined` outside of it. */
function targetOf(
  source: Deno.lint.Node | null,
  file: string,
  isAddress: boolean,
): string | undefined {
  if (source?.type !== "Literal" || typeof source.value !== "string") return undefined;
  if (!isAddress && !source.value.startsWith(".")) return OWN_NAMES[source.value];
  return join(dirname(file), source.value).replaceAll("\\", "/");
}

function isAt(place: string, target: string): boolean {
  return target === place || (place.endsWith("/") && target.startsWith(place));
}

function hintOf({ mayImport, mayImportTypes = [] }: Layer): string {
  if (mayImport.length === 0) return "It may import nothing of the project";
  const types = mayImportTypes.map((place) => `types of ${place}`);
  return `It may import ${[...mayImport, ...types].join(", ")}`;
}

/** Tests and benchmarks try what the program must not do. */
function isFree(file: string): boolean {
  return /^(tests|bench)\/|^\.\./.test(file);
}
