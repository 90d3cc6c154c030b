/** Percentiles and the one line per engine that `--json` prints. */

export interface MaskFigures {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface EngineFigures {
  readonly engine: string;
  readonly rows: number;
  readonly passing: number;
  readonly compileErrors: number;
  readonly falseAccepts: number;
  readonly falseRejects: number;
  readonly maskUs: MaskFigures;
  /** First visits of a configuration; null for engines that do not tell. */
  readonly coldMaskUs: MaskFigures | null;
  readonly compileMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly memoryBytes: { readonly p50: number; readonly p99: number; readonly max: number } | null;
  readonly tokens: number;
  readonly forcedShare?: number;
  /** Forced runs that are not the text's own tokens. */
  readonly uncanonicalRuns?: number;
}

/** MaskBench's percentile: sorted[int(n * p)]. Sorts in place. */
export function percentile(sorted: Float64Array | number[], p: number): number {
  return sorted.length === 0 ? 0 : (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] as number);
}

export function maskFigures(samples: number[]): MaskFigures {
  const sorted = Float64Array.from(samples).sort();
  const at = (p: number) => round(percentile(sorted, p));
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) };
}

export function sizeFigures(samples: number[]): { p50: number; p99: number; max: number } {
  const sorted = Float64Array.from(samples).sort();
  const at = (p: number) => round(percentile(sorted, p));
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function round(x: number): number {
  return x >= 100 ? Math.round(x) : Number(x.toPrecision(3));
}
