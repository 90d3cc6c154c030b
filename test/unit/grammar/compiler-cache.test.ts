/** The compiler with a memory: what it recognises again, and what it must not take for the same. */

import { expect, test } from "vitest";
import { GrammarCompiler } from "../../../src/grammar/index.ts";

test("grammars, choices and structural tags are kept by content and options", () => {
  const compiler = new GrammarCompiler();
  const tag = { type: "const_string", value: "a" };
  expect(compiler.ebnf('root ::= "a"')).toBe(compiler.ebnf('root ::= "a"'));
  expect(compiler.choice(["a", "b"])).toBe(compiler.choice(["a", "b"]));
  expect(compiler.structuralTag(tag)).toBe(compiler.structuralTag({ ...tag }));
  const text = 'root ::= "a"\nx ::= "b"';
  expect(compiler.ebnf(text)).not.toBe(compiler.ebnf(text, { rootRule: "x" }));
  expect(compiler.cacheStats).toMatchObject({ entries: 5, hits: 3 });
});

test("token names are looked up again unless the tokenizer is named", () => {
  const compiler = new GrammarCompiler();
  const grammar = 'root ::= Token("x")';
  const options = (id: number, tokenizerKey?: string) => ({ tokenId: () => id, tokenizerKey });
  expect(compiler.ebnf(grammar, options(1))).not.toBe(compiler.ebnf(grammar, options(2)));
  expect(compiler.ebnf(grammar, options(1, "one"))).toBe(compiler.ebnf(grammar, options(1, "one")));
  expect(compiler.ebnf(grammar, options(1, "one")).program).not.toEqual(
    compiler.ebnf(grammar, options(2, "two")).program,
  );
});
