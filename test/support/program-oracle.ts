/**
 * The brute-force reading of a grammar program: a set of stacks, stepped byte by byte, exactly as src/fsm/program-layout.ts tells it.
 *
 * Nothing is cached or shared, so that it can be read in a minute and be believed. Every fast path is compared with it.
 */

import { type DecodedProgram, decodeProgram } from "../../src/fsm/program-reader.ts";

/** A place in the program: `pending` is what is left of a literal on the way to `state`. */
interface Place {
  readonly state: number;
  readonly count: number;
  readonly pending: Uint8Array;
  /** Where the caller goes on; undefined in the root rule. */
  readonly caller: Place | undefined;
}

export interface OracleConfiguration {
  readonly places: readonly Place[];
  /** Whether the text so far is a whole sentence. */
  readonly complete: boolean;
}

const NOTHING = new Uint8Array();
const MAX_PLACES = 200_000;

export class ProgramOracle {
  readonly program: DecodedProgram;

  private readonly maxPlaces: number;

  /** `maxPlaces`: where runaway ambiguity ends in an error. */
  constructor(program: Uint8Array, maxPlaces = MAX_PLACES) {
    this.maxPlaces = maxPlaces;
    this.program = decodeProgram(program);
  }

  start(): OracleConfiguration {
    const root = this.program.rules[this.program.rootRule]!;
    return this.close([{ state: root.start, count: 0, pending: NOTHING, caller: undefined }]);
  }

  /** The configuration after one more byte; it has no places and is not complete when the byte is refused. */
  step(configuration: OracleConfiguration, byte: number): OracleConfiguration {
    const next: Place[] = [];
    for (const place of configuration.places) {
      if (place.pending.length > 0) {
        if (place.pending[0] === byte) next.push({ ...place, pending: place.pending.subarray(1) });
        continue;
      }
      const state = this.program.states[place.state]!;
      for (const e of state.byteEdges) {
        if (e.lo > byte || e.hi < byte) continue;
        next.push({ ...place, state: e.target, count: place.count + Number(e.increments) });
      }
      for (const e of state.literalEdges) {
        if (e.bytes[0] === byte) next.push({ ...place, state: e.target, pending: e.bytes.subarray(1) });
      }
    }
    return this.close(next);
  }

  /** The configuration after one token that is matched by its id. */
  stepToken(configuration: OracleConfiguration, token: number): OracleConfiguration {
    const next: Place[] = [];
    for (const place of configuration.places) {
      if (place.pending.length > 0) continue;
      for (const e of this.program.states[place.state]!.tokenEdges) {
        if (e.lo <= token && token <= e.hi) next.push({ ...place, state: e.target });
      }
    }
    return this.close(next);
  }

  /** Whether a sequence of texts and token ids is a sentence. */
  acceptsMixed(parts: readonly (string | number)[]): boolean {
    let at = this.start();
    for (const part of parts) {
      if (typeof part === "number") at = this.stepToken(at, part);
      else for (const byte of new TextEncoder().encode(part)) at = this.step(at, byte);
    }
    return at.complete;
  }

  isDead(configuration: OracleConfiguration): boolean {
    return configuration.places.length === 0;
  }

  /** How many bytes of `bytes` are accepted from `configuration`, and where that leads. */
  advance(configuration: OracleConfiguration, bytes: Uint8Array): { accepted: number; end: OracleConfiguration } {
    let end = configuration;
    for (let i = 0; i < bytes.length; i++) {
      const next = this.step(end, bytes[i]!);
      if (this.isDead(next)) return { accepted: i, end };
      end = next;
    }
    return { accepted: bytes.length, end };
  }

  /** Whether the whole text is a sentence. Strings are taken as UTF-8. */
  accepts(text: string | Uint8Array): boolean {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const { accepted, end } = this.advance(this.start(), bytes);
    return accepted === bytes.length && end.complete;
  }

  /** Follows calls, returns and epsilon edges until nothing new appears. Places that may not be entered are dropped. */
  private close(places: readonly Place[]): OracleConfiguration {
    const found = new Map<string, Place>();
    let complete = false;
    const work = [...places];
    for (let place = work.pop(); place !== undefined; place = work.pop()) {
      if (!this.mayEnter(place)) continue;
      const key = keyOf(place);
      if (found.has(key)) continue;
      found.set(key, place);
      if (found.size > this.maxPlaces) throw new Error("the oracle's set of stacks grows without end");
      if (place.pending.length > 0) continue;
      const state = this.program.states[place.state]!;
      if (state.accepting && place.count >= (this.program.rules[state.rule]!.counter?.min ?? 0)) {
        if (place.caller === undefined) complete = true;
        else work.push(place.caller);
      }
      for (const e of state.callEdges) {
        const after: Place = { ...place, state: e.target, count: place.count + Number(e.increments) };
        if (e.rule === undefined) work.push(after);
        else if (this.mayEnter(after)) {
          work.push({ state: this.program.rules[e.rule]!.start, count: 0, pending: NOTHING, caller: after });
        }
      }
    }
    return { places: [...found.values()], complete };
  }

  /** The rule of distances: can acceptance be reached with a count inside of the limits? */
  private mayEnter(place: Place): boolean {
    const { rule, distance } = this.program.states[place.state]!;
    const counter = this.program.rules[rule]!.counter;
    if (counter === undefined || distance === undefined) return true;
    return place.count + distance.min <= counter.max && place.count + distance.max >= counter.min;
  }
}

function keyOf(place: Place): string {
  const parts: string[] = [];
  for (let p: Place | undefined = place; p !== undefined; p = p.caller) {
    parts.push(`${p.state},${p.count},${p.pending.byteOffset}:${p.pending.length}`);
  }
  return parts.join("/");
}
