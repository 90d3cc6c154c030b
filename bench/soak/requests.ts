/** Requests of every fate, by number: the same number is the same request. */

import type { Engine, GenerateRequest, Grammar, GrammarSource } from "../../src/engine/engine.ts";
import { DiecastError } from "../../src/errors.ts";

const CHARACTER = `{"type":"object","properties":{"name":{"type":"string","maxLength":6},"age":{"type":"integer","minimum":0,"maximum":99}},
  "required":["name","age"],"additionalProperties":false}`;
const IMPOSSIBLE = `{"allOf":[{"type":"string"},{"type":"integer"}]}`;

interface Fate {
  readonly name: string;
  /** Finish reasons and error codes that it may end with. */
  readonly outcomes: readonly string[];
  /** How each choice ended. */
  run(engine: Engine, i: number, common: GenerateRequest): Promise<readonly string[]>;
}

const ENDED = ["stop", "length"];

const compile = (engine: Engine, source: GrammarSource): Promise<Grammar> => engine.compile(source);
const one = async (engine: Engine, request: GenerateRequest): Promise<readonly string[]> => [
  (await engine.generate(request).result).finishReason,
];

export const FATES: readonly Fate[] = [
  {
    name: "cancelled",
    outcomes: [...ENDED, "cancelled"],
    async run(engine, i, common) {
      const generation = engine.generate({ ...common, maxTokens: 60 });
      if (i % 3 === 0) generation.cancel();
      else setTimeout(() => generation.cancel(), i % 200);
      return [(await generation.result).finishReason];
    },
  },
  {
    name: "aborted",
    outcomes: [...ENDED, "cancelled"],
    run: (engine, i, common) => one(engine, { ...common, maxTokens: 60, signal: AbortSignal.timeout(1 + (i % 300)) }),
  },
  {
    name: "bad schema",
    outcomes: ["SCHEMA_UNSATISFIABLE"],
    run: async (engine, _i, common) =>
      one(engine, { ...common, grammar: await compile(engine, { type: "json_schema", schema: IMPOSSIBLE }) }),
  },
  {
    name: "prompt too long",
    outcomes: ["PROMPT_TOO_LONG"],
    run: (engine, _i, common) => one(engine, { ...common, prompt: new Int32Array(300).fill(5) }),
  },
  {
    name: "bad argument",
    outcomes: ["INVALID_ARGUMENT"],
    run: (engine, _i, common) => one(engine, { ...common, topP: 2 }),
  },
  {
    name: "stop strings",
    outcomes: ENDED,
    run: (engine, _i, common) => one(engine, { ...common, maxTokens: 30, stop: ["e", " the", "\n"] }),
  },
  {
    name: "stop regex",
    outcomes: ENDED,
    run: async (engine, _i, common) => {
      const pattern = "[.,] [a-z]+|\\n\\n";
      const grammar = await compile(engine, { type: "stop_regex", pattern });
      return one(engine, { ...common, maxTokens: 30, stopRegex: [{ pattern, grammar }] });
    },
  },
  {
    name: "grammar",
    outcomes: ENDED,
    run: async (engine, _i, common) =>
      one(engine, {
        ...common,
        maxTokens: 50,
        grammar: await compile(engine, { type: "json_schema", schema: CHARACTER }),
      }),
  },
  {
    name: "long",
    outcomes: ["length"],
    run: (engine, i, common) => one(engine, { ...common, maxTokens: 60 + (i % 30), ignoreEos: true }),
  },
  {
    name: "several choices",
    outcomes: ENDED,
    run: async (engine, i, common) => {
      const generations = engine.generateChoices({ ...common, logprobs: i % 4 === 0 }, 2 + (i % 2));
      return Promise.all(generations.map(async ({ result }) => (await result).finishReason));
    },
  },
  {
    name: "left stream",
    outcomes: [...ENDED, "cancelled"],
    run: async (engine, i, common) => {
      const generation = engine.generate({ ...common, maxTokens: 40 });
      let numRead = 0;
      for await (const _delta of generation) if (++numRead > i % 8) break;
      return [(await generation.result).finishReason];
    },
  },
  {
    name: "deadline",
    outcomes: [...ENDED, "deadline"],
    run: (engine, i, common) =>
      one(engine, {
        ...common,
        maxTokens: 40,
        deadlineMs: 1 + (i % 400),
        priority: (i % 5) - 2,
        fairKey: `key ${i % 3}`,
      }),
  },
];

/** How the choices of request `i` ended: finish reasons, or an error's code. */
export async function outcomesOf(engine: Engine, i: number): Promise<readonly string[]> {
  const prompt = `Item ${i % 50}${" and so on".repeat(i % 7)}:`;
  const common = { prompt, maxTokens: 1 + (i % 8), seed: i, temperature: i % 2 };
  try {
    return await fateOf(i).run(engine, i, common);
  } catch (error) {
    if (DiecastError.is(error)) return [error.code];
    throw error;
  }
}

export function fateOf(i: number): Fate {
  // Invariant: the remainder is an index.
  return FATES[i % FATES.length]!;
}
