/** One printed seed for everything random in a test file: `DIECAST_SEED=… npx vitest run FILE` repeats a run. */

export const SEED = Number(process.env.DIECAST_SEED ?? 20_261_125);

/** Options for `fc.assert`; fast-check prints the seed with a counterexample. */
export const seeded = (numRuns: number): { seed: number; numRuns: number } => ({ seed: SEED, numRuns });

/** A small deterministic generator (mulberry32) of numbers in [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
