/** `diecast grammar test`: runs rows of grammars with texts that they must and must not have. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { EXIT, UsageError } from "./exit-codes.ts";
import { type BrokenRow, type GrammarRow, readRows } from "./grammar-rows.ts";
import { GrammarTester, type RowResult, type WrongText } from "./grammar-test.ts";
import { LineReader } from "./lines.ts";
import { type CommonOptions, formatCount, printLine, remark } from "./output.ts";
import { RowProgress } from "./row-progress.ts";

interface TestFlags extends CommonOptions {
  readonly tokenizer?: string;
}

const MAX_SHOWN = 100;

function shown(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}

function whyWrong({ text, expected, offset, by }: WrongText): string {
  const tokens = by === "tokens" ? " (token by token)" : "";
  if (offset === null || expected === "reject") return `  accepts ${shown(text)}, which it must reject${tokens}`;
  const numBytes = Buffer.byteLength(text, "utf8");
  const why = offset >= numBytes ? `ends too early at byte ${offset}` : `is refused at byte ${offset}`;
  return `  ${shown(text)} must be accepted, and ${why}${tokens}`;
}

function describe({ id, error, wrong }: RowResult, row: GrammarRow | BrokenRow): string[] {
  const lines = wrong.map(whyWrong);
  if (error !== undefined) {
    const { code, pointer = "", message } = error;
    const place = pointer === "" || message.includes(pointer) ? "" : ` at ${pointer}`;
    const what =
      "problem" in row ? "no row" : !/^(?:accept|reject)\[/.test(message) ? "can't be compiled" : "no answer";
    lines.unshift(`  ${what}: ${message}${place} (${code})`);
  } else if (wrong.length === 0) lines.unshift("  compiles, and must not");
  return [`${id}:`, ...lines];
}

async function test(file: string, { json, tokenizer }: TestFlags): Promise<void> {
  if (tokenizer !== undefined && !existsSync(tokenizer)) throw new UsageError(`${tokenizer} can't be read`);
  const tester = new GrammarTester(tokenizer);
  const reader = new LineReader(file);
  const counts = { rows: 0, texts: 0, different: 0, broken: 0 };
  const progress = await RowProgress.start(reader);
  try {
    for await (const row of readRows(reader)) {
      const result = tester.run(row);
      counts.rows++;
      if ("problem" in row) counts.broken++;
      else counts.texts += row.accept.length + row.reject.length;
      if (!result.ok) counts.different++;
      if (json) await progress.print([JSON.stringify(result)]);
      else if (!result.ok) await progress.print(describe(result, row));
      await progress.update();
    }
  } finally {
    progress.stop();
  }
  const { rows, texts, different, broken } = counts;
  const totals = `${formatCount(rows)} rows with ${formatCount(texts)} texts: ${formatCount(rows - different)} as expected, ${formatCount(different)} differ${broken > 0 ? `, of which ${formatCount(broken)} are no rows` : ""}`;
  if (json) remark(totals);
  else printLine(totals);
  if (different > 0) process.exitCode = EXIT.failed;
}

export function addGrammarCommand(program: Command): void {
  const grammar = program.command("grammar").description("work with grammars of all kinds");
  grammar
    .command("test")
    .description("check grammars against texts that they must accept and reject; exit status 1 if any differs")
    .argument("<rows>", "JSON objects, one a line (.jsonl or .jsonl.gz); - is standard input")
    .option(
      "--tokenizer <file>",
      "tokenizer.json or GGUF model: also check token by token, and look up names of tokens",
    )
    .option("--json", "print one JSON document for each row")
    .addHelpText(
      "after",
      `
A row:
  {"id": "digits", "kind": "regex", "grammar": "[0-9]+", "accept": ["12"], "reject": ["", "x"]}

  kind          json_schema, regex, ebnf, choice (a JSON array of texts) or structural_tag
  accept        whole texts that the grammar has        reject        whole texts that it does not have
  compileError  true: the grammar must be refused       options       the compiler's options for the kind

Example:
  $ diecast grammar test --tokenizer tokenizer.json rows.jsonl
`,
    )
    .action((file: string, flags: TestFlags) => test(file, flags));
}
