/** `diecast extract`: documents in, one JSON value each out. Several documents run in one batch and are printed in order. */
import type { Command } from "commander";
import type { Engine, GenerationTimings, GenerationUsage, Grammar } from "../engine/engine.ts";
import { extractionMessages } from "../engine/extraction-prompt.ts";
import { DiecastError } from "../errors.ts";
import { UsageError } from "./exit-codes.ts";
import { addGrammarFlags, type GrammarFlags, grammarOptionsOf } from "./grammar-flags.ts";
import { abortOnInterrupt, addEngineFlags, type EngineFlags, openEngine, parseCount } from "./model-session.ts";
import { type CommonOptions, printLine } from "./output.ts";
import { readText } from "./schema-file.ts";

interface ExtractFlags extends CommonOptions, EngineFlags, GrammarFlags {
  readonly schema: string;
  readonly maxTokens: string;
  readonly instruction?: string;
  readonly jumpForward: boolean;
}

interface Extraction {
  readonly file: string;
  /** The value as it was generated, in one line: parsing and printing it again would round its numbers. */
  readonly json: string;
  readonly usage: GenerationUsage;
  readonly timings: GenerationTimings;
}

async function extractOne(
  engine: Engine,
  grammar: Grammar,
  file: string,
  text: string,
  flags: ExtractFlags,
  signal: AbortSignal,
): Promise<Extraction> {
  const maxTokens = parseCount(flags.maxTokens, "--max-tokens", 1, 1 << 20);
  const prompt = engine.encodeChat(extractionMessages(text, flags.instruction));
  const generation = engine.generate({
    prompt,
    grammar,
    maxTokens,
    temperature: 0,
    jumpForward: flags.jumpForward,
    signal,
  });
  const { text: json, finishReason, usage, timings } = await generation.result;
  if (finishReason === "cancelled") throw new DiecastError("REQUEST_CANCELLED", "interrupted");
  if (finishReason === "length") {
    throw new DiecastError(
      "LENGTH_LIMIT",
      `${file}: the value was not complete after ${usage.completionTokens} tokens; --max-tokens or the model's context ends it`,
      { given: usage.completionTokens, limit: maxTokens, unit: "tokens" },
    );
  }
  return { file, json, usage, timings };
}

async function extract(files: readonly string[], flags: ExtractFlags): Promise<void> {
  const names = files.length > 0 ? files : ["-"];
  if (names.length === 1 && names[0] === "-" && process.stdin.isTTY) {
    throw new UsageError("name a document, or pipe one into standard input");
  }
  if (names.filter((name) => name === "-").length > 1) throw new UsageError("standard input can be read only once");
  parseCount(flags.maxTokens, "--max-tokens", 1, 1 << 20);
  const options = await grammarOptionsOf(flags);
  const schema = await readText(flags.schema);
  const texts = await Promise.all(names.map(readText));
  const engine = await openEngine(flags);
  const { signal, release } = abortOnInterrupt();
  try {
    const grammar = await engine.compile({ type: "json_schema", schema, options });
    const running = names.map((name, index) => extractOne(engine, grammar, name, texts[index] ?? "", flags, signal));
    // The first failure is thrown below, in order; the others must not count as unhandled meanwhile.
    for (const extraction of running) extraction.catch(() => {});
    const results: Extraction[] = [];
    for (const extraction of running) {
      const result = await extraction;
      results.push(result);
      if (!flags.json) printValue(result.json, names.length);
    }
    if (flags.json)
      printLine(names.length === 1 ? results.map((result) => members(result)).join() : manyDocument(results));
  } finally {
    release();
    await engine.close();
  }
}

/** A result as a JSON object, with the file's name in front if there are several. */
function members({ json, usage, timings }: Extraction, file?: string): string {
  const name = typeof file === "string" ? `"file":${JSON.stringify(file)},` : "";
  return `{${name}"value":${json},"usage":${JSON.stringify(usage)},"timings":${JSON.stringify(timings)}}`;
}

function manyDocument(results: readonly Extraction[]): string {
  return `{"results":[${results.map((result) => members(result, result.file)).join(",")}]}`;
}

/** One value for a person is indented; for a program, and of several, each is one line. */
function printValue(json: string, count: number): void {
  printLine(count === 1 && process.stdout.isTTY ? JSON.stringify(JSON.parse(json), null, 2) : json);
}

export function addExtractCommand(program: Command): void {
  const command = program
    .command("extract")
    .description("read documents and print one JSON value of the schema for each")
    .argument("[files...]", "documents; - is standard input, which is also the default")
    .requiredOption("--schema <file>", "JSON Schema of the values")
    .option("--instruction <text>", "what to look for, in words")
    .option("--max-tokens <count>", "longest value, in tokens", "1024")
    .option("--no-jump-forward", "sample even text that the schema forces")
    .option("--json", "print { value, usage, timings } as one JSON document")
    .addHelpText(
      "after",
      `
Examples:
  $ diecast extract --schema invoice.json mail.txt
  $ diecast extract --schema invoice.json mails/*.txt > values.jsonl
  $ cat mail.txt | diecast extract --schema invoice.json --json -`,
    )
    .action((files: string[], flags: ExtractFlags) => extract(files, flags));
  addEngineFlags(command);
  addGrammarFlags(command);
}
