/**
 * Trap: of texts that must differ, one that has begun like another may have no way left to end otherwise, and the mask must know it
 * before the matcher does.
 */
import { expect, test } from "vitest";
import { loadBinding } from "../../src/engine/binding.ts";
import { compileJsonSchema } from "../../src/grammar/index.ts";
import { llama31Tokenizer } from "../support/tokenizers.ts";

const native = loadBinding();

function walk(pattern: string, text: string): { allows: (next: string) => boolean } {
  const tokenizer = llama31Tokenizer();
  const schema = JSON.stringify({ type: "array", uniqueItems: true, items: { type: "string", pattern } });
  const { program } = compileJsonSchema(schema, { whitespace: "compact" });
  const matcher = new native.Matcher(new native.CompiledGrammar(new native.Vocabulary(tokenizer), program));
  expect(matcher.acceptBytes(Buffer.from(text))).toBe(text.length);
  return {
    allows: (next) => {
      const [id] = tokenizer.encode(next, false);
      const words = new Int32Array(Math.ceil(tokenizer.vocabSize / 32));
      matcher.fillNextTokenBitmask(words, 0);
      const inMask = ((words[id! >> 5]! >>> (id! & 31)) & 1) === 1;
      expect(matcher.acceptToken(id!), `mask and matcher agree on ${next}`).toBe(inMask);
      if (inMask) matcher.rollback(1);
      return inMask;
    },
  };
}

test("a token after which only a text seen before can end is not allowed", () => {
  const { allows } = walk("^[0-9]+x$", '["1x","1');
  expect(allows("x")).toBe(false);
  expect(allows("2")).toBe(true);
});

test("a text that has gone another way may end", () => {
  const { allows } = walk("^[0-9]+x$", '["1x","12');
  expect(allows("x")).toBe(true);
});

test("a text seen may be begun as long as it can go on otherwise", () => {
  expect(walk("^[a-z]+$", '["ab","a').allows("b")).toBe(true);
  const { allows } = walk("^[a-z]+$", '["ab","ab');
  expect(allows('"')).toBe(false);
  expect(allows("c")).toBe(true);
});
