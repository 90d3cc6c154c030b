/** Guesses change how many passes an output takes, never the output. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine, GenerateRequest } from "../../src/engine/engine.ts";
import { loadRealEngine, realModelPath } from "../support/real-model.ts";

const LETTER =
  "Dear team, this is Ada Lovelace (ada.lovelace@example.org). Please send 12 hexagonal bolts M8 and 3 ball valves DN 50 to Harbour Road 121, Cork. " +
  "The hexagonal bolts M8 of the last delivery were late. Kind regards, Ada Lovelace";
const SCHEMA = {
  type: "object",
  properties: {
    customer: { type: "string", maxLength: 40 },
    email: { type: "string", format: "email" },
    urgent: { type: "boolean" },
    items: {
      type: "array",
      maxItems: 3,
      items: {
        type: "object",
        properties: { article: { type: "string", maxLength: 40 }, quantity: { type: "integer" } },
        required: ["article", "quantity"],
      },
    },
  },
  required: ["customer", "email", "items"],
};

const modelPath = await realModelPath();

describe.skipIf(modelPath === undefined)("speculation", { timeout: 180_000 }, () => {
  let guessing: Engine;
  let certain: Engine;

  beforeAll(async () => {
    guessing = await loadRealEngine(modelPath!, { speculation: "always", maxBatch: 4 });
    certain = await loadRealEngine(modelPath!, { speculation: "off", maxBatch: 4 });
  });
  afterAll(async () => {
    await guessing?.close();
    await certain?.close();
  });

  /** Requests of every kind side by side. */
  async function run(engine: Engine) {
    const grammar = await engine.compile({ type: "json_schema", schema: SCHEMA });
    const flexible = await engine.compile({
      type: "json_schema",
      schema: SCHEMA,
      options: { whitespace: "flexible" },
    });
    const ask = (request: Partial<GenerateRequest>) => {
      const prompt = engine.encodeChat([{ role: "user", content: `Extract the order as JSON.\n\n${LETTER}` }]);
      return engine.generate({ prompt, temperature: 0, maxTokens: 90, ...request }).result;
    };
    return Promise.all([
      ask({ grammar }),
      ask({ grammar: flexible }),
      ask({ grammar, jumpForward: false }),
      ask({ grammar, temperature: 1, seed: 5 }),
      ask({ grammar, temperature: 0.7, topP: 0.9, frequencyPenalty: 0.5, seed: 6 }),
      ask({}),
      ask({ temperature: 0.8, seed: 7, repetitionPenalty: 1.2 }),
      ask({ stop: ["bolts"], maxTokens: 60 }),
      ask({ maxTokens: 1 }),
      ask({ grammar, logprobs: true, maxTokens: 30 }),
    ]);
  }

  test("every request says the same with and without it, in fewer passes", async () => {
    const [with_, without] = [await run(guessing), await run(certain)];
    for (const [i, result] of with_.entries()) {
      expect([...result.tokens], `request ${i}`).toEqual([...without[i]!.tokens]);
      expect(result.text).toBe(without[i]!.text);
      expect(result.finishReason).toBe(without[i]!.finishReason);
      expect(result.usage.forcedTokens).toBe(without[i]!.usage.forcedTokens);
    }
    const { draftedTokens, acceptedTokens, kvFree, kvCached, kvTokens, histograms } = guessing.stats();
    expect(acceptedTokens).toBeGreaterThan(30);
    expect(draftedTokens).toBeGreaterThan(acceptedTokens);
    expect(histograms.acceptedTokens.sum).toBe(acceptedTokens);
    expect(kvFree + kvCached).toBe(kvTokens);
    expect(certain.stats().draftedTokens).toBe(0);
    const passes = (results: typeof with_) => results.reduce((sum, { timings }) => sum + timings.forwardPasses, 0);
    expect(passes(with_)).toBeLessThan(passes(without));
  });

  test("a mode that there is not is refused by name", async () => {
    const load = loadRealEngine(modelPath!, { speculation: "sometimes" as "auto" });
    await expect(load).rejects.toThrow(/speculation must be one of "off", "auto", "always"/);
  });
});
