/** The demo's output as data: lines of text pieces with a tone. The terminal and the picture both draw from it. */

export type Tone =
  /** Text that the schema left no choice about. */
  | "forced"
  /** Text that the model chose. */
  | "sampled"
  | "heading"
  | "plain"
  | "dim"
  | "good"
  | "bad";

export interface Span {
  readonly text: string;
  readonly tone: Tone;
}

export type Line = readonly Span[];

export const span = (text: string, tone: Tone = "plain"): Span => ({ text, tone });

/** A line is broken after a space if there is one in this last part of it. */
const SEARCH_FOR_SPACE = 0.4;

/** One character and its tone. */
interface Cell {
  readonly character: string;
  readonly tone: Tone;
}

/** Where to break a row of more than `width` cells. */
function breakAt(cells: readonly Cell[], width: number): number {
  for (let at = width; at > width * (1 - SEARCH_FOR_SPACE); at--) if (cells[at - 1]?.character === " ") return at;
  return width;
}

/** Joins neighbours of one tone, so that a line has few pieces. */
function joinCells(cells: readonly Cell[]): Span[] {
  const spans: Span[] = [];
  for (const { character, tone } of cells) {
    const last = spans.at(-1);
    if (last?.tone === tone) spans[spans.length - 1] = span(last.text + character, tone);
    else spans.push(span(character, tone));
  }
  return spans;
}

/** Splits pieces of text that may contain line breaks into lines of at most `width` characters, at spaces where possible. */
export function toLines(spans: readonly Span[], width: number): Line[] {
  const rows: Cell[][] = [[]];
  for (const { text, tone } of spans) {
    for (const character of text) {
      if (character === "\n") rows.push([]);
      else rows.at(-1)?.push({ character, tone });
    }
  }
  const lines: Line[] = [];
  for (const row of rows) {
    let rest = row;
    while (rest.length > width) {
      const at = breakAt(rest, width);
      lines.push(joinCells(rest.slice(0, at)));
      rest = rest.slice(at);
    }
    lines.push(joinCells(rest));
  }
  return lines;
}
