/**
 * A random walk of matchers that must be indistinguishable: one with the usual memo, one whose memo is dropped at every operation, one whose memo is dropped
 * now and then, and for every question a new grammar, which remembers nothing and replays the steps so far.
 *
 * Steps are tokens, bytes, rollbacks, forks, resets and tokens that are refused; after each, everything that a matcher can be asked is compared. A grammar
 * more ambiguous than the matcher follows ends a walk with its error, GRAMMAR_TOO_LARGE.
 */

import {
  loadBinding,
  type NativeGrammar,
  type NativeMatcher,
  type NativeTokenizer,
  type NativeVocabulary,
} from "../../src/engine/binding.ts";
import { bitsOf } from "./mask-oracle.ts";
import type { RandomSource } from "./random-source.ts";

/** A token by its id, or bytes. */
export type Step = number | Uint8Array;

/** All that a matcher can be asked. */
interface Answers {
  readonly allowed: readonly number[];
  readonly isComplete: boolean;
  readonly isTerminated: boolean;
  readonly numSteps: number;
  readonly forcedBytes: string;
  readonly forcedTokens: readonly number[];
}

const SMALL_MEMO_BYTES = [2_000, 8_000, 30_000];

export class TwinWalk {
  readonly #native = loadBinding();
  readonly #tokenizer: NativeTokenizer;
  readonly #vocabulary: NativeVocabulary;
  readonly #program: Uint8Array;
  readonly #random: RandomSource;
  readonly #mask: Int32Array;
  #twins: NativeMatcher[];
  readonly #steps: Step[] = [];
  /** What a new grammar answers after each number of steps. */
  readonly #answers: Answers[];
  readonly done = { steps: 0, rollbacks: 0, forks: 0, refusals: 0, forced: 0 };

  constructor(tokenizer: NativeTokenizer, vocabulary: NativeVocabulary, program: Uint8Array, random: RandomSource) {
    this.#tokenizer = tokenizer;
    this.#vocabulary = vocabulary;
    this.#program = program;
    this.#random = random;
    this.#mask = new Int32Array(Math.ceil(vocabulary.size / 32));
    const budgets = [undefined, 0, random.pick(SMALL_MEMO_BYTES)];
    this.#twins = budgets.map((bytes) => new this.#native.Matcher(this.#grammar(bytes)));
    this.#answers = [this.#fresh([])];
  }

  /** The steps so far, and what a matcher that remembers nothing allows after them. */
  get steps(): readonly Step[] {
    return this.#steps;
  }

  get allowed(): readonly number[] {
    return this.#now.allowed;
  }

  /** The matcher with the usual memo. */
  get matcher(): NativeMatcher {
    return this.#twins[0]!;
  }

  get #now(): Answers {
    return this.#answers.at(-1)!;
  }

  /** One step; false when nothing can follow. @throws {Error} where matchers differ. */
  step(): boolean {
    const { allowed } = this.#now;
    const canGoBack = this.#steps.length > 0;
    if (allowed.length === 0 && !canGoBack) return false;
    const draw = this.#random.next();
    if (canGoBack && (draw < 0.15 || allowed.length === 0)) this.#rollback();
    else if (canGoBack && draw < 0.17) this.#reset();
    else if (draw < 0.27) this.#fork();
    else if (draw < 0.35) this.#refusal();
    else this.#advance();
    this.#compareAll();
    this.done.steps++;
    return true;
  }

  #advance(): void {
    const [forced] = this.#now.forcedTokens;
    const step = forced ?? this.#randomStep(this.#now.allowed);
    if (forced !== undefined) this.done.forced++;
    for (const twin of this.#twins) {
      if (!accept(twin, step)) throw new Error(`step ${this.#show(step)} is refused though the mask allows it`);
    }
    this.#steps.push(step);
    this.#answers.push(this.#fresh(this.#steps));
  }

  /** A token, or the bytes of one, or the first of them. */
  #randomStep(allowed: readonly number[]): Step {
    const id = this.#random.pick(allowed);
    const bytes = this.#tokenizer.tokenBytes(id);
    if (this.#tokenizer.isSpecial(id) || this.#tokenizer.eosIds.includes(id) || this.#random.chance(0.8)) return id;
    return bytes.subarray(0, 1 + this.#random.below(bytes.length));
  }

  #rollback(): void {
    const steps = 1 + this.#random.below(this.#steps.length);
    for (const twin of this.#twins) twin.rollback(steps);
    this.#steps.length -= steps;
    this.#answers.length -= steps;
    this.done.rollbacks++;
  }

  #reset(): void {
    for (const twin of this.#twins) twin.reset();
    this.#steps.length = 0;
    this.#answers.length = 1;
  }

  /** Copies go their own ways; the walk goes on with further copies, and the originals are reset. */
  #fork(): void {
    const copies = this.#twins.map((twin) => twin.fork());
    const branch = [...this.#steps];
    let { allowed } = this.#now;
    for (let i = 1 + this.#random.below(3); i > 0 && allowed.length > 0; i--) {
      const step = this.#randomStep(allowed);
      for (const copy of copies) {
        if (!accept(copy, step)) throw new Error(`a fork refuses step ${this.#show(step)}`);
      }
      branch.push(step);
      const expected = this.#fresh(branch);
      copies.forEach((copy, i) => {
        this.#compare(`fork ${i}`, this.#ask(copy, branch), expected);
      });
      ({ allowed } = expected);
    }
    const stayed = this.#twins.map((twin) => twin.fork());
    this.#twins.forEach((twin) => {
      twin.reset();
    });
    this.#twins = stayed;
    this.done.forks++;
  }

  /** A token outside of the mask changes nothing, nor do bytes that end in a refusal. */
  #refusal(): void {
    const allowed = new Set(this.#now.allowed);
    const id = this.#random.below(this.#vocabulary.size);
    if (allowed.has(id)) return;
    for (const twin of this.#twins) {
      if (twin.acceptToken(id)) throw new Error(`token ${this.#show(id)} is accepted though the mask forbids it`);
    }
    const bytes = Uint8Array.from([...this.#tokenizer.tokenBytes(id), 0xff]);
    const accepted = this.#twins.map((twin) => twin.acceptBytes(bytes));
    if (accepted.includes(bytes.length) || new Set(accepted).size > 1) {
      throw new Error(`of the bytes of ${this.#show(id)} and FF ${accepted} are accepted`);
    }
    this.done.refusals++;
  }

  #compareAll(): void {
    this.#twins.forEach((twin, i) => {
      this.#compare(`twin ${i}`, this.#ask(twin, this.#steps), this.#now);
    });
  }

  #compare(name: string, actual: Answers, expected: Answers): void {
    for (const key of Object.keys(expected) as (keyof Answers)[]) {
      const [is, should] = [JSON.stringify(actual[key]), JSON.stringify(expected[key])];
      if (is !== should) throw new Error(`${name}: ${key} is ${is.slice(0, 300)}, a replay's ${should.slice(0, 300)}`);
    }
  }

  #grammar(memoBytes: number | undefined): NativeGrammar {
    const grammar = new this.#native.CompiledGrammar(this.#vocabulary, this.#program);
    if (memoBytes !== undefined) grammar.setMemoBudget(memoBytes);
    return grammar;
  }

  #fresh(steps: readonly Step[]): Answers {
    const matcher = new this.#native.Matcher(this.#grammar(undefined));
    for (const step of steps) {
      if (!accept(matcher, step)) throw new Error(`a replay refuses step ${this.#show(step)}`);
    }
    return this.#ask(matcher, steps);
  }

  #ask(matcher: NativeMatcher, steps: readonly Step[]): Answers {
    const count = matcher.fillNextTokenBitmask(this.#mask, 0);
    const allowed = bitsOf(this.#mask);
    if (count !== allowed.length) throw new Error(`the mask holds ${allowed.length} tokens and says ${count}`);
    const context = Int32Array.from(steps.filter((step) => typeof step === "number"));
    return {
      allowed,
      isComplete: matcher.isComplete,
      isTerminated: matcher.isTerminated,
      numSteps: matcher.numSteps,
      forcedBytes: Buffer.from(matcher.forcedBytes()).toString("hex"),
      forcedTokens: [...matcher.forcedTokens(context)],
    };
  }

  #show(step: Step): string {
    const bytes = typeof step === "number" ? this.#tokenizer.tokenBytes(step) : step;
    return `${typeof step === "number" ? step : "bytes"} ${JSON.stringify(Buffer.from(bytes).toString("latin1"))}`;
  }
}

function accept(matcher: NativeMatcher, step: Step): boolean {
  return typeof step === "number" ? matcher.acceptToken(step) : matcher.acceptBytes(step) === step.length;
}
