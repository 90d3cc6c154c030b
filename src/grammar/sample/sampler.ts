/**
 * Draws texts of a grammar program's language: a random walk through the program that keeps a stack, counts and registers, so whatever it ends with is
 * valid.
 *
 * A walk follows one derivation. Distances forbid states from which the counts can't be met (see src/fsm/program-layout.ts), so it does not run into
 * dead ends; only texts that must differ from each other may come out equal, and then the walk goes back to where that text began. Past a
 * length the walk takes the shortest way out: recursion ends.
 */

import { DiecastError } from "../../errors.ts";
import { type DecodedCallEdge, type DecodedProgram, decodeProgram } from "../../fsm/program-reader.ts";
import { byteOf, plainestByte, rangeWeight } from "./byte-preferences.ts";
import { SeededRandom } from "./seeded-random.ts";
import { ShortestWays } from "./shortest-ways.ts";

export interface SampleOptions {
  /** Equal seeds draw equal texts. Default 1. */
  readonly seed?: number;
  /** From about this length on the shortest way out is taken. Default 200. */
  readonly targetBytes?: number;
  /** Longer texts are given up. Default 1,000,000. */
  readonly maxBytes?: number;
}

/** An activation of a rule. */
interface Frame {
  readonly rule: number;
  /** State of the caller to go on at; -1 in the root rule. */
  readonly returnTo: number;
  /** Bytes that the callers need at least after this rule. */
  readonly restBytes: number;
  readonly isUncaptured: boolean;
  /** Where the text of this UNIQUE call begins. */
  readonly unique: Checkpoint | undefined;
  count: number;
  readonly taken: Set<number>;
  readonly seen: Set<string>;
}

/** Where a UNIQUE call began. */
interface Checkpoint {
  readonly edge: DecodedCallEdge;
  readonly depth: number;
  readonly outLength: number;
  readonly capturedLength: number;
  attempts: number;
}

interface Option {
  readonly weight: number;
  readonly cost: number;
  readonly take: () => void;
}

const RETURN_WEIGHT = 4;
const CALL_WEIGHT = 4;
const UNIQUE_ATTEMPTS = 40;
const WALKS = 60;
const STEPS_PER_BYTE = 64;

export class Sampler {
  readonly #program: DecodedProgram;
  readonly #ways: ShortestWays;
  /** How much of the target is spoken for. Without counts, or else all that many counts are demanded of would be past it from the beginning. */
  readonly #closing: ShortestWays;

  /** @throws {DiecastError} GRAMMAR_INVALID for what is no program; GRAMMAR_UNSUPPORTED when its sentences are not texts. */
  constructor(program: Uint8Array) {
    this.#program = decodeProgram(program);
    this.#ways = new ShortestWays(this.#program);
    this.#closing = new ShortestWays(this.#program, () => 0);
    if (this.#ways.ofRule[this.#program.rootRule] === Number.POSITIVE_INFINITY) {
      throw new DiecastError("GRAMMAR_UNSUPPORTED", "every sentence of the grammar has tokens that are matched by id");
    }
  }

  /** A random text; undefined when none was found that is short enough and whose items differ as they must. */
  sample({ seed = 1, targetBytes = 200, maxBytes = 1_000_000 }: SampleOptions = {}): Uint8Array | undefined {
    const random = new SeededRandom(seed);
    for (let walk = 0; walk < WALKS; walk++) {
      // Ever shorter, since fewer items differ more easily.
      const target = Math.floor(targetBytes * (1 - walk / WALKS));
      const numDrawn = random.numDrawn;
      const text = new Walk(this.#program, this.#ways, this.#closing, random, target, maxBytes).run();
      // Without chance the next walk would be the same.
      if (text !== undefined || random.numDrawn === numDrawn) return text;
    }
    return undefined;
  }

  /** A text that is as short as the shortest ways make it, with plain letters. */
  minimal(maxBytes = 1_000_000): Uint8Array | undefined {
    return this.sample({ targetBytes: 0, maxBytes });
  }
}

class Walk {
  readonly #program: DecodedProgram;
  readonly #ways: ShortestWays;
  readonly #closing: ShortestWays;
  readonly #random: SeededRandom;
  readonly #maxBytes: number;
  #target: number;
  #state: number;
  readonly #frames: Frame[];
  readonly #out: number[] = [];
  /** The bytes outside of UNCAPTURED rules. */
  readonly #captured: number[] = [];
  #outcome: "text" | "given up" | undefined;

  constructor(
    program: DecodedProgram,
    ways: ShortestWays,
    closing: ShortestWays,
    random: SeededRandom,
    target: number,
    maxBytes: number,
  ) {
    this.#program = program;
    this.#ways = ways;
    this.#closing = closing;
    this.#random = random;
    this.#target = target;
    this.#maxBytes = maxBytes;
    this.#state = program.rules[program.rootRule]!.start; // Invariant: the reader checked it.
    this.#frames = [this.#newFrame(program.rootRule, -1, 0, false, undefined)];
  }

  run(): Uint8Array | undefined {
    let steps = STEPS_PER_BYTE * (this.#maxBytes + 1);
    while (this.#outcome === undefined) {
      if (this.#out.length > this.#maxBytes || steps-- === 0) return undefined;
      const options = this.#options();
      if (options.length === 0) return undefined;
      this.#choose(options).take();
    }
    return this.#outcome === "text" ? Uint8Array.from(this.#out) : undefined;
  }

  /** Invariant: there is a frame until the walk ends. */
  get #frame(): Frame {
    return this.#frames.at(-1)!;
  }

  #newFrame(
    rule: number,
    returnTo: number,
    restBytes: number,
    isUncaptured: boolean,
    unique: Checkpoint | undefined,
  ): Frame {
    const uncaptured = isUncaptured || (this.#program.rules[rule]?.uncaptured ?? false);
    return {
      rule,
      returnTo,
      restBytes,
      isUncaptured: uncaptured,
      unique,
      count: 0,
      taken: new Set(),
      seen: new Set(),
    };
  }

  #choose(options: readonly Option[]): Option {
    const least = this.#frame.restBytes + this.#closing.toAccept(this.#state);
    if (this.#out.length + least < this.#target) {
      const index = this.#random.pick(options.map(({ weight }) => weight));
      if (index >= 0) return options[index]!; // Invariant: an index of `options`.
    }
    return options.reduce((best, option) => {
      const isBetter = option.cost < best.cost || (option.cost === best.cost && option.weight > best.weight);
      return isBetter ? option : best;
    });
  }

  get #isHurried(): boolean {
    return this.#out.length + this.#frame.restBytes + this.#closing.toAccept(this.#state) >= this.#target;
  }

  #options(): Option[] {
    const frame = this.#frame;
    const state = this.#program.states[this.#state]!; // Invariant: targets are checked by the reader.
    const options: Option[] = [];
    if (state.accepting && this.#missing(frame, frame.count) === 0) {
      options.push({ weight: RETURN_WEIGHT, cost: -1, take: () => this.#return() });
    }
    for (const { lo, hi, target, increments } of state.byteEdges) {
      const count = frame.count + Number(increments);
      if (!this.#mayEnter(frame, target, count)) continue;
      const take = (): void => {
        this.#emit(this.#isHurried ? plainestByte(lo, hi) : byteOf(lo, hi, this.#random.next()));
        frame.count = count;
        this.#state = target;
      };
      options.push({ weight: rangeWeight(lo, hi), cost: 1 + this.#cost(frame, target, count), take });
    }
    for (const { bytes, target } of state.literalEdges) {
      if (!this.#mayEnter(frame, target, frame.count)) continue;
      const take = (): void => {
        for (const byte of bytes) this.#emit(byte);
        this.#state = target;
      };
      options.push({ weight: CALL_WEIGHT, cost: bytes.length + this.#cost(frame, target, frame.count), take });
    }
    for (const edge of state.callEdges) {
      const option = this.#callOption(frame, edge);
      if (option !== undefined) options.push(option);
    }
    return options;
  }

  #callOption(frame: Frame, edge: DecodedCallEdge): Option | undefined {
    const { rule, target, increments, slot } = edge;
    if (slot !== undefined && frame.taken.has(slot)) return undefined;
    const count = frame.count + Number(increments || slot !== undefined);
    if (!this.#mayEnter(frame, target, count, slot)) return undefined;
    const call = rule === undefined ? 0 : this.#ways.ofRule[rule]!; // Invariant: the reader checked it.
    if (call === Number.POSITIVE_INFINITY) return undefined;
    const take = (): void => {
      if (rule !== undefined) {
        const unique = edge.unique ? this.#checkpoint(edge) : undefined;
        this.#enter(frame, rule, target, unique);
      } else this.#state = target;
      frame.count = count;
      if (slot !== undefined) frame.taken.add(slot);
    };
    return { weight: CALL_WEIGHT, cost: call + this.#cost(frame, target, count, slot), take };
  }

  #enter(frame: Frame, rule: number, returnTo: number, unique: Checkpoint | undefined): void {
    const rest = frame.restBytes + this.#closing.toAccept(returnTo);
    this.#frames.push(this.#newFrame(rule, returnTo, rest, frame.isUncaptured, unique));
    this.#state = this.#program.rules[rule]!.start;
  }

  #return(): void {
    const { returnTo, unique } = this.#frame;
    this.#frames.pop();
    if (returnTo < 0) {
      this.#outcome = "text";
      return;
    }
    this.#state = returnTo;
    if (unique === undefined) return;
    const caller = this.#frame;
    const text = Buffer.from(this.#captured.slice(unique.capturedLength)).toString("latin1");
    if (!caller.seen.has(text)) caller.seen.add(text);
    else this.#again(caller, unique);
  }

  #checkpoint(edge: DecodedCallEdge): Checkpoint {
    const [outLength, capturedLength] = [this.#out.length, this.#captured.length];
    return { edge, depth: this.#frames.length, outLength, capturedLength, attempts: 0 };
  }

  /** Draws the text of a UNIQUE call again, with a little more room every time; gives the walk up when nothing new comes. */
  #again(caller: Frame, unique: Checkpoint): void {
    unique.attempts++;
    if (unique.attempts > UNIQUE_ATTEMPTS) {
      this.#outcome = "given up";
      return;
    }
    this.#out.length = unique.outLength;
    this.#captured.length = unique.capturedLength;
    this.#enter(caller, unique.edge.rule!, unique.edge.target, unique); // Invariant: UNIQUE edges call a rule.
    const least = this.#frame.restBytes + this.#closing.toAccept(this.#state);
    this.#target = Math.max(this.#target, this.#out.length + least + unique.attempts);
  }

  #emit(byte: number): void {
    this.#out.push(byte);
    if (!this.#frame.isUncaptured) this.#captured.push(byte);
  }

  /** Required slots that are not taken yet. */
  #untaken(frame: Frame, taking?: number): number {
    const required = this.#program.rules[frame.rule]?.registers?.required ?? 0;
    let untaken = required;
    for (const slot of frame.taken) if (slot < required) untaken--;
    return taking !== undefined && taking < required ? untaken - 1 : untaken;
  }

  /** Counts that acceptance still needs. */
  #missing(frame: Frame, count: number, taking?: number): number {
    const min = this.#program.rules[frame.rule]?.counter?.min ?? 0;
    return Math.max(0, min - count, this.#untaken(frame, taking));
  }

  #cost(frame: Frame, target: number, count: number, taking?: number): number {
    return this.#ways.toAcceptMissing(target, this.#missing(frame, count, taking));
  }

  /** The rule of distances, with registers. States that only tokens matched by id lead out of are not entered either. */
  #mayEnter(frame: Frame, target: number, count: number, taking?: number): boolean {
    if (this.#ways.toAccept(target) === Number.POSITIVE_INFINITY) return false;
    const rule = this.#program.rules[frame.rule]!; // Invariant: frames are of the program's rules.
    const distance = this.#program.states[target]?.distance;
    if (rule.counter === undefined || distance === undefined) return true;
    const required = this.#untaken(frame, taking);
    const free =
      rule.registers === undefined || rule.registers.open
        ? Number.POSITIVE_INFINITY
        : rule.registers.slots - frame.taken.size - Number(taking !== undefined);
    return (
      count + Math.max(distance.min, required) <= rule.counter.max &&
      distance.min <= free &&
      count + Math.min(distance.max, free) >= rule.counter.min &&
      (required === 0 || distance.max > 0)
    );
  }
}
