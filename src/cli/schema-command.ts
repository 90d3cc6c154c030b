/** `diecast schema`: its verbs, and `check`, which says whether a schema can be enforced, what it compiles to, and what in it is doubtful. */
import type { Command } from "commander";
import { type CompiledSchema, compileJsonSchema } from "../grammar/index.ts";
import { addGrammarFlags, type GrammarFlags, grammarOptionsOf } from "./grammar-flags.ts";
import { type CommonOptions, formatCount, printJson, printLine } from "./output.ts";
import { addSchemaExplain } from "./schema-explain.ts";
import { readText } from "./schema-file.ts";
import { addSchemaSample } from "./schema-sample.ts";

function describe(file: string, { stats, warnings }: CompiledSchema): string[] {
  const size = `${formatCount(stats.numRules)} rules, ${formatCount(stats.numStates)} states, ${formatCount(stats.bytes)} bytes`;
  return [
    `${file === "-" ? "the schema" : file} can be enforced: ${size}, compiled in ${stats.compileMs.toFixed(1)} ms`,
    ...warnings.map(({ pointer, message }) => `warning: ${pointer}: ${message}`),
  ];
}

async function check(file: string, { json, ...flags }: CommonOptions & GrammarFlags): Promise<void> {
  const options = await grammarOptionsOf(flags);
  const compiled = compileJsonSchema(await readText(file), { ...options, report: true });
  if (json) printJson({ valid: true, stats: compiled.stats, warnings: compiled.warnings, keywords: compiled.keywords });
  else for (const line of describe(file, compiled)) printLine(line);
}

export function addSchemaCommand(program: Command): void {
  const schema = program.command("schema").description("work with JSON Schemas");
  const command = schema
    .command("check")
    .description("compile a schema; exit status 3 and the place when it can't be enforced")
    .argument("<file>", "JSON Schema; - is standard input")
    .option("--json", "print one JSON document: size, warnings, and what became of each keyword")
    .addHelpText(
      "after",
      "\nExamples:\n  $ diecast schema check invoice.json\n  $ diecast schema check --schemas address.json --dialect draft-07 invoice.json\n",
    )
    .action((file: string, flags: CommonOptions & GrammarFlags) => check(file, flags));
  addGrammarFlags(command);
  addSchemaExplain(schema);
  addSchemaSample(schema);
}
