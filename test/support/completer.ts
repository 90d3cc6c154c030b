/**
 * Finds a text that completes a prefix, to show that the prefix is no dead end.
 *
 * For every state the fewest bytes to acceptance are computed without regard to counters; the search then always takes the byte
 * after which the least is left, what the counters still need included. Counters are enforced by the oracle's steps themselves, so
 * a text that is found is a proof; none found within the limit is a failure to look into.
 */
import type { OracleConfiguration, ProgramOracle } from "./program-oracle.ts";

type Place = OracleConfiguration["places"][number];

/** Bytes of a range that are tried where texts must differ from those seen. */
const TRIES_PER_RANGE = 10;

/** What a missing count is taken to cost; more than going round once without counting, so that counting is preferred. */
const COUNT_COST = 1000;

export class Completer {
  private readonly oracle: ProgramOracle;
  private readonly toAccept: Float64Array; // per state
  /** Per state, the fewest bytes to the next counted edge of its rule. */
  private readonly toCount: Float64Array;

  constructor(oracle: ProgramOracle) {
    this.oracle = oracle;
    const { states, rules } = oracle.program;
    this.toAccept = new Float64Array(states.length).fill(Number.POSITIVE_INFINITY);
    this.toCount = new Float64Array(states.length).fill(Number.POSITIVE_INFINITY);
    for (let changed = true; changed; ) {
      changed = false;
      for (let s = states.length - 1; s >= 0; s--) {
        const state = states[s]!;
        let best = state.accepting ? 0 : Number.POSITIVE_INFINITY;
        for (const e of state.byteEdges) best = Math.min(best, 1 + this.toAccept[e.target]!);
        for (const e of state.literalEdges) best = Math.min(best, e.bytes.length + this.toAccept[e.target]!);
        for (const e of state.callEdges) {
          const call = e.rule === undefined ? 0 : this.toAccept[rules[e.rule]!.start]!;
          best = Math.min(best, call + this.toAccept[e.target]!);
        }
        if (best < this.toAccept[s]!) {
          this.toAccept[s] = best;
          changed = true;
        }
      }
    }
    for (let changed = true; changed; ) {
      changed = false;
      for (let s = states.length - 1; s >= 0; s--) {
        const state = states[s]!;
        let best = Number.POSITIVE_INFINITY;
        for (const e of state.byteEdges) best = Math.min(best, 1 + (e.increments ? 0 : this.toCount[e.target]!));
        for (const e of state.literalEdges) best = Math.min(best, e.bytes.length + this.toCount[e.target]!);
        for (const e of state.callEdges) {
          const call = e.rule === undefined ? 0 : this.toAccept[rules[e.rule]!.start]!;
          const isCounted = e.increments || e.slot !== undefined;
          best = Math.min(best, isCounted ? 0 : call + this.toCount[e.target]!);
        }
        if (best < this.toCount[s]!) {
          this.toCount[s] = best;
          changed = true;
        }
      }
    }
  }

  /** Bytes that complete `configuration`, or undefined when none are found within `limit`. */
  complete(configuration: OracleConfiguration, limit = 20_000): Uint8Array | undefined {
    const bytes: number[] = [];
    let at = configuration;
    while (!at.complete && bytes.length < limit) {
      let best: { byte: number; next: OracleConfiguration; cost: number } | undefined;
      for (const byte of this.candidates(at)) {
        const next = this.oracle.step(at, byte);
        if (this.oracle.isDead(next)) continue;
        const cost = next.complete ? 0 : Math.min(...next.places.map((p) => this.cost(p)));
        if (best === undefined || cost < best.cost) best = { byte, next, cost };
      }
      if (best === undefined) return undefined;
      bytes.push(best.byte);
      at = best.next;
    }
    return at.complete ? Uint8Array.from(bytes) : undefined;
  }

  private cost(place: Place): number {
    let cost = 0;
    for (let p: Place | undefined = place; p !== undefined; p = p.caller) {
      const state = this.oracle.program.states[p.state]!;
      const { counter, registers } = this.oracle.program.rules[state.rule]!;
      const missing = (registers?.required ?? 0) - [...p.slots].filter((slot) => slot < registers!.required).length;
      const wanted = Math.max(0, (counter?.min ?? 0) - p.count, missing);
      const ahead = wanted > 0 ? Math.min(this.toCount[p.state]!, COUNT_COST - 1) : this.toAccept[p.state]!;
      cost += p.pending.length + ahead + COUNT_COST * wanted;
    }
    return cost;
  }

  /** One byte of every range that some place can consume. */
  private candidates(configuration: OracleConfiguration): Set<number> {
    const bytes = new Set<number>();
    for (const place of configuration.places) {
      if (place.pending.length > 0) {
        bytes.add(place.pending[0]!);
        continue;
      }
      const state = this.oracle.program.states[place.state]!;
      for (const e of state.byteEdges) {
        const last = place.captured === undefined ? e.lo : Math.min(e.hi, e.lo + TRIES_PER_RANGE - 1);
        for (let byte = e.lo; byte <= last; byte++) bytes.add(byte);
      }
      for (const e of state.literalEdges) bytes.add(e.bytes[0]!);
    }
    return bytes;
  }
}
