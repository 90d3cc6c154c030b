/** Random walks of the native matcher beside the program oracle: masks must be equal, and no allowed token may be a dead end. */
import { loadBinding, type NativeTokenizer, type NativeVocabulary } from "../../src/engine/binding.ts";
import { Completer } from "./completer.ts";
import { bitsOf, MaskOracle } from "./mask-oracle.ts";
import { ProgramOracle } from "./program-oracle.ts";
import type { RandomSource } from "./random-source.ts";

export interface WalkOptions {
  /** Positions at which masks are compared. */
  readonly positions: number;
  /** Allowed tokens per position whose completion is looked for. */
  readonly completions: number;
}

export class Walker {
  private readonly native = loadBinding();
  private readonly vocabulary: NativeVocabulary;
  private readonly masks: MaskOracle;
  private readonly tokenizer: NativeTokenizer;
  comparedMasks = 0;
  completedTokens = 0;

  get vocabSize(): number {
    return this.vocabulary.size;
  }

  constructor(tokenizer: NativeTokenizer) {
    this.tokenizer = tokenizer;
    this.vocabulary = new this.native.Vocabulary(tokenizer);
    this.masks = new MaskOracle(tokenizer);
  }

  /** Walks once through `program`. @throws {Error} with the text so far and the tokens that differ. */
  walk(program: Uint8Array, random: RandomSource, options: WalkOptions): void {
    const oracle = new ProgramOracle(program);
    const completer = new Completer(oracle);
    const matcher = new this.native.Matcher(new this.native.CompiledGrammar(this.vocabulary, program));
    const mask = new Int32Array(Math.ceil(this.vocabulary.size / 32));
    let at = oracle.start();
    let text = "";
    for (let position = 0; position < options.positions && !matcher.isTerminated; position++) {
      const count = matcher.fillNextTokenBitmask(mask, 0);
      const allowed = bitsOf(mask);
      const expected = this.masks.allowed(oracle, at);
      if (count !== allowed.length || !sameIds(allowed, expected)) {
        throw new Error(`after ${JSON.stringify(text)}: ${this.difference(allowed, expected)}`);
      }
      this.comparedMasks += 1;
      const texts = allowed.filter((id) => !this.tokenizer.eosIds.includes(id));
      if (texts.length === 0) break;
      for (let i = 0; i < options.completions; i++) {
        const id = pick(texts, random);
        const after = oracle.advance(at, this.tokenizer.tokenBytes(id)).end;
        if (completer.complete(after) === undefined) {
          throw new Error(
            `after ${JSON.stringify(text)}: token ${JSON.stringify(this.textOf(id))} leads to no completion`,
          );
        }
        this.completedTokens += 1;
      }
      // Short tokens close strings and numbers, so that walks get somewhere.
      const short = texts.filter((id) => this.tokenizer.tokenBytes(id).length <= 2);
      const id = pick(short.length > 0 && random.below(2) === 0 ? short : texts, random);
      if (!matcher.acceptToken(id)) throw new Error(`after ${JSON.stringify(text)}: an allowed token is not accepted`);
      at = oracle.advance(at, this.tokenizer.tokenBytes(id)).end;
      text += this.textOf(id);
    }
  }

  private textOf(id: number): string {
    return Buffer.from(this.tokenizer.tokenBytes(id)).toString("utf8");
  }

  private difference(allowed: number[], expected: number[]): string {
    const show = (ids: number[]) => JSON.stringify(ids.slice(0, 8).map((id) => this.textOf(id)));
    const have = new Set(allowed);
    const want = new Set(expected);
    const wrong = allowed.filter((id) => !want.has(id));
    const missing = expected.filter((id) => !have.has(id));
    return `${wrong.length} tokens wrongly allowed ${show(wrong)}, ${missing.length} missing ${show(missing)}`;
  }
}

function sameIds(a: number[], b: number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

function pick(ids: number[], random: RandomSource): number {
  return ids[random.below(ids.length)]!;
}
