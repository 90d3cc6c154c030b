/**
 * The long run of the compiler's fuzzer: `npm run fuzz`.
 *
 * Every finding is printed with the seed that repeats it alone (`--seed S --cases 1`) and as the smallest case that deletion leads to. Real schemas are
 * mutated too where the MaskBench rows are at hand. Ends with 1 when there were findings.
 */

import { Command, Option } from "commander";
import { decimal, wholeNumber } from "../../bench/numbers.ts";
import { maskBenchRows } from "../support/maskbench.ts";
import { fuzz } from "./fuzz.ts";
import { KINDS, type Kind } from "./fuzz-case.ts";
import { corpusOf } from "./generate.ts";

const values = new Command("fuzz")
  .description("random grammars and texts through the compiler, against oracles")
  .option("--seconds <count>", "how long", decimal(0, 1e9), 60)
  .option("--cases <count>", "how many at most (default: as many as there is time for)", wholeNumber(0))
  .option("--seed <number>", "of the first case (default: a random one)", wholeNumber(0, 2 ** 53 - 1))
  .addOption(new Option("--kind <kinds...>", "of grammars (default: all)").choices(KINDS))
  .parse()
  .opts<{ seconds: number; cases?: number; seed?: number; kind?: string[] }>();
const kinds = KINDS.filter((kind) => values.kind?.includes(kind) ?? true) as Kind[];
const seed = values.seed ?? Math.floor(Math.random() * 1e9);
const schemas = (maskBenchRows() ?? []).map(({ schema }) => schema).filter((schema) => schema.length < 10_000);
const { findings } = await fuzz({
  seed,
  kinds,
  corpus: corpusOf(schemas),
  maxCases: values.cases ?? Number.POSITIVE_INFINITY,
  maxMs: values.seconds * 1000,
});
process.exitCode = findings.length > 0 ? 1 : 0;
