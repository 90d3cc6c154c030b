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
  /** With registers: the slots that are taken, and the texts of finished UNIQUE calls. */
  readonly slots: ReadonlySet<number>;
  readonly texts: ReadonlySet<string>;
  /** What the outermost of the running UNIQUE calls has consumed, one character a byte; undefined outside of all. */
  readonly captured: string | undefined;
  /** In a caller that waits for a UNIQUE call: how much had been captured before it, and whether it is the outermost. */
  readonly unique: { readonly from: number; readonly isOutermost: boolean } | undefined;
}

export interface OracleConfiguration {
  readonly places: readonly Place[];
  /** Whether the text so far is a whole sentence. */
  readonly complete: boolean;
}

const NOTHING = new Uint8Array();
const MAX_PLACES = 200_000;
/** Configurations looked at to find a text that was not seen yet. */
const MAX_ESCAPE_SEARCH = 4096;
const NO_SLOTS: ReadonlySet<number> = new Set();
const NO_TEXTS: ReadonlySet<string> = new Set();

/** Where a call enters a rule. */
function entry(state: number, caller: Place | undefined, captured: string | undefined): Place {
  return {
    state,
    count: 0,
    pending: NOTHING,
    caller,
    slots: NO_SLOTS,
    texts: NO_TEXTS,
    captured,
    unique: undefined,
  };
}

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
    return this.close([entry(root.start, undefined, undefined)]);
  }

  /** The configuration after one more byte; it has no places and is not complete when the byte is refused. */
  step(configuration: OracleConfiguration, byte: number): OracleConfiguration {
    const next = this.rawStep(configuration, byte);
    const places = next.places.filter((place) => !this.isAtRisk(place) || this.canAvoidSeen(place));
    return { places, complete: next.complete };
  }

  /** A step that leaves in what can only complete a text already seen. */
  private rawStep(configuration: OracleConfiguration, byte: number): OracleConfiguration {
    const next: Place[] = [];
    for (const before of configuration.places) {
      const { rule } = this.program.states[before.state]!;
      const isCaptured = before.captured !== undefined && !this.program.rules[rule]!.uncaptured;
      const place = isCaptured ? { ...before, captured: before.captured + String.fromCharCode(byte) } : before;
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
    return configuration.places.length === 0 && !configuration.complete;
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
        else work.push(...this.returned(place, place.caller));
      }
      for (const e of state.callEdges) {
        if (e.slot !== undefined && place.slots.has(e.slot)) continue;
        const isCounted = e.increments || e.slot !== undefined;
        const after: Place = {
          ...place,
          state: e.target,
          count: this.counted(place, isCounted),
          slots: e.slot === undefined ? place.slots : new Set([...place.slots, e.slot]),
        };
        if (e.rule === undefined) work.push(after);
        else if (this.mayEnter(after)) {
          const callee = this.program.rules[e.rule]!.start;
          const isOutermost = place.captured === undefined;
          const captured = e.unique && isOutermost ? "" : place.captured;
          const unique = e.unique ? { from: captured!.length, isOutermost } : undefined;
          work.push(entry(callee, { ...after, unique }, captured));
        }
      }
    }
    return { places: [...found.values()].filter((place) => this.canMove(place)), complete };
  }

  private canMove({ state, pending }: Place): boolean {
    const { byteEdges, literalEdges, tokenEdges } = this.program.states[state]!;
    return pending.length + byteEdges.length + literalEdges.length + tokenEdges.length > 0;
  }

  /** The count after an edge. Where there is no upper limit, records stop counting at the lower one: further on it makes no difference. */
  private counted(place: Place, isCounted: boolean): number {
    const rule = this.program.rules[this.program.states[place.state]!.rule]!;
    const isEnough =
      rule.registers && rule.counter!.max === Number.POSITIVE_INFINITY && place.count >= rule.counter!.min;
    return place.count + Number(isCounted && !isEnough);
  }

  /** The caller after its call ended at `place`; none if a UNIQUE call repeats a text. */
  private returned(place: Place, caller: Place): Place[] {
    const { unique } = caller;
    if (unique === undefined) return [{ ...caller, captured: place.captured }];
    const text = place.captured!.slice(unique.from); // Invariant: captured inside of UNIQUE calls.
    if (caller.texts.has(text)) return [];
    const captured = unique.isOutermost ? undefined : place.captured;
    return [{ ...caller, texts: new Set([...caller.texts, text]), captured, unique: undefined }];
  }

  /** Whether what is captured begins a text that one of the enclosing UNIQUE calls must not have. */
  private isAtRisk(place: Place): boolean {
    if (place.captured === undefined) return false;
    for (let p = place.caller; p !== undefined; p = p.caller) {
      if (p.unique === undefined) continue;
      const text = place.captured.slice(p.unique.from);
      for (const seen of p.texts) if (seen.startsWith(text)) return true;
    }
    return false;
  }

  /** Breadth first, until some place is at no risk: any completion will do from there. */
  private canAvoidSeen(place: Place): boolean {
    const keys = new Set<string>();
    const queue: OracleConfiguration[] = [{ places: [place], complete: false }];
    for (let head = 0; head < queue.length && keys.size < MAX_ESCAPE_SEARCH; head++) {
      for (let byte = 0; byte < 256; byte++) {
        const next = this.rawStep(queue[head]!, byte);
        if (next.complete || next.places.some((p) => !this.isAtRisk(p))) return true;
        const key = next.places.map(keyOf).sort().join("\n");
        if (next.places.length === 0 || keys.has(key)) continue;
        keys.add(key);
        queue.push(next);
      }
    }
    return false;
  }

  /** The rules of distances and of slots: can acceptance be reached with a count inside of the limits? */
  private mayEnter(place: Place): boolean {
    const { rule, distance } = this.program.states[place.state]!;
    const { counter, registers } = this.program.rules[rule]!;
    if (counter === undefined || distance === undefined) return true;
    if (registers !== undefined) {
      const taken = [...place.slots];
      const missing = registers.required - taken.filter((slot) => slot < registers.required).length;
      const untaken = registers.open ? Number.POSITIVE_INFINITY : registers.slots - taken.length;
      return (
        place.count + Math.max(distance.min, missing) <= counter.max &&
        distance.min <= untaken &&
        place.count + Math.min(distance.max, untaken) >= counter.min &&
        (missing === 0 || distance.max > 0)
      );
    }
    return place.count + distance.min <= counter.max && place.count + distance.max >= counter.min;
  }
}

function keyOf(place: Place): string {
  const parts: string[] = [];
  for (let p: Place | undefined = place; p !== undefined; p = p.caller) {
    parts.push(`${p.state},${p.count},${p.pending.byteOffset}:${p.pending.length}`);
    if (p.slots.size > 0) parts.push([...p.slots].sort((a, b) => a - b).join());
    if (p.texts.size > 0 || p.unique !== undefined) parts.push(JSON.stringify([[...p.texts].sort(), p.unique]));
    if (p === place && p.captured !== undefined) parts.push(JSON.stringify(p.captured));
  }
  return parts.join("/");
}
