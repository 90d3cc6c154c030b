/**
 * The engine with the default model, for end-to-end tests. Where the model cannot be had, the tests that need it are skipped, and one line says so.
 */

import { existsSync } from "node:fs";
import { addonPath } from "../../src/engine/binding.ts";
import { Engine, type EngineOptions } from "../../src/engine/engine.ts";
import { defaultModelRef, resolveModel } from "../../src/engine/model-store/index.ts";

/** The model's path, or undefined when there is none here. Never fetches: `npm test` has done that before. */
export async function realModelPath(): Promise<string | undefined> {
  if (!existsSync(addonPath())) return skip("the native addon is not built");
  try {
    return await resolveModel(defaultModelRef(), { offline: true });
  } catch (error) {
    return skip(error instanceof Error ? error.message : String(error));
  }
}

export async function loadRealEngine(modelPath: string, options: Partial<EngineOptions> = {}): Promise<Engine> {
  return Engine.load({ modelPath, ...options });
}

function skip(why: string): undefined {
  console.log(`skipped, no model: ${why}`);
  return undefined;
}
