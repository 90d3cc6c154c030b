/** `npm run bench:masks -- --rows FILE --tokenizer FILE [--sample N] [--json] [--verdicts FILE] [--whitespace W] [--forced]` */
import { cpus } from "node:os";
import { Command, Option } from "commander";
import { runDiecast } from "./diecast.ts";

const program = new Command("bench:masks")
  .description("token masks over MaskBench rows: correctness, then mask + commit and compile times")
  .requiredOption("--rows <file>", "JSON lines of MaskBench rows, .gz allowed")
  .requiredOption("--tokenizer <file>", "tokenizer.json, or a GGUF file")
  .option("--sample <n>", "about this many rows, evenly spread", Number)
  .option("--verdicts <file>", "write one line a row")
  .addOption(new Option("--whitespace <policy>").choices(["flexible", "compact", "spaced"]).default("flexible"))
  .option("--forced", "also measure the share of tokens that jump-forward supplies")
  .option("--json", "one line of JSON")
  .parse();

const options = program.opts<{
  rows: string;
  tokenizer: string;
  sample?: number;
  verdicts?: string;
  whitespace: "flexible" | "compact" | "spaced";
  forced?: boolean;
  json?: boolean;
}>();
const figures = runDiecast(options);
if (options.json) {
  console.log(JSON.stringify(figures));
} else {
  console.log(`processor: ${cpus()[0]?.model ?? "unknown"}`);
  console.log(
    `${figures.rows} rows: ${figures.passing} pass, ${figures.compileErrors} refused, ${figures.falseAccepts} false accepts, ${figures.falseRejects} false rejects`,
  );
  console.table({ "mask + commit, us": figures.maskUs, "first visits, us": figures.coldMaskUs });
  console.table({ "compile, ms": figures.compileMs, "memory, bytes": figures.memoryBytes });
  if (figures.forcedShare !== undefined) console.log(`forced tokens: ${(figures.forcedShare * 100).toFixed(1)} %`);
}
