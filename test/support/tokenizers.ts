/** Tokenizers that tests use: the default model's, where the model is at hand, and those of development packages. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { loadBinding, type NativeTokenizer } from "../../src/engine/binding.ts";

const require = createRequire(import.meta.url);

function fromPackage(name: string): NativeTokenizer {
  return loadBinding().Tokenizer.fromJson(
    readFileSync(require.resolve(`@lenml/tokenizer-${name}/models/tokenizer.json`)),
  );
}

export const llama31Tokenizer = (): NativeTokenizer => fromPackage("llama3_1");
/** SentencePiece with byte fallback, 32,000 entries. */
export const llama2Tokenizer = (): NativeTokenizer => fromPackage("llama2");
/** SentencePiece with byte fallback, 262,000 entries. */
export const gemma3Tokenizer = (): NativeTokenizer => fromPackage("gemma3");

/** Undefined, with one line that says so, where `DIECAST_MODEL` names no file. */
export function modelTokenizer(): NativeTokenizer | undefined {
  const model = process.env.DIECAST_MODEL;
  if (model === undefined || !existsSync(model)) {
    console.log("skipped: the model's tokenizer, since DIECAST_MODEL names no file");
    return undefined;
  }
  return loadBinding().Tokenizer.fromGguf(model);
}
