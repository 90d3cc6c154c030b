/**
 * The `diecast` command line: which verbs there are, and what the exit status says.
 *
 * Each verb lives in its own file and is added here. Nothing in this folder ends the process: `main` returns the status, and
 * the caller (scripts/diecast.mjs) sets it, so that pending output is written.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { DiecastError } from "../errors.ts";
import { addDemoCommand } from "./demo-command.ts";
import { EXIT, exitCodeOf, UsageError } from "./exit-codes.ts";
import { addExtractCommand } from "./extract-command.ts";
import { addGrammarCommand } from "./grammar-command.ts";
import { addModelsCommand } from "./models-command.ts";
import { printError, printJson, remark } from "./output.ts";
import { addSchemaCommand } from "./schema-command.ts";
import { addServeCommand } from "./serve-command.ts";

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function buildProgram(): Command {
  const program = new Command("diecast")
    .description("Text and a JSON Schema in, typed values out.")
    .version(version())
    .showHelpAfterError("(add --help for the options)")
    .addHelpText(
      "after",
      `
Examples:
  $ diecast demo                                      watch typed values come out of real texts
  $ diecast serve                                     HTTP service on http://127.0.0.1:30000
  $ diecast extract --schema invoice.json mail.txt    one document in, one JSON value out
  $ cat mail.txt | diecast extract --schema invoice.json -
  $ diecast schema explain invoice.json
  $ diecast grammar test rows.jsonl

Environment:
  DIECAST_MODEL   model used when none is named: a path, a known name or a reference
  DIECAST_CACHE   folder for fetched models (default: ~/.cache/diecast)
  DIECAST_CPU     portable, avx2, avx512 or amx: forces a level of the processor's instructions
  NO_COLOR        no colours

Exit status: 0 done, 1 failed, 2 wrong usage, 3 the schema can't be used.`,
    );
  addServeCommand(program);
  addDemoCommand(program);
  addExtractCommand(program);
  addSchemaCommand(program);
  addGrammarCommand(program);
  addModelsCommand(program);
  for (const command of [program, ...program.commands, ...program.commands.flatMap((verb) => verb.commands)]) {
    command.exitOverride().allowExcessArguments(false);
  }
  return program;
}

/**
 * Runs one command line.
 * @param args without the interpreter and the script
 * @returns the exit status
 */
export async function main(args: readonly string[]): Promise<number> {
  const json = args.includes("--json");
  try {
    await buildProgram().parseAsync([...args], { from: "user" });
    return process.exitCode === undefined ? EXIT.ok : Number(process.exitCode);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof UsageError) {
      if (json) printJson({ error: { code: "USAGE", message: error.message } });
      else remark(`error: ${error.message}`);
      return EXIT.usage;
    }
    printError(error, json);
    return DiecastError.is(error) ? exitCodeOf(error) : EXIT.failed;
  }
}
