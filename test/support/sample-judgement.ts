/** Holds what `schema sample` and `schema explain` say of real schemas against Ajv and against a reading of the schema of the tests' own. */

import type { ErrorObject, ValidateFunction } from "ajv";
import { DiecastError } from "../../src/errors.ts";
import { explainSchema } from "../../src/grammar/explain/explain.ts";
import { type CompileOptions, compileJsonSchema } from "../../src/grammar/index.ts";
import { Sampler } from "../../src/grammar/sample/sampler.ts";
import { type AjvDraft, ajvValidator, LONG_NUMBER, namedDraft } from "./ajv-of.ts";
import { keywordsOf, STANDARD_FORMATS } from "./keywords-of.ts";
import type { MaskBenchRow } from "./maskbench.ts";

export interface Judgement {
  rows: number;
  /** Refused schemas have no samples. */
  refused: number;
  samples: number;
  /** Valid by Ajv. */
  valid: number;
  /** Samples that Ajv can't judge, or judges otherwise than the standard, by reason. */
  readonly exceptions: Map<string, number>;
  /** Invalid by Ajv, with no reason why it should be wrong. */
  readonly invalid: string[];
  /** Schemas whose keywords were compared. */
  explained: number;
  /** Keywords that `explain` and the reading see differently. */
  readonly different: string[];
}

/** `common`: the formats that validators agree on. */
const OPTIONS: CompileOptions = { whitespace: "compact", formats: "common" };
const SAMPLES_PER_ROW = 4;

/** Of about `count` rows, spread evenly. */
export function judgeSamples(all: readonly MaskBenchRow[], count: number, seed: number): Judgement {
  const stride = Math.floor(all.length / count);
  const rows = all.filter((_, i) => i % stride === seed % stride);
  const judgement: Judgement = {
    ...{ rows: rows.length, refused: 0, samples: 0, valid: 0, explained: 0 },
    ...{ exceptions: new Map<string, number>(), invalid: [], different: [] },
  };
  for (const row of rows) judgeRow(row, seed, judgement);
  return judgement;
}

function judgeRow({ id, schema }: MaskBenchRow, seed: number, judgement: Judgement): void {
  let program: Uint8Array;
  try {
    program = compileJsonSchema(schema, OPTIONS).program;
  } catch (error) {
    if (!DiecastError.is(error)) throw error;
    judgement.refused++;
    return;
  }
  compareKeywords(id, schema, judgement);
  const sampler = new Sampler(program);
  const validate = validatorOf(schema);
  const drawn = Array.from({ length: SAMPLES_PER_ROW }, (_, i) => sampler.sample({ seed: seed + i }));
  for (const bytes of [sampler.minimal(), ...drawn]) {
    if (bytes === undefined) continue;
    const text = new TextDecoder().decode(bytes);
    judgement.samples++;
    const verdict = typeof validate === "string" ? validate : validate(text);
    if (verdict === true) judgement.valid++;
    else if (typeof verdict === "string") {
      judgement.exceptions.set(verdict, (judgement.exceptions.get(verdict) ?? 0) + 1);
    } else judgement.invalid.push(`${id}: ${text.slice(0, 300)}: ${JSON.stringify(verdict)}`);
  }
}

/** True if valid, a reason where Ajv's word does not count, otherwise what it says. A reason instead of the function: it can't read the schema. */
function validatorOf(text: string): string | ((instance: string) => true | string | readonly ErrorObject[]) {
  const schema: unknown = JSON.parse(text);
  let validate: ValidateFunction;
  try {
    validate = ajvValidator(schema, draftOf(schema, text));
  } catch (error) {
    return `Ajv can't read the schema: ${reasonOf(error)}`;
  }
  return (instance) => {
    if (validate(JSON.parse(instance))) return true;
    const errors = validate.errors ?? [];
    if (LONG_NUMBER.test(instance)) return "numbers that doubles can't tell apart";
    if (errors.every(({ keyword }) => keyword === "multipleOf")) return "multipleOf in floating point";
    const isOtherFormat = ({ keyword, params }: ErrorObject): boolean =>
      keyword === "format" && !STANDARD_FORMATS.has(params.format);
    if (errors.every(isOtherFormat)) return "formats that the standard does not have";
    return errors;
  };
}

/** The draft that a schema says or, by its keywords, must be written in. */
function draftOf(schema: unknown, text: string): AjvDraft {
  if (/"exclusiveM(?:in|ax)imum"\s*:\s*(?:true|false)/.test(text)) return "draft-04";
  const named = namedDraft(schema);
  if (named !== undefined) return named;
  return /"(?:prefixItems|dependentRequired|unevaluated\w+)"/.test(text) ? "2020-12" : "draft-07";
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (/^Invalid regular expression/.test(message)) return "a pattern that is not ECMA-262 with the flag u";
  if (/^can't resolve reference/.test(message)) return "a reference";
  if (/^no schema with key or ref/.test(message)) return "the meta-schema";
  if (/^unknown format/.test(message)) return "a format";
  return message.replace(/".*"/s, "…").slice(0, 100);
}

function compareKeywords(id: string, schema: string, judgement: Judgement): void {
  const explanation = explainSchema(schema, { ...OPTIONS, numSamples: 0 });
  const expected = keywordsOf(JSON.parse(schema));
  judgement.explained++;
  const said = new Map(explanation.keywords.map(({ pointer, status }) => [pointer, status]));
  for (const pointer of new Set([...said.keys(), ...expected.keys()])) {
    const [a, b] = [said.get(pointer), expected.get(pointer)];
    if (a !== b) judgement.different.push(`${id}: ${pointer}: explain says ${a}, the schema ${b}`);
  }
}

export function describeJudgement({ exceptions, invalid, different, ...counts }: Judgement): string {
  const reasons = [...exceptions].sort((a, b) => b[1] - a[1]).map(([reason, count]) => `  ${count} ${reason}`);
  return [
    `${counts.rows} schemas, ${counts.refused} refused; ${counts.samples} samples, ${counts.valid} valid by Ajv, exceptions:`,
    ...reasons,
    ...invalid.map((line) => `  invalid ${line}`),
    ...different.map((line) => `  different ${line}`),
  ].join("\n");
}
