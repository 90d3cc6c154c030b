/** Programs are checked on another thread when asked so, with the same outcome. */

import { describe, expect, test } from "vitest";
import { callNative, callNativeAsync, loadBinding } from "../../src/engine/binding.ts";
import { byteTokenizer } from "../../src/engine/byte-tokenizer.ts";
import { compileChoice } from "../../src/grammar/index.ts";

const { Vocabulary, CompiledGrammar, Matcher } = loadBinding();
const vocabulary = new Vocabulary(byteTokenizer());
const texts = Array.from({ length: 5000 }, (_, i) => `entry ${(i * 7919) % 65536} of many`);

describe("a grammar loaded on another thread", () => {
  test("matches as one loaded here", async () => {
    const { program } = compileChoice(texts);
    const grammars = [new CompiledGrammar(vocabulary, program), await CompiledGrammar.load(vocabulary, program)];
    for (const text of [texts[0], texts[4321], "entry of none"]) {
      const results = grammars.map((grammar) => {
        const matcher = new Matcher(grammar);
        return [matcher.acceptBytes(Buffer.from(text ?? "")), matcher.isComplete];
      });
      expect(results[0]).toEqual(results[1]);
    }
    expect(grammars[1]).toBeInstanceOf(CompiledGrammar);
    expect(grammars[1]?.memoryBytes).toBeGreaterThan(program.byteLength);
  });

  test("is many at once", async () => {
    const programs = texts.slice(0, 40).map((text) => compileChoice([text, "no"]).program);
    const grammars = await Promise.all(programs.map((program) => CompiledGrammar.load(vocabulary, program)));
    const accepted = grammars.map((grammar, i) => new Matcher(grammar).acceptBytes(Buffer.from(texts[i] ?? "")));
    expect(accepted).toEqual(texts.slice(0, 40).map((text) => text.length));
  });

  test("or refused with a typed error", async () => {
    const program = Uint8Array.from(compileChoice(["a", "b"]).program);
    program[16] = 0xff;
    await expect(callNativeAsync(() => CompiledGrammar.load(vocabulary, program))).rejects.toMatchObject({
      code: "GRAMMAR_INVALID",
    });
    const nothing = undefined as unknown as Uint8Array;
    expect(() => callNative(() => CompiledGrammar.load(vocabulary, nothing))).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});
