/** Random grammar programs of every kind that the compiler makes: schemas of all drafts under random policies, EBNF, patterns, choices. */

import { DiecastError } from "../../src/errors.ts";
import {
  type CompileOptions,
  compileChoice,
  compileEbnf,
  compileJsonSchema,
  compileRegex,
} from "../../src/grammar/index.ts";
import { DRAFTS } from "../../src/grammar/json-schema/dialect.ts";
import { inDraft } from "./draft-forms.ts";
import { randomGrammar } from "./random-grammar.ts";
import { randomRegex } from "./random-regex.ts";
import { randomDocument } from "./random-schema.ts";
import type { RandomSource } from "./random-source.ts";

export interface RandomProgram {
  /** What was compiled, to be read in a failure. */
  readonly source: string;
  readonly program: Uint8Array;
}

const CHOICES = ["a", "b", "ab", "abc", "aab", "é", "c c", "yes", "no", '"'];

/** Undefined when the compiler refuses it. */
export function randomProgram(random: RandomSource): RandomProgram | undefined {
  const [source, compile] = random.pick([schemaCase, schemaCase, ebnfCase, regexCase, choiceCase])(random);
  try {
    return { source, program: compile().program };
  } catch (error) {
    if (DiecastError.is(error)) return undefined;
    throw new Error(source, { cause: error });
  }
}

/** The first that compiles. */
export function compiledProgram(random: RandomSource): RandomProgram {
  for (;;) {
    const found = randomProgram(random);
    if (found !== undefined) return found;
  }
}

type Case = readonly [source: string, compile: () => { readonly program: Uint8Array }];

function schemaCase(random: RandomSource): Case {
  const draft = random.pick(DRAFTS);
  const document = randomDocument(random, random.chance(0.6), random.chance(0.2));
  const schema = inDraft(document, draft) ?? document;
  const options: CompileOptions = {
    dialect: random.chance(0.5) ? draft : "tolerant",
    whitespace: random.pick(["compact", "compact", "spaced", "flexible"]),
    maxWhitespace: 3,
    numbers: random.pick(["canonical", "spec"]),
    propertyOrder: random.pick(["schema", "schema", "any"]),
    uniqueKeys: random.chance(0.2),
  };
  return [`${JSON.stringify(schema)} under ${JSON.stringify(options)}`, () => compileJsonSchema(schema, options)];
}

function ebnfCase(random: RandomSource): Case {
  const text = randomGrammar(random);
  return [text, () => compileEbnf(text)];
}

function regexCase(random: RandomSource): Case {
  const pattern = randomRegex(random);
  return [`/${pattern}/`, () => compileRegex(pattern)];
}

function choiceCase(random: RandomSource): Case {
  const texts = Array.from({ length: 1 + random.below(4) }, () => random.pick(CHOICES) + random.pick(CHOICES));
  return [JSON.stringify(texts), () => compileChoice(texts)];
}
