/** `diecast schema sample`: valid values of a schema, drawn from its grammar. */
import type { Command } from "commander";
import { compileJsonSchema } from "../grammar/index.ts";
import { Sampler } from "../grammar/sample/sampler.ts";
import { EXIT } from "./exit-codes.ts";
import { addGrammarFlags, type GrammarFlags, grammarOptionsOf } from "./grammar-flags.ts";
import { parseCount } from "./model-session.ts";
import { type CommonOptions, printJson, printLine, remark } from "./output.ts";
import { readText } from "./schema-file.ts";

interface SampleFlags extends CommonOptions, GrammarFlags {
  readonly count: string;
  readonly seed: string;
  readonly bytes: string;
  readonly minimal?: boolean;
}

const MAX_COUNT = 100_000;
const MAX_SEED = 2 ** 32 - 1;
const MAX_BYTES = 1 << 20;

async function sample(file: string, flags: SampleFlags): Promise<void> {
  const count = flags.minimal ? 1 : parseCount(flags.count, "--count", 1, MAX_COUNT);
  const seed = parseCount(flags.seed, "--seed", 0, MAX_SEED);
  const targetBytes = flags.minimal ? 0 : parseCount(flags.bytes, "--bytes", 0, MAX_BYTES);
  const options = await grammarOptionsOf(flags);
  const sampler = new Sampler(compileJsonSchema(await readText(file), options).program);
  const decoder = new TextDecoder();
  const instances: string[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = sampler.sample({ seed: (seed + i) % (MAX_SEED + 1), targetBytes });
    if (bytes !== undefined) instances.push(decoder.decode(bytes));
  }
  if (flags.json) printJson({ seed, instances });
  else for (const instance of instances) printLine(instance);
  if (instances.length === count) return;
  remark(`error: ${count - instances.length} of ${count} values were not found`);
  process.exitCode = EXIT.failed;
}

export function addSchemaSample(schema: Command): void {
  const command = schema
    .command("sample")
    .description("print valid values of a schema, one a line")
    .argument("<file>", "JSON Schema; - is standard input")
    .option("--count <n>", "how many", "5")
    .option("--seed <n>", "equal seeds give equal values", "1")
    .option("--bytes <n>", "about how long they may grow", "200")
    .option("--minimal", "one value that is about as short as there is")
    .option("--json", "print one JSON document with the values as texts")
    .addHelpText("after", "\nExample:\n  $ diecast schema sample --count 3 --seed 7 invoice.json\n")
    .action((file: string, flags: SampleFlags) => sample(file, flags));
  addGrammarFlags(command);
}
