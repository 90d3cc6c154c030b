/**
 * How much work automata take, told to the compilation that wants them.
 *
 * Building is synchronous, so one compilation runs at a time, and its meter is found here rather than handed through every function that may come to build
 * an automaton. Loops that can be long tell their steps while they run; the meter throws when it has been enough.
 */

export interface WorkMeter {
  /** @param steps Elementary ones: a transition looked at, a state numbered. */
  work(steps: number): void;
  /** Looks at how many states one rule has come to. */
  checkStates(numStates: number): void;
}

let meter: WorkMeter | undefined;

/** Runs `build` with its work told to `by`. */
export function metered<Value>(by: WorkMeter, build: () => Value): Value {
  const outer = meter;
  meter = by;
  try {
    return build();
  } finally {
    meter = outer;
  }
}

export function work(steps: number): void {
  meter?.work(steps);
}

export function checkStates(numStates: number): void {
  meter?.checkStates(numStates);
}
