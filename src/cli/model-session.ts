/** What every verb that runs a model does first: find or fetch the file, showing progress, and load the engine. */
import { type Command, Option } from "commander";
import { Engine, type EngineOptions, KV_TYPES, type KvType, SPECULATIONS, type Speculation } from "../engine/engine.ts";
import { defaultModelRef, modelDisplayName } from "../engine/model-store/index.ts";
import { DiecastError } from "../errors.ts";
import { UsageError } from "./exit-codes.ts";
import { fetchModelWithProgress } from "./fetch-model.ts";

/** Options of verbs that load a model. */
export interface EngineFlags {
  readonly model?: string;
  readonly threads?: string;
  readonly context?: string;
  readonly kvType?: KvType;
  readonly speculation: Speculation;
  /** A file for the engine's trace. */
  readonly trace?: string;
}

/** A whole number from the command line. */
export function parseCount(text: string, flag: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new UsageError(`${flag} must be a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`);
  }
  return value;
}

export function addEngineFlags(command: Command, speculation: Speculation = "auto"): void {
  command
    .option("--model <model>", "known name, path, pypi: or hf: reference")
    .option("--threads <count>", "processor threads (default: the physical cores)")
    .option("--context <tokens>", "longest prompt and value together (default: the model's)")
    .addOption(
      new Option("--kv-type <type>", "how keys and values are kept (default: f16 with AVX2, else f32)").choices(
        KV_TYPES,
      ),
    )
    .addOption(
      new Option("--speculation <when>", "compute guesses of the tokens to come; values are the same with and without")
        .choices(SPECULATIONS)
        .default(speculation),
    )
    .option("--trace <file>", "write when each step and request did what, for Chrome's tracing page or Perfetto");
}

/** Loads the engine that `flags` ask for. */
export async function openEngine(
  flags: EngineFlags,
  options: Omit<
    EngineOptions,
    "modelPath" | "modelId" | "threads" | "contextLength" | "kvType" | "speculation" | "traceFile"
  > = {},
): Promise<Engine> {
  const ref = flags.model ?? defaultModelRef();
  const threads = flags.threads === undefined ? undefined : parseCount(flags.threads, "--threads", 1, 1024);
  const contextLength = flags.context === undefined ? undefined : parseCount(flags.context, "--context", 16, 1 << 24);
  const modelPath = await fetchModelWithProgress(ref);
  return Engine.load({
    modelPath,
    modelId: modelDisplayName(ref),
    speculation: flags.speculation,
    ...(threads === undefined ? {} : { threads }),
    ...(contextLength === undefined ? {} : { contextLength }),
    ...(flags.kvType === undefined ? {} : { kvType: flags.kvType }),
    ...(flags.trace === undefined ? {} : { traceFile: flags.trace }),
    ...options,
  });
}

/** Aborts on the first Ctrl-C; the second one ends the process as usual. */
export function abortOnInterrupt(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onInterrupt = () => controller.abort(new DiecastError("REQUEST_CANCELLED", "interrupted"));
  process.once("SIGINT", onInterrupt);
  return { signal: controller.signal, release: () => process.off("SIGINT", onInterrupt) };
}
