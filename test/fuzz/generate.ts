/** Random cases: texts of the generators that other tests use and of the grammar rows among the fixtures, as they are and mutated. */

import { readFileSync } from "node:fs";
import type { CompileOptions } from "../../src/grammar/index.ts";
import { DRAFTS } from "../../src/grammar/json-schema/dialect.ts";
import { POLICIES } from "../../src/grammar/option-check.ts";
import { inDraft } from "../support/draft-forms.ts";
import { randomGrammar } from "../support/random-grammar.ts";
import { randomRegex } from "../support/random-regex.ts";
import { randomDocument } from "../support/random-schema.ts";
import type { RandomSource } from "../support/random-source.ts";
import { type FuzzCase, KINDS, type Kind } from "./fuzz-case.ts";
import { mutateText, mutateTree } from "./mutate.ts";

type Corpus = Readonly<Record<Kind, readonly string[]>>;

const ROWS = new URL("../fixtures/grammar-rows/", import.meta.url);

/** @param schemas JSON texts of real schemas, where there are some. */
export function corpusOf(schemas: readonly string[]): Corpus {
  const rows = (file: string): string[] =>
    readFileSync(new URL(file, ROWS), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { grammar: string }).grammar);
  return {
    json_schema: schemas,
    regex: rows("regex.jsonl"),
    ebnf: rows("ebnf.jsonl"),
    structural_tag: rows("structural-tag.jsonl"),
    choice: ['["yes","no"]', '["a","ab","abc","b"]', '["é","😀"]', '[""]', "[1]", "[]"],
  };
}

export function randomCase(random: RandomSource, corpus: Corpus, kinds: readonly Kind[] = KINDS): FuzzCase {
  const kind = random.pick(kinds);
  const options = randomOptions(random);
  let text = sourceText(random, kind, corpus);
  if (kind !== "regex" && kind !== "ebnf" && random.chance(0.6)) text = mutatedJson(random, text, kind, corpus);
  if (random.chance(kind === "regex" || kind === "ebnf" ? 0.6 : 0.15)) text = mutateText(random, text, kind);
  return { kind, text, options };
}

function sourceText(random: RandomSource, kind: Kind, corpus: Corpus): string {
  const known = corpus[kind];
  if (known.length > 0 && random.chance(0.5)) return random.pick(known);
  switch (kind) {
    case "json_schema": {
      const document = randomDocument(random, random.chance(0.7), random.chance(0.3));
      return JSON.stringify(inDraft(document, random.pick(DRAFTS)) ?? document);
    }
    case "regex":
      return randomRegex(random, 4);
    case "ebnf":
      return randomGrammar(random);
    case "choice":
      return JSON.stringify(Array.from({ length: random.below(40) }, () => randomRegex(random, 1)));
    case "structural_tag":
      return JSON.stringify({ type: "json_schema", json_schema: randomDocument(random, true) });
  }
}

function mutatedJson(random: RandomSource, text: string, kind: Kind, corpus: Corpus): string {
  try {
    const other = JSON.parse(sourceText(random, kind, corpus)) as unknown;
    return JSON.stringify(mutateTree(random, JSON.parse(text), other));
  } catch {
    return text; // No JSON, as some of the rows are on purpose.
  }
}

function randomOptions(random: RandomSource): CompileOptions {
  if (random.chance(0.5)) return {};
  const { whitespace, openObjects, numbers, propertyOrder, dialect, formats } = POLICIES;
  return {
    whitespace: random.pick(whitespace),
    openObjects: random.pick(openObjects),
    numbers: random.pick(numbers),
    propertyOrder: random.pick(propertyOrder),
    dialect: random.pick(dialect),
    formats: random.pick(formats),
    uniqueKeys: random.chance(0.2),
    report: random.chance(0.2),
  };
}
