/** Draws the demo's lines on a terminal; without colour (NO_COLOR, no terminal) the text alone. */
import pc from "picocolors";
import type { Span, Tone } from "./span.ts";

const PAINT: Record<Tone, (text: string) => string> = {
  forced: pc.cyan,
  sampled: pc.yellow,
  heading: pc.bold,
  plain: String,
  dim: pc.dim,
  good: pc.green,
  bad: pc.red,
};

export function paint({ text, tone }: Span): string {
  return PAINT[tone](text);
}

export function write(...spans: readonly Span[]): void {
  process.stdout.write(spans.map(paint).join(""));
}
