/** `diecast schema explain`: what a schema means to the compiler, in one screen. */
import type { Command } from "commander";
import { GrammarProbe } from "../engine/grammar-probe.ts";
import { type ExplainedKeyword, explainSchema, type SchemaExplanation } from "../grammar/explain/explain.ts";
import { EXIT } from "./exit-codes.ts";
import { addGrammarFlags, type GrammarFlags, grammarOptionsOf } from "./grammar-flags.ts";
import { type CommonOptions, formatCount, printJson, printLine } from "./output.ts";
import { readText } from "./schema-file.ts";

const MAX_WARNINGS = 20;
const MAX_EXAMPLE = 300;

function sizeLines({ stats, forcedShare, example }: SchemaExplanation): string[] {
  const lines: string[] = [];
  if (stats !== undefined) {
    lines.push(
      `states    ${formatCount(stats.numStates)} in ${formatCount(stats.numRules)} rules`,
      `bytes     ${formatCount(stats.bytes)}`,
      `compiled  in ${stats.compileMs.toFixed(1)} ms`,
    );
  }
  if (forcedShare !== undefined)
    lines.push(`forced    ${(100 * forcedShare).toFixed(0)} % of the bytes of sampled values`);
  if (example !== undefined)
    lines.push(`example   ${example.length > MAX_EXAMPLE ? `${example.slice(0, MAX_EXAMPLE)}…` : example}`);
  return lines;
}

/** One line for each keyword and what became of it, with the number of places and the first of them. */
function keywordLines(keywords: readonly ExplainedKeyword[]): string[] {
  const groups = new Map<string, { keyword: string; status: string; places: string[] }>();
  for (const { keyword, status, pointer } of keywords) {
    const key = `${status} ${keyword}`;
    const group = groups.get(key) ?? { keyword, status, places: [] };
    group.places.push(pointer);
    groups.set(key, group);
  }
  const width = Math.max(0, ...[...groups.values()].map(({ keyword }) => keyword.length));
  return [...groups.values()].map(({ keyword, status, places }) => {
    const more = places.length > 1 ? ` and ${formatCount(places.length - 1)} more` : "";
    return `${keyword.padEnd(width)}  ${status.padEnd(10)}  ${places[0]}${more}`;
  });
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)];
}

const placeOf = (pointer: string): string => (pointer === "" ? "the root" : pointer);

function describe(name: string, explanation: SchemaExplanation): string[] {
  const { verdict, refusals, warnings, keywords } = explanation;
  const reasons = refusals.map(({ code, message, pointer }) => {
    const isNamed = pointer === undefined || pointer === "" || message.includes(pointer);
    return `${message}${isNamed ? "" : ` at ${pointer}`} (${code})`;
  });
  const shown = warnings.slice(0, MAX_WARNINGS).map(({ pointer, message }) => `${placeOf(pointer)}: ${message}`);
  if (warnings.length > MAX_WARNINGS) shown.push(`and ${formatCount(warnings.length - MAX_WARNINGS)} more`);
  return [
    verdict === "enforced" ? `${name} can be enforced` : `${name} can't be enforced`,
    ...sizeLines(explanation).map((line) => `  ${line}`),
    ...section("reasons", reasons),
    ...section("keywords", keywordLines(keywords)),
    ...section("warnings", shown),
  ];
}

async function explain(file: string, { json, ...flags }: CommonOptions & GrammarFlags): Promise<void> {
  const options = await grammarOptionsOf(flags);
  const text = await readText(file);
  const probe = new GrammarProbe();
  const explanation = explainSchema(text, {
    ...options,
    forcedBytes: (program) => {
      const grammar = probe.load(program);
      return (sentence) => grammar.forcedBytesOf(sentence);
    },
  });
  if (json) printJson(explanation);
  else for (const line of describe(file === "-" ? "the schema" : file, explanation)) printLine(line);
  if (explanation.verdict === "refused") process.exitCode = EXIT.invalidSchema;
}

export function addSchemaExplain(schema: Command): void {
  const command = schema
    .command("explain")
    .description("what becomes of each keyword, the size, the share of forced text, doubts; all reasons of a refusal")
    .argument("<file>", "JSON Schema; - is standard input")
    .option("--json", "print one JSON document")
    .addHelpText("after", "\nExample:\n  $ diecast schema explain invoice.json\n")
    .action((file: string, flags: CommonOptions & GrammarFlags) => explain(file, flags));
  addGrammarFlags(command);
}
